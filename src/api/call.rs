//! Around every call: which method it is, what its client may ask for, and its deadline.
//!
//! A call takes of its client's budget and holds a place until its answer is out (see `clients`). One that is no stream has its request in
//! within half a minute and its answer out within five, however slowly its client writes and reads. A message of a stream is in
//! within half a minute of its first byte, not counting the time in which the node did not read on. What a client has begun to
//! send and not ended, or not handed over, is held for it, and bounded for each client and for all (`request`).
//!
//! A call whose `grpc-timeout` runs out is answered with DEADLINE_EXCEEDED, before its first message and in the middle of
//! a stream alike. (tonic's own timer answers CANCELLED, and leaves streams alone.)

use super::clients::{CallPlace, Clients, weight_of};
use super::processor::{spent_since, thread_cpu_time, timed};
use super::request::{Incoming, Kind};
use bytes::Bytes;
use http_body::Frame;
use std::future::Future;
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
            let request = request.map(|body| Body::new(Incoming::new(body, kind, client)));
            let found = inner.call(request);
            let answer = async {
                match is_read {
                    true => timed(found, |spent| place.worked(spent)).await,
                    false => found.await,
                }
            };
            let answered = match deadline {
                Some(deadline) => timeout_at(deadline, answer).await,
                None => Ok(answer.await),
            };
            place.found();
            match answered {
                Ok(Ok(response)) => {
                    Ok(response.map(|body| Body::new(BoundedBody::new(body, deadline, place, is_read))))
                }
                Ok(Err(error)) => Err(error),
                Err(_) => Ok(exceeded().into_http()),
            }
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
}

impl BoundedBody {
    fn new(inner: Body, deadline: Option<Instant>, place: CallPlace, is_read: bool) -> Self {
        let deadline = deadline.map(|deadline| Box::pin(sleep_until(deadline)));
        Self { inner, deadline, place: Some(place), is_read, ended: false }
    }
}

impl http_body::Body for BoundedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let began = self.is_read.then(thread_cpu_time).flatten();
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if let Some(place) = &mut self.place {
            place.worked(spent_since(began));
        }
        if let Poll::Ready(frame) = polled {
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
        self.ended || self.inner.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
