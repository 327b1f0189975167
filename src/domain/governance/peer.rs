//! A peer as state holds it.

use crate::ledger::{Changes, Column, Entry, PeerAddress};
use crate::primitives::PublicKey;
use crate::{codec_struct, codec_tag};

/// What a peer is, and is about to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Follows and never votes.
    Observer,
    /// Votes from the next epoch on.
    Joining,
    /// Votes.
    Validator,
    /// Votes until the epoch ends, and observes from then on.
    Leaving,
    /// Votes until the epoch ends. Then another key takes its place.
    Replaced,
}
codec_tag!(Standing { Observer = 1, Joining = 2, Validator = 3, Leaving = 4, Replaced = 5 });

impl Standing {
    /// The name in reasons and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Observer => "observer",
            Self::Joining => "joining",
            Self::Validator => "validator",
            Self::Leaving => "leaving",
            Self::Replaced => "replaced",
        }
    }

    /// Whether it votes in this epoch.
    pub const fn votes_now(self) -> bool {
        matches!(self, Self::Validator | Self::Leaving | Self::Replaced)
    }

    /// Whether it votes in the next epoch, as things stand.
    pub const fn votes_next(self) -> bool {
        matches!(self, Self::Validator | Self::Joining)
    }
}

/// A validator or an observer, kept under its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// A name, for people.
    pub name: String,
    /// Where it listens for other nodes. Observers dial, and those of the genesis are in the nodes' configurations.
    pub address: Option<PeerAddress>,
    /// What it is.
    pub standing: Standing,
    /// Of one that joins: the key whose place it takes.
    pub replaces: Option<PublicKey>,
}
codec_struct!(Peer { name, address, standing, replaces });

impl Entry for Peer {
    const COLUMN: Column = Column::Peers;
    type Key = PublicKey;
}

/// Since when the list of peers is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerList {
    /// The height of the block that changed it last.
    pub changed_at: u64,
}
codec_struct!(PeerList { changed_at });

impl Entry for PeerList {
    const COLUMN: Column = Column::Chain;
    /// Always [`PEERS_KEY`].
    type Key = u8;
}

/// The key of the [`PeerList`] in its column.
pub const PEERS_KEY: u8 = b'g';

/// A key that validated and never will again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetiredKey {
    /// The first epoch without it.
    pub from_epoch: u64,
}
codec_struct!(RetiredKey { from_epoch });

impl Entry for RetiredKey {
    const COLUMN: Column = Column::RetiredValidatorKeys;
    type Key = PublicKey;
}

/// Lists the validators of the genesis.
pub fn list_validators<'a>(changes: &mut Changes<'_>, validators: impl Iterator<Item = (PublicKey, &'a str)>) {
    for (key, name) in validators {
        let (name, standing) = (name.to_owned(), Standing::Validator);
        changes.put(&key, &Peer { name, address: None, standing, replaces: None });
    }
    changes.put(&PEERS_KEY, &PeerList { changed_at: 0 });
}
