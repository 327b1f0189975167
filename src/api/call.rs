//! Around every call: which method it is, what its client may ask for, and its deadline.
//!
//! A call takes of its client's budget and holds a place until its answer is out (see `clients`). One that is no stream has its request in
//! within half a minute and its answer out within five, however slowly its client writes and reads. A message of a stream is in
//! within half a minute of its first byte, not counting the time in which the node did not read on. What a client has begun to
//! send and not ended, or not handed over, is held for it, and bounded for each client and for all (`request`); so is the answer of a call that is no
//! stream, from when it is found until its client has read it: it is encoded at once, whether the client reads or not, and one past
//! the bound gives way to a status.
//!
//! A call whose `grpc-timeout` runs out is answered with DEADLINE_EXCEEDED, before its first message and in the middle of
//! a stream alike. (tonic's own timer answers CANCELLED, and leaves streams alone.)

use super::clients::{CallPlace, CallingClient, Clients, weight_of};
use super::processor::{spent_since, thread_cpu_time, timed};
use super::request::{Incoming, Kind};
use super::shares::{Kept, Share};
use super::status::{outcome_unknown, reader_too_slow};
use bytes::Bytes;
use http_body::{Body as _, Frame};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, HeaderValue, Request, Response};
use tonic::{Code, Status};
use tower::{Layer, Service};

/// The full path of the method called, `/package.Service/Method`: an extension of every request.
#[derive(Clone, Debug)]
pub(super) struct MethodPath(pub String);

/// How much earlier than the client's deadline the answer leaves, so that it arrives in time and before tonic's own
/// timer, of which timers' millisecond steps are part.
const MARGIN: Duration = Duration::from_millis(3);

/// How long a call may take that is no stream, with its client's reading of the answer.
const CALL_TIME_MAX: Duration = Duration::from_secs(300);

/// See the module.
#[derive(Clone)]
pub(super) struct CallLayer(pub Clients);

impl<S> Layer<S> for CallLayer {
    type Service = CallService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CallService { inner, clients: self.0.clone() }
    }
}

/// See the module.
#[derive(Clone)]
pub(super) struct CallService<S> {
    inner: S,
    clients: Clients,
}

impl<S> Service<Request<Body>> for CallService<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let path = MethodPath(request.uri().path().to_owned());
        let (weight, kind, is_read) = (weight_of(&path.0), kind_of(&path.0), is_read(&path.0));
        let timeout = request.headers().get("grpc-timeout").and_then(parse_timeout);
        let client = self.clients.calling(request.extensions());
        request.extensions_mut().insert(path);
        request.extensions_mut().insert(client.clone());
        // The one that was asked whether it is ready is the one that is called.
        let ready = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, ready);
        Box::pin(async move {
            let mut place = match client.admit(weight, is_read).await {
                Ok(place) => place,
                Err(refused) => return Ok(refused.into_http()),
            };
            let now = Instant::now();
            // A timeout past the end of time is none.
            let asked = timeout.and_then(|timeout| now.checked_add(timeout.saturating_sub(MARGIN)));
            let deadline = if kind != Kind::Unary { asked } else { Some(asked.unwrap_or(now + CALL_TIME_MAX)) };
            let request = request.map(|body| Body::new(Incoming::new(body, kind, client.clone())));
            let found = inner.call(request);
            let answer = async {
                match is_read {
                    true => timed(found, |spent| place.worked(spent)).await,
                    false => found.await,
                }
            };
            let (head, body) = {
                let answered = match deadline {
                    Some(deadline) => timeout_at(deadline, answer).await,
                    None => Ok(answer.await),
                };
                place.found();
                match answered {
                    Ok(Ok(response)) => response.into_parts(),
                    Ok(Err(error)) => return Err(error),
                    Err(_) => return Ok(exceeded().into_http()),
                }
            };
            let mut body = BoundedBody::new(body, deadline, place, is_read);
            if kind == Kind::Unary && !body.read_ahead(&client).await {
                return Ok(unread(is_read).into_http());
            }
            Ok(Response::from_parts(head, Body::new(body)))
        })
    }
}

/// Whether a method's request or answer is a stream, and of what.
fn kind_of(method_path: &str) -> Kind {
    match method_path.rsplit('/').next().unwrap_or_default() {
        "SubmitStream" | "StreamBlocks" | "StreamEvents" | "Watch" => Kind::Stream,
        "ServerReflectionInfo" => Kind::Questions,
        _ => Kind::Unary,
    }
}

