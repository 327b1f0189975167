//! The check at the end of a run: what was acknowledged, held against what the nodes' blocks and balances say.
//!
//! # Invariants
//! * Acknowledgements are believed nowhere: ids come out of the blocks, movements out of the events, balances out of the
//!   state, each by a call of its own.
//! * Expected balances follow from the blocks' movements alone, so they do not know what the load meant to do.

use super::BenchError;
use crate::client::queries::StreamItem;
use crate::client::submission::Fate;
use crate::client::{Client, ClientError};
use crate::primitives::{AccountId, TokenId, TransactionId};
use crate::wire::pb::ledger::{Event, TransactionStatus};
use futures::stream::{self, StreamExt as _, TryStreamExt as _};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Balances that are asked for at once.
const QUESTIONS: usize = 64;

/// Where a transaction stands in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    height: u64,
    /// In how many places it stands.
    count: u32,
    /// Whether its event says that it was applied, once there was one.
    applied: Option<bool>,
}

/// What blocks of a range say.
#[derive(Debug, Default)]
pub struct Chain {
    places: HashMap<TransactionId, Place>,
    /// What every account gained or lost in the token, by the movements of the blocks.
    gains: HashMap<AccountId, i128>,
    /// How many blocks there are.
    pub blocks: u64,
}

/// What does not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Acknowledged as final, and in no block.
    pub lost: u64,
    /// In more than one place.
    pub duplicated: u64,
    /// In another block than was said, or with another end.
    pub contradicted: u64,
    /// Refused, and in a block all the same.
    pub taken_though_refused: u64,
}

impl Verdict {
    /// What is wrong, in sentences.
    pub fn failures(&self) -> Vec<String> {
        let said = [
            (self.lost, "acknowledged transactions are in no block"),
            (self.duplicated, "transactions are in more than one place"),
            (self.contradicted, "acknowledgements named another block or another end than the blocks have"),
            (self.taken_though_refused, "transactions are in a block though a node refused them"),
        ];
        said.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect()
    }
}

impl Chain {
    /// Reads the blocks after `from` up to `to`, as whoever the client reads as sees them.
    ///
    /// # Errors
    /// The node does not answer, or the streams end before they should.
    pub async fn read(
        client: &Client,
        (from, to): (u64, u64),
        token: TokenId,
        read: &AtomicU64,
    ) -> Result<Self, BenchError> {
        let mut chain = Self::default();
        if from >= to {
            return Ok(chain);
        }
        let mut blocks = client.follow_blocks(from + 1).await?;
        while chain.blocks < to - from {
            let message = blocks.message().await.map_err(|status| ended("blocks", status.message()))?;
            let block = message.and_then(|message| message.block).ok_or_else(|| ended("blocks", "early"))?;
            if block.height != from + 1 + chain.blocks {
                return Err(ended("blocks", "with a gap"));
            }
            chain.add_block(block.height, block.transaction_ids.iter().filter_map(|id| TransactionId::from_slice(id)));
        }
        chain.read_events(client, from, token, read).await?;
        Ok(chain)
    }

    fn add_block(&mut self, height: u64, ids: impl IntoIterator<Item = TransactionId>) {
        self.blocks += 1;
        for id in ids {
            self.places.entry(id).or_insert(Place { height, count: 0, applied: None }).count += 1;
        }
    }

    /// How many transactions the blocks have.
    pub fn transactions(&self) -> u64 {
        self.places.values().map(|place| u64::from(place.count)).sum()
    }

    async fn read_events(
        &mut self,
        client: &Client,
        from: u64,
        token: TokenId,
        read: &AtomicU64,
    ) -> Result<(), BenchError> {
        let mut cursor = format!("{}.0", from + 1);
        let mut left = self.transactions();
        while left > 0 {
            let mut events = client.follow_events(&cursor).await?;
            while left > 0 {
                let message = events.message().await.map_err(|status| ended("events", status.message()))?;
                match message.map(StreamItem::from) {
                    Some(StreamItem::Event(event)) => {
                        left -= u64::from(self.add_event(&event, token));
                        read.fetch_add(1, Ordering::Relaxed);
                        cursor = event.cursor;
                    }
                    // Too slow: the stream goes on where it was cut.
                    Some(StreamItem::Gap(_)) => break,
                    Some(StreamItem::Nothing) => {}
                    None => return Err(ended("events", "early")),
                }
            }
        }
        Ok(())
    }

