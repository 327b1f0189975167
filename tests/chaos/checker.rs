//! The judge of a run: what clients saw, held against what the nodes say, by a model of the ledger that is a page long.
//!
//! The blocks are one order of everything that happened. It must be an order in which each transaction did what the model
//! does, and it must be one that real time allows. What is checked, each by a function of its own:
//!
//! * **one ledger**: every node has the same blocks;
//! * **exactly once**: what a client was told is final stands in one place, with that end; what a client was told never
//!   happened, or no node took, stands in none; no request id stands for two; nothing is there that nobody sent;
//! * **strict serialisability**: a transaction that was sent when a receipt was in hand comes after that receipt's;
//! * **the model**: each applied transaction was covered and each declined one was not, and certified balances, balances in
//!   receipts, and balances that nodes answered are what the blocks before them make them;
//! * **no way back**: a node is never behind what it told anyone, whatever happened to it meanwhile;
//! * **conservation**: what circulates is what was issued, and at the end every node has every unit.
//!
//! # Deliberately absent
//! The product's own code for any of it: amounts are added up here.

use super::history::{Deed, Heard, History, Moment, Proof};
use super::ledger::Ledger;
use causeway::primitives::TransactionId;
use std::collections::BTreeMap;

/// Where a transaction stands: the height, and the place in the block.
type Place = (u64, usize);

/// The only reason for which the model declines.
const UNCOVERED: &str = "INSUFFICIENT_FUNDS";

/// What is checked, and what was found.
struct Check<'a> {
    history: &'a History,
    /// What one node says. The others say the same, or that is a violation.
    ledger: &'a Ledger,
    /// What each account had at first.
    funds: u64,
    accounts: usize,
    deeds: BTreeMap<TransactionId, &'a Deed>,
    places: BTreeMap<TransactionId, Vec<Place>>,
    violations: Vec<String>,
}

/// Everything that does not hold. The nodes' ledgers begin where every account had `funds`, and end at one height.
pub fn violations(history: &History, ledgers: &[Ledger], accounts: usize, funds: u64) -> Vec<String> {
    let Some(ledger) = ledgers.first() else { return vec!["no node says anything".to_owned()] };
    let mut places: BTreeMap<TransactionId, Vec<Place>> = BTreeMap::new();
    for block in &ledger.blocks {
        for (place, id) in block.transactions.iter().enumerate() {
            places.entry(*id).or_default().push((block.height, place));
        }
    }
    let deeds = history.deeds.iter().map(|deed| (deed.id, deed)).collect();
    let mut check = Check { history, ledger, funds, accounts, deeds, places, violations: Vec::new() };
    check.one_ledger(ledgers);
    check.exactly_once();
    check.real_time();
    let after = check.model();
    check.looks(&after);
    check.no_way_back();
    check.conservation(ledgers, &after);
    check.violations
}

/// What every account had after each height at which something changed.
#[derive(Debug)]
struct Balances {
    first: Vec<u64>,
    after: BTreeMap<u64, Vec<u64>>,
}

impl Balances {
    fn at(&self, height: u64) -> &[u64] {
        self.after.range(..=height).next_back().map_or(&self.first, |(_, balances)| balances)
    }
}

