//! Operations: each message into its room's operation, held to the room's static bounds.

mod accounts;
mod financing;
mod governance;
mod networks;
mod orders;
mod payments;
mod shipments;
mod tokens;
mod trade;

pub use financing::{citations, parameter_number, request_financing};

use super::pb::ledger as pb;
use crate::execution::Operation;
use crate::ledger::malformed::Malformed;

/// Converts each arm of the `oneof` with the function of its name, and puts that name into the path of an error.
macro_rules! convert {
    ($kind:expr; $($variant:ident => $room:ident :: $function:ident,)*) => {
        match $kind {
            $(pb::operation::Operation::$variant(message) => {
                $room::$function(message).map(Operation::$variant).map_err(|error| error.within(stringify!($function)))
            })*
        }
    };
}

/// An operation. Paths of errors start at the message's one set field: `transfer.amount`.
///
/// # Errors
/// No operation set, or the first field that breaks a bound.
pub(super) fn operation(message: pb::Operation) -> Result<Operation, Malformed> {
    let kind = message.operation.ok_or_else(|| Malformed::new("operation", "exactly one operation must be set"))?;
    convert! { kind;
        OpenAccount => accounts::open_account,
        RotateKeys => accounts::rotate_keys,
        CloseAccount => accounts::close_account,
        CreateToken => tokens::create_token,
        AttestReserves => tokens::attest_reserves,
        RequestIssuance => tokens::request_issuance,
        ApproveIssuance => tokens::approve_issuance,
        RejectIssuance => tokens::reject_issuance,
        RequestRedemption => tokens::request_redemption,
        PayRedemption => tokens::pay_redemption,
        RejectRedemption => tokens::reject_redemption,
        CertifyBalance => tokens::certify_balance,
        Transfer => payments::transfer,
        CommitFingerprintKey => trade::commit_fingerprint_key,
        RegisterInvoice => trade::register_invoice,
        ConfirmInvoice => trade::confirm_invoice,
        WithdrawInvoice => trade::withdraw_invoice,
        RejectInvoice => trade::reject_invoice,
        CertifyAbsence => trade::certify_absence,
        PlaceOrder => orders::place_order,
        AcceptOrder => orders::accept_order,
        ProposeOrderChange => orders::propose_order_change,
        AcceptOrderChange => orders::accept_order_change,
        CancelOrder => orders::cancel_order,
        RegisterReadPoint => shipments::register_read_point,
        RetireReadPoint => shipments::retire_read_point,
        RecordShipmentEvent => shipments::record_shipment_event,
        DeclareEventError => shipments::declare_event_error,
        DisputeInvoice => trade::dispute_invoice,
        IssueCreditNote => trade::issue_credit_note,
        AssignReceivable => trade::assign_receivable,
        SplitReceivable => trade::split_receivable,
        AppointCarrier => shipments::appoint_carrier,
        RequestFinancing => financing::request_financing,
        PayInvoice => financing::pay_invoice,
        PublishProgramme => financing::publish_programme,
        CloseProgramme => financing::close_programme,
        JoinProgramme => financing::join_programme,
        RemoveParticipant => financing::remove_participant,
        RepayLoan => financing::repay_loan,
        DeclareDefault => financing::declare_default,
        WriteOffLoan => financing::write_off_loan,
        RecordRecovery => financing::record_recovery,
        SetLendingParameter => financing::set_lending_parameter,
        AttestLenderCapital => financing::attest_lender_capital,
        RegisterNetwork => networks::register_network,
        RetireNetwork => networks::retire_network,
        DeclareForeignAccount => networks::declare_foreign_account,
        LinkForeignAccount => networks::link_foreign_account,
        SetForbiddenPurposes => financing::set_forbidden_purposes,
        AddValidator => governance::add_validator,
        RemoveValidator => governance::remove_validator,
        RotateValidatorKey => governance::rotate_validator_key,
        SetValidatorAddress => governance::set_validator_address,
        AddObserver => governance::add_observer,
        RemoveObserver => governance::remove_observer,
        DecideUpgrade => governance::decide_upgrade,
        WithdrawUpgrade => governance::withdraw_upgrade,
    }
}
