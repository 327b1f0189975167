//! Streams of blocks and events: from any height or cursor on, then live, without a gap that is not spoken of.
//!
//! A stream reads final blocks in order and filters each for its caller. It is fed by a task of its own into a queue that is
//! bounded by bytes (`queue`). Of a block only as much is made into messages as there is room for, and a block is not kept for a
//! reader that has to be waited for: it is read again. A reader that takes nothing from a full queue for too long is told so (a
//! `Gap`, or RESOURCE_EXHAUSTED for blocks) and the stream ends, instead of holding the node's memory: what is queued is let go at
//! once. It resumes from the last cursor that it saw.
//!
//! A feed works no more of the time than its client's budget pays for: one that reads a long history takes of it as reads do,
//! and another's calls come between its blocks.
//!
//! The caller's authorisation is that of the call's beginning, past its expiry. Who may see what is judged anew at each
//! block, so an account that is closed or loses a role sees no more, and a stream ends once the key that opened it is
//! replaced.

use super::caller::Caller;
use super::clients::{CallingClient, ClientId, give_back};
use super::ledger::visible_block;
use super::processor::timed;
use super::queue::{Feed, Stopped, fed};
use super::shares::{Kept, Share};
use super::status::{malformed, no_block, reader_too_slow, status, too_many_streams, unavailable};
use super::visibility::Sight;
use crate::ledger::malformed::Malformed;
use crate::ledger::{Account, SignedTransaction, Status as OutcomeStatus};
use crate::node::service::{BlockError, BlockRecord, LedgerHandle};
use crate::primitives::{AccountId, PublicKey};
use crate::wire::pb::ledger::stream_events_response::Item;
use crate::wire::pb::ledger::{self as pb, TransactionStatus};
use crate::wire::pb::payments::Transfer;
use crate::wire::{decline_to_pb, effect_to_pb, movement_to_pb, status_to_pb};
use bytes::Bytes;
use futures::stream::BoxStream;
use prost::Message as _;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tonic::{Code, Status};

/// How long a reader may take nothing from a full queue.
pub const STREAM_PATIENCE: Duration = Duration::from_secs(10);

/// Most streams of blocks and events at once at a node. What their queues hold is bounded in all, see `queue`.
pub const STREAMS_MAX: usize = 1_024;

/// Most of them for callers who did not say who they are, so that these cannot take the places of those who did.
pub const ANONYMOUS_STREAMS_MAX: usize = 64;
/// Most of those for one client, so that it cannot take the places of the others.
pub const ANONYMOUS_STREAMS_PER_CLIENT_MAX: usize = 8;
/// Most of them for one account.
pub const STREAMS_PER_ACCOUNT_MAX: usize = 32;
/// Most of them for the accounts of one institution.
pub const STREAMS_PER_INSTITUTION_MAX: usize = 256;
/// Most of them for one client.
pub const STREAMS_PER_CLIENT_MAX: usize = 256;

/// Who reads a stream, and with which of its keys it signed the call.
#[derive(Clone)]
pub(super) struct StreamReader {
    pub caller: Caller,
    pub key: Option<PublicKey>,
    /// Whose customer the caller is.
    pub institution: Option<AccountId>,
    /// Who pays for the feed. Every call that came in over a connection has one.
    pub client: Option<CallingClient>,
}

/// In whose name places are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Holder {
    Anyone,
    AnyoneFrom(ClientId),
    Account(AccountId),
    Institution(AccountId),
    Client(ClientId),
}

impl Holder {
    /// How many it may have.
    const fn most(self) -> usize {
        match self {
            Self::Anyone => ANONYMOUS_STREAMS_MAX,
            Self::AnyoneFrom(_) => ANONYMOUS_STREAMS_PER_CLIENT_MAX,
            Self::Account(_) => STREAMS_PER_ACCOUNT_MAX,
            Self::Institution(_) => STREAMS_PER_INSTITUTION_MAX,
            Self::Client(_) => STREAMS_PER_CLIENT_MAX,
        }
    }
}

impl StreamReader {
    fn holders(&self) -> Vec<Holder> {
        let (account, client) = (self.caller.account(), self.client.as_ref().map(CallingClient::id));
        let nameless = client.filter(|_| account.is_none()).map(Holder::AnyoneFrom);
        let account = account.map_or(Holder::Anyone, Holder::Account);
        let institution = self.institution.map(Holder::Institution);
        [Some(account), nameless, institution, client.map(Holder::Client)].into_iter().flatten().collect()
    }

