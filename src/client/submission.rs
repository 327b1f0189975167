//! Many transactions over one call: a stream of submissions to one node, answered as each becomes final.
//!
//! ```text
//! (sender, results) = Client::submissions()
//! sender.ready().await?.send(&batch)     waits while the node reads no further: it takes 4,096 unanswered ones at a time
//! results.next().await?                  what became of some of them, in the order of finality
//! ```
//!
//! # Invariants
//! * Sending never hides answers: the two halves are driven side by side, and who only sends is cut off by a node whose answers
//!   are not read.
//!
//! # Deliberately absent
//! Another node where this one fails, as [`Client::submit_and_wait`] asks one: what was sent and not answered is the
//! caller's to send again, as the same bytes.

use super::error::ClientError;
use super::ledger_client::Client;
use crate::ledger::SignedTransaction;
use crate::primitives::TransactionId;
use crate::wire::pb::ledger::{self as pb, TransactionStatus};
use crate::wire::signed_transaction_to_pb;
use std::fmt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// Messages that wait for the connection: enough to keep it busy, few enough that what waits here is soon sent.
const QUEUE: usize = 4;

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Final, and it did what it was to do.
    Applied {
        /// The block's height.
        height: u64,
    },
    /// Final, and it did nothing.
    Declined {
        /// The block's height.
        height: u64,
        /// The reason's name.
        reason: String,
    },
    /// It never happened and never will.
    Expired,
    /// The node did not take it.
    Refused {
        /// The rule's name.
        reason: String,
        /// What was wrong and what to do.
        message: String,
    },
    /// The node took it, and cannot tell what becomes of it: it may be final, or become so until it expires.
    Unknown {
        /// What to do.
        message: String,
    },
}

impl Fate {
    /// The height of the block that holds it, if one does.
    pub fn height(&self) -> Option<u64> {
        match self {
            Self::Applied { height } | Self::Declined { height, .. } => Some(*height),
            Self::Expired | Self::Refused { .. } | Self::Unknown { .. } => None,
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied { height } => write!(f, "applied at height {height}"),
            Self::Declined { height, reason } => write!(f, "declined at height {height} ({reason})"),
            Self::Expired => f.write_str("expired before a block took it"),
            Self::Refused { reason, message } => write!(f, "refused: {message} ({reason})"),
            Self::Unknown { message } => write!(f, "unknown: {message}"),
        }
    }
}

/// What became of which transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubmissionResult {
    /// Which.
    pub transaction: TransactionId,
    /// What became of it.
    pub fate: Fate,
}

/// The sending half.
#[derive(Debug)]
pub struct SubmissionSender {
    outgoing: mpsc::Sender<pb::SubmitStreamRequest>,
    endpoint: String,
}

/// Room for one message.
#[derive(Debug)]
pub struct SubmissionPermit<'a>(mpsc::Permit<'a, pb::SubmitStreamRequest>);

/// The receiving half.
#[derive(Debug)]
pub struct SubmissionResults {
    incoming: Streaming<pb::SubmitStreamResponse>,
    endpoint: String,
}

impl Client {
    /// Opens a stream of submissions to the node that is asked first.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn submissions(&self) -> Result<(SubmissionSender, SubmissionResults), ClientError> {
        let connection = self.connection()?;
        let endpoint = connection.endpoint.clone();
        let (outgoing, queued) = mpsc::channel(QUEUE);
        let opened = connection.ledger().submit_stream(ReceiverStream::new(queued)).await;
        let incoming = opened.map_err(|status| ClientError::from_status(&status, &endpoint))?.into_inner();
        let results = SubmissionResults { incoming, endpoint: endpoint.clone() };
        Ok((SubmissionSender { outgoing, endpoint }, results))
    }
}

impl SubmissionSender {
    /// Waits until there is room for a message.
    ///
    /// # Errors
    /// The stream has ended.
    pub async fn ready(&self) -> Result<SubmissionPermit<'_>, ClientError> {
        let ended = || ClientError::Unreachable {
            endpoints: self.endpoint.clone(),
            cause: "the stream of submissions has ended".to_owned(),
        };
        self.outgoing.reserve().await.map(SubmissionPermit).map_err(|_| ended())
    }
}

impl SubmissionPermit<'_> {
    /// Sends transactions in one message: at most 1,024, and 4 MiB.
    pub fn send<'a>(self, transactions: impl IntoIterator<Item = &'a SignedTransaction>) {
        let transactions = transactions.into_iter().map(signed_transaction_to_pb).collect();
        self.0.send(pb::SubmitStreamRequest { transactions });
    }
}

impl SubmissionResults {
    /// What is known next; none once the sender is dropped and everything was answered.
    ///
    /// # Errors
    /// The stream broke, or says what the protocol does not know.
    pub async fn next(&mut self) -> Result<Option<Vec<SubmissionResult>>, ClientError> {
        let message = self.incoming.message().await;
        let message = message.map_err(|status| ClientError::from_status(&status, &self.endpoint))?;
        message.map(results_of).transpose()
    }
}

fn results_of(message: pb::SubmitStreamResponse) -> Result<Vec<SubmissionResult>, ClientError> {
    message.results.into_iter().map(result_of).collect()
}

fn result_of(result: pb::SubmissionResult) -> Result<SubmissionResult, ClientError> {
    let transaction = TransactionId::from_slice(&result.transaction_id);
    let transaction =
        transaction.ok_or_else(|| ClientError::Malformed("a transaction id is not 32 bytes".to_owned()))?;
    let height = result.height;
    let fate = match TransactionStatus::try_from(result.status) {
        Ok(TransactionStatus::Applied) => Fate::Applied { height },
        Ok(TransactionStatus::Declined) => Fate::Declined { height, reason: result.reason },
        Ok(TransactionStatus::Expired) => Fate::Expired,
        Ok(TransactionStatus::Unspecified) => Fate::Refused { reason: result.reason, message: result.message },
        Ok(TransactionStatus::Pending) => Fate::Unknown { message: result.message },
        Err(_) => {
            let why = format!("status {} is no end of a transaction", result.status);
            return Err(ClientError::Malformed(why));
        }
    };
    Ok(SubmissionResult { transaction, fate })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_says_what_became_of_it() {
        let result = |status: TransactionStatus| pb::SubmissionResult {
            transaction_id: vec![7; 32].into(),
            status: status.into(),
            height: 9,
            reason: "REASON".to_owned(),
            message: "message".to_owned(),
        };
        let fate = |status| result_of(result(status)).map(|found| found.fate).ok();
        let (reason, message) = ("REASON".to_owned(), "message".to_owned());
        assert_eq!(fate(TransactionStatus::Applied), Some(Fate::Applied { height: 9 }));
        assert_eq!(fate(TransactionStatus::Declined), Some(Fate::Declined { height: 9, reason: reason.clone() }));
        assert_eq!(fate(TransactionStatus::Expired), Some(Fate::Expired));
        assert_eq!(fate(TransactionStatus::Unspecified), Some(Fate::Refused { reason, message: message.clone() }));
        assert_eq!(fate(TransactionStatus::Pending), Some(Fate::Unknown { message }), "which is no refusal");
        assert!(result_of(pb::SubmissionResult { status: 99, ..result(TransactionStatus::Applied) }).is_err());
        let nameless = pb::SubmissionResult { transaction_id: vec![7; 31].into(), ..Default::default() };
        assert!(result_of(nameless).is_err());
    }
}
