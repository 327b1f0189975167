//! What clients meant, sent and heard: all that the checker knows of a run besides what the nodes answer when it is over.

use causeway::primitives::{Hash, RequestId, TransactionId};
use std::collections::BTreeSet;
use std::time::Duration;

/// A moment: since the run began. All clients share one clock, so an earlier moment was earlier.
pub type Moment = Duration;

/// What a transaction is to do: its payer pays these, all or none. With nobody to pay, its payer's balance is certified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    pub payer: usize,
    /// Whom, and how much in minor units. Nobody twice, and never the payer.
    pub legs: Vec<(usize, u64)>,
}

impl Intent {
    /// What it takes from the payer.
    pub fn total(&self) -> u64 {
        self.legs.iter().map(|(_, amount)| amount).sum()
    }
}

/// A receipt that a client verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub receipt: Hash,
    pub height: u64,
    /// The reason's name, if the ledger declined it.
    pub declined: Option<String>,
    /// What the payer had left after it, where the receipt says so.
    pub left: Option<u64>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is final.
    Final(Proof),
    /// A final block is past its expiry, and none holds it.
    Never,
    /// A final block holds another body under its request id: this was asked for, and is no answer to a submission.
    Rivalled,
    /// The node did not take it, for the rule of this name: of this call nothing came.
    Refused(String),
    /// The node was not reached.
    NotSent,
    /// Nothing that tells whether the node took it.
    Nothing,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Try {
    pub node: usize,
    pub began: Moment,
    pub ended: Moment,
    pub heard: Heard,
}

/// One transaction, and every call that was made for it. All of them sent the same bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    pub id: TransactionId,
    pub request: RequestId,
    pub intent: Intent,
    /// In ms of the Unix epoch.
    pub expires_at_ms: u64,
    pub tries: Vec<Try>,
}

impl Deed {
    /// What a client was told of its end, with the moment from which on it knew; the earliest, if it was told several times.
    pub fn end(&self) -> Option<(&Heard, Moment)> {
        let is_end = |each: &&Try| matches!(each.heard, Heard::Final(_) | Heard::Never | Heard::Rivalled);
        self.tries.iter().filter(is_end).min_by_key(|each| each.ended).map(|each| (&each.heard, each.ended))
    }

    /// Every proof that a client was given of it.
    pub fn proofs(&self) -> impl Iterator<Item = (&Try, &Proof)> {
        self.tries.iter().filter_map(|each| match &each.heard {
            Heard::Final(proof) => Some((each, proof)),
            _ => None,
        })
    }

    /// When it was first on its way to a node.
    pub fn sent(&self) -> Option<Moment> {
        self.tries.iter().map(|each| each.began).min()
    }

    /// Whether no node has taken it, by what clients were told.
    pub fn was_never_taken(&self) -> bool {
        self.tries.iter().all(|each| matches!(each.heard, Heard::Refused(_) | Heard::NotSent | Heard::Rivalled))
    }
}

/// A balance that a node answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    pub node: usize,
    pub account: usize,
    pub began: Moment,
    pub ended: Moment,
    /// As of which height, by the answer.
    pub height: u64,
    pub available: u64,
}

/// Everything that clients saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    pub deeds: Vec<Deed>,
    pub looks: Vec<Look>,
    /// Nodes that were rebuilt into an empty directory, and when they were started so: they begin at height 0 once more.
    pub rebuilt: Vec<(usize, Moment)>,
    /// What governance did: it moves nothing.
    pub governed: BTreeSet<TransactionId>,
}

impl History {
    /// Takes over what another client saw.
    pub fn append(&mut self, other: Self) {
        let Self { deeds, looks, rebuilt, governed } = other;
        self.governed.extend(governed);
        self.deeds.extend(deeds);
        self.looks.extend(looks);
        self.rebuilt.extend(rebuilt);
    }
}
