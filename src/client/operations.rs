//! The operations of a transaction, out of the ledger's own types. What each does, who signs and why it is declined stands
//! beside its message in `proto/causeway/*/v1/operations.proto`.

use crate::domain::financing::ForbiddenPurposes;
pub use crate::domain::trade::BusinessStep;
use crate::ledger::account::Role;
use crate::ledger::receipt::Receipt;
use crate::primitives::ids::ObjectKind;
use crate::primitives::{AccountId, Amount, ChainId, Hash, ObjectId, PublicKey, TokenId};
use crate::wire::pb::ledger::operation::Operation as Kind;
use crate::wire::pb::{accounts, financing, ledger, payments, tokens, trade};
use bytes::Bytes;

mod governance;
mod lending;
mod networks;
mod trading;

pub use governance::{
    add_observer, add_validator, decide_upgrade, remove_observer, remove_validator, rotate_validator_key,
    set_validator_address, withdraw_upgrade,
};
pub use lending::{attest_lender_capital, set_lending_parameter};
pub use networks::{declare_foreign_account, link_foreign_account, register_network, retire_network};
pub use trading::{
    accept_order, accept_order_change, appoint_carrier, assign_receivable, cancel_order, declare_event_error,
    dispute_invoice, issue_credit_note, place_order, propose_order_change, record_shipment_event, register_read_point,
    retire_read_point, split_receivable,
};

/// One operation of a transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation(Kind);

impl Operation {
    pub(super) fn into_pb(self) -> ledger::Operation {
        ledger::Operation { operation: Some(self.0) }
    }

    /// What kind of object it creates, if it creates one: its id is derived from it.
    pub fn creates(&self) -> Option<ObjectKind> {
        match self.0 {
            Kind::RequestIssuance(_) => Some(ObjectKind::Issuance),
            Kind::RequestRedemption(_) => Some(ObjectKind::Redemption),
            Kind::PlaceOrder(_) => Some(ObjectKind::Order),
            Kind::RegisterInvoice(_) => Some(ObjectKind::Receivable),
            Kind::PublishProgramme(_) => Some(ObjectKind::Programme),
            Kind::RequestFinancing(_) => Some(ObjectKind::Loan),
            _ => None,
        }
    }
}

fn bytes(id: impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(id.as_ref())
}

fn text(token: TokenId) -> String {
    token.as_str().to_owned()
}

/// Who will sign for an account: any `threshold` of `keys`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The public keys.
    pub keys: Vec<PublicKey>,
    /// How many of them must sign.
    pub threshold: u8,
}

impl Keys {
    /// One key that signs alone.
    pub fn single(key: PublicKey) -> Self {
        Self { keys: vec![key], threshold: 1 }
    }

    fn into_pb(self) -> accounts::KeySet {
        let public_keys = self.keys.iter().map(|key| bytes(key.0)).collect();
        accounts::KeySet { public_keys, threshold: self.threshold.into() }
    }
}

fn role_to_pb(role: Role) -> i32 {
    // The wire's tags are the ledger's plus one, because proto3 keeps 0 for "unspecified".
    i32::from(role.tag()) + 1
}

/// Opens an account under the sender's.
pub fn open_account(keys: Keys, roles: &[Role], legal_entity_id: &str) -> Operation {
    Operation(Kind::OpenAccount(accounts::OpenAccount {
        keys: Some(keys.into_pb()),
        roles: roles.iter().copied().map(role_to_pb).collect(),
        legal_entity_id: legal_entity_id.to_owned(),
        vouching_account_id: Bytes::new(),
    }))
}

/// Opens an account of a company of which somebody else opened the first. The company's own account vouches, by its
/// signature: list it as a co-signer.
pub fn open_vouched_account(keys: Keys, roles: &[Role], legal_entity_id: &str, voucher: AccountId) -> Operation {
    let mut operation = open_account(keys, roles, legal_entity_id);
    if let Kind::OpenAccount(open) = &mut operation.0 {
        open.vouching_account_id = bytes(voucher);
    }
    operation
}

