//! How much a transaction moves, promises or attests, as far as its bytes tell: what a policy's amounts are held against.
//!
//! Some operations name what they are about and not its token, such as a payment of a receivable: their amounts count against every
//! token's bound. Others bind somebody to what stands in the ledger and name no amount (approving an issuance, confirming an
//! invoice, accepting an order): for those a policy can say yes or no, and no more.

use crate::execution::Operation;
use crate::primitives::{Amount, TokenId};
use std::collections::BTreeMap;

/// Amounts of a transaction, in minor units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Amounts {
    /// Of tokens that its bytes name.
    pub by_token: BTreeMap<TokenId, u128>,
    /// Of tokens that they do not name.
    pub of_unnamed: u128,
}

impl Amounts {
    /// What all operations come to together.
    pub fn of(operations: &[Operation]) -> Self {
        let mut amounts = Self::default();
        for operation in operations {
            let (token, amounts_of_operation) = amounts_of(operation);
            let sum: u128 = amounts_of_operation.iter().map(|amount| u128::from(amount.minor_units())).sum();
            match token {
                Some(token) => *amounts.by_token.entry(token).or_default() += sum,
                None => amounts.of_unnamed += sum,
            }
        }
        amounts
    }
}

/// An operation's token, if it names one, and its amounts.
fn amounts_of(operation: &Operation) -> (Option<TokenId>, Vec<Amount>) {
    match operation {
        Operation::Transfer(it) => (Some(it.token), vec![it.amount]),
        Operation::AttestReserves(it) => (Some(it.token), it.assets.iter().map(|asset| asset.market_value).collect()),
        Operation::RequestIssuance(it) => (Some(it.token), it.allocations.iter().map(|each| each.amount).collect()),
        Operation::RequestRedemption(it) => (Some(it.token), vec![it.amount]),
        Operation::RegisterInvoice(it) => (Some(it.token), vec![it.amount]),
        Operation::PlaceOrder(it) => (Some(it.token), vec![it.terms.amount]),
        // What the programme may lend in all.
        Operation::PublishProgramme(it) => (Some(it.terms.token), vec![it.terms.limits.total]),
        Operation::ProposeOrderChange(it) => (None, vec![it.terms.amount]),
        Operation::JoinProgramme(it) => (None, vec![it.limit]),
        Operation::RequestFinancing(it) => (None, vec![it.advance]),
        Operation::PayInvoice(it) => (None, vec![it.amount]),
        Operation::RepayLoan(it) => (None, vec![it.amount]),
        Operation::RecordRecovery(it) => (None, vec![it.amount]),
        Operation::DisputeInvoice(it) => (None, vec![it.amount]),
        Operation::IssueCreditNote(it) => (None, vec![it.0.amount]),
        Operation::SplitReceivable(it) => (None, it.parts.iter().map(|part| part.amount).collect()),
        Operation::OpenAccount(_)
        | Operation::RotateKeys(_)
        | Operation::CloseAccount(_)
        | Operation::CreateToken(_)
        | Operation::ApproveIssuance(_)
        | Operation::RejectIssuance(_)
        | Operation::PayRedemption(_)
        | Operation::RejectRedemption(_)
        | Operation::CertifyBalance(_)
        | Operation::CommitFingerprintKey(_)
        | Operation::ConfirmInvoice(_)
        | Operation::WithdrawInvoice(_)
        | Operation::RejectInvoice(_)
        | Operation::CertifyAbsence(_)
        | Operation::AcceptOrder(_)
        | Operation::AcceptOrderChange(_)
        | Operation::CancelOrder(_)
        | Operation::RegisterReadPoint(_)
        | Operation::RetireReadPoint(_)
        | Operation::AppointCarrier(_)
        | Operation::RecordShipmentEvent(_)
        | Operation::DeclareEventError(_)
        | Operation::AssignReceivable(_)
        | Operation::CloseProgramme(_)
        | Operation::RemoveParticipant(_)
        | Operation::DeclareDefault(_)
        | Operation::WriteOffLoan(_)
        | Operation::SetLendingParameter(_)
        | Operation::AttestLenderCapital(_)
        | Operation::RegisterNetwork(_)
        | Operation::RetireNetwork(_)
        | Operation::DeclareForeignAccount(_)
        | Operation::LinkForeignAccount(_)
        | Operation::SetForbiddenPurposes(_)
        | Operation::AddValidator(_)
        | Operation::RemoveValidator(_)
        | Operation::RotateValidatorKey(_)
        | Operation::SetValidatorAddress(_)
        | Operation::AddObserver(_)
        | Operation::RemoveObserver(_)
        | Operation::DecideUpgrade(_)
        | Operation::WithdrawUpgrade(_) => (None, Vec::new()),
    }
}
