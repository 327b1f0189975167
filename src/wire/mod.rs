//! F4: protobuf to domain and back.
//!
//! Incoming: a transaction's body becomes an [`Envelope`](crate::execution::Envelope) and typed operations, or an error
//! that names the field by its path (`operations[2].transfer.amount`). Outgoing: outcomes, receipts, blocks and entries
//! become messages.
//!
//! # Invariants
//! * A body is accepted only in its canonical bytes: what is decoded re-encodes to the input. So there is one byte string,
//!   one hash and one meaning, and a field that this version does not know is refused instead of ignored.
//! * Conversion checks each operation's static bounds, through the rooms' own `check`. Nothing malformed gets any further.
//!
//! # Deliberately absent
//! Signatures (`admission`), gRPC statuses (`api`), and every rule that needs the state (the rooms).

mod body;
mod fields;
mod operations;
mod outcome;
pub mod pb;
mod receipt;

pub use body::{BodyError, decode_body, senders_of, signed_transaction, signed_transaction_to_pb};
pub use fields::{account_id, chain_id, hash, object_id, optional, request_id, token_id, transaction_id};
pub use operations::{
    citations as citations_from_pb, parameter_number, request_financing as request_financing_from_pb,
};
pub use outcome::{
    balance_to_pb, block_to_pb, decline_to_pb, effect_to_pb, field_to_pb, movement_to_pb, outcome_to_pb,
    reserve_line_to_pb, status_to_pb,
};
pub use receipt::{citation_to_pb, path_from_pb, path_to_pb, receipt_from_pb, receipt_to_pb};
