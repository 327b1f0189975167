//! What clients do: every room's operations, sent to several nodes at once, twice, and against each other.
//!
//! Ids follow from sender and request id, so everything of a deed is signed before anything of it is sent: what comes too
//! early or too late is declined, and must be declined everywhere alike.

use super::super::cast::{Cast, account, key, token};
use causeway::client::TransactionBuilder;
use causeway::client::operations::{self, NewFinancingRequest, NewInvoice, NewProgramme, Operation};
use causeway::domain::trade::{OrderTerms, PlaceOrder, SilenceMeans, document_commitment, key_commitment};
use causeway::ledger::SignedTransaction;
use causeway::primitives::crypto::sha256;
use causeway::primitives::ids::{ObjectKind, Origin};
use causeway::primitives::time::DAY_MS;
use causeway::primitives::{AccountId, Amount, Hash, ObjectId, RequestId};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// What is there at the beginning, in minor units.
pub const ISSUED: u64 = 1_000_000_000;
/// What each lender has of it.
const LENT_MAX: u64 = 100_000_000;
/// The lenders.
const LENDERS: [&str; 2] = ["financier", "rival"];
/// Request ids of what is tried again begin here.
const AGAIN: u64 = 1_000;
/// How long a transaction may wait: longer than a run.
const EXPIRES_IN_MS: u64 = 4 * 60 * 60 * 1_000;

/// Transactions that clients have signed, with the way to sign more.
pub struct Desk<'a> {
    cast: &'a Cast,
    now_ms: u64,
    /// Sets the request ids of one deed apart from those of all others.
    deed: u64,
    signed: Vec<SignedTransaction>,
}

impl<'a> Desk<'a> {
    fn new(cast: &'a Cast, now_ms: u64, deed: u64) -> Self {
        Self { cast, now_ms, deed, signed: Vec::new() }
    }

    fn request(&self, number: u64) -> RequestId {
        RequestId((u128::from(self.deed) << 64 | u128::from(number)).to_be_bytes())
    }

    /// Signs one operation of a sender, under a request id of its own. Gives the id of what it makes.
    fn act(&mut self, sender: &str, operation: Operation) -> ObjectId {
        self.act_under(self.signed.len() as u64, &[sender], operation)
    }

    fn act_under(&mut self, number: u64, signers: &[&str], operation: Operation) -> ObjectId {
        let (sender, request_id) = (account(signers[0]), self.request(number));
        let mut builder = TransactionBuilder::with_request_id(self.cast.chain_id(), sender, request_id)
            .expires_at_ms(self.now_ms + EXPIRES_IN_MS);
        let made = builder.add(operation).object_id();
        signers[1..].iter().for_each(|signer| builder.co_signed_by(account(signer)));
        let keys: Vec<_> = signers.iter().map(|signer| key(signer)).collect();
        self.signed.push(builder.finish().sign(keys.iter().collect::<Vec<_>>()).unwrap());
        made
    }

    fn hash(&self, what: &str) -> Hash {
        sha256(format!("{what} of {}", self.deed).as_bytes())
    }
}

/// What has to be there before the storm: money, and lenders who offer it. Each stands on the one before.
pub fn opening(cast: &Cast, now_ms: u64) -> Vec<SignedTransaction> {
    let mut desk = Desk::new(cast, now_ms, 0);
    let commitment = key_commitment(&[9; 32]);
    let keys = operations::commit_fingerprint_key(account("supplier"), account("buyer"), commitment);
    desk.act_under(u64::MAX, &["supplier", "buyer"], keys);
    for lender in LENDERS {
        desk.act("buyer", pay("buyer", lender, LENT_MAX));
    }
    for (place, lender) in LENDERS.into_iter().enumerate() {
        // Programmes are known by their senders and this number.
        desk.act_under(place as u64, &[lender], operations::publish_programme(terms()));
    }
    [cast.issuance(now_ms, ISSUED).to_vec(), desk.signed].concat()
}

