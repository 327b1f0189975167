//! Whether a key may vote from this directory.
//!
//! A validator that signs two different votes for one view breaks consensus for everybody. What protects against it is
//! the engine's journal: every vote is on disk before it is sent, and after a restart the engine repeats rather than
//! decides anew. A wiped, restored or copied directory takes that protection away. So a key votes only where the
//! engine's directory says that it has voted there, and that record is made once, on the word of whoever made the key
//! that it has never voted anywhere.
//!
//! The record and the journals are partitions of their own, and either can be lost without the other: a journal removed
//! by hand, a backup that left one out. So while an epoch runs the record also comes to say that the epoch's journal is
//! there (`note_journal`), and a start finds it there, or finds it lost ([`standing`]).
//!
//! An older copy of the whole directory, or a journal without its end, looks like an earlier life of the same node. So whoever
//! runs the node keeps elsewhere how far the journals reached ([`reached`]), and asks at a start whether they fall short of
//! that ([`falls_short`]).
//!
//! A node that may not vote runs with [`super::Signer::Silent`]: it verifies, executes and serves, until governance
//! replaces its key.
//!
//! # Invariants
//! * Nothing removes the record of a key, or that a key's journal was lost: the journal that the silent engine then
//!   writes holds no votes of the lost one.
//! * An epoch is noted after a part of its journal was seen, never before; a part is listed once it is durable.
//!   So a node that crashes before its first vote, between two epochs, or while it catches up through epochs in which it
//!   never voted, goes on voting.
//! * What the engine prunes leaves something: it keeps the views from its last final one on.
//! * Nobody votes in an epoch before the noted ones (`votes_from`): its journal is gone, and a node that begins anew from its
//!   peers passes through it once more. The silent engine's journals are partitions of their own, so that what it writes is
//!   never taken for votes, and no votes for what it wrote.
//!
//! # Deliberately absent
//! What is lost within a second of its making, and what is lost of the newest part without the part itself: that cannot be
//! told from a crash before what was entered was synced, and whoever crashed so has sent no vote.

use super::KeepsJournals;
use crate::primitives::crypto::PublicKey;
use commonware_runtime::Error;
use std::time::Duration;
use tracing::warn;

/// What is appended to the partition prefix.
const SUFFIX: &str = "-voters";
/// What follows a key in the name that says that its journal was lost. An epoch takes eight bytes.
const LOST: &[u8] = &[0];
/// How often it is looked whether a new journal is there.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How a key stands in the engine's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has voted from here, or was allowed to, and its journals are here.
    Votes,
    /// It has voted from here, and a journal of its votes was lost.
    JournalLost,
    /// Nobody has voted from here.
    Unrecorded,
    /// Another key has: the journals hold votes that are not this key's.
    OfAnother(PublicKey),
}

/// How far a key's journals reach: the newest noted epoch, and the newest view of which its journal has a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reached {
    /// The epoch.
    pub epoch: u64,
    /// The view.
    pub view: u64,
}

/// The partition of an epoch's journal.
pub(super) fn journal(partition: &str, epoch: u64) -> String {
    format!("{partition}-votes-{epoch}")
}

/// The partition of the journal that an epoch's engine keeps where it does not vote.
pub(super) fn silent_journal(partition: &str, epoch: u64) -> String {
    format!("{partition}-follows-{epoch}")
}

/// Whether a partition of the engine's directory is a journal, of votes or not.
pub(super) fn is_journal(partition: &str, name: &str) -> bool {
    let rest = name.strip_prefix(partition);
    rest.is_some_and(|rest| rest.starts_with("-votes-") || rest.starts_with("-follows-"))
}

/// Whether a partition of the engine's directory has to do with votes: it is one of the records, or a journal.
pub fn is_of_votes(partition: &str, name: &str) -> bool {
    let rest = name.strip_prefix(partition);
    rest.is_some_and(|rest| rest == SUFFIX || rest.starts_with("-votes-"))
}

/// How `key` stands in the engine's directory. A loss that is found is recorded before this returns: by the next start
/// the journal may be there again, without the votes.
///
/// # Errors
/// The directory cannot be read, or the loss not be recorded.
pub async fn standing<E: KeepsJournals>(context: &E, partition: &str, key: &PublicKey) -> Result<Standing, Error> {
    let voters = format!("{partition}{SUFFIX}");
    let names = names(context, &voters).await?;
    if !names.iter().any(|name| name.as_slice() == key.0) {
        let other = names.iter().find_map(|name| <[u8; 32]>::try_from(name.as_slice()).ok());
        return Ok(other.map_or(Standing::Unrecorded, |other| Standing::OfAnother(PublicKey(other))));
    }
    let lost = [&key.0, LOST].concat();
    if names.contains(&lost) {
        return Ok(Standing::JournalLost);
    }
    for epoch in names.iter().filter_map(|name| noted_epoch(name, key)) {
        if !exists(context, &journal(partition, epoch)).await? {
            context.open(&voters, &lost).await?;
            return Ok(Standing::JournalLost);
        }
    }
    Ok(Standing::Votes)
}

