//! `GET /metrics` for Prometheus: the node's own figures, and the engine's. `GET /live` and `GET /ready` for whoever restarts
//! processes and spreads load: alive is a process that answers, ready a node that serves a ledger that moves. gRPC's health
//! service tells the same by its names `live` and the empty one.
//!
//! # Invariants
//! * Whoever asks is answered, whoever else holds connections: these are bounded, who says nothing is not waited for, and when there
//!   are too many the oldest of whoever has most gives way ([`places`](crate::api::places)).

use super::DaemonError;
use crate::api::places::{Network, Places};
use crate::node::NodeMetrics;
use crate::node::service::{LedgerHandle, Status};
use commonware_runtime::{Metrics as _, tokio as runtime};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tracing::debug;

/// How long after a connection that could not be taken the next one is waited for.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// Most connections.
const CONNECTIONS_MAX: usize = 128;
/// How long a request may take to come.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(1);
/// Longest scrape.
const SCRAPE_TIME_MAX: Duration = Duration::from_secs(10);
/// What the OpenMetrics text format ends with.
const END: &str = "# EOF\n";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; charset=utf-8";

/// Serves the figures until the process ends.
pub fn serve(
    context: runtime::Context,
    listener: TcpListener,
    metrics: NodeMetrics,
    node: Arc<dyn LedgerHandle>,
) -> Result<(), DaemonError> {
    let listener = tokio::net::TcpListener::from_std(listener).map_err(DaemonError::Runtime)?;
    let context = Arc::new(context);
    tokio::spawn(answer_all(listener, move |request| answer(request, &context, &metrics, &*node)));
    Ok(())
}

/// Answers every request, each on a connection of its own.
async fn answer_all<A>(listener: tokio::net::TcpListener, answer: A)
where
    A: Fn(&Request<Incoming>) -> Response<Full<Bytes>> + Clone + Send + 'static,
{
    let places = Places::new(CONNECTIONS_MAX, CONNECTIONS_MAX);
    loop {
        let Ok((stream, from)) = listener.accept().await else {
            // Of files that are open already there may be none left: not asked again at once.
            tokio::time::sleep(AGAIN_AFTER).await;
            continue;
        };
        let mut place = places.take_surely(Network::from(from.ip())).place;
        let answer = answer.clone();
        tokio::spawn(async move {
            let answer = service_fn(move |request| {
                let answer = answer(&request);
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut http = http1::Builder::new();
            http.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(REQUEST_TIME_MAX);
            let scrape = http.serve_connection(TokioIo::new(stream), answer);
            let is_answered = tokio::select! {
                scraped = tokio::time::timeout(SCRAPE_TIME_MAX, scrape) => matches!(scraped, Ok(Ok(()))),
                () = place.displaced() => false,
            };
            if !is_answered {
                debug!("a scrape of the metrics broke off");
            }
        });
    }
}

fn answer(
    request: &Request<Incoming>,
    context: &runtime::Context,
    metrics: &NodeMetrics,
    node: &dyn LedgerHandle,
) -> Response<Full<Bytes>> {
    let (status, kind, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => {
            let own = metrics.encode();
            let engine = context.encode();
            (StatusCode::OK, OPEN_METRICS, format!("{}{engine}", own.strip_suffix(END).unwrap_or(&own)))
        }
        (&Method::GET, "/live") => (StatusCode::OK, PLAIN, "live\n".to_owned()),
        (&Method::GET, "/ready") => {
            let (status, text) = readiness(&node.status());
            (status, PLAIN, text)
        }
        _ => (StatusCode::NOT_FOUND, PLAIN, "there are /metrics, /live and /ready\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Whether to send a node calls, and why not.
fn readiness(node: &Status) -> (StatusCode, String) {
    let heard = node.validators.iter().filter(|validator| node.heard.contains(&validator.public_key)).count();
    readiness_of(node.serving, node.stands_still, node.height, node.final_age, heard, node.quorum)
}

fn readiness_of(
    serving: bool,
    stands_still: bool,
    height: u64,
    age: Duration,
    heard: usize,
    quorum: usize,
) -> (StatusCode, String) {
    let unready = |why: String| (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n"));
    match (serving, stands_still) {
        (true, false) => (StatusCode::OK, format!("ready at height {height}\n")),
        (false, _) => unready(format!("it catches up, at height {height}")),
        (true, true) => {
            let age = age.as_secs();
            unready(format!("no block for {age} s; {heard} validators are heard, and it takes {quorum}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    /// More than there are places for, of whom none says a word.
    #[tokio::test]
    async fn who_asks_is_answered_however_many_hold_connections_and_say_nothing() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(answer_all(listener, |_| Response::new(Full::new(Bytes::from_static(b"live")))));
        let mut silent = Vec::new();
        for _ in 0..2 * CONNECTIONS_MAX {
            silent.push(TcpStream::connect(address).await.expect("it listens"));
        }
        let asked = async {
            let mut asking = TcpStream::connect(address).await.expect("it listens");
            asking.write_all(b"GET /live HTTP/1.1\r\nhost: node\r\n\r\n").await.expect("it is open");
            let mut answer = String::new();
            asking.read_to_string(&mut answer).await.expect("an answer");
            answer
        };
        let answer = tokio::time::timeout(REQUEST_TIME_MAX, asked).await.expect("nobody is waited for");
        assert!(answer.ends_with("live"), "{answer}");
        let ended =
            tokio::time::timeout(4 * REQUEST_TIME_MAX, silent[2 * CONNECTIONS_MAX - 1].read(&mut [0; 64])).await;
        assert!(ended.is_ok(), "who says nothing is not waited for");
    }

    #[test]
    fn a_node_is_ready_while_it_serves_a_ledger_that_moves() {
        let told = |serving, age, heard, stands_still| {
            let (status, text) = readiness_of(serving, stands_still, 7, Duration::from_secs(age), heard, 3);
            (status.as_u16(), text)
        };
        assert_eq!(told(true, 1, 4, false), (200, "ready at height 7\n".to_owned()));
        assert_eq!(told(false, 1, 4, false), (503, "not ready: it catches up, at height 7\n".to_owned()));
        let still = "not ready: no block for 36 s; 2 validators are heard, and it takes 3\n";
        assert_eq!(told(true, 36, 2, true), (503, still.to_owned()));
    }
}
