//! What a client sends, as it comes in: held to a time and to a size before anything is decoded of it.
//!
//! gRPC frames a message as one byte, its length in four, and so many bytes. A message is kept until it is whole, so who announces four
//! megabytes and keeps the last byte back would have them kept for ever.
//!
//! # Invariants
//! * A message is in within [`MESSAGE_TIME_MAX`] of waiting for it, or its call ends. Only the time counts in which the node waits: a
//!   client that is made to wait for room is not late.
//! * What is kept of messages is bounded, of one client and of all together ([`super::shares`]).
//! * A call that is no stream sends at most [`UNARY_BYTES_MAX`], and its client's budget pays for more than a little.
//! * What one call asks in many messages is paid for by the message, before the next are read.

use super::clients::CallingClient;
use super::shares::{Kept, Share};
use super::status::too_much_begun;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body::Frame;
use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;
use tonic::body::Body;

/// How long a message may be waited for.
const MESSAGE_TIME_MAX: Duration = Duration::from_secs(30);
/// Largest request of a call that is no stream: the largest transaction with all its signatures, and half as much again.
pub(super) const UNARY_BYTES_MAX: usize = 128 * 1024;
/// Bytes of a request that weigh as much as a call.
const BYTES_PER_WEIGHT: usize = 4_096;

/// What a question weighs that is one of many in a call.
const QUESTION_WEIGHT: u32 = 5;

/// Bytes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// What kind of call a request is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// One message.
    Unary,
    /// Messages one after the other.
    Stream,
    /// The same, each of which asks for an answer.
    Questions,
}

/// A request as it comes in. See the module.
pub(super) struct Incoming {
    inner: Body,
    kind: Kind,
    client: CallingClient,
    messages: Messages,
    held: Share,
    received: usize,
    /// When the wait for the message that has begun is too long, if one has and it is waited for.
    deadline: Option<Pin<Box<Sleep>>>,
    waiting_since: Option<Instant>,
    waited: Duration,
    message_time_max: Duration,
    /// Until the questions that came are paid for.
    paying: Option<BoxFuture<'static, ()>>,
}

impl Incoming {
    pub fn new(inner: Body, kind: Kind, client: CallingClient) -> Self {
        Self::within(inner, kind, client, MESSAGE_TIME_MAX)
    }

    fn within(inner: Body, kind: Kind, client: CallingClient, message_time_max: Duration) -> Self {
        let held = client.share(Kept::Begun);
        let (messages, received, deadline, waiting_since, waited, paying) = Default::default();
        Self {
            inner,
            kind,
            client,
            messages,
            held,
            received,
            deadline,
            waiting_since,
            waited,
            message_time_max,
            paying,
        }
    }

    /// Takes note of bytes that came in.
    fn receive(&mut self, data: &[u8]) -> Result<(), Status> {
        self.received = self.received.saturating_add(data.len());
        if self.kind == Kind::Unary && self.received > UNARY_BYTES_MAX + PREFIX {
            let message =
                format!("a request has at most {UNARY_BYTES_MAX} bytes: send many transactions by SubmitStream");
            return Err(Status::out_of_range(message));
        }
        let ended = self.messages.pass(data);
        if ended > 0 {
            self.waited = Duration::ZERO;
        }
        if ended > 0 && self.kind == Kind::Questions {
            let client = self.client.clone();
            client.charge((ended * QUESTION_WEIGHT).saturating_sub(1));
            self.paying = Some(async move { client.take(NonZeroU32::MIN).await }.boxed());
        }
        if !self.held.set(self.messages.kept()) {
            return Err(too_much_begun());
        }
        Ok(())
    }

    /// Whether something is waited for that must come: the rest of a message, or a call's only one.
    fn is_awaited(&self) -> bool {
        self.messages.kept() > 0 || self.kind == Kind::Unary
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if self.kind == Kind::Unary {
            // The first of them are in the call's own weight.
            self.client.charge((self.received / BYTES_PER_WEIGHT) as u32);
        }
    }
}

impl http_body::Body for Incoming {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if let Some(paying) = &mut self.paying {
            ready!(paying.poll_unpin(context));
            self.paying = None;
        }
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            self.deadline = None;
            if let Some(since) = self.waiting_since.take() {
                self.waited += since.elapsed();
            }
            let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref).cloned();
            if let Some(Err(refused)) = data.map(|data| self.receive(&data)) {
                return Poll::Ready(Some(Err(refused)));
            }
            return Poll::Ready(frame);
        }
        if !self.is_awaited() {
            return Poll::Pending;
        }
        let left = self.message_time_max.saturating_sub(self.waited);
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep_until(since + left)));
        let late = "the request did not arrive in time: send a message at once, or not at all";
        deadline.as_mut().poll(context).map(|()| Some(Err(Status::deadline_exceeded(late))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }
}

/// Where in a stream of messages the last byte was.
#[derive(Debug, Default)]
struct Messages {
    /// The length's bytes so far.
    prefix: [u8; PREFIX],
    prefix_len: usize,
    /// Bytes of the message that has begun: those that came, and those that are to come.
    came: usize,
    to_come: usize,
}

impl Messages {
    /// Passes over bytes. Tells how many messages ended within them.
    fn pass(&mut self, mut data: &[u8]) -> u32 {
        let mut ended = 0;
        while !data.is_empty() {
            if self.prefix_len < PREFIX {
                let (now, rest) = data.split_at(data.len().min(PREFIX - self.prefix_len));
                self.prefix[self.prefix_len..][..now.len()].copy_from_slice(now);
                self.prefix_len += now.len();
                data = rest;
                if self.prefix_len == PREFIX {
                    let [_, length @ ..] = self.prefix;
                    (self.came, self.to_come) = (0, u32::from_be_bytes(length) as usize);
                }
            } else {
                let now = data.len().min(self.to_come);
                (self.came, self.to_come, data) = (self.came + now, self.to_come - now, &data[now..]);
            }
            if self.prefix_len == PREFIX && self.to_come == 0 {
                (*self, ended) = (Self::default(), ended + 1);
            }
        }
        ended
    }

