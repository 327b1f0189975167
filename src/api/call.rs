//! Around every call: which method it is, and its deadline.
//!
//! A call whose `grpc-timeout` runs out is answered with DEADLINE_EXCEEDED, before its first message and in the middle of
//! a stream alike. (tonic's own timer answers CANCELLED, and leaves streams alone.)

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

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallLayer;

impl<S> Layer<S> for CallLayer {
    type Service = CallService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CallService { inner }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct CallService<S> {
    inner: S,
}

impl<S, B> Service<Request<B>> for CallService<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let path = MethodPath(request.uri().path().to_owned());
        request.extensions_mut().insert(path);
        let timeout = request.headers().get("grpc-timeout").and_then(parse_timeout);
        let answer = self.inner.call(request);
        Box::pin(async move {
            let Some(timeout) = timeout else { return answer.await };
            // A timeout past the end of time is none.
            let Some(deadline) = Instant::now().checked_add(timeout.saturating_sub(MARGIN)) else {
                return answer.await;
            };
            match timeout_at(deadline, answer).await {
                Ok(Ok(response)) => Ok(response.map(|body| Body::new(BoundedBody::new(body, deadline)))),
                Ok(Err(error)) => Err(error),
                Err(_) => Ok(exceeded().into_http()),
            }
        })
    }
}

fn exceeded() -> Status {
    let message = "the call's deadline passed. What was submitted goes on: look it up, or send the same bytes again";
    super::status::status(Code::DeadlineExceeded, "DEADLINE_EXCEEDED", message)
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

/// A body that ends with DEADLINE_EXCEEDED when the deadline passes before it ends by itself.
struct BoundedBody {
    inner: Body,
    deadline: Pin<Box<Sleep>>,
    ended: bool,
}

impl BoundedBody {
    fn new(inner: Body, deadline: Instant) -> Self {
        Self { inner, deadline: Box::pin(sleep_until(deadline)), ended: false }
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
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            return Poll::Ready(frame);
        }
        if self.deadline.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.ended = true;
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
