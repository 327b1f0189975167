//! How far the journals of a key's votes reached, in a file outside of the data directory.
//!
//! A data directory that is restored from a backup looks as it did when that was made, journals and all. A validator that votes
//! from it may vote once more in a view in which it has voted. This file is not restored with it, and says so.
//!
//! # Invariants
//! * The mark is written after what it names is durable, never before: a directory that falls short of it has lost something.
//! * It is made whole and synced, its name too. From then on it is written over in place, within one sector, and not synced: a power
//!   cut may leave an earlier mark, which tells no lie. So a mark that does not parse is damage, and refused.
//!
//! # Deliberately absent
//! The last second, and a copy of the whole machine with this file in it: against that only a key of one's own helps that
//! never runs in two places.

use super::{DaemonError, PARTITION};
use crate::consensus::KeepsJournals;
use crate::consensus::voting::{self, Reached};
use crate::primitives::PublicKey;
use crate::storage::durable;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing::warn;

/// How often the mark is brought up to date.
const EVERY: Duration = Duration::from_secs(1);

/// The mark of a key, if one was left. That of another key, whose place this one took, says nothing of it.
///
/// # Errors
/// The file cannot be read, or is no mark.
pub(super) fn read(path: &Path, key: &PublicKey) -> Result<Option<Reached>, DaemonError> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(DaemonError::Unreadable { path: path.to_path_buf(), cause }),
    };
    let (found, reached) = parse(&text).ok_or_else(|| DaemonError::LastVoted {
        path: path.to_path_buf(),
        why: "it holds a key, an epoch and a view in one line, and nothing else".to_owned(),
    })?;
    Ok((found == *key).then_some(reached))
}

fn parse(text: &str) -> Option<(PublicKey, Reached)> {
    let line = text.strip_suffix('\n').filter(|line| !line.contains('\n'))?;
    let mut parts = line.split(' ');
    let key = parts.next()?.parse().ok()?;
    let reached = Reached { epoch: parts.next()?.parse().ok()?, view: parts.next()?.parse().ok()? };
    parts.next().is_none().then_some((key, reached))
}

/// As long as any other, so that one is written over another.
fn line(key: &PublicKey, reached: Reached) -> String {
    format!("{key} {:020} {:020}\n", reached.epoch, reached.view)
}

fn write(path: &Path, line: &str) -> io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|found| found.len() == line.len() as u64) {
        return OpenOptions::new().write(true).open(path)?.write_all(line.as_bytes());
    }
    let partial = path.with_extension("partial");
    let mut file = File::create(&partial)?;
    file.write_all(line.as_bytes())?;
    file.sync_all()?;
    durable::replace(&partial, path)
}

/// Keeps the mark up to date as long as the node runs.
pub(super) async fn keep<E: KeepsJournals>(context: E, path: PathBuf, key: PublicKey) {
    let (mut written, mut complained) = (None, false);
    loop {
        context.sleep(EVERY).await;
        let reached = match voting::reached(&context, PARTITION, &key).await {
            Ok(reached) if reached > written => reached,
            Ok(_) => continue,
            Err(_) if complained => continue,
            Err(error) => {
                warn!(%error, "how far this key's journals reach could not be read");
                complained = true;
                continue;
            }
        };
        match reached.map_or(Ok(()), |reached| write(&path, &line(&key, reached))) {
            Ok(()) => (written, complained) = (reached, false),
            Err(_) if complained => {}
            Err(cause) => {
                let mark = path.display();
                warn!(%mark, %cause, "the mark of the last vote could not be written: an older copy of the data would not be noticed");
                complained = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: PublicKey = PublicKey([1; 32]);

    #[test]
    fn a_mark_is_read_as_it_was_written_and_only_for_its_key() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("last-voted");
        assert_eq!(read(&path, &ME).expect("none yet"), None);
        for reached in [Reached { epoch: 0, view: 9 }, Reached { epoch: 1, view: u64::MAX }] {
            write(&path, &line(&ME, reached)).expect("written");
            assert_eq!(read(&path, &ME).expect("a mark"), Some(reached));
        }
        assert_eq!(read(&path, &PublicKey([2; 32])).expect("a mark"), None);
    }

    #[test]
    fn what_is_no_mark_is_refused_in_one_line() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("last-voted");
        let whole = line(&ME, Reached { epoch: 3, view: 4 });
        let damaged =
            [String::new(), whole[..whole.len() - 2].to_owned() + "x\n", whole[1..].to_owned(), whole.repeat(2)];
        for text in damaged {
            std::fs::write(&path, &text).expect("written");
            let refused = read(&path, &ME).expect_err(&text).to_string();
            assert!(refused.contains("last-voted") && refused.contains("--without-vote"), "{refused}");
            assert_eq!(refused.lines().count(), 1, "{refused}");
        }
    }
}
