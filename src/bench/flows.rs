//! Invoices from registration to payment: trios of a buyer, a supplier and a financier, and four transactions for each
//! invoice, each sent by the one whose turn it is.
//!
//! The steps of an invoice depend on each other, and a load does not wait. So invoices come in waves: all of a wave are
//! registered, then all confirmed, and so on, and a wave is so large that a step is long final when the next is sent. Where
//! a network falls that far behind, a step is declined, and the report counts it.

use super::BenchError;
use super::accounts::{Accounts, prepare};
use super::draws::{Draws, Pairs};
use super::lane::Prepared;
use super::{Pace, Skew};
use crate::client::operations::{self, Citation, NewFinancingRequest, NewInvoice, NewProgramme};
use crate::client::{Client, ClientError, TransactionBuilder};
use crate::domain::trade::{document_commitment, key_commitment};
use crate::primitives::crypto::sha256;
use crate::primitives::ids::ObjectKind;
use crate::primitives::time::DAY_MS;
use crate::primitives::{Amount, BlockTime, ObjectId};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};

/// The steps of an invoice.
const STEPS: u64 = 4;
/// Most trios: each takes a citation of its own in memory.
const TRIOS_MAX: u64 = 10_000;
/// How many invoices are registered before the first of them is confirmed: at least this many, ...
const WAVE_MIN: u64 = 64;
/// ... this many times what a closed loop has under way, ...
const WAVE_PER_SLOT: u64 = 4;
/// ... and what an open loop sends in so many seconds.
const WAVE_SECONDS: f64 = 5.0;
/// Citations that are asked for at once.
const QUESTIONS: usize = 64;
/// The least and the largest invoice, in minor units.
const AMOUNT: std::ops::Range<u64> = 1_000..10_000;

/// The invoices of a run.
#[derive(Debug)]
pub struct Flows<'a> {
    accounts: &'a Accounts,
    /// Which trio's turn it is.
    pairs: Pairs,
    trios: u64,
    wave: u64,
    currency: String,
    due_at_ms: u64,
    /// A settlement receipt of each trio's supplier.
    citations: Vec<Citation>,
}

impl<'a> Flows<'a> {
    /// Invoices among these accounts, in the currency of their token.
    pub fn new(accounts: &'a Accounts, skew: Skew, pace: Pace, currency: String) -> Self {
        let trios = (accounts.count / 3).min(TRIOS_MAX);
        let wave = match pace {
            Pace::Closed { concurrency } => WAVE_PER_SLOT * concurrency as u64,
            Pace::Open { rate } => (rate * WAVE_SECONDS) as u64,
        };
        Self {
            accounts,
            pairs: Pairs::new(trios, skew),
            trios,
            wave: wave.max(WAVE_MIN),
            currency,
            due_at_ms: accounts.expires_at_ms + 60 * DAY_MS,
            citations: Vec::new(),
        }
    }

    /// How many trios there are.
    pub fn trios(&self) -> u64 {
        self.trios
    }