fn programme(place: usize) -> ObjectId {
    let request_id = RequestId((place as u128).to_be_bytes());
    Origin { sender: account(LENDERS[place]), request_id, operation_index: 0 }.object_id(ObjectKind::Programme)
}

/// What a number stands for.
pub fn deed(cast: &Cast, now_ms: u64, number: u64) -> Vec<SignedTransaction> {
    let rng = &mut StdRng::seed_from_u64(number);
    // Zero is the opening's.
    let mut desk = Desk::new(cast, now_ms, number | 1);
    match rng.random_range(0..10) {
        0..3 => payments(&mut desk, rng),
        3 => one_request_two_bodies(&mut desk, rng),
        4 | 5 => invoice(&mut desk, rng),
        6 => one_invoice_twice(&mut desk, rng),
        7 => redemption(&mut desk, rng),
        8 => issuance(&mut desk, rng),
        _ => order(&mut desk, rng),
    }
    desk.signed
}

/// Somebody tries a deed again: with another body under one of its request ids, and with its invoice if there was one.
pub fn again(cast: &Cast, now_ms: u64, number: u64) -> Vec<SignedTransaction> {
    let mut desk = Desk::new(cast, now_ms, number | 1);
    desk.act_under(0, &["buyer"], pay("buyer", "supplier", 1));
    for (place, what) in ["invoice", "one invoice"].into_iter().enumerate() {
        let number = AGAIN + 2 * place as u64;
        let receivable = desk.act_under(number, &["supplier"], registering(&desk, what, 20_000));
        desk.act_under(number, &["buyer"], operations::confirm_invoice(receivable));
        desk.act_under(number + 1, &["supplier"], asking(receivable, programme(place), 10_000));
    }
    desk.signed
}

fn pay(payer: &str, payee: &str, amount: u64) -> Operation {
    operations::transfer(account(payer), account(payee), token(), Amount::new(amount), Default::default())
}

/// There and back, one of them often over more than there is; and the first of them sent twice.
fn payments(desk: &mut Desk<'_>, rng: &mut StdRng) {
    desk.act("buyer", pay("buyer", "supplier", rng.random_range(1..2_000)));
    desk.act("supplier", pay("supplier", "trader", rng.random_range(1..4_000)));
    desk.act("trader", pay("trader", "buyer", rng.random_range(1..1_000)));
    desk.signed.push(desk.signed[0].clone());
}

/// A client that lost what it sent, and signs anew under the same request id.
fn one_request_two_bodies(desk: &mut Desk<'_>, rng: &mut StdRng) {
    for _ in 0..2 {
        desk.act_under(0, &["buyer"], pay("buyer", "supplier", rng.random_range(1..2_000)));
    }
}

/// An invoice from its registration on, with everyone who wants something of it in a race.
fn invoice(desk: &mut Desk<'_>, rng: &mut StdRng) {
    let amount = rng.random_range(10_000..500_000);
    let receivable = desk.act("supplier", registering(desk, "invoice", amount));
    let end = rng.random_range(0..4);
    let mut race = vec![("buyer", operations::confirm_invoice(receivable))];
    match end {
        0 => race.push(("buyer", operations::reject_invoice(receivable))),
        1 => race.push(("supplier", operations::withdraw_invoice(receivable))),
        _ => {}
    }
    if rng.random_bool(0.5) {
        race.reverse();
    }
    for (who, operation) in race {
        desk.act(who, operation);
    }
    let advance = amount * rng.random_range(10..100) / 100;
    for place in 0..LENDERS.len() {
        desk.act("supplier", asking(receivable, programme(place), advance));
    }
    if end > 1 {
        for part in ["first", "second"] {
            desk.act("buyer", operations::pay_invoice(receivable, Amount::new(amount * 6 / 10), part));
        }
    }
}