/// How far the journals of `key` reach; nothing before the first is noted.
///
/// # Errors
/// The directory cannot be read.
pub async fn reached<E: KeepsJournals>(
    context: &E,
    partition: &str,
    key: &PublicKey,
) -> Result<Option<Reached>, Error> {
    let names_of_voters = names(context, &format!("{partition}{SUFFIX}")).await?;
    let Some(epoch) = names_of_voters.iter().filter_map(|name| noted_epoch(name, key)).max() else { return Ok(None) };
    // The engine names a part by its view.
    let parts = names(context, &journal(partition, epoch)).await?;
    let views = parts.iter().filter_map(|part| Some(u64::from_be_bytes(part.as_slice().try_into().ok()?)));
    Ok(views.max().map(|view| Reached { epoch, view }))
}

/// Whether the journals of `key` fall short of what they are known to have reached: they are an older copy's, or lost their
/// end. That is recorded before this returns, as a loss is.
///
/// # Errors
/// The directory cannot be read, or the loss not be recorded.
pub async fn falls_short<E: KeepsJournals>(
    context: &E,
    partition: &str,
    key: &PublicKey,
    known: Reached,
) -> Result<bool, Error> {
    let falls_short = reached(context, partition, key).await?.is_none_or(|reached| reached < known);
    let voters = format!("{partition}{SUFFIX}");
    if falls_short && names(context, &voters).await?.iter().any(|name| name.as_slice() == key.0) {
        context.open(&voters, &[&key.0, LOST].concat()).await?;
    }
    Ok(falls_short)
}

/// The first epoch in which `key` may vote: the oldest of those whose journals are noted.
///
/// # Errors
/// The directory cannot be read.
pub(super) async fn votes_from<E: KeepsJournals>(context: &E, partition: &str, key: &PublicKey) -> Result<u64, Error> {
    let names = names(context, &format!("{partition}{SUFFIX}")).await?;
    Ok(names.iter().filter_map(|name| noted_epoch(name, key)).min().unwrap_or_default())
}

/// Lets `key`, which has never voted anywhere, vote from the engine's directory from now on. Durable when it returns.
///
/// The caller removes its own mark that the key has never voted before it starts to vote.
///
/// # Errors
/// The directory cannot be written.
pub async fn allow_first_vote<E: KeepsJournals>(context: &E, partition: &str, key: &PublicKey) -> Result<(), Error> {
    // Opening creates the blob durably; its name is all there is to it.
    context.open(&format!("{partition}{SUFFIX}"), &key.0).await.map(drop)
}

/// Waits until the journal of `epoch` is there, and notes that. The epoch before stays noted, since a restart may begin
/// in it again; earlier ones do not.
pub(super) async fn note_journal<E: KeepsJournals>(context: E, partition: String, key: PublicKey, epoch: u64) {
    loop {
        context.sleep(LOOK_EVERY).await;
        let noted = match exists(&context, &journal(&partition, epoch)).await {
            Ok(true) => note(&context, &partition, &key, epoch).await.map(|()| true),
            looked => looked,
        };
        match noted {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => warn!(%error, epoch, "that the epoch's journal exists could not be noted"),
        }
    }
}

async fn note<E: KeepsJournals>(context: &E, partition: &str, key: &PublicKey, epoch: u64) -> Result<(), Error> {
    let voters = format!("{partition}{SUFFIX}");
    context.open(&voters, &[key.0.as_slice(), &epoch.to_be_bytes()].concat()).await?;
    for name in names(context, &voters).await? {
        if noted_epoch(&name, key).is_some_and(|noted| noted + 1 < epoch) {
            context.remove(&voters, Some(&name)).await?;
        }
    }
    Ok(())
}

fn noted_epoch(name: &[u8], key: &PublicKey) -> Option<u64> {
    name.strip_prefix(key.0.as_slice())?.try_into().ok().map(u64::from_be_bytes)
}

/// Whether a journal is there. Its parts are never opened: the engine holds them, and alone.
async fn exists<E: KeepsJournals>(context: &E, partition: &str) -> Result<bool, Error> {
    Ok(!names(context, partition).await?.is_empty())
}