    /// Takes an event in, and tells whether it was of a transaction of the blocks.
    fn add_event(&mut self, event: &Event, token: TokenId) -> bool {
        for movement in event.movements.iter().filter(|movement| movement.token_id == token.as_str()) {
            let amount = i128::from(movement.amount);
            for (account, gain) in [(&movement.from_account_id, -amount), (&movement.to_account_id, amount)] {
                if let Some(account) = AccountId::from_slice(account) {
                    *self.gains.entry(account).or_default() += gain;
                }
            }
        }
        let place = TransactionId::from_slice(&event.transaction_id).and_then(|id| self.places.get_mut(&id));
        let Some(place) = place else { return false };
        place.applied = Some(event.status == i32::from(TransactionStatus::Applied));
        true
    }

    /// Holds answers against the blocks.
    pub fn judge<'a>(&self, answers: impl IntoIterator<Item = (TransactionId, &'a Fate)>) -> Verdict {
        let duplicated = self.places.values().filter(|place| place.count > 1).count() as u64;
        let mut verdict = Verdict { duplicated, ..Verdict::default() };
        for (id, fate) in answers {
            let place = self.places.get(&id);
            match (fate, place) {
                (Fate::Applied { .. } | Fate::Declined { .. }, None) => verdict.lost += 1,
                (Fate::Applied { height } | Fate::Declined { height, .. }, Some(place)) => {
                    let applied = matches!(fate, Fate::Applied { .. });
                    let as_said = place.height == *height && place.applied == Some(applied);
                    verdict.contradicted += u64::from(!as_said);
                }
                (Fate::Expired | Fate::Refused { .. }, Some(_)) => verdict.taken_though_refused += 1,
                // What nobody said of may be either.
                (Fate::Expired | Fate::Refused { .. }, None) | (Fate::Unknown { .. }, _) => {}
            }
        }
        verdict
    }

    /// What an account should have, who had so much before the blocks.
    fn expected(&self, account: AccountId, before: u64) -> i128 {
        i128::from(before) + self.gains.get(&account).copied().unwrap_or_default()
    }
}

fn ended(what: &str, how: &str) -> BenchError {
    ClientError::Malformed(format!("the stream of {what} ended {how}")).into()
}

/// What balances say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balances {
    /// How many were asked for.
    pub checked: u64,
    /// How many are not what the blocks' movements make them.
    pub wrong: u64,
    /// Their sum.
    pub sum: u128,
}

impl Balances {
    /// Asks for the balances of accounts that had `before` each, and holds each against the blocks.
    ///
    /// # Errors
    /// The node does not answer.
    pub async fn check(
        client: &Client,
        chain: &Chain,
        accounts: impl Iterator<Item = AccountId>,
        (token, before): (TokenId, u64),
        asked: &AtomicU64,
    ) -> Result<Self, BenchError> {
        let answers = stream::iter(accounts).map(|account| async move {
            let balances = client.balances(account).await?.balances;
            let balance = balances.into_iter().find(|balance| balance.token_id == token.as_str());
            let total = balance.map_or(0, |balance| u128::from(balance.available) + u128::from(balance.locked));
            asked.fetch_add(1, Ordering::Relaxed);
            Ok::<_, BenchError>((account, total))
        });
        let mut answers = answers.buffer_unordered(QUESTIONS);
        let mut found = Self::default();
        while let Some((account, total)) = answers.try_next().await? {
            found.checked += 1;
            found.sum += total;
            found.wrong += u64::from(i128::try_from(total) != Ok(chain.expected(account, before)));
        }
        Ok(found)
    }