/// The same invoice, registered twice and financed by two.
fn one_invoice_twice(desk: &mut Desk<'_>, rng: &mut StdRng) {
    let amount = rng.random_range(10_000..500_000);
    for place in 0..LENDERS.len() {
        let receivable = desk.act("supplier", registering(desk, "one invoice", amount));
        desk.act("buyer", operations::confirm_invoice(receivable));
        desk.act("supplier", asking(receivable, programme(place), amount / 2));
    }
}

/// A redemption that the issuer pays and rejects.
fn redemption(desk: &mut Desk<'_>, rng: &mut StdRng) {
    let amount = Amount::new(rng.random_range(1..3_000));
    let request = operations::request_redemption(token(), amount, desk.hash("payout"));
    let redemption = desk.act("supplier", request);
    let mut race = [
        operations::pay_redemption(redemption, "FPS-1"),
        operations::reject_redemption(redemption, "the account at the bank is closed"),
    ];
    if rng.random_bool(0.5) {
        race.reverse();
    }
    for operation in race {
        desk.act("issuer", operation);
    }
}

/// An issuance that one approves and rejects; there are reserves for none.
fn issuance(desk: &mut Desk<'_>, rng: &mut StdRng) {
    let allocation = (account("buyer"), Amount::new(rng.random_range(1..1_000)));
    let request = operations::request_issuance(token(), &[allocation], desk.now_ms + EXPIRES_IN_MS);
    let issuance = desk.act("maker", request);
    desk.act("checker", operations::approve_issuance(issuance));
    desk.act("checker", operations::reject_issuance(issuance));
}

/// An order that is accepted and cancelled.
fn order(desk: &mut Desk<'_>, rng: &mut StdRng) {
    let terms = OrderTerms {
        amount: Amount::new(rng.random_range(1..100_000)),
        document_commitment: document_commitment(&desk.hash("order").0, b"an order"),
        line_count: 1,
        deliver_by: None,
        confirmation_days: 10,
        silence: SilenceMeans::Confirms,
        payment_days: None,
    };
    let (supplier, currency, fingerprint) = (account("supplier"), "HKD".parse().unwrap(), desk.hash("order number"));
    let placing = PlaceOrder { supplier, token: token(), currency, fingerprint, terms };
    let order = desk.act("buyer", operations::place_order(&placing));
    desk.act("supplier", operations::accept_order(order));
    desk.act("supplier", operations::appoint_carrier(order, account("carrier")));
    desk.act("buyer", operations::cancel_order(order));
}

fn registering(desk: &Desk<'_>, number: &str, amount: u64) -> Operation {
    operations::register_invoice(NewInvoice {
        buyer: account("buyer"),
        token: token(),
        currency: "HKD".to_owned(),
        amount: Amount::new(amount),
        due_at_ms: desk.now_ms + 60 * DAY_MS,
        fingerprint: desk.hash(number),
        document_commitment: desk.hash("document"),
        issued_on: "2026-01-01".to_owned(),
        order: None,
    })
}

fn asking(receivable: ObjectId, programme: ObjectId, advance: u64) -> Operation {
    operations::request_financing(NewFinancingRequest {
        receivable,
        programme,
        advance: Amount::new(advance),
        purpose: String::new(),
        citations: Vec::new(),
        foreign_receipts: Vec::new(),
    })
}

/// Up to 90 % of a confirmed invoice, without asking for more.
fn terms() -> NewProgramme {
    NewProgramme {
        name: "STORM".to_owned(),
        token: token(),
        buyers: Vec::<AccountId>::new(),
        suppliers: Vec::new(),
        advance_rate_bps: 9_000,
        tenor_days_max: 365,
        rate_bps: 800,
        late_rate_bps: 1_200,
        fee_bps: 50,
        limit: Amount::new(LENT_MAX),
        settlements_min: 0,
        settlements_late_days_max: 0,
        order_agreed: false,
        shipment_step: None,
        shipment_age_days_max: None,
        near_duplicates_max: None,
        networks: Vec::new(),
        purposes: Vec::new(),
        recourse: true,
        participation_bps_max: 0,
        utc_offset_minutes: 480,
        holidays: Vec::new(),
    }
}
