//! Work: what executing a transaction may cost at most, known before it is executed.
//!
//! A unit is about what reading, decoding or writing one entry of the state costs, one or two microseconds. It is a weight
//! and not a time: every validator must come to the same sum, on every machine, so it follows from the transaction alone,
//! not from the state that it meets and not from whether it is declined.
//!
//! | what | units |
//! |---|---|
//! | a transaction: its request id, its sender, its outcome | 8 |
//! | a signature, verified before the vote | 16 |
//! | an account that the body names as a co-signer | 1 |
//! | a citation | 8, and 1 for each hash of its paths and for each 64 bytes of its outcome |
//! | a receipt of another network | 8, and 48 for each 64 bytes of it: so many as a signature in it has, verified alone |
//! | a validator of another network: its key is a point of the curve, or is refused | 8 |
//! | a token of another network | 1 |
//! | an account that is closed: its lists of open items may be looked for among many that ended | 2,048 |
//! | an asset of an attestation | 1 |
//! | an allocation of an issuance | 4, and the most of them where it is approved |
//! | an event of a shipment | one for each that an order can have |
//! | a part of a split receivable: its owner, its entry, its owner's open items | 8 |
//! | a token among those that a new one is counted with | 1, and the most of them |
//! | a lender of a loan, wherever a loan changes | 16, and the most of them |
//! | interest that a loan bears | 256 |
//! | a deadline that it may set: a redemption's, a buyer's term under an order | as many as let a block set no more than one works off |
//! | a peer among those that a change of the validators is held to | 3, and the most of them |
//! | what else an operation reads and writes | its entries, its largest case |
//!
//! # Invariants
//! * The largest transaction has room in an empty block, so that none waits for ever.

use super::operation::Operation;
use super::transaction::Transaction;
use crate::domain::financing::{Citation, RequestFinancing};
use crate::ledger::limits::{
    ACCOUNT_DEPTH_MAX, BLOCK_WORK_MAX, DUE_OUTCOMES_MAX, EVENTS_PER_ORDER_MAX, ISSUANCE_ALLOCATIONS_MAX, PEERS_MAX,
    PROGRAMME_PARTICIPANTS_MAX, TOKENS_MAX,
};
use bytes::Bytes;

const TRANSACTION: u64 = 8;
const SIGNATURE: u64 = 16;
const CITATION: u64 = 8;
/// The lists of an account's open items are looked through. They are short, and where they were long before, the store walks over
/// what it has not dropped yet.
const CLOSING: u64 = 2_048;
/// A key that is held to be a point of the curve, of large order.
const VALIDATOR_KEY: u64 = 8;
/// A signature that is verified by itself, in the course of execution.
const SIGNATURE_ALONE: u64 = 48;
const ALLOCATION: u64 = 4;
const PART: u64 = 8;
/// A lender of a loan: its account, its balance and its books, and the rules that it is held to.
const LEG: u64 = 16;
/// Reckoning interest that compounds daily over the longest tenor, as often as an operation does.
const INTEREST: u64 = 256;
/// A deadline, which a later block works off with an outcome of its own: were they set faster than that, all that falls due would be
/// late, and ever later.
const DEADLINE: u64 = BLOCK_WORK_MAX / DUE_OUTCOMES_MAX as u64;
/// How often an operation of governance reads the list of peers.
const PEER_LISTS: u64 = 3;
const LEGS_MAX: u64 = 1 + PROGRAMME_PARTICIPANTS_MAX as u64;
const OUTCOME_BYTES_PER_UNIT: usize = 64;
const SIGNATURE_BYTES: usize = 64;

/// What executing a transaction may cost, in units.
pub(super) fn work_of(transaction: &Transaction) -> u64 {
    let operations: u64 = transaction.operations().iter().map(Operation::work).sum();
    let co_signers = transaction.envelope().co_signers.len() as u64;
    TRANSACTION + SIGNATURE * transaction.signers().len() as u64 + co_signers + operations
}

