//! F6: the Rust SDK. What a program needs to take part in a ledger: keys, transactions, a connection to nodes, receipts and
//! their verification. The command line, the sandbox and the tests use nothing else.
//!
//! The way of a payment: read a [`Participant`] or a [`KeyPair`], [`Client::connect`], build with [`TransactionBuilder`] and
//! [`operations`], sign (with a key in memory, or through a [`Signer`]), [`Client::submit_and_wait`] (or many at once over [`submission`]), keep the receipt with [`receipt_file`], and let anyone check it with
//! [`Receipt::verify`](crate::ledger::receipt::Receipt::verify).
//!
//! # Invariants
//! * A transaction is resent as the same bytes, never rebuilt: it cannot happen twice.
//! * What a node says is checked for its form; what it claims is proven by the receipt alone.

pub mod bounded_file;
mod connection;
pub mod decimal;
pub mod epcis;
mod error;
pub mod json;
pub mod keys;
mod ledger_client;
pub mod lineage;
pub mod operations;
pub mod participant;
pub mod passphrase;
pub mod queries;
pub mod receipt_file;
mod remote_signer;
mod signer;
pub mod submission;
mod tls;
mod transaction;
pub mod ubl;

pub use connection::{Connection, Reader, read_statement};
pub use error::{ClientError, Refusal, first_cause};
pub use keys::{KeyFileError, KeyPair};
pub use ledger_client::{Client, Settled};
pub use operations::Operation;
pub use participant::{Credentials, KeyPlace, Participant, ParticipantError};
pub use passphrase::{Passphrase, PassphraseError, PassphraseSource};
pub use remote_signer::{RemoteKey, RemoteSigner, SIGNER_PATIENCE_DEFAULT};
pub use signer::{Signer, SignerError, SigningPurpose};
pub use tls::Tls;
pub use transaction::{Added, EXPIRES_IN_DEFAULT, TransactionBuilder, UnsignedTransaction, now_ms, random_request_id};
