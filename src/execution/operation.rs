//! The dispatch: which room does which operation.

use crate::domain::{accounts, financing, governance, payments, tokens, trade};
use crate::ledger::{Changes, Context, Place, Reason};

macro_rules! operations {
    ($($variant:ident => $room:ident),* $(,)?) => {
        /// One thing to do.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Operation {
            $(#[allow(missing_docs)] $variant($room::$variant),)*
        }

        impl Operation {
            /// Has the operation's room plan it.
            ///
            /// # Errors
            /// The reason for which it is declined. The working set is then to be thrown away.
            pub fn plan(&self, context: &Context<'_>, changes: &mut Changes<'_>) -> Result<(), Reason> {
                match self {
                    $(Self::$variant(operation) => operation.plan(context, changes),)*
                }
            }
        }

        $(impl From<$room::$variant> for Operation {
            fn from(operation: $room::$variant) -> Self {
                Self::$variant(operation)
            }
        })*
    };
}

operations! {
    OpenAccount => accounts,
    RotateKeys => accounts,
    CloseAccount => accounts,
    CreateToken => tokens,
    AttestReserves => tokens,
    RequestIssuance => tokens,
    ApproveIssuance => tokens,
    RejectIssuance => tokens,
    RequestRedemption => tokens,
    PayRedemption => tokens,
    RejectRedemption => tokens,
    CertifyBalance => tokens,
    Transfer => payments,
    CommitFingerprintKey => trade,
    RegisterInvoice => trade,
    ConfirmInvoice => trade,
    WithdrawInvoice => trade,
    RejectInvoice => trade,
    CertifyAbsence => trade,
    PlaceOrder => trade,
    AcceptOrder => trade,
    ProposeOrderChange => trade,
    AcceptOrderChange => trade,
    CancelOrder => trade,
    RegisterReadPoint => trade,
    RetireReadPoint => trade,
    AppointCarrier => trade,
    RecordShipmentEvent => trade,
    DeclareEventError => trade,
    DisputeInvoice => trade,
    AssignReceivable => trade,
    SplitReceivable => trade,
    IssueCreditNote => financing,
    RequestFinancing => financing,
    PayInvoice => financing,
    PublishProgramme => financing,
    CloseProgramme => financing,
    JoinProgramme => financing,
    RemoveParticipant => financing,
    RepayLoan => financing,
    DeclareDefault => financing,
    WriteOffLoan => financing,
    RecordRecovery => financing,
    SetLendingParameter => financing,
    AttestLenderCapital => financing,
    RegisterNetwork => financing,
    RetireNetwork => financing,
    DeclareForeignAccount => financing,
    LinkForeignAccount => financing,
    SetForbiddenPurposes => financing,
    AddValidator => governance,
    RemoveValidator => governance,
    RotateValidatorKey => governance,
    SetValidatorAddress => governance,
    AddObserver => governance,
    RemoveObserver => governance,
    DecideUpgrade => governance,
    WithdrawUpgrade => governance,
}

impl From<trade::IssueCreditNote> for Operation {
    /// What it credits may secure a loan, so it goes by way of financing.
    fn from(note: trade::IssueCreditNote) -> Self {
        Self::IssueCreditNote(financing::IssueCreditNote(note))
    }
}

impl Operation {
    /// Where entries of state stand that planning it will ask for, as far as that shows beforehand. Payments are most of what
    /// a ledger does, and the rest reads as it goes.
    pub fn foreseen_reads(&self) -> impl Iterator<Item = Place> {
        let transfer = match self {
            Self::Transfer(transfer) => Some(transfer.foreseen_reads()),
            _ => None,
        };
        transfer.into_iter().flatten()
    }
}