async fn names<E: KeepsJournals>(context: &E, partition: &str) -> Result<Vec<Vec<u8>>, Error> {
    match context.scan(partition).await {
        Err(Error::PartitionMissing(_)) => Ok(Vec::new()),
        scanned => scanned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::Journaled;
    use commonware_runtime::{Blob as _, Clock as _, Runner as _, Storage as _, Supervisor as _, deterministic};

    type Context = Journaled<deterministic::Context>;

    const ME: PublicKey = PublicKey([1; 32]);

    /// A part of a journal, held open as the engine holds it.
    async fn make_journal(context: &Context, epoch: u64) -> impl Sized {
        make_part(context, epoch, 1).await
    }

    async fn make_part(context: &Context, epoch: u64, view: u64) -> impl Sized {
        let (part, _) = context.open(&journal("engine", epoch), &view.to_be_bytes()).await.expect("a part");
        part.sync().await.expect("synced");
        part
    }

    fn start<F: Future>(run: impl FnOnce(Context) -> F) -> F::Output {
        deterministic::Runner::default().start(|context| run(Journaled::new(context, "engine")))
    }

    #[test]
    fn a_key_votes_where_it_was_once_allowed_to() {
        let other = PublicKey([2; 32]);
        let (_, checkpoint) = deterministic::Runner::default().start_and_recover(|context| async move {
            let context = Journaled::new(context, "engine");
            assert_eq!(standing(&context, "engine", &ME).await.ok(), Some(Standing::Unrecorded));
            allow_first_vote(&context, "engine", &ME).await.expect("a fresh directory");
        });
        deterministic::Runner::from(checkpoint).start(|context| async move {
            let context = Journaled::new(context.child("again"), "engine");
            assert_eq!(standing(&context, "engine", &ME).await.ok(), Some(Standing::Votes));
            assert_eq!(standing(&context, "engine", &other).await.ok(), Some(Standing::OfAnother(ME)));
            allow_first_vote(&context, "engine", &ME).await.expect("allowed once more changes nothing");
        });
    }

    /// Lost for good: what a silent engine writes afterwards is no journal of the votes.
    #[test]
    fn a_key_whose_noted_journal_is_lost_does_not_vote_again() {
        start(|context| async move {
            allow_first_vote(&context, "engine", &ME).await.expect("a fresh directory");
            let held = make_journal(&context, 3).await;
            note_journal(context.child("note"), "engine".to_owned(), ME, 3).await;
            assert_eq!(standing(&context, "engine", &ME).await.ok(), Some(Standing::Votes));
            drop(held);
            context.remove(&journal("engine", 3), None).await.expect("removed");
            assert_eq!(standing(&context, "engine", &ME).await.ok(), Some(Standing::JournalLost));
            drop(make_journal(&context, 3).await);
            assert_eq!(standing(&context, "engine", &ME).await.ok(), Some(Standing::JournalLost));
        });
    }

    /// An older copy of the directory has fewer parts, or a part less: either way the end is missing.
    #[test]
    fn a_journal_without_its_end_is_found_and_stays_lost() {
        start(|context| async move {
            allow_first_vote(&context, "engine", &ME).await.expect("a fresh directory");
            assert_eq!(reached(&context, "engine", &ME).await.ok(), Some(None));
            for view in [7u64, 8] {
                drop(make_part(&context, 3, view).await);
            }
            note_journal(context.child("note"), "engine".to_owned(), ME, 3).await;
            let known = Reached { epoch: 3, view: 8 };
            assert_eq!(reached(&context, "engine", &ME).await.ok(), Some(Some(known)));
            assert_eq!(falls_short(&context, "engine", &ME, known).await.ok(), Some(false));
            assert_eq!(standing(&context, "engine", &ME).await.ok(), Some(Standing::Votes));
            context.remove(&journal("engine", 3), Some(&8u64.to_be_bytes())).await.expect("removed");
            assert_eq!(falls_short(&context, "engine", &ME, known).await.ok(), Some(true));
            assert_eq!(standing(&context, "engine", &ME).await.ok(), Some(Standing::JournalLost));
            // An epoch further is further, whatever the views.
            assert!(Reached { epoch: 4, view: 1 } > known);
        });
    }

    #[test]
    fn a_key_votes_from_the_oldest_noted_epoch_on() {
        start(|context| async move {
            allow_first_vote(&context, "engine", &ME).await.expect("a fresh directory");
            assert_eq!(votes_from(&context, "engine", &ME).await.ok(), Some(0));
            for epoch in [4, 5] {
                let _held = make_journal(&context, epoch).await;
                note_journal(context.child("note"), "engine".to_owned(), ME, epoch).await;
            }
            assert_eq!(votes_from(&context, "engine", &ME).await.ok(), Some(4));
        });
    }

    #[test]
    fn an_epoch_is_noted_once_its_journal_is_there_and_the_last_two_stay_noted() {
        start(|context| async move {
            allow_first_vote(&context, "engine", &ME).await.expect("a fresh directory");
            let context = &context;
            let noted = || async move {
                let names = names(context, "engine-voters").await.expect("the record");
                names.iter().filter_map(|name| noted_epoch(name, &ME)).collect::<Vec<_>>()
            };
            let waiting = note_journal(context.child("waiting"), "engine".to_owned(), ME, 0);
            commonware_macros::select! {
                () = waiting => panic!("it noted a journal that is not there"),
                () = context.sleep(LOOK_EVERY * 10) => {},
            }
            assert_eq!(noted().await, Vec::<u64>::new());
            for epoch in [0, 1, 2] {
                let _held = make_journal(context, epoch).await;
                note_journal(context.child("note"), "engine".to_owned(), ME, epoch).await;
            }
            assert_eq!(noted().await, [1, 2]);
            // What is older may go.
            context.remove(&journal("engine", 0), None).await.expect("removed");
            assert_eq!(standing(context, "engine", &ME).await.ok(), Some(Standing::Votes));
        });
    }
}