    /// What waits for the reader, of its client's.
    fn share(&self) -> Option<Share> {
        self.client.as_ref().map(|client| client.share(Kept::Queued))
    }

    /// Waits until the work on a block is paid for, and lets others' calls come first.
    async fn pay(&self, worked: Duration) {
        if let Some(client) = &self.client {
            client.pay(worked).await;
        }
        tokio::task::yield_now().await;
    }
}

/// The places for streams, of which each takes one until its reader has left.
#[derive(Clone, Default)]
pub(super) struct StreamPlaces(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    of_all: usize,
    by_holder: BTreeMap<Holder, usize>,
}

/// A place that is taken. It is given back when dropped.
struct StreamPlace {
    places: StreamPlaces,
    of: Vec<Holder>,
}

impl StreamPlaces {
    /// Takes a place.
    ///
    /// # Errors
    /// `TOO_MANY_STREAMS`.
    fn take(&self, of: Vec<Holder>) -> Result<StreamPlace, Status> {
        let mut taken = self.taken();
        let has_room = |holder: &Holder| taken.by_holder.get(holder).is_none_or(|count| *count < holder.most());
        if taken.of_all >= STREAMS_MAX || !of.iter().all(has_room) {
            return Err(too_many_streams());
        }
        taken.of_all += 1;
        of.iter().for_each(|holder| *taken.by_holder.entry(*holder).or_default() += 1);
        Ok(StreamPlace { places: self.clone(), of })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        taken.of_all -= 1;
        self.of.iter().for_each(|holder| give_back(&mut taken.by_holder, holder));
    }
}

/// Where a stream of events stands: before the event of this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cursor {
    height: u64,
    /// The next event's place in its block.
    index: usize,
}

impl Cursor {
    /// Reads `HEIGHT.COUNT`, where COUNT events of that block were seen; `0` is before everything.
    fn parse(text: &str) -> Option<Self> {
        if text == "0" {
            return Some(Self { height: 0, index: 0 });
        }
        let (height, index) = text.split_once('.')?;
        let canonical = Self { height: height.parse().ok()?, index: index.parse().ok()? };
        (canonical.text() == text).then_some(canonical)
    }

    fn text(self) -> String {
        format!("{}.{}", self.height, self.index)
    }
}

/// Blocks from a height on.
pub(super) async fn blocks(
    ledger: Arc<dyn LedgerHandle>,
    places: &StreamPlaces,
    reader: StreamReader,
    patience: Duration,
    from_height: u64,
) -> Result<BoxStream<'static, Result<pb::StreamBlocksResponse, Status>>, Status> {
    let place = places.take(reader.holders())?;
    require_kept(&*ledger, from_height).await?;
    let applied = ledger.status().height;
    if from_height > applied.saturating_add(1) {
        return Err(no_block(BlockError::NotReached { height: from_height, applied }));
    }
    let share = reader.share();
    let feed = move |feed: Feed<pb::StreamBlocksResponse>| async move {
        let (mut height, mut kept) = (from_height, None);
        loop {
            let look = |sight: Sight<'_>, record: &BlockRecord| {
                feed.put(pb::StreamBlocksResponse { block: Some(visible_block(sight, record)) })
            };
            let (looked, worked) = looked_at(&*ledger, height, &mut kept, &reader, look).await;
            let had_room = match looked {
                Ok(had_room) => had_room,
                Err(error) => return Stopped::Failed(error),
            };
            reader.pay(worked).await;
            if had_room {
                (height, kept) = (height + 1, None);
            } else if let Err(stopped) = feed.room(&mut kept).await {
                return stopped;
            }
        }
    };
    Ok(fed(place, share, patience, feed, |stopped| match stopped {
        Stopped::Left | Stopped::Ended => None,
        Stopped::Failed(error) => Some(Err(error)),
        Stopped::TooSlow => {
            Some(Err(reader_too_slow("the reader was too slow: resume from the height after the last one seen")))
        }
    }))
}