fn exceeded() -> Status {
    let message = "the call's deadline passed. What was submitted goes on: look it up, or send the same bytes again";
    super::status::status(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", message)
}

/// What a client hears that leaves too many answers unread. Of a submission it may have happened all the same.
fn unread(is_read: bool) -> Status {
    match is_read {
        true => reader_too_slow(
            "this client leaves more answers unread than a node keeps for one: read them, and ask again",
        ),
        false => outcome_unknown(),
    }
}

/// Whether a call only reads, and ends: its work is its own. A submission's is the ledger's, and a stream's goes on beside it.
fn is_read(method_path: &str) -> bool {
    let method = method_path.rsplit('/').next().unwrap_or_default();
    kind_of(method_path) == Kind::Unary && !matches!(method, "Submit" | "SubmitAndWait")
}

/// Reads `grpc-timeout`: at most 8 digits and a unit.
fn parse_timeout(value: &HeaderValue) -> Option<Duration> {
    let (digits, unit) = value.to_str().ok()?.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3_600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

/// An answer that ends with DEADLINE_EXCEEDED when the deadline passes before it ends by itself, and that holds its call's
/// place until then.
struct BoundedBody {
    inner: Body,
    deadline: Option<Pin<Box<Sleep>>>,
    place: Option<CallPlace>,
    /// Whether the work of encoding it is counted.
    is_read: bool,
    ended: bool,
    /// What was read of it before its client took it.
    ahead: Option<Result<Frame<Bytes>, Status>>,
    /// What is kept of it until its client has read it.
    unread: Option<Share>,
}

impl BoundedBody {
    fn new(inner: Body, deadline: Option<Instant>, place: CallPlace, is_read: bool) -> Self {
        let deadline = deadline.map(|deadline| Box::pin(sleep_until(deadline)));
        Self { inner, deadline, place: Some(place), is_read, ended: false, ahead: None, unread: None }
    }

    /// Has the answer's message encoded, and keeps it. Tells whether the client's bounds allow that.
    async fn read_ahead(&mut self, client: &CallingClient) -> bool {
        if self.inner.is_end_stream() {
            return true;
        }
        self.ahead = poll_fn(|context| self.poll_inner(context)).await;
        self.ended = self.ahead.is_none();
        let message = self.ahead.as_ref().and_then(|frame| frame.as_ref().ok()).and_then(Frame::data_ref);
        let bytes = message.map_or(0, Bytes::len);
        self.unread.insert(client.share(Kept::Unread)).set(bytes)
    }

    /// Polls what is answered, and counts the work of encoding it.
    fn poll_inner(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let began = self.is_read.then(thread_cpu_time).flatten();
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if let Some(place) = &mut self.place {
            place.worked(spent_since(began));
        }
        polled
    }
}

impl http_body::Body for BoundedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if let Some(frame) = self.ahead.take() {
            return Poll::Ready(Some(frame));
        }
        if self.ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(frame) = self.poll_inner(context) {
            if frame.is_none() {
                self.place = None;
            }
            return Poll::Ready(frame);
        }
        let Some(deadline) = &mut self.deadline else { return Poll::Pending };
        if deadline.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        (self.ended, self.place) = (true, None);
        let mut trailers = HeaderMap::new();
        Poll::Ready(Some(exceeded().add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_none() && (self.ended || self.inner.is_end_stream())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::clients::ClientLimits;
    use crate::api::shares::CLIENT_BYTES_MAX;
    use crate::node::NodeMetrics;
    use http_body_util::{BodyExt as _, Full};
    use std::num::NonZeroU32;
    use tonic::codegen::http::Extensions;

    /// Its window shut, a client would have thousands of the largest answers kept for it.
    #[tokio::test]
    async fn answers_that_a_client_leaves_unread_are_bounded() {
        let clients = Clients::new(ClientLimits::DEFAULT, NodeMetrics::default());
        let client = clients.calling(&Extensions::new());
        let answer = async || {
            let place = client.admit(NonZeroU32::MIN, true).await.expect("a place");
            let message = Full::new(Bytes::from(vec![7; CLIENT_BYTES_MAX / 4]));
            let message = message.map_err(|never: std::convert::Infallible| match never {});
            let mut body = BoundedBody::new(Body::new(message), None, place, true);
            body.read_ahead(&client).await.then_some(body)
        };
        let mut kept = Vec::new();
        while let Some(body) = answer().await {
            kept.push(body);
            assert!(kept.len() <= 4, "a client has four of the largest answers unread");
            // What is worked on is done once it is found.
            kept.last_mut().and_then(|body| body.place.as_mut()).expect("it has its place").found();
        }
        assert_eq!(kept.len(), 4);
        let read = kept.pop().expect("one").collect().await.expect("no error").to_bytes();
        assert_eq!(read.len(), CLIENT_BYTES_MAX / 4, "all of it is read, though it was read ahead");
        assert!(answer().await.is_some(), "what was read is not kept");
    }

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        let parse = |text: &'static str| parse_timeout(&HeaderValue::from_static(text));
        assert_eq!(parse("5S"), Some(Duration::from_secs(5)));
        assert_eq!(parse("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse("99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
        for wrong in ["", "S", "5", "5s", "-5S", "123456789S", "5 S"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
