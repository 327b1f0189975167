//! F1: the ledger itself. Accounts, balances and locks; the state as a view and as changes to it; transactions, blocks,
//! outcomes and receipts with their formats.
//!
//! # Invariants
//! * Money moves only through [`Changes`], whose verbs refuse what would leave a balance negative or a lock unbacked.
//! * For each token the balances, available and locked, add up to its circulation.
//! * Locked value equals the open locks.
//! * A legal entity stays that of its first opener, and has one spelling.
//! * The open items listed of an account are those that there are.
//!
//! # Deliberately absent
//! What operations mean (the rooms of `domain`), who may do them (`execution`), and where bytes are kept (`storage`).

pub mod account;
pub mod balance;
pub mod blinding;
pub mod block;
pub mod certificate;
pub mod certified;
pub mod changes;
pub mod context;
pub mod due;
pub mod history;
pub mod legal_entity;
pub mod limits;
pub mod malformed;
pub mod open_items;
pub mod outcome;
pub mod peer_address;
pub mod place;
mod place_index;
pub(crate) mod point_map;
pub mod protocol;
pub mod reason;
pub mod receipt;
pub mod request;
pub mod transaction;
pub mod validators;
pub mod view;
pub mod working_set;

pub use account::{Account, Role, Roles};
pub use balance::{Balance, Circulation, Lock, LockPurpose};
pub use blinding::{BalanceAfter, BalanceCommitment, Blinding, Openings};
pub use block::{Block, Header, ReserveLine};
pub use certificate::{Certificate, CertificateError, consensus_namespace};
pub use certified::CertifiedHeader;
pub use changes::Changes;
pub use context::Context;
pub use due::{Due, DueKey, DueKind};
pub use history::{HistoryRoot, Parameters, Tip};
pub use legal_entity::LegalEntity;
pub use malformed::Malformed;
pub use open_items::OpenItem;
pub use outcome::{Decline, Effect, Movement, MovementKind, Outcome, Status, Value};
pub use peer_address::PeerAddress;
pub use place::Place;
pub use protocol::Protocol;
pub use reason::Reason;
pub use receipt::{Receipt, TrustRoot};
pub use request::Request;
pub use transaction::{SignedTransaction, TransactionSignature};
pub use validators::ValidatorSet;
pub use view::{Column, Entry, Layers, View, Writes};
pub use working_set::{Change, Touched, WorkingSet};