/// Replaces an account's keys. Sign with the present ones and with enough of the new ones.
pub fn rotate_keys(account: AccountId, keys: Keys) -> Operation {
    let account_id = bytes(account);
    Operation(Kind::RotateKeys(accounts::RotateKeys { account_id, keys: Some(keys.into_pb()) }))
}

/// Closes an account for good.
pub fn close_account(account: AccountId) -> Operation {
    Operation(Kind::CloseAccount(accounts::CloseAccount { account_id: bytes(account) }))
}

/// A class of reserve assets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AssetClass {
    /// Cash in segregated accounts.
    Cash,
    /// Deposits with banks.
    Deposit,
    /// Marketable public debt.
    GovernmentDebt,
    /// Overnight reverse repurchase agreements.
    ReverseRepo,
}

impl AssetClass {
    /// All of them, with their names on the command line.
    pub const NAMES: [(&'static str, Self); 4] = [
        ("cash", Self::Cash),
        ("deposit", Self::Deposit),
        ("government-debt", Self::GovernmentDebt),
        ("reverse-repo", Self::ReverseRepo),
    ];

    fn into_pb(self) -> i32 {
        match self {
            Self::Cash => tokens::AssetClass::Cash,
            Self::Deposit => tokens::AssetClass::Deposit,
            Self::GovernmentDebt => tokens::AssetClass::GovernmentDebt,
            Self::ReverseRepo => tokens::AssetClass::ReverseRepo,
        }
        .into()
    }
}

impl std::str::FromStr for AssetClass {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name).map(|(_, class)| *class);
        found.ok_or_else(|| {
            let names = Self::NAMES.map(|(name, _)| name).join(", ");
            format!("'{name}' is not a class of assets; classes are {names}")
        })
    }
}

/// What counts of one class of assets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssetRule {
    /// The class.
    pub asset_class: AssetClass,
    /// The longest residual maturity, in days.
    pub maturity_days_max: u32,
    /// The least haircut, in basis points.
    pub haircut_bps_min: u32,
}

/// A token to be created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// Its id.
    pub token: TokenId,
    /// The currency that it is pegged to, by its ISO 4217 code.
    pub currency: String,
    /// Decimals of a unit.
    pub scale: u32,
    /// Who attests its reserves.
    pub custodian: AccountId,
    /// What counts as reserves.
    pub asset_rules: Vec<AssetRule>,
    /// How long an attestation counts, in ms.
    pub attestation_age_ms_max: u64,
    /// Minutes east of UTC.
    pub utc_offset_minutes: i32,
    /// Days that are no business days, as days since 1970-01-01.
    pub holidays: Vec<u32>,
    /// Within how many business days a redemption is to be paid.
    pub redemption_business_days: u32,
}

/// Creates a token that the sender issues.
pub fn create_token(token: NewToken) -> Operation {
    let asset_rules = token.asset_rules.iter().map(|rule| tokens::AssetRule {
        asset_class: rule.asset_class.into_pb(),
        maturity_days_max: rule.maturity_days_max,
        haircut_bps_min: rule.haircut_bps_min,
    });
    Operation(Kind::CreateToken(tokens::CreateToken {
        token_id: text(token.token),
        currency: token.currency,
        scale: token.scale,
        custodian_account_id: bytes(token.custodian),
        reserve_policy: Some(tokens::ReservePolicy {
            asset_rules: asset_rules.collect(),
            attestation_age_ms_max: token.attestation_age_ms_max,
        }),
        calendar: Some(tokens::BusinessCalendar {
            utc_offset_minutes: token.utc_offset_minutes,
            holidays: token.holidays,
        }),
        redemption_business_days: token.redemption_business_days,
    }))
}

