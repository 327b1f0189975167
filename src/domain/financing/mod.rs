//! Financing: receivables turned into money at once, against the supplier's record of settlements.
//!
//! # Life cycle
//! A supplier asks a financier to finance a confirmed receivable and cites settlement receipts of its own, each with its
//! way into the ledger's history. The financier accepts: in one transaction the advance is paid to the supplier and the
//! receivable assigned to the financier. The buyer then pays the invoice, in whole or in parts: the financier receives
//! advance and fee first, the supplier the rest.
//!
//! ```text
//! requested --accept--> accepted
//!     +-----withdraw--> withdrawn
//! ```
//!
//! A request that is past its expiry stays `requested` and can no longer be accepted: time decides, no entry changes.
//! Several requests may be open for one receivable, to several financiers; the first to accept has it.
//!
//! # Invariants
//! * A receivable has at most one financier, ever.
//! * Advance and receivable change hands together or not at all.
//! * What a buyer pays reaches financier and supplier in full, the financier until advance and fee are repaid.
//! * Every citation of a request was proven from state alone when the request was made.
//!
//! # Deliberately absent
//! Old blocks and receipts: a validator that joined by snapshot decides as any other. The judgement whether to lend,
//! which is the financier's, until programmes decide by rules. Caps on cost and leverage, which come with the lender's
//! rules.

mod accept;
pub mod all_in_cost;
mod citation;
pub mod interest;
mod payment;
mod request;
#[cfg(test)]
mod tests;

pub use accept::AcceptFinancing;
pub use citation::{Citation, SettlementRecord};
pub use payment::PayInvoice;
pub use request::{FinancingRequest, FinancingRequestState, RequestFinancing, WithdrawFinancing, financing_request};
