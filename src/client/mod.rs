//! F6: the Rust SDK. What a program needs to take part in a ledger: keys, transactions, a connection to nodes, receipts and
//! their verification. The command line, the sandbox and the tests use nothing else.

pub mod keys;
pub mod passphrase;
pub mod receipt_file;
pub mod ubl;

pub use keys::{KeyFileError, KeyPair};
pub use passphrase::{Passphrase, PassphraseError, PassphraseSource};
