//! How many transactions a leader offers at a time, by what this node has seen itself manage.
//!
//! A block has a view's time to be built, sent, and executed by a quorum. The protocol's limits are for all machines; a
//! network of slow ones that offered full blocks would lose view after view over the same transactions. A leader may
//! always propose less, so each node offers what has gone through.
//!
//! # Invariants
//! * The limit is at least one transaction, and at most a full block.
//! * An own block that is lost halves the limit, counted from what the block held. A block that took longer to check here
//!   than it may lowers it to what would have taken as long as that. Each final block raises it by an eighth.
//! * What others offer and withhold lowers it not at all: one validator could slow down all of them.
//!
//! # Deliberately absent
//! The clock, and every rule: no block is invalid for being larger than this node would have made it.

use crate::ledger::limits::BLOCK_TRANSACTIONS_MAX;
use crate::primitives::Hash;
use std::time::Duration;

/// One node's pace.
#[derive(Debug)]
pub struct Pacing {
    limit: usize,
    /// The newest own block whose fate is not known.
    offered: Option<Offer>,
}

/// An own block.
#[derive(Debug)]
struct Offer {
    height: u64,
    block: Hash,
    transactions: usize,
}

impl Default for Pacing {
    /// Full blocks, until something shows that they are too much.
    fn default() -> Self {
        Self { limit: BLOCK_TRANSACTIONS_MAX, offered: None }
    }
}

impl Pacing {
    /// Most transactions of the block that this node proposes at a height now.
    pub fn turn(&mut self, height: u64) -> usize {
        // Asked for this height again, or for a lower one: the view of the block offered there was given up.
        if let Some(lost) = self.offered.take_if(|offer| offer.height >= height) {
            self.lower_to(lost.transactions / 2);
        }
        self.limit
    }

    /// This node built a block, whether or not its view waited for it.
    pub fn built(&mut self, height: u64, block: Hash, transactions: usize) {
        if transactions > 0 {
            self.offered = Some(Offer { height, block, transactions });
        }
    }

    /// This node executed a block that another proposed, whether or not the view waited for it.
    pub fn checked(&mut self, transactions: usize, took: Duration, may_take: Duration) {
        if took > may_take && transactions > 1 {
            let share = may_take.as_secs_f64() / took.as_secs_f64();
            self.lower_to((transactions as f64 * share) as usize);
        }
    }

    /// A block is final.
    pub fn finalized(&mut self, height: u64, block: Hash) {
        match self.offered.take_if(|offer| offer.height <= height) {
            Some(lost) if lost.block != block => self.lower_to(lost.transactions / 2),
            _ => self.limit = (self.limit + self.limit.div_ceil(8)).min(BLOCK_TRANSACTIONS_MAX),
        }
    }

    /// The limit now.
    pub fn limit(&self) -> usize {
        self.limit
    }

    fn lower_to(&mut self, transactions: usize) {
        self.limit = self.limit.min(transactions).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: Hash = Hash([1; 32]);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_view_lost_halves_what_is_offered_down_to_one() {
        let mut pacing = Pacing::default();
        let mut offers = Vec::new();
        // Of 6,000 that wait, as many as it may, again and again on the same parent.
        for _ in 0..15 {
            let transactions = pacing.turn(7).min(6_000);
            pacing.built(7, BLOCK, transactions);
            offers.push(transactions);
        }
        assert_eq!(offers, [6_000, 3_000, 1_500, 750, 375, 187, 93, 46, 23, 11, 5, 2, 1, 1, 1]);
    }

    #[test]
    fn an_own_block_that_another_took_the_place_of_was_lost_and_one_that_is_final_was_not() {
        const FULL: usize = BLOCK_TRANSACTIONS_MAX;
        const OTHER: Hash = Hash([2; 32]);
        for (height, block, limit) in [(7, OTHER, 500), (8, OTHER, 500), (7, BLOCK, FULL), (6, OTHER, FULL)] {
            let mut pacing = Pacing::default();
            pacing.built(7, BLOCK, 1_000);
            pacing.finalized(height, block);
            assert_eq!(pacing.limit(), limit, "height {height}, {block}");
        }
    }

    #[test]
    fn a_turn_above_the_block_offered_says_nothing_of_it() {
        let mut pacing = Pacing::default();
        pacing.built(7, BLOCK, 1_000);
        assert_eq!(pacing.turn(8), BLOCK_TRANSACTIONS_MAX);
        assert_eq!(pacing.turn(7), 500, "until the height is asked for again");
    }

    #[test]
    fn an_empty_block_that_is_lost_was_not_too_large() {
        let mut pacing = Pacing::default();
        pacing.built(7, BLOCK, 0);
        assert_eq!(pacing.turn(7), BLOCK_TRANSACTIONS_MAX);
    }

    #[test]
    fn a_slow_check_lowers_the_limit_to_what_would_have_been_in_time() {
        let mut pacing = Pacing::default();
        pacing.checked(6_000, SECOND, SECOND);
        assert_eq!(pacing.limit(), BLOCK_TRANSACTIONS_MAX, "in time");
        pacing.checked(6_000, 4 * SECOND, SECOND);
        assert_eq!(pacing.limit(), 1_500);
        pacing.checked(6_000, 2 * SECOND, SECOND);
        assert_eq!(pacing.limit(), 1_500, "it only lowers");
        // Whatever made one transaction slow, fewer than one would not have helped.
        pacing.checked(1, 60 * SECOND, SECOND);
        assert_eq!(pacing.limit(), 1_500);
    }

    #[test]
    fn finality_brings_back_full_blocks_in_some_dozens_of_blocks() {
        let mut pacing = Pacing { limit: 1, offered: None };
        let mut blocks = 0;
        while pacing.limit() < BLOCK_TRANSACTIONS_MAX {
            let before = pacing.limit();
            pacing.finalized(blocks, BLOCK);
            blocks += 1;
            assert!(pacing.limit() > before && pacing.limit() - before <= before.div_ceil(8));
        }
        assert!((50..100).contains(&blocks), "{blocks}");
    }
}
