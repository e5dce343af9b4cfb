//! Health, readiness and metrics, over as much of HTTP/1.1 as probes and Prometheus speak: one GET a connection.

use std::time::Duration;

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, sleep, timeout},
};

use super::{handle::View, pages::More};
use crate::metrics::Metrics;

/// Who asks has to be done by then.
const PATIENCE: Duration = Duration::from_secs(5);
/// After that time a listener that fails is asked again.
const PAUSE: Duration = Duration::from_millis(50);
/// Those that ask at a time; more wait.
const CONNECTIONS: usize = 64;
/// No request is longer.
const LONGEST_REQUEST: usize = 8192;

/// Answers until it is dropped; `more` is told with the metrics.
pub(super) async fn serve(listener: &TcpListener, views: &[View], more: &More) {
    let mut open = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(()) = open.next() => {}
            accepted = listener.accept(), if open.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => open.push(converse(stream, views, more)),
                Err(error) => {
                    tracing::debug!(%error, "accept");
                    sleep(PAUSE).await;
                }
            },
        }
    }
}

async fn converse(mut stream: TcpStream, views: &[View], more: &More) {
    let answered = timeout(PATIENCE, async {
        let request = request(&mut stream).await?;
        let since = Instant::now();
        stream.write_all(Page::of(&request, views, more).message().as_bytes()).await?;
        if request.starts_with(b"GET /health") {
            views.iter().take(1).for_each(|view| view.told_health(since.elapsed()));
        }
        stream.shutdown().await
    });
    match answered.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a request for health, readiness or metrics"),
        Err(_) => tracing::debug!("a request for health, readiness or metrics took too long"),
    }
}

/// All up to the empty line.
async fn request(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && request.len() < LONGEST_REQUEST {
        if stream.read_buf(&mut request).await? == 0 {
            break;
        }
    }
    Ok(request)
}

/// What is said.
#[derive(Debug, PartialEq, Eq)]
struct Page {
    status: &'static str,
    text: String,
}

impl Page {
    fn of(request: &[u8], views: &[View], more: &More) -> Self {
        let text = String::from_utf8_lossy(request);
        let mut words = text.split_ascii_whitespace();
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let path = target.split('?').next().unwrap_or_default();
        match (method, path) {
            ("GET" | "HEAD", "/health") => Self::new("200 OK", "OK"),
            ("GET" | "HEAD", "/ready") => Self::ready(views),
            ("GET" | "HEAD", "/metrics") => {
                Self::new("200 OK", Metrics::page(views.iter().flat_map(View::counted).chain(more())))
            }
            ("GET" | "HEAD", _) => Self::new("404 Not Found", "/health, /ready and /metrics are here\n"),
            _ => Self::new("405 Method Not Allowed", "GET only\n"),
        }
    }

    fn ready(views: &[View]) -> Self {
        let statuses: Vec<_> = views.iter().map(View::status).collect();
        let any = |what: fn(&super::Status) -> bool| statuses.iter().any(what);
        let missing = [
            (any(|status| status.bound.is_none()), "listen"),
            (any(|status| !status.synced), "kubernetes"),
            (any(|status| status.stopping), "lameduck"),
        ];
        let missing: Vec<&str> =
            missing.into_iter().filter_map(|(missing, what)| missing.then_some(what)).collect();
        if missing.is_empty() {
            return Self::new("200 OK", "OK");
        }
        Self::new("503 Service Unavailable", missing.join(","))
    }

    fn new(status: &'static str, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    fn message(&self) -> String {
        let Self { status, text } = self;
        let length = text.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{text}"
        )
    }
}
