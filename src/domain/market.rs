//! A market for tests: a supplier, two buyers, two financiers and a token, on a [`Rehearsal`].

use crate::domain::rehearsal::{Performed, Rehearsal};
use crate::domain::tokens::{ReservePolicy, Token, TokenTerms};
use crate::domain::trade::{
    AcceptOrder, CommitFingerprintKey, ConfirmInvoice, DocumentKind, OrderTerms, PlaceOrder, RegisterInvoice,
    RegisteredDocument, RejectInvoice, SilenceMeans, WithdrawInvoice, key_commitment,
};
use crate::ledger::{Account, Reason, Role};
use crate::primitives::time::BusinessCalendar;
use crate::primitives::{AccountId, Amount, BlockTime, Hash, ObjectId, TokenId};

/// When the market opens.
pub const OPENING: BlockTime = BlockTime(1_800_000_000_000);
/// When its invoices are due.
pub const DUE: BlockTime = BlockTime(OPENING.0 + 30 * 24 * 60 * 60 * 1000);

/// The market.
#[derive(Clone)]
pub struct Market {
    /// The ledger.
    pub stage: Rehearsal,
    /// Who delivers.
    pub supplier: AccountId,
    /// Who buys, and has committed a fingerprint key with the supplier.
    pub buyer: AccountId,
    /// Who buys too, without a key yet.
    pub stranger: AccountId,
    /// Two who lend.
    pub financiers: [AccountId; 2],
    /// What they pay in.
    pub token: TokenId,
}

impl Market {
    /// A market on its first day, the buyers and financiers with 1,000,000 each.
    pub fn open() -> Self {
        let mut stage = Rehearsal::at(OPENING);
        let token = put_token(&mut stage, "HKDX", "HKD");
        let [supplier, buyer, stranger] = [1, 2, 3].map(|name| stage.open(name, None, &[Role::Merchant]));
        let financiers = [4, 5].map(|name| stage.open(name, None, &[Role::Financier]));
        for account in [buyer, stranger, financiers[0], financiers[1]] {
            stage.mint(token, account, 1_000_000);
        }
        let mut market = Self { stage, supplier, buyer, stranger, financiers, token };
        market.commit_key(buyer).expect("the first key of the pair");
        market
    }

    /// Commits a fingerprint key for the supplier and a buyer.
    pub fn commit_key(&mut self, buyer: AccountId) -> Result<Performed, Reason> {
        let supplier = self.supplier;
        let operation = CommitFingerprintKey { supplier, buyer, key_commitment: key_commitment(&[7; 32]) };
        self.stage.perform(&[supplier, buyer], |context, changes| operation.plan(context, changes))
    }

    /// An order over so much that buyer and supplier have agreed to, by a number that makes its fingerprint.
    pub fn ordered(&mut self, number: u8, units: u64) -> ObjectId {
        let terms = OrderTerms {
            amount: Amount::new(units),
            document_commitment: Hash([0x0d; 32]),
            line_count: 1,
            deliver_by: None,
            confirmation_days: 10,
            silence: SilenceMeans::Nothing,
            payment_days: None,
        };
        let (supplier, buyer, currency) = (self.supplier, self.buyer, "HKD".parse().expect("a currency"));
        let placing = PlaceOrder { supplier, token: self.token, currency, fingerprint: Hash([number; 32]), terms };
        let placed = self.stage.perform(&[buyer], |context, changes| placing.plan(context, changes));
        let accepting = AcceptOrder { order: placed.expect("a fresh number").object };
        self.stage.perform(&[supplier], |context, changes| accepting.plan(context, changes)).expect("it was placed");
        accepting.order
    }

    /// An invoice of the supplier's to the buyer, by a number that makes its fingerprint.
    pub fn invoice(&self, number: u8, units: u64) -> RegisterInvoice {
        RegisterInvoice {
            buyer: self.buyer,
            token: self.token,
            currency: "HKD".parse().expect("a currency"),
            amount: Amount::new(units),
            due_at: DUE,
            fingerprint: Hash([number; 32]),
            document_commitment: Hash([0xdc; 32]),
            issued_on: OPENING.day(),
            order: None,
        }
    }

    /// Registers an invoice, as the supplier.
    pub fn register(&mut self, invoice: RegisterInvoice) -> Result<ObjectId, Reason> {
        let supplier = self.supplier;
        self.register_as(supplier, invoice)
    }

    /// Registers an invoice, as anyone.
    pub fn register_as(&mut self, sender: AccountId, invoice: RegisterInvoice) -> Result<ObjectId, Reason> {
        let performed = self.stage.perform(&[sender], |context, changes| invoice.plan(context, changes))?;
        Ok(performed.object)
    }

    /// Confirms an invoice, as anyone.
    pub fn confirm_as(&mut self, sender: AccountId, receivable: ObjectId) -> Result<Performed, Reason> {
        let operation = ConfirmInvoice { receivable };
        self.stage.perform(&[sender], |context, changes| operation.plan(context, changes))
    }

    /// Withdraws an invoice, as anyone.
    pub fn withdraw_as(&mut self, sender: AccountId, receivable: ObjectId) -> Result<Performed, Reason> {
        let operation = WithdrawInvoice { receivable };
        self.stage.perform(&[sender], |context, changes| operation.plan(context, changes))
    }

    /// Rejects an invoice, as anyone.
    pub fn reject_as(&mut self, sender: AccountId, receivable: ObjectId) -> Result<Performed, Reason> {
        let operation = RejectInvoice { receivable };
        self.stage.perform(&[sender], |context, changes| operation.plan(context, changes))
    }

    /// Which receivable stands under a fingerprint of the supplier's to the buyer.
    pub fn registered(&self, fingerprint: Hash) -> Option<ObjectId> {
        let entity = |account| self.stage.read::<Account>(&account).map(|found| found.legal_entity_id);
        let pair = (entity(self.supplier)?, entity(self.buyer)?);
        let registered = (pair, (DocumentKind::Invoice, fingerprint));
        self.stage.read::<RegisteredDocument>(&registered).map(|found| found.object)
    }

    /// A receivable that the buyer has confirmed.
    pub fn confirmed(&mut self, number: u8, units: u64) -> ObjectId {
        let invoice = self.invoice(number, units);
        let receivable = self.register(invoice).expect("a fresh fingerprint");
        let buyer = self.buyer;
        self.confirm_as(buyer, receivable).expect("it was registered");
        receivable
    }

    /// Changes an account, without any rule.
    pub fn alter(&mut self, id: AccountId, alter: impl FnOnce(&mut Account)) {
        let mut account: Account = self.stage.read(&id).expect("the account is there");
        alter(&mut account);
        self.stage.edit(|changes| changes.put(&id, &account));
    }
}

/// Puts a token there, without any rule.
pub fn put_token(stage: &mut Rehearsal, id: &str, currency: &str) -> TokenId {
    let id: TokenId = id.parse().expect("a token id");
    let terms = TokenTerms {
        currency: currency.parse().expect("a currency"),
        scale: 2,
        custodian: AccountId([0xc0; 32]),
        reserve_policy: ReservePolicy { asset_rules: Vec::new(), attestation_age_ms_max: 0 },
        calendar: BusinessCalendar::default(),
        redemption_business_days: 1,
    };
    stage.edit(|changes| changes.put(&id, &Token { issuer: AccountId([0x15; 32]), terms }));
    id
}
