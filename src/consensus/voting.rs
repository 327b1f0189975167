//! Whether a key may vote from this directory.
//!
//! A validator that signs two different votes for one view breaks consensus for everybody. What protects against it is
//! the engine's journal: every vote is on disk before it is sent, and after a restart the engine repeats rather than
//! decides anew. A wiped, restored or copied directory takes that protection away. So a key votes only where the
//! engine's directory says that it has voted there, and that record is made once, on the word of whoever made the key
//! that it has never voted anywhere.
//!
//! A node that may not vote runs with [`super::Signer::Silent`]: it verifies, executes and serves, until governance
//! replaces its key.
//!
//! # Invariants
//! * The record lies beside the journals, in the same directory: what loses one loses both.
//! * Nothing removes the record.

use super::Runtime;
use crate::primitives::crypto::PublicKey;
use commonware_runtime::Error;

/// What is appended to the partition prefix.
const SUFFIX: &str = "-voters";

/// Whether `key` has voted, or was allowed to, from the engine's directory.
///
/// # Errors
/// The directory cannot be read.
pub async fn may_vote<E: Runtime>(context: &E, partition: &str, key: &PublicKey) -> Result<bool, Error> {
    match context.scan(&format!("{partition}{SUFFIX}")).await {
        Ok(names) => Ok(names.iter().any(|name| name.as_slice() == key.0)),
        Err(Error::PartitionMissing(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Lets `key`, which has never voted anywhere, vote from the engine's directory from now on. Durable when it returns.
///
/// The caller removes its own mark that the key has never voted before it starts to vote.
///
/// # Errors
/// The directory cannot be written.
pub async fn allow_first_vote<E: Runtime>(context: &E, partition: &str, key: &PublicKey) -> Result<(), Error> {
    // Opening creates the blob durably; its name is all there is to it.
    context.open(&format!("{partition}{SUFFIX}"), &key.0).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use commonware_runtime::{Runner as _, Supervisor as _, deterministic};

    #[test]
    fn a_key_votes_where_it_was_once_allowed_to() {
        let (mine, other) = (PublicKey([1; 32]), PublicKey([2; 32]));
        let (_, checkpoint) = deterministic::Runner::default().start_and_recover(|context| async move {
            assert_eq!(may_vote(&context, "engine", &mine).await.ok(), Some(false));
            allow_first_vote(&context, "engine", &mine).await.expect("a fresh directory");
        });
        deterministic::Runner::from(checkpoint).start(|context| async move {
            let context = context.child("again");
            assert_eq!(may_vote(&context, "engine", &mine).await.ok(), Some(true));
            assert_eq!(may_vote(&context, "engine", &other).await.ok(), Some(false));
            allow_first_vote(&context, "engine", &mine).await.expect("allowed once more changes nothing");
        });
    }
}