impl Operation {
    /// What planning the operation may cost, in units.
    fn work(&self) -> u64 {
        match self {
            Self::OpenAccount(_) => 9 + ACCOUNT_DEPTH_MAX as u64,
            Self::CloseAccount(_) => CLOSING,
            Self::CreateToken(_) => 6 + TOKENS_MAX as u64,
            Self::AttestReserves(attest) => 8 + attest.assets.len() as u64,
            Self::RequestIssuance(request) => 6 + ALLOCATION * request.allocations.len() as u64,
            Self::ApproveIssuance(_) => 14 + ALLOCATION * ISSUANCE_ALLOCATIONS_MAX as u64,
            Self::RequestRedemption(_) => 12 + DEADLINE,
            Self::RejectRedemption(_) | Self::RejectIssuance(_) => 12,
            Self::SplitReceivable(split) => 14 + PART * split.parts.len() as u64,
            Self::RecordShipmentEvent(_) => 16 + EVENTS_PER_ORDER_MAX as u64,
            Self::RegisterInvoice(invoice) => 24 + if invoice.order.is_some() { DEADLINE } else { 0 },
            Self::IssueCreditNote(_) => 28 + INTEREST + DEADLINE,
            Self::PayRedemption(_) => 16,
            Self::WithdrawInvoice(_) | Self::RejectInvoice(_) | Self::AssignReceivable(_) => 16,
            Self::ConfirmInvoice(_) | Self::DisputeInvoice(_) | Self::PlaceOrder(_) | Self::CancelOrder(_) => 12,
            Self::Transfer(_) => 8,
            Self::RotateKeys(_)
            | Self::CertifyBalance(_)
            | Self::CommitFingerprintKey(_)
            | Self::CertifyAbsence(_)
            | Self::AcceptOrder(_)
            | Self::ProposeOrderChange(_)
            | Self::AcceptOrderChange(_)
            | Self::RegisterReadPoint(_)
            | Self::RetireReadPoint(_)
            | Self::AppointCarrier(_)
            | Self::DeclareEventError(_)
            | Self::RetireNetwork(_)
            | Self::DeclareForeignAccount(_)
            | Self::SetLendingParameter(_)
            | Self::AttestLenderCapital(_) => 6,
            Self::PublishProgramme(publish) => 12 + publish.terms.evidence.networks.len() as u64,
            Self::CloseProgramme(_) | Self::JoinProgramme(_) | Self::RemoveParticipant(_) => 12,
            Self::RegisterNetwork(register) => {
                6 + VALIDATOR_KEY * register.validators.keys().len() as u64 + register.tokens.len() as u64
            }
            Self::LinkForeignAccount(link) => 6 + work_of_foreign_receipt(&link.receipt),
            Self::SetForbiddenPurposes(_) | Self::DecideUpgrade(_) | Self::WithdrawUpgrade(_) => 12,
            Self::AddValidator(_)
            | Self::RemoveValidator(_)
            | Self::RotateValidatorKey(_)
            | Self::SetValidatorAddress(_)
            | Self::AddObserver(_)
            | Self::RemoveObserver(_) => 12 + PEER_LISTS * PEERS_MAX as u64,
            Self::DeclareDefault(_) => 16 + INTEREST,
            Self::PayInvoice(_) | Self::RepayLoan(_) | Self::RecordRecovery(_) | Self::WriteOffLoan(_) => {
                24 + INTEREST + LEG * LEGS_MAX
            }
            Self::RequestFinancing(RequestFinancing { citations, foreign_receipts, .. }) => {
                40 + INTEREST
                    + LEG * LEGS_MAX
                    + EVENTS_PER_ORDER_MAX as u64
                    + citations.iter().map(work_of_citation).sum::<u64>()
                    + foreign_receipts.iter().map(work_of_foreign_receipt).sum::<u64>()
            }
        }
    }
}

fn work_of_citation(citation: &Citation) -> u64 {
    let hashes = citation.outcome_path.siblings.len() + citation.history_path.siblings.len();
    CITATION + (hashes + citation.outcome.len() / OUTCOME_BYTES_PER_UNIT) as u64
}

