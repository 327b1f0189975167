//! Streams of blocks and events: from any height or cursor on, then live, without a gap that is not spoken of.
//!
//! A stream reads final blocks in order and filters each for its caller. It is fed by a task of its own into a short queue.
//! A reader that leaves the queue full for too long is told so (a `Gap`, or RESOURCE_EXHAUSTED for blocks) and the stream
//! ends, instead of holding the node's memory. It resumes from the last cursor that it saw.
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
use super::status::{malformed, no_block, reader_too_slow, status, unavailable};
use super::visibility::Sight;
use crate::ledger::malformed::Malformed;
use crate::ledger::{Account, SignedTransaction, Status as OutcomeStatus};
use crate::node::service::{BlockError, BlockRecord, LedgerHandle, Unavailable};
use crate::primitives::{AccountId, PublicKey};
use crate::wire::pb::ledger::stream_events_response::Item;
use crate::wire::pb::ledger::{self as pb, TransactionStatus};
use crate::wire::pb::payments::Transfer;
use crate::wire::{decline_to_pb, effect_to_pb, movement_to_pb, status_to_pb};
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _};
use prost::Message as _;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

/// How many messages wait for a slow reader.
pub const STREAM_QUEUE: usize = 256;
/// How long a reader may leave its queue full.
pub const STREAM_PATIENCE: Duration = Duration::from_secs(10);

/// Most streams of blocks and events at once at a node: with full queues of a busy ledger's events they hold some hundreds
/// of MiB.
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
            let message = "the node serves no more streams to this caller: end one, or ask another node";
            return Err(status(Code::ResourceExhausted, "TOO_MANY_STREAMS", message));
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

/// Where a feed puts its messages, and how it ends for a reader that does not read.
pub(super) struct Feed<T> {
    queue: mpsc::Sender<Result<T, Status>>,
    patience: Duration,
}

/// Why a feed stopped.
pub(super) enum Stopped {
    /// There is no more to say.
    Ended,
    /// The reader is gone.
    Left,
    /// The reader left the queue full for too long.
    TooSlow,
    /// The node stops, or a block is gone.
    Failed(Status),
}

impl<T> Feed<T> {
    pub async fn send(&self, message: T) -> Result<(), Stopped> {
        self.queue.send_timeout(Ok(message), self.patience).await.map_err(|error| match error {
            mpsc::error::SendTimeoutError::Timeout(_) => Stopped::TooSlow,
            mpsc::error::SendTimeoutError::Closed(_) => Stopped::Left,
        })
    }
}