    /// What is wrong, in sentences. `funded` is what all accounts had together, if all were asked for.
    pub fn failures(&self, funded: Option<u128>) -> Vec<String> {
        let wrong = (self.wrong > 0).then(|| format!("{} balances are not what the blocks make them", self.wrong));
        let sum = funded.filter(|funded| *funded != self.sum);
        let sum = sum.map(|funded| format!("the balances add up to {} and {funded} was funded", self.sum));
        wrong.into_iter().chain(sum).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::pb::ledger::Movement;

    fn id(number: u8) -> TransactionId {
        TransactionId([number; 32])
    }

    fn token() -> TokenId {
        "HKDX".parse().expect("a token id")
    }

    fn event(number: u8, applied: bool, amount: u64) -> Event {
        let status = if applied { TransactionStatus::Applied } else { TransactionStatus::Declined };
        let movement = Movement {
            token_id: "HKDX".to_owned(),
            from_account_id: vec![100; 32].into(),
            to_account_id: vec![200; 32].into(),
            amount,
            ..Default::default()
        };
        let movements = if applied { vec![movement] } else { Vec::new() };
        Event { transaction_id: vec![number; 32].into(), status: status.into(), movements, ..Default::default() }
    }

    /// Three transactions in two blocks: 1 and 2 applied, 3 declined.
    fn chain() -> Chain {
        let mut chain = Chain::default();
        chain.add_block(8, [id(1), id(2)]);
        chain.add_block(9, [id(3)]);
        for event in [event(1, true, 5), event(2, true, 7), event(3, false, 0)] {
            assert!(chain.add_event(&event, token()));
        }
        chain
    }

    fn answers() -> Vec<(TransactionId, Fate)> {
        let reason = "INSUFFICIENT_FUNDS".to_owned();
        vec![
            (id(1), Fate::Applied { height: 8 }),
            (id(2), Fate::Applied { height: 8 }),
            (id(3), Fate::Declined { height: 9, reason }),
        ]
    }

    fn judged(chain: &Chain, answers: &[(TransactionId, Fate)]) -> Verdict {
        chain.judge(answers.iter().map(|(id, fate)| (*id, fate)))
    }

    #[test]
    fn what_holds_passes() {
        let verdict = judged(&chain(), &answers());
        assert_eq!(verdict, Verdict::default());
        assert!(verdict.failures().is_empty());
    }

    #[test]
    fn a_lost_transaction_is_noticed() {
        let mut answers = answers();
        answers.push((id(4), Fate::Applied { height: 9 }));
        let verdict = judged(&chain(), &answers);
        assert_eq!(verdict, Verdict { lost: 1, ..Verdict::default() });
        assert_eq!(verdict.failures(), ["1 acknowledged transactions are in no block"]);
    }

    #[test]
    fn a_duplicated_transaction_is_noticed_in_one_block_and_in_two() {
        for height in [9, 10] {
            let mut chain = chain();
            chain.add_block(height, [id(1)]);
            assert_eq!(judged(&chain, &answers()), Verdict { duplicated: 1, ..Verdict::default() });
        }
    }

    #[test]
    fn an_answer_that_the_blocks_contradict_is_noticed() {
        let declined = Fate::Declined { height: 8, reason: String::new() };
        let refused = Fate::Refused { reason: "POOL_FULL".to_owned(), message: String::new() };
        for (fate, expected) in [
            (Fate::Applied { height: 9 }, Verdict { contradicted: 1, ..Verdict::default() }),
            (declined, Verdict { contradicted: 1, ..Verdict::default() }),
            (refused, Verdict { taken_though_refused: 1, ..Verdict::default() }),
            (Fate::Expired, Verdict { taken_though_refused: 1, ..Verdict::default() }),
        ] {
            let mut answers = answers();
            answers[0].1 = fate;
            assert_eq!(judged(&chain(), &answers), expected);
        }
    }

    #[test]
    fn balances_follow_from_the_movements_of_blocks() {
        let chain = chain();
        assert_eq!(chain.expected(AccountId([100; 32]), 50), 38);
        assert_eq!(chain.expected(AccountId([200; 32]), 50), 62);
        assert_eq!(chain.expected(AccountId([1; 32]), 50), 50);
        let balances = Balances { checked: 2, wrong: 1, sum: 99 };
        assert_eq!(balances.failures(Some(100)).len(), 2);
        assert_eq!(Balances { wrong: 0, ..balances }.failures(Some(99)), Vec::<String>::new());
    }
}