/// One asset of an attestation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReserveAsset {
    /// Its class.
    pub asset_class: AssetClass,
    /// Its maturity, in ms of the Unix epoch; 0 for cash.
    pub matures_at_ms: u64,
    /// Its market value, in the token's minor units.
    pub market_value: Amount,
    /// The haircut applied, in basis points.
    pub haircut_bps: u32,
}

/// States what backs a token, as of a time.
pub fn attest_reserves(token: TokenId, as_of_ms: u64, assets: &[ReserveAsset]) -> Operation {
    let asset = |asset: &ReserveAsset| tokens::ReserveAsset {
        asset_class: asset.asset_class.into_pb(),
        matures_at_ms: asset.matures_at_ms,
        market_value: asset.market_value.minor_units(),
        haircut_bps: asset.haircut_bps,
    };
    let assets = assets.iter().map(asset).collect();
    Operation(Kind::AttestReserves(tokens::AttestReserves { token_id: text(token), as_of_ms, assets }))
}

/// Asks for new units.
pub fn request_issuance(token: TokenId, allocations: &[(AccountId, Amount)], expires_at_ms: u64) -> Operation {
    let allocation = |(account, amount): &(AccountId, Amount)| tokens::Allocation {
        account_id: bytes(account),
        amount: amount.minor_units(),
    };
    let allocations = allocations.iter().map(allocation).collect();
    Operation(Kind::RequestIssuance(tokens::RequestIssuance { token_id: text(token), allocations, expires_at_ms }))
}

/// Approves an issuance and mints it.
pub fn approve_issuance(issuance: ObjectId) -> Operation {
    Operation(Kind::ApproveIssuance(tokens::ApproveIssuance { issuance_id: bytes(issuance) }))
}

/// Rejects an issuance.
pub fn reject_issuance(issuance: ObjectId) -> Operation {
    Operation(Kind::RejectIssuance(tokens::RejectIssuance { issuance_id: bytes(issuance) }))
}

/// Asks for fiat at par.
pub fn request_redemption(token: TokenId, amount: Amount, payout_commitment: Hash) -> Operation {
    Operation(Kind::RequestRedemption(tokens::RequestRedemption {
        token_id: text(token),
        amount: amount.minor_units(),
        payout_commitment: bytes(payout_commitment),
    }))
}

/// States that a redemption's fiat was paid, and burns its units.
pub fn pay_redemption(redemption: ObjectId, fiat_reference: &str) -> Operation {
    let fiat_reference = fiat_reference.to_owned();
    Operation(Kind::PayRedemption(tokens::PayRedemption { redemption_id: bytes(redemption), fiat_reference }))
}

/// Rejects a redemption and gives its units back.
pub fn reject_redemption(redemption: ObjectId, narrative: &str) -> Operation {
    let narrative = narrative.to_owned();
    Operation(Kind::RejectRedemption(tokens::RejectRedemption { redemption_id: bytes(redemption), narrative }))
}

/// Certifies a balance as of the block.
pub fn certify_balance(account: AccountId, token: TokenId) -> Operation {
    Operation(Kind::CertifyBalance(tokens::CertifyBalance { account_id: bytes(account), token_id: text(token) }))
}

/// What a payment is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remittance {
    /// The payer's own id of the payment.
    pub end_to_end_id: String,
    /// An ISO 20022 external purpose code, such as `SUPP`.
    pub purpose_code: String,
    /// Numbers of the invoices paid.
    pub invoice_references: Vec<String>,
}

/// Moves value from one account to another.
pub fn transfer(payer: AccountId, payee: AccountId, token: TokenId, amount: Amount, what_for: Remittance) -> Operation {
    let said_nothing = what_for == Remittance::default();
    let remittance = payments::Remittance {
        end_to_end_id: what_for.end_to_end_id,
        purpose_code: what_for.purpose_code,
        invoice_references: what_for.invoice_references,
    };
    Operation(Kind::Transfer(payments::Transfer {
        payer_account_id: bytes(payer),
        payee_account_id: bytes(payee),
        token_id: text(token),
        amount: amount.minor_units(),
        remittance: (!said_nothing).then_some(remittance),
    }))
}