    /// A trio's first dealing: buyer and supplier commit the key of their invoices, and the buyer pays, which gives the
    /// supplier a settlement to cite.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn agreement(&self, trio: u64) -> Result<Prepared, ClientError> {
        let [buyer, supplier, _] = members(trio);
        let accounts = self.accounts;
        let (buyer_id, supplier_id) = (accounts.id(buyer), accounts.id(supplier));
        let mut draft = accounts.draft(buyer_id, b"agree", trio);
        let commitment = key_commitment(&accounts.key(buyer).seed());
        draft.add(operations::commit_fingerprint_key(supplier_id, buyer_id, commitment));
        let amount = Amount::new(AMOUNT.start);
        draft.add(operations::transfer(buyer_id, supplier_id, accounts.token, amount, Default::default()));
        draft.co_signed_by(supplier_id);
        prepare(draft, &[&accounts.key(buyer), &accounts.key(supplier)], 1)
    }

    /// A trio's second dealing: the financier publishes the programme that its invoices are financed by.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn programme(&self, trio: u64) -> Result<Prepared, ClientError> {
        let [_, _, financier] = members(trio);
        let mut draft = self.programme_draft(trio);
        draft.add(operations::publish_programme(NewProgramme {
            name: "LOAD".to_owned(),
            token: self.accounts.token,
            buyers: Vec::new(),
            suppliers: Vec::new(),
            advance_rate_bps: 9_000,
            tenor_days_max: 365,
            rate_bps: 800,
            late_rate_bps: 800,
            fee_bps: 100,
            limit: Amount::MAX,
            settlements_min: 1,
            settlements_late_days_max: 0,
            order_agreed: false,
            shipment_step: None,
            shipment_age_days_max: None,
            near_duplicates_max: None,
            networks: Vec::new(),
            purposes: Vec::new(),
            recourse: false,
            participation_bps_max: 0,
            utc_offset_minutes: 0,
            holidays: Vec::new(),
        }));
        prepare(draft, &[&self.accounts.key(financier)], 0)
    }

    fn programme_draft(&self, trio: u64) -> TransactionBuilder {
        let [_, _, financier] = members(trio);
        self.accounts.draft(self.accounts.id(financier), b"publish", trio)
    }

    /// Fetches what suppliers cite, once every trio has agreed.
    ///
    /// # Errors
    /// A node does not answer.
    pub async fn fetch_citations(&mut self, client: &Client) -> Result<(), BenchError> {
        // Ids first: making one signs, which is no work for the calls' tasks.
        let ids =
            (0..self.trios).map(|trio| self.agreement(trio).map(|made| made.id)).collect::<Result<Vec<_>, _>>()?;
        let citations = stream::iter(ids).map(|id| client.citation(id)).buffered(QUESTIONS);
        self.citations = citations.try_collect().await?;
        Ok(())
    }

    /// The transaction of a place.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn step(&self, place: u64) -> Result<Prepared, ClientError> {
        let (invoice, step) = turn(place, self.wave);
        let accounts = self.accounts;
        let draws = &mut Draws::of(accounts.seed, invoice);
        let drawn = self.pairs.payer(draws);
        let trio = self.pairs.payee(drawn, draws);
        let amount = Amount::new(AMOUNT.start + draws.below(AMOUNT.end - AMOUNT.start));
        let [buyer, supplier, _] = members(trio);
        // Who acts, and what the ledger calls what was made before, follows from the place alone.
        let draft = |actor: u64, step: u64| accounts.draft(accounts.id(actor), STEP_NAMES[step as usize], invoice);
        let receivable = created_by(draft(supplier, 0), ObjectKind::Receivable);
        match step {
            0 => {
                let mut draft = draft(supplier, 0);
                draft.add(operations::register_invoice(self.invoice(invoice, buyer, amount)));
                prepare(draft, &[&accounts.key(supplier)], 0)
            }
            1 => {
                let mut draft = draft(buyer, 1);
                draft.add(operations::confirm_invoice(receivable));
                prepare(draft, &[&accounts.key(buyer)], 0)
            }
            2 => {
                let mut draft = draft(supplier, 2);
                draft.add(operations::request_financing(self.request(trio, receivable, amount)));
                prepare(draft, &[&accounts.key(supplier)], 1)
            }
            _ => {
                let mut draft = draft(buyer, 3);
                draft.add(operations::pay_invoice(receivable, amount, ""));
                prepare(draft, &[&accounts.key(buyer)], 2)
            }
        }
    }

    fn invoice(&self, invoice: u64, buyer: u64, amount: Amount) -> NewInvoice {
        let number = [self.accounts.seed.to_be_bytes(), invoice.to_be_bytes()].concat();
        NewInvoice {
            buyer: self.accounts.id(buyer),
            token: self.accounts.token,
            currency: self.currency.clone(),
            amount,
            due_at_ms: self.due_at_ms,
            // The nodes see a hash in either case, and cannot tell a number's from a document's.
            fingerprint: sha256(&number),
            document_commitment: document_commitment(&[0; 32], &number),
            // Transactions expire within a day, so this is today or tomorrow.
            issued_on: BlockTime(self.accounts.expires_at_ms).day().to_string(),
            order: None,
        }
    }

    fn request(&self, trio: u64, receivable: ObjectId, amount: Amount) -> NewFinancingRequest {
        NewFinancingRequest {
            receivable,
            programme: created_by(self.programme_draft(trio), ObjectKind::Programme),
            // With a fee of 1 % and the interest of two months within what is owed.
            advance: Amount::new(amount.minor_units() * 90 / 100),
            purpose: String::new(),
            foreign_receipts: Vec::new(),
            citations: self.citations.get(trio as usize).cloned().into_iter().collect(),
        }
    }
}

/// What the steps' request ids are told apart by.
const STEP_NAMES: [&[u8]; STEPS as usize] = [b"register", b"confirm", b"request", b"settle"];

/// Buyer, supplier and financier of a trio, as places of accounts. The third has the role of a financier.
fn members(trio: u64) -> [u64; 3] {
    [trio * 3, trio * 3 + 1, trio * 3 + 2]
}

/// The id of what the first operation of a draft creates. It follows from the place and the kind.
fn created_by(mut draft: TransactionBuilder, kind: ObjectKind) -> ObjectId {
    draft.add(operations::confirm_invoice(ObjectId([0; 32]))).origin.object_id(kind)
}

/// Which invoice, and which of its steps, a place is.
fn turn(place: u64, wave: u64) -> (u64, u64) {
    let (number, within) = (place / (STEPS * wave), place % (STEPS * wave));
    (number * wave + within % wave, within / wave)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn every_step_comes_a_wave_after_the_one_before_it() {
        let wave = 7;
        let mut last_step: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for place in 0..STEPS * wave * 3 {
            let (invoice, step) = turn(place, wave);
            match last_step.insert(invoice, (step, place)) {
                None => assert_eq!(step, 0, "invoice {invoice} begins with step {step}"),
                Some((before, at)) => assert_eq!((step, place), (before + 1, at + wave), "invoice {invoice}"),
            }
        }
        assert_eq!(last_step.len() as u64, wave * 3);
        assert!(last_step.values().all(|(step, _)| *step == STEPS - 1));
    }
}