/// Events from a cursor on.
pub(super) async fn events(
    ledger: Arc<dyn LedgerHandle>,
    places: &StreamPlaces,
    reader: StreamReader,
    patience: Duration,
    cursor: &str,
) -> Result<BoxStream<'static, Result<pb::StreamEventsResponse, Status>>, Status> {
    let place = places.take(reader.holders())?;
    let mut at = match cursor {
        "" => Cursor { height: ledger.status().height.saturating_add(1), index: 0 },
        text => Cursor::parse(text).ok_or_else(|| {
            malformed(Malformed::new("cursor", "it must be empty, '0', or the cursor of an event of this stream"))
        })?,
    };
    require_kept(&*ledger, at.height).await?;
    let reached = ledger.clone();
    let share = reader.share();
    let feed = move |feed: Feed<pb::StreamEventsResponse>| async move {
        let mut kept = None;
        loop {
            let look = |sight: Sight<'_>, record: &BlockRecord| put_events(&feed, events_of(sight, record, at.index));
            let (looked, worked) = looked_at(&*ledger, at.height, &mut kept, &reader, look).await;
            let left = match looked {
                Ok(left) => left,
                Err(error) => return Stopped::Failed(error),
            };
            reader.pay(worked).await;
            let Some(index) = left else {
                (at, kept) = (Cursor { height: at.height + 1, index: 0 }, None);
                continue;
            };
            at.index = index;
            if let Err(stopped) = feed.room(&mut kept).await {
                return stopped;
            }
        }
    };
    Ok(fed(place, share, patience, feed, move |stopped| match stopped {
        Stopped::Left | Stopped::Ended => None,
        Stopped::Failed(error) => Some(Err(error)),
        Stopped::TooSlow => {
            let gap = pb::Gap { height: reached.status().height, detail: None };
            Some(Ok(pb::StreamEventsResponse { item: Some(Item::Gap(gap)) }))
        }
    }))
}

/// Fails at once where the stream would begin with a block that is gone.
async fn require_kept(ledger: &dyn LedgerHandle, height: u64) -> Result<(), Status> {
    match ledger.block(height).await {
        Ok(_) | Err(BlockError::NotReached { .. }) => Ok(()),
        Err(error) => Err(no_block(error)),
    }
}

/// The block of a height, waited for.
async fn next_block(ledger: &dyn LedgerHandle, height: u64) -> Result<BlockRecord, Status> {
    loop {
        match ledger.block(height).await {
            Ok(record) => return Ok(record),
            Err(BlockError::NotReached { .. }) => {
                ledger.applied_beyond(height.saturating_sub(1)).await.map_err(unavailable)?;
            }
            Err(error) => return Err(no_block(error)),
        }
    }
}

/// What a reader sees of the block of a height, once it is there, and how long the processor worked on that. The block is left in
/// `kept`, and not read if it is there already.
async fn looked_at<T>(
    ledger: &dyn LedgerHandle,
    height: u64,
    kept: &mut Option<BlockRecord>,
    reader: &StreamReader,
    look: impl FnOnce(Sight<'_>, &BlockRecord) -> T,
) -> (Result<T, Status>, Duration) {
    let mut worked = Duration::ZERO;
    let looking = async {
        let record = match kept.take() {
            Some(record) => record,
            None => next_block(ledger, height).await?,
        };
        sight_now(ledger, reader, |sight| look(sight, kept.insert(record)))
    };
    let looked = timed(looking, |spent| worked += spent).await;
    (looked, worked)
}

/// What the caller sees by the state of now; an error once it is nobody any more.
fn sight_now<T>(
    ledger: &dyn LedgerHandle,
    reader: &StreamReader,
    look: impl FnOnce(Sight<'_>) -> T,
) -> Result<T, Status> {
    let snapshot = ledger.snapshot().map_err(unavailable)?;
    let caller = match reader.caller.account() {
        None => Caller::Anyone,
        Some(id) => {
            let account: Option<Account> = snapshot.view.read(&id);
            let account = account.filter(|account| !account.closed).ok_or_else(|| {
                status(Code::PermissionDenied, "ACCOUNT_CLOSED", "the account of this stream was closed")
            })?;
            if !reader.key.is_some_and(|key| account.keys.keys().contains(&key)) {
                let message = "the key that opened this stream is no longer one of the account's: open it with another";
                return Err(status(Code::Unauthenticated, "KEY_REPLACED", message));
            }
            Caller::of(id, &account)
        }
    };
    Ok(look(Sight::new(caller, &*snapshot.view)))
}

/// Puts in as many events as there is room for. Gives the place of the first for which there is none.
fn put_events(
    feed: &Feed<pb::StreamEventsResponse>,
    mut events: impl Iterator<Item = (usize, pb::Event)>,
) -> Option<usize> {
    events.find_map(|(index, event)| {
        let had_room = feed.put(pb::StreamEventsResponse { item: Some(Item::Event(event)) });
        (!had_room).then_some(index)
    })
}

/// A block's events from a place on, as far as the caller sees them, each with its place and made when it is asked for.
fn events_of<'a>(
    sight: Sight<'a>,
    record: &'a BlockRecord,
    from_index: usize,
) -> impl Iterator<Item = (usize, pb::Event)> + use<'a> {
    let header = record.block.header();
    let transactions = record.block.transactions().len();
    let places = record.outcomes.iter().enumerate().skip(from_index);
    let visible = places.filter(move |(index, outcome)| match record.block.transactions().get(*index) {
        Some(signed) => sight.of_transaction(signed, outcome),
        None => sight.of_outcome(outcome),
    });
    visible.map(move |(index, outcome)| {
        let (status, decline) = match &outcome.status {
            // What fell due stands after the transactions and is none.
            _ if index >= transactions => (TransactionStatus::Unspecified, None),
            OutcomeStatus::Applied => (status_to_pb(&outcome.status), None),
            OutcomeStatus::Declined(decline) => (status_to_pb(&outcome.status), Some(decline_to_pb(decline))),
        };
        let event = pb::Event {
            cursor: Cursor { height: header.height, index: index + 1 }.text(),
            height: header.height,
            time_ms: header.time.0,
            transaction_id: Bytes::copy_from_slice(&outcome.transaction_id.0),
            status: status.into(),
            decline,
            movements: outcome.movements.iter().map(movement_to_pb).collect(),
            effects: outcome.effects.iter().map(effect_to_pb).collect(),
            transfers: record.block.transactions().get(index).map(transfers_of).unwrap_or_default(),
        };
        (index, event)
    })
}