/// Commits the key under which a supplier and a buyer fingerprint their invoices.
pub fn commit_fingerprint_key(supplier: AccountId, buyer: AccountId, key_commitment: Hash) -> Operation {
    Operation(Kind::CommitFingerprintKey(trade::CommitFingerprintKey {
        supplier_account_id: bytes(supplier),
        buyer_account_id: bytes(buyer),
        key_commitment: bytes(key_commitment),
    }))
}

/// An invoice to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInvoice {
    /// Who owes.
    pub buyer: AccountId,
    /// The token in which it will be paid.
    pub token: TokenId,
    /// Its currency, by the ISO 4217 code.
    pub currency: String,
    /// The payable amount, in the token's minor units.
    pub amount: Amount,
    /// When it is due, in ms of the Unix epoch.
    pub due_at_ms: u64,
    /// Its keyed fingerprint.
    pub fingerprint: Hash,
    /// The salted commitment to the document.
    pub document_commitment: Hash,
    /// The day of issue that the document states, as `YYYY-MM-DD`.
    pub issued_on: String,
    /// The order that it is under.
    pub order: Option<ObjectId>,
}

/// Registers an invoice.
pub fn register_invoice(invoice: NewInvoice) -> Operation {
    Operation(Kind::RegisterInvoice(trade::RegisterInvoice {
        buyer_account_id: bytes(invoice.buyer),
        token_id: text(invoice.token),
        currency: invoice.currency,
        amount: invoice.amount.minor_units(),
        due_at_ms: invoice.due_at_ms,
        fingerprint: bytes(invoice.fingerprint),
        document_commitment: bytes(invoice.document_commitment),
        issued_on: invoice.issued_on,
        order_id: invoice.order.map(bytes).unwrap_or_default(),
    }))
}

/// Confirms an invoice: the buyer owes it.
pub fn confirm_invoice(receivable: ObjectId) -> Operation {
    Operation(Kind::ConfirmInvoice(trade::ConfirmInvoice { receivable_id: bytes(receivable) }))
}

/// Takes back an invoice that its buyer has not confirmed. The supplier does.
pub fn withdraw_invoice(receivable: ObjectId) -> Operation {
    Operation(Kind::WithdrawInvoice(trade::WithdrawInvoice { receivable_id: bytes(receivable) }))
}

/// Refuses an invoice that was not confirmed. The buyer does.
pub fn reject_invoice(receivable: ObjectId) -> Operation {
    Operation(Kind::RejectInvoice(trade::RejectInvoice { receivable_id: bytes(receivable) }))
}

/// Certifies that no invoice of this fingerprint, of this supplier to this buyer, is on the ledger. The fingerprint was made with
/// the key of this commitment, which must be the pair's.
pub fn certify_absence(supplier: AccountId, buyer: AccountId, fingerprint: Hash, key_commitment: Hash) -> Operation {
    Operation(Kind::CertifyAbsence(trade::CertifyAbsence {
        fingerprint: bytes(fingerprint),
        supplier_account_id: bytes(supplier),
        buyer_account_id: bytes(buyer),
        key_commitment: bytes(key_commitment),
    }))
}

/// A settlement receipt as a financing request cites it: made by a node, passed on as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Citation(pub(super) financing::Citation);

/// A request for financing to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewFinancingRequest {
    /// The receivable.
    pub receivable: ObjectId,
    /// The programme.
    pub programme: ObjectId,
    /// What to be paid now.
    pub advance: Amount,
    /// What the proceeds are for, as a code of purposes; may be empty.
    pub purpose: String,
    /// Settlement receipts of the sender's.
    pub citations: Vec<Citation>,
    /// The same of other networks.
    pub foreign_receipts: Vec<Receipt>,
}