impl Check<'_> {
    fn found(&mut self, violation: String) {
        self.violations.push(violation);
    }

    fn one_ledger(&mut self, ledgers: &[Ledger]) {
        for other in &ledgers[1..] {
            if other.blocks.len() != self.ledger.blocks.len() {
                let (one, two) = (self.ledger.blocks.len(), other.blocks.len());
                self.found(format!("node {} has {one} blocks and node {} {two}", self.ledger.node, other.node));
            }
            let differ = self.ledger.blocks.iter().zip(&other.blocks).find(|(one, two)| one != two);
            if let Some((block, _)) = differ {
                let height = block.height;
                self.found(format!("nodes {} and {} differ at height {height}", self.ledger.node, other.node));
            }
        }
    }

    fn exactly_once(&mut self) {
        let mut requests = BTreeMap::new();
        for (id, places) in self.places.clone() {
            if places.len() > 1 {
                self.found(format!("transaction {id} stands in {} places: {places:?}", places.len()));
            }
            match self.deeds.get(&id).map(|deed| (deed.intent.payer, deed.request)) {
                None if self.history.governed.contains(&id) => {}
                None => self.found(format!("nobody sent transaction {id} at {:?}", places[0])),
                Some(request) => {
                    if let Some(other) = requests.insert(request, id) {
                        self.found(format!("a request id stands for two transactions: {other} and {id}"));
                    }
                }
            }
        }
        let history = self.history;
        history.deeds.iter().for_each(|deed| self.as_told(deed));
    }

    /// What a client was told of one transaction, against where it stands.
    fn as_told(&mut self, deed: &Deed) {
        let (id, place) = (deed.id, self.places.get(&deed.id).map(|places| places[0]));
        for (heard, proof) in deed.proofs() {
            let Some((height, _)) = place else {
                let told = format!("told final at height {}", proof.height);
                return self.found(format!("transaction {id} is lost: {told} by node {}, in no block", heard.node));
            };
            let end = self.ledger.ends.get(&id);
            if height != proof.height || end.is_some_and(|end| *end != proof.declined) {
                let told = format!("height {} and {:?}", proof.height, proof.declined);
                self.found(format!("transaction {id}: told {told}, stands at {height} with {end:?}"));
            }
        }
        let receipts: Vec<_> = deed.proofs().map(|(_, proof)| proof.receipt).collect();
        if receipts.windows(2).any(|pair| pair[0] != pair[1]) {
            self.found(format!("transaction {id} has two receipts"));
        }
        if let (Some((heard @ (Heard::Never | Heard::Rivalled), _)), Some(place)) = (deed.end(), place) {
            self.found(format!("transaction {id} stands at {place:?}, and its client was told {heard:?}"));
        }
        if let (None, true, Some(place)) = (deed.end(), deed.was_never_taken(), place) {
            self.found(format!("transaction {id} stands at {place:?}, and no node took it"));
        }
        if deed.end().is_none() && !deed.was_never_taken() {
            self.found(format!("transaction {id} has no end"));
        }
    }

    /// What was sent with a receipt in hand comes after it. From the last place to the first, the earliest receipt of what
    /// comes later is kept: nothing that stands before may have been sent when that was in hand.
    fn real_time(&mut self) {
        let mut order: Vec<(Place, TransactionId)> = self.places.iter().map(|(id, places)| (places[0], *id)).collect();
        order.sort_unstable();
        let mut later: Option<(Moment, TransactionId)> = None;
        for (place, id) in order.into_iter().rev() {
            let Some(deed) = self.deeds.get(&id).copied() else { continue };
            if let (Some((in_hand, other)), Some(sent)) = (later, deed.sent())
                && in_hand < sent
            {
                self.found(format!(
                    "transaction {id} stands at {place:?} before {other}, whose receipt was in hand {:?} before it was sent",
                    sent - in_hand
                ));
            }
            let in_hand = deed.proofs().map(|(heard, _)| heard.ended).min();
            if let Some(in_hand) = in_hand.filter(|in_hand| later.is_none_or(|(earliest, _)| *in_hand < earliest)) {
                later = Some((in_hand, id));
            }
        }
    }

    /// Does again, one after the other, what the blocks say was done.
    fn model(&mut self) -> Balances {
        let mut balances = Balances { first: vec![self.funds; self.accounts], after: BTreeMap::new() };
        let mut now = balances.first.clone();
        for block in &self.ledger.blocks {
            for id in &block.transactions {
                let Some(deed) = self.deeds.get(id).copied() else { continue };
                let (payer, total) = (deed.intent.payer, deed.intent.total());
                let expected = (now[payer] < total).then(|| UNCOVERED.to_owned());
                let end = self.ledger.ends.get(id).cloned().unwrap_or_default();
                if end != expected {
                    let has = format!("{total} of an account that has {}", now[payer]);
                    self.violations.push(format!("transaction {id} takes {has}, and ended {end:?}"));
                }
                if end.is_none() {
                    now[payer] = now[payer].saturating_sub(total);
                    deed.intent.legs.iter().for_each(|(payee, amount)| now[*payee] += amount);
                }
                let told = deed.proofs().filter_map(|(_, Proof { left, .. })| *left);
                for left in told.filter(|left| *left != now[payer]) {
                    let is = now[payer];
                    self.violations.push(format!("transaction {id} left {is}, and its receipt says {left}"));
                }
            }
            if !block.transactions.is_empty() {
                balances.after.insert(block.height, now.clone());
            }
        }
        balances
    }

    fn looks(&mut self, balances: &Balances) {
        let history = self.history;
        for look in &history.looks {
            // Before the run's first block there is nothing to compare with.
            if look.height < self.ledger.blocks.first().map_or(0, |block| block.height) {
                continue;
            }
            let expected = balances.at(look.height)[look.account];
            if look.available != expected {
                let said = format!("node {} said {} of account {}", look.node, look.available, look.account);
                self.found(format!("{said} at height {}, where it had {expected}", look.height));
            }
        }
    }

    /// Nothing that a node answers is older than what it answered before.
    fn no_way_back(&mut self) {
        let told = self.history.deeds.iter().flat_map(Deed::proofs);
        let told = told.map(|(heard, proof)| (heard.node, heard.ended, proof.height));
        let looked = self.history.looks.iter().map(|look| (look.node, look.ended, look.height));
        let mut told: Vec<(usize, Moment, u64)> = told.chain(looked).collect();
        told.sort_unstable_by_key(|(_, ended, _)| *ended);
        for look in &self.history.looks {
            let rebuilt = self.history.rebuilt.iter().filter(|(node, at)| *node == look.node && *at <= look.began);
            let since = rebuilt.map(|(_, at)| *at).max().unwrap_or_default();
            let before = told.iter().take_while(|(_, ended, _)| *ended < look.began);
            let before = before.filter(|(node, ended, _)| *node == look.node && *ended >= since);
            if let Some(height) = before.map(|(_, _, height)| *height).max().filter(|height| *height > look.height) {
                self.violations.push(format!(
                    "node {} answered as of height {}, after it had told of height {height}",
                    look.node, look.height
                ));
            }
        }
    }

    fn conservation(&mut self, ledgers: &[Ledger], balances: &Balances) {
        let issued = self.funds * self.accounts as u64;
        for block in &self.ledger.blocks {
            if block.circulation != issued {
                let (height, circulation) = (block.height, block.circulation);
                self.violations.push(format!("at height {height} {circulation} circulate, and {issued} were issued"));
            }
        }
        let expected = balances.at(u64::MAX);
        for ledger in ledgers {
            let sum: u64 = ledger.balances.iter().sum();
            if sum != issued {
                self.found(format!("at node {} there are {sum} units, and {issued} were issued", ledger.node));
            }
            if ledger.balances != expected {
                self.found(format!("at node {} balances are not what the blocks make them", ledger.node));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chaos::history::{Intent, Look, Try};
    use crate::chaos::ledger::Block;
    use causeway::primitives::{Hash, RequestId};
    use std::time::Duration;

    const FUNDS: u64 = 100;

    fn id(number: u8) -> TransactionId {
        TransactionId([number; 32])
    }

    fn at(ms: u64) -> Moment {
        Duration::from_millis(ms)
    }

    fn heard(node: usize, began: u64, ended: u64, heard: Heard) -> Try {
        Try { node, began: at(began), ended: at(ended), heard }
    }

    fn proof(number: u8, height: u64, declined: Option<&str>, left: Option<u64>) -> Heard {
        let declined = declined.map(str::to_owned);
        Heard::Final(Proof { receipt: Hash([number; 32]), height, declined, left })
    }

    fn deed(number: u8, payer: usize, legs: &[(usize, u64)], tries: Vec<Try>) -> Deed {
        let intent = Intent { payer, legs: legs.to_vec() };
        Deed { id: id(number), request: RequestId([number; 16]), intent, expires_at_ms: 0, tries }
    }

    /// Payments 1 and 2 applied; 3 declined; 4 certifies a balance; 5 never taken; 6 a rival of 2 that came too late.
    fn honest() -> (History, Vec<Ledger>) {
        let uncovered = Some(UNCOVERED);
        let deeds = vec![
            deed(1, 0, &[(1, 30)], vec![heard(0, 0, 10, proof(1, 8, None, Some(70)))]),
            deed(
                2,
                1,
                &[(0, 5), (2, 6)],
                vec![heard(0, 1, 20, Heard::Nothing), heard(1, 21, 30, proof(2, 9, None, None))],
            ),
            deed(3, 2, &[(0, 107)], vec![heard(1, 40, 50, proof(3, 11, uncovered, None))]),
            deed(4, 1, &[], vec![heard(1, 51, 60, proof(4, 11, None, Some(119)))]),
            deed(5, 0, &[(1, 1)], vec![heard(1, 51, 60, Heard::NotSent), heard(0, 61, 62, Heard::Refused("X".into()))]),
            Deed { request: RequestId([2; 16]), ..deed(6, 1, &[(0, 9)], vec![heard(1, 1, 31, Heard::Rivalled)]) },
        ];
        let look = |node, began, height, available| Look {
            node,
            account: 0,
            began: at(began),
            ended: at(began + 1),
            height,
            available,
        };
        // Node 0 may still be where it was when node 1 is further.
        let looks = vec![look(0, 12, 8, 70), look(1, 35, 9, 75), look(0, 45, 8, 70), look(1, 70, 11, 75)];
        let block = |height: u64, transactions: &[u8]| Block {
            height,
            hash: vec![height as u8; 32],
            transactions: transactions.iter().copied().map(id).collect(),
            circulation: 3 * FUNDS,
        };
        let ends = [(1, None), (2, None), (3, uncovered), (4, None)];
        let ledger = |node| Ledger {
            node,
            blocks: vec![block(8, &[1]), block(9, &[2]), block(10, &[]), block(11, &[3, 4])],
            ends: ends.iter().map(|(number, end)| (id(*number), end.map(str::to_owned))).collect(),
            balances: vec![75, 119, 106],
        };
        (History { deeds, looks, ..History::default() }, vec![ledger(0), ledger(1)])
    }

    /// Holds what is planted to what is found: every violation that names it, and at least one.
    fn finds(expected: &str, plant: impl FnOnce(&mut History, &mut [Ledger])) {
        let (mut history, mut ledgers) = honest();
        plant(&mut history, &mut ledgers);
        let found = violations(&history, &ledgers, 3, FUNDS);
        assert!(found.iter().any(|each| each.contains(expected)), "'{expected}' was not found: {found:#?}");
    }

    /// The same at every node.
    fn everywhere(ledgers: &mut [Ledger], change: impl Fn(&mut Ledger)) {
        ledgers.iter_mut().for_each(change);
    }

    #[test]
    fn an_honest_run_passes() {
        let (history, ledgers) = honest();
        assert_eq!(violations(&history, &ledgers, 3, FUNDS), Vec::<String>::new());
    }

    #[test]
    fn a_lost_payment_is_found() {
        finds("is lost", |_, ledgers| everywhere(ledgers, |ledger| ledger.blocks[0].transactions.clear()));
    }

    #[test]
    fn a_doubled_payment_is_found_in_one_block_and_in_two() {
        for block in [0, 2] {
            finds("stands in 2 places", |_, ledgers| {
                everywhere(ledgers, |ledger| ledger.blocks[block].transactions.push(id(1)));
            });
        }
        finds("a request id stands for two", |_, ledgers| {
            everywhere(ledgers, |ledger| ledger.blocks[2].transactions.push(id(6)));
        });
    }

    #[test]
    fn an_order_that_contradicts_real_time_is_found() {
        // 4 was sent 1 ms after the receipt of 3 was in hand.
        finds("whose receipt was in hand", |_, ledgers| {
            everywhere(ledgers, |ledger| ledger.blocks[3].transactions.reverse());
        });
    }

    #[test]
    fn a_missing_unit_is_found() {
        finds("there are 299 units", |_, ledgers| ledgers[1].balances[2] -= 1);
        finds("balances are not what the blocks make them", |_, ledgers| {
            ledgers[1].balances[2] -= 1;
            ledgers[1].balances[0] += 1;
        });
        finds("circulate", |_, ledgers| ledgers[0].blocks[2].circulation -= 1);
        finds("and its receipt says 71", |history, _| history.deeds[0].tries[0].heard = proof(1, 8, None, Some(71)));
        finds("where it had 75", |history, _| history.looks[1].available = 74);
    }

    #[test]
    fn an_end_that_the_model_does_not_have_is_found() {
        let applied = |ledger: &mut Ledger| drop(ledger.ends.insert(id(3), None));
        finds("takes 107 of an account that has 106", |_, ledgers| everywhere(ledgers, applied));
        let declined = |ledger: &mut Ledger| drop(ledger.ends.insert(id(1), Some(UNCOVERED.to_owned())));
        finds("takes 30 of an account that has 100", |_, ledgers| everywhere(ledgers, declined));
    }

    #[test]
    fn an_end_that_was_told_otherwise_is_found() {
        finds("stands at 8 with", |history, _| history.deeds[0].tries[0].heard = proof(1, 9, None, Some(70)));
        finds("has two receipts", |history, _| {
            history.deeds[0].tries.push(heard(1, 70, 80, proof(7, 8, None, None)));
        });
        for told in [Heard::Never, Heard::Rivalled] {
            finds("and its client was told", |history, _| history.deeds[0].tries[0].heard = told);
        }
        finds("and no node took it", |history, _| history.deeds[0].tries[0].heard = Heard::Refused("X".into()));
        finds("has no end", |history, _| drop(history.deeds[1].tries.pop()));
    }

    #[test]
    fn what_nobody_sent_is_found() {
        finds("nobody sent", |history, _| drop(history.deeds.remove(0)));
    }

    #[test]
    fn nodes_that_differ_are_found() {
        finds("differ at height 9", |_, ledgers| ledgers[1].blocks[1].hash[0] ^= 1);
        finds("blocks and node 1", |_, ledgers| drop(ledgers[1].blocks.pop()));
    }

    #[test]
    fn a_node_that_forgot_is_found_unless_it_was_rebuilt() {
        let forget = |history: &mut History| {
            history.looks[3].height = 8;
            history.looks[3].available = 70;
        };
        finds("after it had told of height 11", |history, _| forget(history));
        let (mut history, ledgers) = honest();
        forget(&mut history);
        history.rebuilt.push((1, at(65)));
        assert_eq!(violations(&history, &ledgers, 3, FUNDS), Vec::<String>::new());
    }
}
