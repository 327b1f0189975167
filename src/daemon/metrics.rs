//! `GET /metrics` for Prometheus: the node's own figures, and the engine's.

use super::DaemonError;
use crate::node::NodeMetrics;
use commonware_runtime::{Metrics as _, tokio as runtime};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tracing::debug;

/// Most scrapes at a time.
const SCRAPES_MAX: usize = 8;
/// Longest scrape.
const SCRAPE_TIME_MAX: Duration = Duration::from_secs(10);
/// What the OpenMetrics text format ends with.
const END: &str = "# EOF\n";

/// Serves the figures until the process ends.
pub fn serve(context: runtime::Context, listener: TcpListener, metrics: NodeMetrics) -> Result<(), DaemonError> {
    let listener = tokio::net::TcpListener::from_std(listener).map_err(DaemonError::Runtime)?;
    let context = Arc::new(context);
    let scrapes = Arc::new(Semaphore::new(SCRAPES_MAX));
    tokio::spawn(async move {
        while let Ok(permit) = scrapes.clone().acquire_owned().await {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let (context, metrics) = (context.clone(), metrics.clone());
            tokio::spawn(async move {
                let answer = service_fn(move |request| {
                    let answer = answer(&request, &context, &metrics);
                    async move { Ok::<_, Infallible>(answer) }
                });
                let scrape = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), answer);
                if !matches!(tokio::time::timeout(SCRAPE_TIME_MAX, scrape).await, Ok(Ok(()))) {
                    debug!("a scrape of the metrics broke off");
                }
                drop(permit);
            });
        }
    });
    Ok(())
}

fn answer(request: &Request<Incoming>, context: &runtime::Context, metrics: &NodeMetrics) -> Response<Full<Bytes>> {
    let (status, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => {
            let own = metrics.encode();
            let engine = context.encode();
            (StatusCode::OK, format!("{}{engine}", own.strip_suffix(END).unwrap_or(&own)))
        }
        _ => (StatusCode::NOT_FOUND, "metrics are at /metrics\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}