impl From<NewFinancingRequest> for financing::RequestFinancing {
    fn from(request: NewFinancingRequest) -> Self {
        Self {
            receivable_id: bytes(request.receivable),
            programme_id: bytes(request.programme),
            advance: request.advance.minor_units(),
            purpose: request.purpose,
            citations: request.citations.into_iter().map(|citation| citation.0).collect(),
            foreign_receipts: request.foreign_receipts.into_iter().map(networks::carried).collect(),
        }
    }
}

/// Asks for a loan under a programme.
pub fn request_financing(request: NewFinancingRequest) -> Operation {
    Operation(Kind::RequestFinancing(request.into()))
}

/// A programme to be published: terms that finance anyone, and what else they hold.
#[derive(Clone, Debug, PartialEq)]
pub struct NewProgramme {
    /// Its name, for people.
    pub name: String,
    /// The token.
    pub token: TokenId,
    /// The buyers whose debts are financed; none for any.
    pub buyers: Vec<AccountId>,
    /// The suppliers who are financed; none for any.
    pub suppliers: Vec<AccountId>,
    /// How much of what is outstanding is advanced, at most, in basis points.
    pub advance_rate_bps: u32,
    /// Days from the loan to the due day, at most.
    pub tenor_days_max: u32,
    /// The annual rate in basis points: simple interest on calendar days over 365.
    pub rate_bps: u32,
    /// The annual rate after the due day, in basis points.
    pub late_rate_bps: u32,
    /// A fee in basis points of the advance.
    pub fee_bps: u32,
    /// What may be outstanding, in all and on each party and invoice.
    pub limit: Amount,
    /// How many settlement receipts a borrower cites, at least.
    pub settlements_min: u32,
    /// By how many days an invoice among them was paid late, at most.
    pub settlements_late_days_max: u32,
    /// Whether the invoice must be under an order that both parties agreed to.
    pub order_agreed: bool,
    /// A step of that order's shipment that a carrier must have recorded, if one must.
    pub shipment_step: Option<BusinessStep>,
    /// How many days begun may lie between that step and the loan, if it says.
    pub shipment_age_days_max: Option<u32>,
    /// How many other invoices like the one financed may have stood when it was registered, if it says.
    pub near_duplicates_max: Option<u32>,
    /// Other networks on which a settlement counts.
    pub networks: Vec<ChainId>,
    /// What the proceeds may be used for, as codes of purposes; none for anything that is lawful.
    pub purposes: Vec<String>,
    /// Whether the borrower owes what the buyer does not pay.
    pub recourse: bool,
    /// What other financiers may take of each loan, in all, in basis points.
    pub participation_bps_max: u32,
    /// Minutes east of UTC by which its days run.
    pub utc_offset_minutes: i32,
    /// Days that are no business days, as days since 1970-01-01.
    pub holidays: Vec<u32>,
}

/// Publishes a programme.
pub fn publish_programme(programme: NewProgramme) -> Operation {
    let sorted = |mut accounts: Vec<AccountId>| {
        accounts.sort_unstable();
        accounts.into_iter().map(bytes).collect()
    };
    let mut networks = programme.networks;
    networks.sort_unstable();
    let limit = programme.limit.minor_units();
    let terms = financing::ProgrammeTerms {
        name: programme.name,
        token_id: programme.token.to_string(),
        buyer_account_ids: sorted(programme.buyers),
        supplier_account_ids: sorted(programme.suppliers),
        advance_rate_bps: programme.advance_rate_bps,
        tenor_days_min: 0,
        tenor_days_max: programme.tenor_days_max,
        pricing: Some(financing::Pricing {
            rate_bps: programme.rate_bps,
            day_count: financing::DayCount::Act365Fixed.into(),
            compounding: financing::Compounding::Simple.into(),
            late_rate_bps: programme.late_rate_bps,
            grace_days: 0,
            fee_bps: programme.fee_bps,
            fee_flat: 0,
        }),
        limits: Some(financing::Limits { total: limit, per_obligor: limit, per_supplier: limit, per_invoice: limit }),
        evidence: Some(financing::EvidenceRequired {
            buyer_confirmed: true,
            settlements_min: programme.settlements_min,
            settlements_sum_min: 0,
            settlements_period_days_min: 0,
            settlements_late_days_max: programme.settlements_late_days_max,
            order_agreed: programme.order_agreed,
            shipment_step: programme.shipment_step.map_or(0, |step| i32::from(step.tag())),
            shipment_age_days_max: programme.shipment_age_days_max,
            near_duplicates_max: programme.near_duplicates_max,
            network_chain_ids: networks.into_iter().map(bytes).collect(),
        }),
        purposes: programme.purposes,
        recourse: programme.recourse,
        participation_bps_max: programme.participation_bps_max,
        calendar: Some(tokens::BusinessCalendar {
            utc_offset_minutes: programme.utc_offset_minutes,
            holidays: programme.holidays,
        }),
    };
    Operation(Kind::PublishProgramme(financing::PublishProgramme { terms: Some(terms) }))
}