/// Runs a feed in its own task; what `parting` says of its end comes last, after all that is queued.
pub(super) fn fed<T: Send + 'static, F>(
    place: impl Send + 'static,
    patience: Duration,
    feed: impl FnOnce(Feed<T>) -> F,
    parting: impl FnOnce(Stopped) -> Option<Result<T, Status>> + Send + 'static,
) -> BoxStream<'static, Result<T, Status>>
where
    F: Future<Output = Stopped> + Send + 'static,
{
    let (queue, queued) = mpsc::channel(STREAM_QUEUE);
    let reader = queue.clone();
    let feeding = feed(Feed { queue, patience });
    let feeding = tokio::spawn(async move {
        // A feed that has nothing to send would not notice that its reader is gone.
        tokio::select! {
            stopped = feeding => stopped,
            () = reader.closed() => Stopped::Left,
        }
    });
    // Kept until the reader drops the stream: what it has not read stays in memory until then.
    let last = async move {
        let _place = place;
        match feeding.await {
            Ok(stopped) => parting(stopped),
            // It broke: that is no end that a reader may take for one.
            Err(_) => parting(Stopped::Failed(unavailable(Unavailable))),
        }
    };
    ReceiverStream::new(queued).chain(futures::stream::once(last).filter_map(futures::future::ready)).boxed()
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
    let feed = move |feed: Feed<pb::StreamBlocksResponse>| async move {
        let mut height = from_height;
        loop {
            let (looked, worked) = looked_at(&*ledger, height, &reader, visible_block).await;
            let block = match looked {
                Ok(block) => block,
                Err(error) => return Stopped::Failed(error),
            };
            if let Err(stopped) = feed.send(pb::StreamBlocksResponse { block: Some(block) }).await {
                return stopped;
            }
            reader.pay(worked).await;
            height += 1;
        }
    };
    Ok(fed(place, patience, feed, |stopped| match stopped {
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
    let feed = move |feed: Feed<pb::StreamEventsResponse>| async move {
        loop {
            let look = |sight: Sight<'_>, record: &BlockRecord| events_of(sight, record, at.index);
            let (looked, worked) = looked_at(&*ledger, at.height, &reader, look).await;
            let events = match looked {
                Ok(events) => events,
                Err(error) => return Stopped::Failed(error),
            };
            for event in events {
                if let Err(stopped) = feed.send(pb::StreamEventsResponse { item: Some(Item::Event(event)) }).await {
                    return stopped;
                }
            }
            reader.pay(worked).await;
            at = Cursor { height: at.height + 1, index: 0 };
        }
    };
    Ok(fed(place, patience, feed, move |stopped| match stopped {
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

/// What a reader sees of the block of a height, once it is there, and how long the processor worked on that.
async fn looked_at<T>(
    ledger: &dyn LedgerHandle,
    height: u64,
    reader: &StreamReader,
    look: impl FnOnce(Sight<'_>, &BlockRecord) -> T,
) -> (Result<T, Status>, Duration) {
    let mut worked = Duration::ZERO;
    let looking = async {
        let record = next_block(ledger, height).await?;
        sight_now(ledger, reader, |sight| look(sight, &record))
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

/// A block's events from a place on, as far as the caller sees them.
fn events_of(sight: Sight<'_>, record: &BlockRecord, from_index: usize) -> Vec<pb::Event> {
    let header = record.block.header();
    let transactions = record.block.transactions().len();
    let places = record.outcomes.iter().enumerate().skip(from_index);
    let visible = places.filter(|(index, outcome)| match record.block.transactions().get(*index) {
        Some(signed) => sight.of_transaction(signed, outcome),
        None => sight.of_outcome(outcome),
    });
    visible
        .map(|(index, outcome)| {
            let (status, decline) = match &outcome.status {
                // What fell due stands after the transactions and is none.
                _ if index >= transactions => (TransactionStatus::Unspecified, None),
                OutcomeStatus::Applied => (status_to_pb(&outcome.status), None),
                OutcomeStatus::Declined(decline) => (status_to_pb(&outcome.status), Some(decline_to_pb(decline))),
            };
            pb::Event {
                cursor: Cursor { height: header.height, index: index + 1 }.text(),
                height: header.height,
                time_ms: header.time.0,
                transaction_id: Bytes::copy_from_slice(&outcome.transaction_id.0),
                status: status.into(),
                decline,
                movements: outcome.movements.iter().map(movement_to_pb).collect(),
                effects: outcome.effects.iter().map(effect_to_pb).collect(),
                transfers: record.block.transactions().get(index).map(transfers_of).unwrap_or_default(),
            }
        })
        .collect()
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
    use super::*;
    use crate::api::clients::{ClientLimits, Clients};
    use crate::node::NodeMetrics;
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
        let open = |place| fed::<u32, _>(place, STREAM_PATIENCE, |_| std::future::pending(), |_| None);
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

    #[tokio::test]
    async fn a_reader_that_does_not_read_is_told_so_last() {
        let (gave_up, given_up) = oneshot::channel();
        let endless = |feed: Feed<u32>| async move {
            for number in 0.. {
                if let Err(stopped) = feed.send(number).await {
                    let _ = gave_up.send(());
                    return stopped;
                }
            }
            Stopped::Left
        };
        let (place, patience) =
            (StreamPlaces::default().take(vec![Holder::Anyone]).expect("a place"), Duration::from_millis(10));
        let parting = |stopped| matches!(stopped, Stopped::TooSlow).then_some(Ok(u32::MAX));
        let stream = fed(place, patience, endless, parting);
        given_up.await.expect("it gives up");
        let read: Vec<u32> = stream.map(|item| item.expect("no error")).collect().await;
        assert_eq!(read.len(), STREAM_QUEUE + 1);
        assert_eq!((read[0], read[STREAM_QUEUE]), (0, u32::MAX));
    }
}
