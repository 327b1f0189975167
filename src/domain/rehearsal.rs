//! A stage for the rooms' tests: a ledger in memory on which one operation after another is planned and, if it was not
//! declined, written. It signs with whatever accounts a test says, and never decides anything itself.

use crate::ledger::account::KeySet;
use crate::ledger::changes::Planned;
use crate::ledger::view::MemoryView;
use crate::ledger::{Account, Changes, Context, Entry, OpenItem, Reason, Role, View};
use crate::primitives::ids::ObjectKind;
use crate::primitives::{AccountId, Amount, BlockTime, ChainId, ObjectId, PublicKey, RequestId, TokenId};
use std::collections::BTreeSet;

/// A ledger in memory and its time.
#[derive(Clone)]
pub struct Rehearsal {
    /// The state.
    pub view: MemoryView,
    /// The time of the block that the next operation will be in.
    pub now: BlockTime,
    /// Keys that sign whatever is performed, besides those of the accounts that do.
    pub witnesses: BTreeSet<PublicKey>,
    requests: u64,
}

/// What an applied operation did.
#[derive(Debug)]
pub struct Performed {
    /// The id of what it created; all zeros if it creates nothing that has one.
    pub object: ObjectId,
    /// The id of the account that it opened, if it opens one.
    pub account: AccountId,
    /// What it wrote and reported.
    pub planned: Planned,
}

impl Rehearsal {
    /// An empty ledger at a time.
    pub fn at(now: BlockTime) -> Self {
        Self { view: MemoryView::default(), now, witnesses: BTreeSet::new(), requests: 0 }
    }

    /// Has the next operation stand in a block at this height.
    pub fn at_height(&mut self, height: u64) {
        self.requests = height.saturating_sub(1);
    }

    /// The key that an account of [`Self::open`] is signed for with.
    pub fn key(name: u8) -> PublicKey {
        PublicKey([name; 32])
    }

    /// Puts an account of one key there, without any rule.
    pub fn open(&mut self, name: u8, parent: Option<AccountId>, roles: &[Role]) -> AccountId {
        let keys = KeySet::new(vec![Self::key(name)], 1).expect("one key, threshold one");
        let id = AccountId([name; 32]);
        let legal_entity_id = format!("HKBR:{name}");
        let roles = roles.iter().copied().collect();
        self.edit(|changes| {
            changes.put(&id, &Account { parent, keys, roles, legal_entity_id, closed: false });
            parent.into_iter().for_each(|above| changes.item_opened(above, OpenItem::Account(id)));
        });
        id
    }

    /// Puts available value there, without any rule.
    pub fn mint(&mut self, token: TokenId, to: AccountId, units: u64) {
        self.edit(|changes| changes.mint(token, to, Amount::new(units)).expect("room for the units"));
    }

    /// Writes what `edit` does, without any rule.
    pub fn edit(&mut self, edit: impl FnOnce(&mut Changes<'_>)) -> Planned {
        let mut changes = Changes::new(&self.view);
        edit(&mut changes);
        let planned = changes.finish();
        self.view.apply(&planned.writes);
        planned
    }

    /// Plans one operation in a transaction that `signers` sign, the first of them as its sender, and writes it if it was
    /// not declined.
    pub fn perform(
        &mut self,
        signers: &[AccountId],
        plan: impl FnOnce(&Context<'_>, &mut Changes<'_>) -> Result<(), Reason>,
    ) -> Result<Performed, Reason> {
        let sender = *signers.first().expect("someone sends");
        let keys =
            signers.iter().filter_map(|signer| self.read::<Account>(signer)).flat_map(|a| a.keys.keys().to_vec());
        let keys = keys.chain(self.witnesses.iter().copied()).collect();
        self.perform_signed(sender, &keys, plan)
    }

    /// The same with keys named one by one.
    pub fn perform_signed(
        &mut self,
        sender: AccountId,
        signers: &BTreeSet<PublicKey>,
        plan: impl FnOnce(&Context<'_>, &mut Changes<'_>) -> Result<(), Reason>,
    ) -> Result<Performed, Reason> {
        self.requests += 1;
        let mut request_id = RequestId([0; 16]);
        request_id.0[8..].copy_from_slice(&self.requests.to_be_bytes());
        let chain_id = ChainId([0xcc; 32]);
        let (height, now) = (self.requests, self.now);
        let context = Context { chain_id, height, now, sender, request_id, operation_index: 0, signers };
        let mut changes = Changes::new(&self.view);
        plan(&context, &mut changes)?;
        let planned = changes.finish();
        self.view.apply(&planned.writes);
        let ids = ObjectKind::ALL.iter().map(|kind| context.object_id(*kind));
        let made = ids.into_iter().find(|id| planned.writes.keys().any(|(_, key)| key[..] == id.0));
        let object = made.unwrap_or(ObjectId([0; 32]));
        Ok(Performed { object, account: context.origin().account_id(), planned })
    }

    /// The entry under a key.
    pub fn read<E: Entry>(&self, key: &E::Key) -> Option<E> {
        (&self.view as &dyn View).read(key)
    }
}
