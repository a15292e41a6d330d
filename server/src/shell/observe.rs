//! `/health` and `/metrics` over HTTP/1.1, for this machine's own monitoring: counts, never an identifier.
//!
//! `/health` answers 200 while the relay serves, and 503 with the reason otherwise: `store_failed` and `engine_failed`
//! say that the process is about to end so that it is started again.
//!
//! Refused: every other path and method, and more than a few connections at once.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::disk::DiskAlarm;
use crate::engine::{Condition, Engine};
use crate::metrics::Metrics;

/// A scraper, a health probe and an operator, several times over.
const CONNECTIONS: usize = 16;
/// For a whole connection; every answer is made from memory.
const PATIENCE: Duration = Duration::from_secs(10);
/// After a connection that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);
/// The text format of Prometheus.
const EXPOSITION: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What health is told from.
pub(crate) struct Health {
    pub(crate) engine: Engine,
    pub(crate) disk: Arc<DiskAlarm>,
    pub(crate) draining: Arc<AtomicBool>,
    pub(crate) metrics: Arc<Metrics>,
}

/// How the relay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ok,
    StoreFailed,
    EngineFailed,
    DiskFull,
    Draining,
}

impl Health {
    fn state(&self) -> State {
        match self.engine.condition() {
            Condition::StoreFailed => return State::StoreFailed,
            Condition::Broken => return State::EngineFailed,
            Condition::Ended => return State::Draining,
            Condition::Well => {}
        }
        if self.draining.load(Ordering::Relaxed) {
            State::Draining
        } else if self.disk.is_raised() {
            State::DiskFull
        } else {
            State::Ok
        }
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        match (method, path) {
            (&Method::GET, "/health") => {
                let (status, word) = match self.state() {
                    State::Ok => (StatusCode::OK, "ok"),
                    State::StoreFailed => (StatusCode::SERVICE_UNAVAILABLE, "store_failed"),
                    State::EngineFailed => (StatusCode::SERVICE_UNAVAILABLE, "engine_failed"),
                    State::DiskFull => (StatusCode::SERVICE_UNAVAILABLE, "disk_full"),
                    State::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
                };
                response(status, JSON, format!("{{\"status\":\"{word}\"}}\n"))
            }
            (&Method::GET, "/metrics") => response(StatusCode::OK, EXPOSITION, self.metrics.exposition()),
            (_, "/health" | "/metrics") => response(StatusCode::METHOD_NOT_ALLOWED, JSON, String::new()),
            _ => response(StatusCode::NOT_FOUND, JSON, String::new()),
        }
    }
}

fn response(status: StatusCode, content: HeaderValue, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content);
    response
}

/// Binds the address.
pub(crate) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until the relay stops.
pub(crate) async fn serve(listener: TcpListener, health: Arc<Health>, tasks: TaskTracker, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let accepted = stop.run_until_cancelled(listener.accept()).await;
        match accepted {
            None => return,
            // Out of descriptors, or a peer that has gone: a moment later it may be better.
            Some(Err(_)) => tokio::time::sleep(PAUSE).await,
            Some(Ok((stream, _))) => {
                let (health, stop) = (health.clone(), stop.clone());
                tasks.spawn(async move {
                    let _place = place;
                    let _ended =
                        stop.run_until_cancelled(tokio::time::timeout(PATIENCE, connection(stream, health))).await;
                });
            }
        }
    }
}

async fn connection(stream: TcpStream, health: Arc<Health>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = health.answer(request.method(), request.uri().path());
        async move { Ok::<_, Infallible>(answer) }
    });
    // What a scraper does wrong is its own business.
    let _outcome = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service).await;
}
