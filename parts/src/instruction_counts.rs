//! Instruction counts: those last accepted, what was counted now, and whether the one may follow the other.
//!
//! # Invariants
//! * A count above the accepted one by more than [`RISE_PERCENT_MAX`] is never accepted without a reason, and the reason is
//!   kept.
//! * What lies within that bound does not move the accepted count, so small rises do not add up to a large one unseen.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// By how much a count may exceed the accepted one.
pub const RISE_PERCENT_MAX: u64 = 5;

/// The committed file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accepted {
    /// What the counts were taken with: another compiler makes other instructions.
    pub compiler: String,
    /// The paths, by name.
    #[serde(default)]
    pub paths: BTreeMap<String, Count>,
}

/// A path's accepted count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// Instructions for each item.
    pub instructions: u64,
    /// What an item is.
    pub per: String,
    /// The rises that were accepted, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rises: Vec<Rise>,
}

/// A rise that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rise {
    /// The count before.
    pub from: u64,
    /// The count after.
    pub to: u64,
    /// Why it is worth it.
    pub reason: String,
}

/// What was counted of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Instructions for each item.
    pub instructions: u64,
    /// What an item is.
    pub per: String,
}

/// How a count compares with the accepted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has none yet.
    New,
    /// Within the bound, either way.
    Same,
    /// Lower by more than the bound: to be recorded, or it may rise again unseen.
    Fell,
    /// Higher by more than the bound.
    Rose,
    /// A path was accepted that is not counted any more.
    Gone,
}

impl Verdict {
    /// Whether the change that was counted must not land as it is.
    pub fn fails(self) -> bool {
        matches!(self, Self::New | Self::Rose | Self::Gone)
    }
}

/// Why counts were not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unaccepted {
    /// A rise has no reason.
    #[error("{0} takes more instructions than before: say why with ACCEPT=\"the reason\"")]
    NoReason(String),
}

impl Accepted {
    /// How every path compares, by name.
    pub fn compare(&self, counted: &BTreeMap<String, Counted>) -> BTreeMap<String, Verdict> {
        let now = counted.iter().map(|(name, counted)| (name.clone(), self.verdict(name, counted.instructions)));
        let gone = self.paths.keys().filter(|name| !counted.contains_key(*name));
        now.chain(gone.map(|name| (name.clone(), Verdict::Gone))).collect()
    }

    fn verdict(&self, name: &str, instructions: u64) -> Verdict {
        let Some(accepted) = self.paths.get(name) else { return Verdict::New };
        let bound = accepted.instructions * RISE_PERCENT_MAX;
        match instructions.abs_diff(accepted.instructions) * 100 > bound {
            false => Verdict::Same,
            true if instructions > accepted.instructions => Verdict::Rose,
            true => Verdict::Fell,
        }
    }

    /// The file with what was counted now taken over where it differs.
    ///
    /// # Errors
    /// A path rose and `reason` is empty.
    pub fn accept(
        &self,
        compiler: &str,
        counted: &BTreeMap<String, Counted>,
        reason: &str,
    ) -> Result<Self, Unaccepted> {
        let mut paths = BTreeMap::new();
        for (name, Counted { instructions, per }) in counted {
            let (instructions, per) = (*instructions, per.clone());
            let count = match (self.verdict(name, instructions), self.paths.get(name)) {
                (Verdict::Same, Some(accepted)) => Count { per, ..accepted.clone() },
                (Verdict::Rose, Some(_)) if reason.trim().is_empty() => {
                    return Err(Unaccepted::NoReason(name.clone()));
                }
                (Verdict::Rose, Some(accepted)) => {
                    let rise = Rise { from: accepted.instructions, to: instructions, reason: reason.trim().to_owned() };
                    let rises = accepted.rises.iter().cloned().chain([rise]).collect();
                    Count { instructions, per, rises }
                }
                (_, accepted) => {
                    let rises = accepted.map(|accepted| accepted.rises.clone()).unwrap_or_default();
                    Count { instructions, per, rises }
                }
            };
            paths.insert(name.clone(), count);
        }
        Ok(Self { compiler: compiler.to_owned(), paths })
    }
}
