//! How long bodies of blocks are kept.

use crate::node::pruning::{KEPT_MIN, Keep};
use serde::Deserialize;

/// What stays whole of the ledger's past. Nothing is removed unless one of them is said; of two, the one that keeps more counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pruning {
    /// So many of the newest blocks keep their bodies.
    pub keep_heights: Option<u64>,
    /// Blocks keep their bodies for so many days.
    pub keep_days: Option<u64>,
}

impl Pruning {
    /// The same as the node takes it.
    pub fn keep(&self) -> Keep {
        Keep { heights: self.keep_heights, days: self.keep_days }
    }

    /// Holds each to the least that makes sense.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.keep_heights.is_some_and(|heights| heights < KEPT_MIN) {
            return Err((
                "pruning.keep_heights",
                format!("expected at least {KEPT_MIN}: peers that were away fetch these"),
            ));
        }
        if self.keep_days == Some(0) {
            return Err(("pruning.keep_days", "expected at least 1".to_owned()));
        }
        Ok(())
    }
}
