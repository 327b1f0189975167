//! F7: a signer as a process: keys that clients use and do not hold. The reference implementation of `causeway.signer.v1`, which
//! an institution replaces by one in front of its hardware module.
//!
//! # Life cycle
//! Keys opened, policy read → socket made, or port bound → asked, judged, signed or refused, each with a line in the log → a signal →
//! open calls ended, socket removed.
//!
//! # Invariants
//! * What is signed is understood first: a transaction's body of the policy's ledger in its one form, as nodes decode it, or
//!   a statement of who reads on that ledger, of a call that nodes have. Nothing else, whoever asks.
//! * A key signs what its entry in the policy names, up to the amounts that stand there. A key without an entry signs nothing.
//! * What is signed ages: a transaction's expiry and a statement's are bounded by this machine's clock as nodes bound them, so
//!   that nobody keeps signatures for later.
//! * Every request leaves a line that says what it was, in words, and what became of it. No key and no passphrase is in any.
//! * Connections, calls, messages and times have bounds. Only this user reaches the socket, or its group where that is said;
//!   only holders of a certificate reach the port.
//!
//! # Deliberately absent
//! Sums over time, and approval by several people: a policy of the reference judges each transaction alone. PKCS#11. And the
//! keys of validators, whose votes the engine signs in memory: see `docs/keys.md`.

mod amounts;
mod keyring;
mod policy;
mod reading;
mod serving;
#[cfg(test)]
mod tests;

pub use keyring::{Asked, Keyring, Refusal, Refused};
pub use policy::{Policy, PolicyError};
pub use reading::Meaning;
pub use serving::{Place, ServeError, serve};