/// Whatever it holds of signatures and hashes, it holds at most one in so many bytes.
fn work_of_foreign_receipt(receipt: &Bytes) -> u64 {
    CITATION + SIGNATURE_ALONE * receipt.len().div_ceil(SIGNATURE_BYTES) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::accounts::CloseAccount;
    use crate::domain::financing::{CloseProgramme, DeclareDefault, LinkForeignAccount, RepayLoan};
    use crate::domain::tokens::{
        Allocation, ApproveIssuance, AssetClass, AttestReserves, CertifyBalance, CreateToken, PayRedemption,
        RejectIssuance, RequestIssuance, RequestRedemption, ReserveAsset, ReservePolicy, TokenTerms,
    };
    use crate::domain::trade::{AcceptOrder, ConfirmInvoice, IssueCreditNote, RegisterInvoice, WithdrawInvoice};
    use crate::execution::chronicle::{Chronicle, id, token, transfer};
    use crate::ledger::TransactionSignature;
    use crate::ledger::limits::{
        BLOCK_TRANSACTIONS_MAX, BLOCK_WORK_MAX, CITATIONS_MAX, FOREIGN_RECEIPT_BYTES_MAX, FOREIGN_RECEIPTS_MAX,
        OPERATIONS_MAX, SIGNATURES_MAX, TRANSACTION_BYTES_MAX,
    };
    use crate::ledger::transaction::SignedTransaction;
    use crate::primitives::merkle::Path;
    use crate::primitives::{Amount, BlockTime, Hash, ObjectId, PublicKey, Signature};

    fn transaction(operations: Vec<Operation>, signature_count: usize) -> Transaction {
        let mut chronicle = Chronicle::begin();
        let draft = chronicle.draft(id("issuer"), operations);
        let signature =
            |n: usize| TransactionSignature { public_key: PublicKey([n as u8; 32]), signature: Signature([0; 64]) };
        let signatures = (0..signature_count).map(signature).collect();
        let signed = SignedTransaction::new(Bytes::from_static(b"body"), signatures).expect("within its limits");
        Transaction::authentic(signed, draft.envelope, draft.operations)
    }

    #[test]
    fn a_block_of_plain_payments_is_full_by_number_before_it_is_by_work() {
        let payment = transaction(vec![transfer("buyer", "supplier", 1).into()], 1);
        assert_eq!(work_of(&payment) * BLOCK_TRANSACTIONS_MAX as u64, BLOCK_WORK_MAX);
    }

    #[test]
    fn the_largest_transaction_has_room_in_an_empty_block() {
        let terms = TokenTerms {
            currency: "USD".parse().expect("a currency"),
            scale: 2,
            custodian: id("custodian"),
            reserve_policy: ReservePolicy { asset_rules: vec![], attestation_age_ms_max: 1 },
            calendar: Default::default(),
            redemption_business_days: 1,
        };
        // All that a body's bytes hold of hashes and outcomes: more than any transaction has, in any number of operations.
        let siblings = vec![Hash([1; 32]); TRANSACTION_BYTES_MAX / 32];
        let path = |siblings| Path { index: 0, size: 1, siblings };
        let citation = Citation {
            outcome: Bytes::from(vec![0; TRANSACTION_BYTES_MAX]),
            outcome_path: path(siblings.clone()),
            header: Bytes::new(),
            history_path: path(siblings),
        };
        let financing = RequestFinancing {
            receivable: ObjectId([1; 32]),
            programme: ObjectId([2; 32]),
            advance: Amount::new(1),
            purpose: String::new(),
            citations: vec![citation; CITATIONS_MAX],
            foreign_receipts: vec![Bytes::from(vec![0; FOREIGN_RECEIPT_BYTES_MAX]); FOREIGN_RECEIPTS_MAX],
        };
        let link = LinkForeignAccount { receipt: Bytes::from(vec![0; FOREIGN_RECEIPT_BYTES_MAX]) };
        for operations in [
            vec![CreateToken { token: token(), terms }.into(); OPERATIONS_MAX],
            vec![ApproveIssuance { issuance: ObjectId([1; 32]) }.into(); OPERATIONS_MAX],
            vec![financing.into()],
            vec![link.into(); TRANSACTION_BYTES_MAX / FOREIGN_RECEIPT_BYTES_MAX],
        ] {
            let largest = transaction(operations, SIGNATURES_MAX);
            let work = work_of(&largest);
            assert!(work <= BLOCK_WORK_MAX / 2, "{work} units: {:?}", largest.operations()[0]);
        }
    }

    /// Validators agree on a block's work, so a unit more here is another rule there.
    #[test]
    fn units_are_those_that_validators_agree_on() {
        let object = ObjectId([1; 32]);
        let account = id("buyer");
        let allocations = vec![Allocation { account, amount: Amount::new(1) }; 3];
        let expires_at = BlockTime(1);
        let assets = vec![
            ReserveAsset {
                asset_class: AssetClass::Cash,
                matures_at: BlockTime(0),
                market_value: Amount::new(1),
                haircut_bps: 0
            };
            5
        ];
        let receipt = Bytes::from(vec![0; 65]);
        let citation = Citation {
            outcome: Bytes::from(vec![0; 128]),
            outcome_path: Path { index: 0, size: 1, siblings: vec![Hash([1; 32]); 3] },
            header: Bytes::new(),
            history_path: Path { index: 0, size: 1, siblings: vec![Hash([1; 32]); 4] },
        };
        let asking = |citations, foreign_receipts| RequestFinancing {
            receivable: object,
            programme: object,
            advance: Amount::new(1),
            purpose: String::new(),
            citations,
            foreign_receipts,
        };
        let token = token();
        let (amount, payout_commitment) = (Amount::new(1), Hash([0; 32]));
        let [fingerprint, document_commitment] = [Hash([1; 32]), Hash([2; 32])];
        let invoice = RegisterInvoice {
            buyer: account,
            token,
            currency: "HKD".parse().expect("a currency"),
            amount,
            due_at: expires_at,
            fingerprint,
            document_commitment,
            issued_on: expires_at.day(),
            order: None,
        };
        let note = IssueCreditNote { receivable: object, amount, fingerprint, document_commitment };
        let rows: Vec<(Operation, u64)> = vec![
            (transfer("buyer", "supplier", 1).into(), 8),
            (CloseAccount { account }.into(), 2_048),
            (AttestReserves { token, as_of: expires_at, assets }.into(), 13),
            (RequestIssuance { token, allocations, expires_at }.into(), 18),
            (ApproveIssuance { issuance: object }.into(), 14 + 4 * ISSUANCE_ALLOCATIONS_MAX as u64),
            (RejectIssuance { issuance: object }.into(), 12),
            // What sets a deadline weighs a 4,096th of a block besides, of which a block works off so many.
            (RequestRedemption { token, amount, payout_commitment }.into(), 12 + 128),
            (RegisterInvoice { order: Some(object), ..invoice }.into(), 24 + 128),
            (invoice.into(), 24),
            (note.into(), 28 + 256 + 128),
            (PayRedemption { redemption: object, fiat_reference: String::new() }.into(), 16),
            (CertifyBalance { account, token }.into(), 6),
            (WithdrawInvoice { receivable: object }.into(), 16),
            (ConfirmInvoice { receivable: object }.into(), 12),
            (AcceptOrder { order: object }.into(), 6),
            (CloseProgramme { programme: object }.into(), 12),
            (DeclareDefault { loan: object }.into(), 272),
            (RepayLoan { loan: object, amount }.into(), 280 + 16 * (1 + PROGRAMME_PARTICIPANTS_MAX as u64)),
            (LinkForeignAccount { receipt: receipt.clone() }.into(), 6 + 8 + 2 * 48),
        ];
        for (operation, units) in rows {
            assert_eq!(operation.work(), units, "{operation:?}");
        }
        let bare = Operation::from(asking(vec![], vec![])).work();
        let legs = 16 * (1 + PROGRAMME_PARTICIPANTS_MAX as u64);
        assert_eq!(bare, 40 + 256 + legs + EVENTS_PER_ORDER_MAX as u64);
        assert_eq!(Operation::from(asking(vec![citation], vec![receipt])).work() - bare, 8 + 7 + 2 + 8 + 2 * 48);
    }

    #[test]
    fn work_grows_with_signatures_and_operations() {
        let of = |operations: Vec<Operation>, signatures| work_of(&transaction(operations, signatures));
        let payment = || transfer("buyer", "supplier", 1).into();
        assert_eq!(of(vec![payment()], 2) - of(vec![payment()], 1), SIGNATURE);
        assert_eq!(of(vec![payment(); 64], 1) - of(vec![payment()], 1), 63 * 8);
    }
}
