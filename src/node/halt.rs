//! The way a node stops itself.
//!
//! When the store fails, or the quorum made final what is invalid here, the node's word is worth nothing any more. The
//! first such failure is kept and told to whoever runs the node; whoever met it never answers.

use super::error::NodeError;
use commonware_utils::channel::watch;
use std::sync::Arc;
use tracing::error;

/// The hand that stops. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Halt(Arc<watch::Sender<Option<NodeError>>>);

/// Where the stop is waited for.
#[derive(Clone, Debug)]
pub struct Halted(watch::Receiver<Option<NodeError>>);

/// A hand and a place to wait.
pub fn halt() -> (Halt, Halted) {
    let (sender, receiver) = watch::channel(None);
    (Halt(Arc::new(sender)), Halted(receiver))
}

impl Halt {
    /// Stops the node, and never returns to a caller that would go on.
    pub async fn stop(&self, cause: NodeError) {
        self.stop_now(cause);
        futures::future::pending().await
    }

    /// Stops the node, for a caller that has no more to say.
    pub fn stop_now(&self, cause: NodeError) {
        error!(%cause, "the node stops");
        self.0.send_if_modified(|first| {
            let is_first = first.is_none();
            if is_first {
                *first = Some(cause);
            }
            is_first
        });
    }

    /// Whether anything stopped the node.
    pub fn has_stopped(&self) -> bool {
        self.0.borrow().is_some()
    }
}

impl Halted {
    /// Waits until the node stops itself, and says why.
    pub async fn cause(&mut self) -> NodeError {
        match self.0.wait_for(Option::is_some).await.map(|cause| cause.clone()) {
            Ok(Some(cause)) => cause,
            // Every hand is gone: the node is being dismantled, and nothing will stop it any more.
            Ok(None) | Err(_) => futures::future::pending().await,
        }
    }
}