/// Ends new loans under a programme.
pub fn close_programme(programme: ObjectId) -> Operation {
    Operation(Kind::CloseProgramme(financing::CloseProgramme { programme_id: bytes(programme) }))
}

/// Consents to a share of every loan under a programme. Its publisher signs too: list it as a co-signer.
pub fn join_programme(programme: ObjectId, share_bps: u32, limit: Amount) -> Operation {
    let (programme_id, limit) = (bytes(programme), limit.minor_units());
    Operation(Kind::JoinProgramme(financing::JoinProgramme { programme_id, share_bps, limit }))
}

/// Ends a participant's share in new loans under a programme.
pub fn remove_participant(programme: ObjectId, participant: AccountId) -> Operation {
    let (programme_id, participant_account_id) = (bytes(programme), bytes(participant));
    Operation(Kind::RemoveParticipant(financing::RemoveParticipant { programme_id, participant_account_id }))
}

/// Pays a loan back, in whole or in part.
pub fn repay_loan(loan: ObjectId, amount: Amount) -> Operation {
    Operation(Kind::RepayLoan(financing::RepayLoan { loan_id: bytes(loan), amount: amount.minor_units() }))
}

/// Declares a loan in default.
pub fn declare_default(loan: ObjectId) -> Operation {
    Operation(Kind::DeclareDefault(financing::DeclareDefault { loan_id: bytes(loan) }))
}

/// Writes a loan off.
pub fn write_off_loan(loan: ObjectId) -> Operation {
    Operation(Kind::WriteOffLoan(financing::WriteOffLoan { loan_id: bytes(loan) }))
}

/// Records what came in on a loan that was written off.
pub fn record_recovery(loan: ObjectId, amount: Amount) -> Operation {
    Operation(Kind::RecordRecovery(financing::RecordRecovery { loan_id: bytes(loan), amount: amount.minor_units() }))
}

/// Forbids purposes of loans from a later time on. Governance does.
pub fn set_forbidden_purposes(forbidden: ForbiddenPurposes) -> Operation {
    let ForbiddenPurposes { in_force_from, purposes, law } = forbidden;
    let in_force_from_ms = in_force_from.0;
    Operation(Kind::SetForbiddenPurposes(financing::SetForbiddenPurposes { purposes, in_force_from_ms, law }))
}

/// Pays an invoice, in whole or in part.
pub fn pay_invoice(receivable: ObjectId, amount: Amount, end_to_end_id: &str) -> Operation {
    Operation(Kind::PayInvoice(financing::PayInvoice {
        receivable_id: bytes(receivable),
        amount: amount.minor_units(),
        end_to_end_id: end_to_end_id.to_owned(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_have_the_wires_names() {
        for role in Role::ALL {
            let on_the_wire = accounts::Role::try_from(role_to_pb(*role)).expect("every role is on the wire");
            let expected = format!("ROLE_{}", role.name().to_uppercase().replace('-', "_"));
            assert_eq!(on_the_wire.as_str_name(), expected);
        }
    }
}