    /// Bytes that are kept of a message that is not whole.
    fn kept(&self) -> usize {
        self.prefix_len + self.came
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::clients::{ClientLimits, Clients};
    use crate::node::NodeMetrics;
    use http_body_util::{BodyExt as _, StreamBody};
    use proptest::prelude::*;
    use tonic::Code;

    fn clients() -> Clients {
        Clients::new(ClientLimits::DEFAULT, NodeMetrics::default())
    }

    fn client(clients: &Clients) -> CallingClient {
        clients.calling(&tonic::codegen::http::Extensions::new())
    }

    fn message(length: usize) -> Vec<u8> {
        [&[0][..], &(length as u32).to_be_bytes(), &vec![7; length]].concat()
    }

    fn body(chunks: Vec<Vec<u8>>, goes_on: bool) -> Body {
        use futures::StreamExt as _;
        let chunks = futures::stream::iter(chunks).map(|chunk| Ok::<_, Status>(Frame::data(Bytes::from(chunk))));
        match goes_on {
            true => Body::new(StreamBody::new(chunks.chain(futures::stream::pending()))),
            false => Body::new(StreamBody::new(chunks)),
        }
    }

    async fn ended(mut incoming: Incoming) -> Option<Status> {
        while let Some(frame) = incoming.frame().await {
            if let Err(error) = frame {
                return Some(error);
            }
        }
        None
    }

    proptest! {
        /// However messages are cut into pieces, what is kept is the part of the last one that is not whole.
        #[test]
        fn what_is_kept_is_the_message_that_is_not_whole(
            lengths in proptest::collection::vec(0usize..40, 1..6),
            cut in 0usize..400,
            pieces in 1usize..9,
        ) {
            let sent: Vec<u8> = lengths.iter().flat_map(|length| message(*length)).collect();
            let sent = &sent[..cut.min(sent.len())];
            let mut messages = Messages::default();
            for piece in sent.chunks(pieces) {
                messages.pass(piece);
            }
            let mut begins = 0;
            for length in lengths {
                if begins + PREFIX + length > sent.len() {
                    break;
                }
                begins += PREFIX + length;
            }
            prop_assert_eq!(messages.kept(), sent.len() - begins);
        }
    }

    #[tokio::test]
    async fn a_message_that_is_begun_and_not_ended_is_not_waited_for_long() {
        let clients = clients();
        let soon = Duration::from_millis(50);
        let sends = |chunks, kind| Incoming::within(body(chunks, true), kind, client(&clients), soon);
        let short = message(100)[..104].to_vec();
        let code = |ended: Option<Status>| ended.map(|status| status.code());
        assert_eq!(code(ended(sends(vec![message(50), short], Kind::Stream)).await), Some(Code::DeadlineExceeded));
        assert_eq!(code(ended(sends(vec![], Kind::Unary)).await), Some(Code::DeadlineExceeded));
        // Between messages a stream may rest as long as it likes.
        assert!(tokio::time::timeout(4 * soon, ended(sends(vec![message(50)], Kind::Stream))).await.is_err());
    }

    #[tokio::test]
    async fn questions_of_one_call_are_paid_for_before_more_are_read() {
        let per_second = NonZeroU32::new(100).unwrap();
        let limits = ClientLimits { calls_per_second: per_second, ..ClientLimits::DEFAULT };
        let clients = Clients::new(limits, NodeMetrics::default());
        let many = message(10).repeat(50);
        let chunks = || vec![many.clone(), many.clone()];
        // Two seconds' worth of the first's two and a half is there.
        for (kind, least) in [(Kind::Stream, Duration::ZERO), (Kind::Questions, Duration::from_millis(450))] {
            let mut incoming = Incoming::new(body(chunks(), true), kind, client(&clients));
            incoming.frame().await.expect("a frame").expect("no error");
            let began = Instant::now();
            incoming.frame().await.expect("a frame").expect("no error");
            assert!(began.elapsed() >= least, "{kind:?}: {:?}", began.elapsed());
        }
    }

    #[tokio::test]
    async fn what_is_kept_for_a_client_and_what_a_call_sends_are_bounded() {
        let clients = clients();
        let all_but_one = message(4 << 20)[..(4 << 20) + 4].to_vec();
        let mut open = Vec::new();
        let refused = loop {
            let mut incoming = Incoming::new(body(vec![all_but_one.clone()], true), Kind::Stream, client(&clients));
            match incoming.frame().await.expect("a frame") {
                Ok(_) => open.push(incoming),
                Err(status) => break status,
            }
        };
        assert_eq!((refused.code(), open.len()), (Code::ResourceExhausted, 15), "{refused}");
        open.clear();
        let again = Incoming::new(body(vec![message(4 << 20)], false), Kind::Stream, client(&clients));
        assert!(ended(again).await.is_none(), "what was let go is not counted");
        let large = Incoming::new(body(vec![message(UNARY_BYTES_MAX + 1)], false), Kind::Unary, client(&clients));
        assert_eq!(ended(large).await.map(|status| status.code()), Some(Code::OutOfRange));
        let largest = Incoming::new(body(vec![message(UNARY_BYTES_MAX)], false), Kind::Unary, client(&clients));
        assert!(ended(largest).await.is_none());
    }
}
