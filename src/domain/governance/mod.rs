//! Governance of the network: who validates, who observes, where they are reached, and which version of the protocol they follow.
//!
//! # Life cycle
//! ```text
//!             AddObserver              AddValidator, RotateValidatorKey           the epoch's end
//! (unlisted) ────────────► observer ──────────────────────────────────► joining ──────────────────► validator
//!                             ▲   ▲            RemoveValidator             │                          │    │
//!                             │   └────────────────────────────────────────┘          RemoveValidator │    │ RotateValidatorKey
//!                             │                                                                       ▼    ▼
//!                             └──────────────────────────── the epoch's end ─────────────────── leaving  replaced ──► (unlisted)
//! ```
//! A change of the validators is decided within an epoch and takes force with the first block of the next: the epoch's last
//! block, which the old validators sign, names the new ones ([`turn`]). Whoever is listed is a peer at once, so a validator that
//! joins follows and catches up before it votes. A validator that was taken out goes on as an observer; a key that was replaced
//! is off the list.
//!
//! The version of the protocol ([`crate::ledger::protocol`]) is raised in the same way: decided within an epoch, in force from the
//! first block of the one after the next, so that operators have an epoch's notice, and taken back until then.
//!
//! All of it is for governance: the sender's account has that role, and as many of its keys sign as it asks for. A genesis
//! that names several keys and a threshold has several persons decide. The new validator's key signs too.
//!
//! # Invariants
//! * Those that stay over an epoch's end are a quorum of the old validators and, from four on, of the new ones: whoever leaves
//!   may be down, and whoever joins may never come up.
//! * Four validators or more do not become fewer than four; fewer do not become fewer still.
//! * A key validates once: one that was taken out or replaced never does again.
//! * No two peers listen at one address, save a key and the one that it replaces.
//!
//! # Deliberately absent
//! Who operates a validator, beyond a name for people; stakes, rewards and penalties. And a way for a validator to replace its
//! own key: it lies on a server that faces the network, and whoever steals it could lock its owner out.

mod epoch_end;
mod observers;
mod peer;
mod roster;
#[cfg(test)]
mod tests;
mod upgrades;
mod validators;

pub use epoch_end::turn;
pub use observers::{AddObserver, RemoveObserver};
pub use peer::{PEERS_KEY, Peer, PeerList, RetiredKey, Standing, list_validators};
pub use roster::peers;
pub use upgrades::{DecideUpgrade, WithdrawUpgrade};
pub use validators::{AddValidator, RemoveValidator, RotateValidatorKey, SetValidatorAddress};
