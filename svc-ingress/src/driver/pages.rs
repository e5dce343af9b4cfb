//! Health and metrics, for probes and Prometheus.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::metrics::{Labels, Metrics, gauges};
use crate::table::{Location, RouteTable};

/// Who asks has to be done by then.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);
/// Those that ask at a time; more wait in the kernel's queue.
const CONNECTIONS: usize = 64;

/// What the pages tell of.
#[derive(Clone, Debug)]
pub(super) struct Pages {
    pub(super) metrics: Arc<Metrics>,
    pub(super) table: Arc<ArcSwap<RouteTable>>,
}

impl Pages {
    /// Answers until it is dropped.
    pub(super) async fn serve(self, listener: std::net::TcpListener) -> io::Result<Infallible> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let mut open = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = open.join_next() => {}
                accepted = listener.accept(), if open.len() < CONNECTIONS => match accepted {
                    Ok((stream, _)) => drop(open.spawn(timeout(PATIENCE, self.clone().converse(stream)))),
                    Err(error) => {
                        tracing::debug!(%error, "cannot accept who asks for metrics");
                        sleep(PAUSE_AFTER_ERROR).await;
                    }
                },
            }
        }
    }

    async fn converse(self, stream: TcpStream) {
        let service = service_fn(|request| std::future::ready(Ok::<_, Infallible>(self.answer(&request))));
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).keep_alive(false);
        if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
            tracing::debug!(%error, "a request for health or metrics");
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let (status, text) = match (request.method(), request.uri().path()) {
            (&Method::GET | &Method::HEAD, "/metrics") => (StatusCode::OK, self.metrics()),
            (&Method::GET | &Method::HEAD, "/healthz") => (StatusCode::OK, "ok\n".to_owned()),
            (&Method::GET | &Method::HEAD, _) => {
                (StatusCode::NOT_FOUND, "there are /metrics and /healthz\n".to_owned())
            }
            _ => (StatusCode::METHOD_NOT_ALLOWED, "ask by GET\n".to_owned()),
        };
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = status;
        let plain = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, plain);
        response
    }

    fn metrics(&self) -> String {
        let table = self.table.load();
        let known: BTreeSet<Labels> = table.locations().map(|location| labels(location)).collect();
        self.metrics.retain(&known);
        self.metrics.page() + &gauges(table.config().controller(), &table)
    }
}

/// What a rule's series are called.
pub(super) fn labels(location: &Location) -> Labels {
    let (namespace, ingress) =
        location.ingress().map_or(("", ""), |ingress| (ingress.namespace(), ingress.name()));
    let service = location.pool().service().name();
    Labels::new(namespace, ingress, service, location.host(), location.path())
}
