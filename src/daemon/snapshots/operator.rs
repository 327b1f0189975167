//! The operator's socket: how a command on the node's machine asks the running node for something.
//!
//! One line of JSON in, one line out, and the end. It is a Unix socket in the data directory, open to the node's own user alone
//! (mode 0600): whoever can use it can read the store and the journals anyhow, and nobody else comes near it. So it needs no
//! password, no port and no role in the ledger.
//!
//! # Invariants
//! * One snapshot is taken at a time. A line has at most `LINE_BYTES_MAX` bytes, and comes within `PATIENCE`.

use super::SnapshotError;
use super::take::{Taken, Wanted, take};
use crate::daemon::DaemonError;
use crate::node::snapshot;
use crate::primitives::ChainId;
use crate::storage::{APART_BYTES, RocksStore, private_socket};
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tracing::{info, warn};

/// How long after a connection that could not be taken the next one is waited for.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Its name in the data directory.
const FILE_NAME: &str = "operator.sock";
/// Most who ask at a time.
const CALLERS_MAX: usize = 8;
/// Longest line.
const LINE_BYTES_MAX: u64 = 16 << 10;
/// How long a line may take to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest path of the socket: every system takes one of 104 bytes with its end, and it is made beside its place.
const PATH_BYTES_MAX: usize = 103 - APART_BYTES;
/// How long whoever asks waits for the answer. A snapshot is links to files, and takes seconds.
const ANSWER_PATIENCE: Duration = Duration::from_secs(600);

/// What may be asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Asked {
    /// A snapshot.
    Snapshot(Wanted),
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    /// It was taken.
    Taken(Taken),
    /// It was not.
    Error(String),
}

/// Where the socket of a node with this data directory is.
fn socket(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE_NAME)
}

/// The socket as it is served. It is removed when dropped.
pub struct Listening {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Makes the socket. `None`, with a word in the log, where the data directory's path is too long for one.
///
/// # Errors
/// The data directory cannot be written.
pub fn listen(data_dir: &Path) -> Result<Option<Listening>, DaemonError> {
    let path = socket(data_dir);
    if path.as_os_str().len() > PATH_BYTES_MAX {
        warn!(
            socket = %path.display(),
            "the path of the operator's socket is too long for this system: snapshots are taken while the node is stopped"
        );
        return Ok(None);
    }
    // The store's lock is ours, so what is left there is of a process that has ended.
    let listener = private_socket(&path, 0o600).and_then(UnixListener::from_std);
    let listener = listener.map_err(|cause| DaemonError::OperatorSocket { path: path.clone(), cause })?;
    Ok(Some(Listening { listener, path }))
}

/// Answers whoever asks, until it is dropped.
pub async fn serve(listening: Listening, store: RocksStore, chain: ChainId) {
    let (turn, callers) = (Arc::new(Semaphore::new(1)), Arc::new(Semaphore::new(CALLERS_MAX)));
    while let Ok(permit) = callers.clone().acquire_owned().await {
        let Ok((stream, _)) = listening.listener.accept().await else {
            // Of files that are open already there may be none left: not asked again at once.
            tokio::time::sleep(AGAIN_AFTER).await;
            continue;
        };
        let (store, turn) = (store.clone(), turn.clone());
        tokio::spawn(async move {
            if let Err(cause) = answer(stream, store, chain, turn).await {
                warn!(%cause, "who asked at the operator's socket was not answered");
            }
            drop(permit);
        });
    }
}

async fn answer(mut stream: UnixStream, store: RocksStore, chain: ChainId, turn: Arc<Semaphore>) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut line = String::new();
    let mut reader = tokio::io::BufReader::new(reader.take(LINE_BYTES_MAX));
    tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await??;
    let answered = match serde_json::from_str(&line) {
        Ok(Asked::Snapshot(wanted)) => snapshot_for(wanted, store, chain, turn).await,
        Err(error) => Answer::Error(format!("this is nothing that may be asked: {error}")),
    };
    let text = serde_json::to_string(&answered)? + "\n";
    writer.write_all(text.as_bytes()).await
}

async fn snapshot_for(wanted: Wanted, store: RocksStore, chain: ChainId, turn: Arc<Semaphore>) -> Answer {
    let Ok(_permit) = turn.try_acquire() else { return Answer::Error(SnapshotError::Busy.to_string()) };
    let place = wanted.place.clone();
    info!(place = %place.display(), "taking a snapshot");
    let (answer, answered) = tokio::sync::oneshot::channel();
    // A thread of its own: the node does not wait for it when it stops, and leaves what is half done under another name.
    std::thread::spawn(move || {
        let _ = answer.send(take(&store, chain, &wanted, |height| snapshot::proof(&store, height)));
    });
    match answered.await {
        Ok(Ok(taken)) => {
            info!(place = %place.display(), height = taken.height, bytes = taken.bytes, "a snapshot was taken");
            Answer::Taken(taken)
        }
        Ok(Err(error)) => {
            warn!(place = %place.display(), %error, "no snapshot was taken");
            Answer::Error(error.to_string())
        }
        Err(_) => Answer::Error("the node is stopping".to_owned()),
    }
}

/// Asks the node of a data directory for a snapshot. `None` if no node answers there.
///
/// # Errors
/// The node's own, or the connection broke off.
pub fn ask(data_dir: &Path, wanted: &Wanted) -> Result<Option<Taken>, SnapshotError> {
    let path = socket(data_dir);
    let Ok(mut stream) = BlockingStream::connect(&path) else { return Ok(None) };
    let asked = serde_json::to_string(&Asked::Snapshot(wanted.clone()))
        .map_err(|error| SnapshotError::file(&path)(error.into()))?;
    stream.write_all((asked + "\n").as_bytes()).map_err(SnapshotError::file(&path))?;
    stream.set_read_timeout(Some(ANSWER_PATIENCE)).map_err(SnapshotError::file(&path))?;
    let mut line = String::new();
    BufReader::new(stream.take(LINE_BYTES_MAX)).read_line(&mut line).map_err(SnapshotError::file(&path))?;
    match serde_json::from_str(&line) {
        Ok(Answer::Taken(taken)) => Ok(Some(taken)),
        Ok(Answer::Error(why)) => Err(SnapshotError::Refused(why)),
        Err(_) => Err(SnapshotError::Refused("the node ended before it answered: look into its log".to_owned())),
    }
}