/// The transfers of a transaction's body, which whoever sees the event may read in its receipt as well.
fn transfers_of(transaction: &SignedTransaction) -> Vec<Transfer> {
    let body = pb::TransactionBody::decode(&transaction.body()[..]);
    let operations = body.map(|body| body.operations).unwrap_or_default();
    let transfer = |operation: pb::Operation| match operation.operation {
        Some(pb::operation::Operation::Transfer(transfer)) => Some(transfer),
        _ => None,
    };
    operations.into_iter().filter_map(transfer).collect()
}

#[cfg(test)]
mod tests {
    use super::super::queue::{STREAM_BYTES, queue};
    use super::*;
    use crate::api::clients::{ClientLimits, Clients};
    use crate::node::NodeMetrics;
    use futures::StreamExt as _;
    use tokio::sync::oneshot;

    #[test]
    fn cursors_have_one_form() {
        assert_eq!(Cursor::parse("0"), Some(Cursor { height: 0, index: 0 }));
        assert_eq!(Cursor::parse("17.3"), Some(Cursor { height: 17, index: 3 }));
        for wrong in ["1", "1.", ".1", "01.2", "1.+2", "-1.0", "1.2.3", "18446744073709551616.0", "x"] {
            assert_eq!(Cursor::parse(wrong), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_place_is_free_again_once_the_reader_has_left() {
        let places = StreamPlaces::default();
        let open = |place| fed::<u32, _>(place, None, STREAM_PATIENCE, |_| std::future::pending(), |_| None);
        let take = |of: &[Holder]| places.take(of.to_vec());
        let is_full = |of: &[Holder]| take(of).is_err_and(|full| full.code() == Code::ResourceExhausted);
        let take_all = |of: &[Holder], most: usize| (0..most).map(|_| open(take(of).expect("a place"))).collect();
        let mut anonymous: Vec<_> = take_all(&[Holder::Anyone], ANONYMOUS_STREAMS_MAX);
        assert!(is_full(&[Holder::Anyone]));
        anonymous.pop();
        assert!(take(&[Holder::Anyone]).is_ok());
        let account = |number: usize| Holder::Account(AccountId([number as u8; 32]));
        let institution = |number: usize| Holder::Institution(AccountId([number as u8; 32]));
        let client = Holder::Client(ClientId::Certificate([1; 32]));
        let accounts = STREAMS_PER_INSTITUTION_MAX / STREAMS_PER_ACCOUNT_MAX;
        let own = |number| [account(number), institution(1), client];
        let of_one: Vec<Vec<_>> = (0..accounts).map(|number| take_all(&own(number), STREAMS_PER_ACCOUNT_MAX)).collect();
        assert!(is_full(&own(0)[..1]), "the account has its places");
        assert!(is_full(&[account(100), institution(1)]), "and so has its institution, whatever the account");
        assert!(is_full(&[account(100), institution(2), client]), "and the client, whoever it calls for");
        assert!(take(&[account(100), institution(2)]).is_ok());
        drop(of_one);
        let institutions = (STREAMS_MAX - ANONYMOUS_STREAMS_MAX) / STREAMS_PER_ACCOUNT_MAX;
        let _all: Vec<Vec<_>> = (0..institutions)
            .map(|number| take_all(&[account(number), institution(number)], STREAMS_PER_ACCOUNT_MAX))
            .collect();
        drop(take(&[account(200)]).expect("the one that was given back"));
        let _last = take(&[Holder::Anyone]).expect("it is anybody's");
        assert!(is_full(&[account(200)]), "the node has no more places");
    }

    #[test]
    fn who_does_not_sign_has_few_places_from_one_client() {
        let places = StreamPlaces::default();
        let clients = Clients::new(ClientLimits::DEFAULT, NodeMetrics::default());
        let nameless = |number: u8| {
            let client = Some(clients.calling_from(ClientId::Certificate([number; 32])));
            StreamReader { caller: Caller::Anyone, key: None, institution: None, client }.holders()
        };
        let taken: Vec<_> =
            (0..ANONYMOUS_STREAMS_PER_CLIENT_MAX).map_while(|_| places.take(nameless(1)).ok()).collect();
        assert_eq!(taken.len(), ANONYMOUS_STREAMS_PER_CLIENT_MAX);
        let full = places.take(nameless(1)).err().map(|full| full.code());
        assert_eq!(full, Some(Code::ResourceExhausted), "one client has not all the places of those who do not sign");
        assert!(places.take(nameless(2)).is_ok(), "another has its own");
        drop(taken);
        assert!(places.take(nameless(1)).is_ok());
    }

    /// What it did not read is not kept for it, whether it takes its leave or not.
    #[tokio::test]
    async fn a_reader_that_does_not_read_is_told_so_and_nothing_is_kept_for_it() {
        let (gave_up, given_up) = oneshot::channel();
        let endless = |feed: Feed<Vec<u8>>| async move {
            let mut queued = 0;
            while feed.put(vec![7; 50_000]) {
                queued += 1;
            }
            let stopped = feed.room(&mut None).await.expect_err("nobody reads");
            let _ = gave_up.send(queued);
            stopped
        };
        let (places, patience) = (StreamPlaces::default(), Duration::from_millis(10));
        let place = places.take(vec![Holder::Anyone]).expect("a place");
        let parting = |stopped| matches!(stopped, Stopped::TooSlow).then_some(Ok(b"too slow".to_vec()));
        let stream = fed(place, None, patience, endless, parting);
        let queued: usize = given_up.await.expect("it gives up");
        assert!((1..=STREAM_BYTES / 50_000).contains(&queued), "{queued}");
        let read: Vec<Vec<u8>> = stream.map(|item| item.expect("no error")).collect().await;
        assert_eq!(read, [b"too slow"]);
    }

    /// A block with more events than there is room for is gone through once, in parts.
    #[tokio::test]
    async fn events_for_which_there_is_no_room_come_next_and_none_is_left_out() {
        let (sender, mut receiver) = queue(None);
        let feed = Feed { queue: Arc::new(sender), patience: STREAM_PATIENCE };
        let event = |index: usize| pb::Event { cursor: index.to_string(), ..large() };
        let (mut from, mut parts, mut read) = (0, 0, Vec::new());
        while let Some(left) = put_events(&feed, (from..100).map(|index| (index, event(index)))) {
            assert!(left > from, "nothing was put in");
            (from, parts) = (left, parts + 1);
            while feed.queue.room(Duration::ZERO).await.is_err() {
                read.push(receiver.next().await.expect("an event").expect("no error"));
            }
        }
        drop(feed);
        read.extend(receiver.map(|item| item.expect("no error")).collect::<Vec<_>>().await);
        let cursor = |response: pb::StreamEventsResponse| match response.item {
            Some(Item::Event(event)) => event.cursor,
            other => panic!("{other:?}"),
        };
        let cursors: Vec<String> = read.into_iter().map(cursor).collect();
        assert_eq!(cursors, (0..100).map(|index| index.to_string()).collect::<Vec<_>>());
        assert!(parts > 1, "{parts}");
    }

    /// An event of some 50 kB.
    fn large() -> pb::Event {
        pb::Event { transaction_id: Bytes::from(vec![7; 50_000]), ..pb::Event::default() }
    }
}
