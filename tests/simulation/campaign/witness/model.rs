//! The ledger once more: final blocks executed one after the other on a state in memory, from the genesis on.
//!
//! What a node reads out for a height is held against the state of that height here. Balances are reckoned a second time, from
//! what the outcomes say that moved.

use causeway::execution::genesis::Genesis;
use causeway::execution::{ParentState, Transaction, apply_block};
use causeway::ledger::view::MemoryView;
use causeway::ledger::{Balance, Block, Column, MovementKind, Outcome, Value, View as _};
use causeway::primitives::{AccountId, Amount, Decode as _, ObjectId, TokenId, TransactionId};
use causeway::wire::decode_body;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A place in the ledger: a height, and the place of an outcome in its block.
pub type Place = (u64, u32);

/// Every height's state and outcomes.
pub struct Model {
    /// The newest block and the state after it.
    tip: ParentState,
    /// The state after each height, from the genesis' on.
    states: Vec<Arc<MemoryView>>,
    /// The outcomes of each height.
    outcomes: Vec<Arc<Vec<Outcome>>>,
    places: BTreeMap<TransactionId, Place>,
    /// Where an object's history has its steps.
    objects: BTreeMap<ObjectId, Vec<Place>>,
    /// What every account has, by the movements alone.
    moved: BTreeMap<(AccountId, TokenId), Balance>,
}

impl Model {
    pub fn new(genesis: &Genesis) -> Self {
        let built = genesis.build().unwrap();
        let mut view = MemoryView::default();
        view.apply(&built.writes);
        let (state, header) = (Arc::new(view), built.block.header().clone());
        Self {
            tip: ParentState { header, view: state.clone(), accumulator: built.accumulator },
            states: vec![state],
            outcomes: vec![Arc::default()],
            places: BTreeMap::new(),
            objects: BTreeMap::new(),
            moved: BTreeMap::new(),
        }
    }

    pub fn height(&self) -> u64 {
        self.tip.header.height
    }

    /// A final transaction's height, and what it did.
    pub fn find(&self, id: &TransactionId) -> Option<(u64, &Outcome)> {
        let (height, index) = *self.places.get(id)?;
        Some((height, &self.outcomes[height as usize][index as usize]))
    }

    pub fn outcomes(&self, height: u64) -> &Arc<Vec<Outcome>> {
        &self.outcomes[height as usize]
    }

    /// The state after a height.
    pub fn state(&self, height: u64) -> Option<&Arc<MemoryView>> {
        self.states.get(height as usize)
    }

    /// The steps of an object's history after a place, up to a height.
    pub fn history(&self, object: &ObjectId, after: Option<Place>, up_to: u64) -> Vec<Place> {
        let steps = self.objects.get(object).map(Vec::as_slice).unwrap_or_default();
        steps.iter().copied().filter(|place| Some(*place) > after && place.0 <= up_to).collect()
    }

    /// The objects with a history.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectId> {
        self.objects.keys()
    }

    /// The outcome at a place.
    pub fn at(&self, (height, index): Place) -> &Outcome {
        &self.outcomes[height as usize][index as usize]
    }

    /// The transactions of a block, as execution takes them. Signatures are nodes' business.
    fn transactions(block: &Block) -> Vec<Arc<Transaction>> {
        let authentic = |signed: &causeway::ledger::SignedTransaction| {
            let (envelope, operations) = decode_body(signed.body()).unwrap();
            Arc::new(Transaction::authentic(signed.clone(), envelope, operations))
        };
        block.transactions().iter().map(authentic).collect()
    }

    /// The next block.
    ///
    /// # Errors
    /// It is not what follows from the blocks before it.
    pub fn extend(&mut self, block: &Block) -> Result<(), String> {
        let executed = apply_block(self.tip.clone(), block.header(), &Self::transactions(block));
        let executed = executed.map_err(|why| why.to_string())?;
        let mut view = MemoryView::clone(self.states.last().ok_or("there is no genesis")?);
        view.apply(&executed.writes);
        let state = Arc::new(view);
        let height = executed.header.height;
        for (index, outcome) in (0u32..).zip(executed.outcomes.iter()) {
            self.places.insert(outcome.transaction_id, (height, index));
            let values = outcome.effects.iter().flat_map(|effect| &effect.fields).map(|(_, value)| value);
            let objects: BTreeSet<ObjectId> = values
                .filter_map(|value| if let Value::Object(object) = value { Some(*object) } else { None })
                .collect();
            objects.into_iter().for_each(|object| self.objects.entry(object).or_default().push((height, index)));
            self.follow(outcome)?;
        }
        self.hold_to_movements(&state)?;
        self.tip = ParentState { header: executed.header, view: state.clone(), accumulator: executed.accumulator };
        self.states.push(state);
        self.outcomes.push(executed.outcomes);
        Ok(())
    }

    /// Does what an outcome says that moved.
    fn follow(&mut self, outcome: &Outcome) -> Result<(), String> {
        for movement in &outcome.movements {
            let mut change = |account: Option<AccountId>, part: fn(&mut Balance) -> &mut Amount, is_more: bool| {
                let account = account.ok_or("a movement without an account")?;
                let amount = part(self.moved.entry((account, movement.token)).or_default());
                let changed =
                    if is_more { amount.checked_add(movement.amount) } else { amount.checked_sub(movement.amount) };
                *amount = changed.ok_or_else(|| format!("{account} moves more than it has: {movement:?}"))?;
                Ok::<_, String>(())
            };
            let available: fn(&mut Balance) -> &mut Amount = |balance| &mut balance.available;
            let locked: fn(&mut Balance) -> &mut Amount = |balance| &mut balance.locked;
            match movement.kind {
                MovementKind::Transfer => {
                    change(movement.from, available, false)?;
                    change(movement.to, available, true)?;
                }
                MovementKind::Mint => change(movement.to, available, true)?,
                MovementKind::Burn => change(movement.from, locked, false)?,
                MovementKind::Lock => {
                    change(movement.from, available, false)?;
                    change(movement.from, locked, true)?;
                }
                MovementKind::Unlock => {
                    change(movement.from, locked, false)?;
                    change(movement.from, available, true)?;
                }
            }
        }
        Ok(())
    }

    /// Every balance of a state is what moved.
    fn hold_to_movements(&self, state: &MemoryView) -> Result<(), String> {
        let entries = state.scan(Column::Balances, &[], usize::MAX);
        let found: BTreeMap<(AccountId, TokenId), Balance> = entries
            .iter()
            .map(|(key, value)| (<(AccountId, TokenId)>::from_bytes(key).unwrap(), Balance::from_bytes(value).unwrap()))
            .collect();
        let moved = self.moved.iter().filter(|(_, balance)| **balance != Balance::default());
        let expected: BTreeMap<_, _> = moved.map(|(holder, balance)| (*holder, *balance)).collect();
        let differs = found.iter().find(|(holder, balance)| expected.get(holder) != Some(balance));
        match differs {
            Some(((account, token), balance)) => Err(format!(
                "{account} has {balance:?} of {token}, and what moved makes it {:?}",
                expected.get(&(*account, *token))
            )),
            None if found.len() != expected.len() => Err("a balance is missing that something moved to".to_owned()),
            None => Ok(()),
        }
    }
}
