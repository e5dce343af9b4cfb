//! The access log: a line for each request, in ingress-nginx's own format or as JSON.
//!
//! Whoever answers requests never waits for whoever writes the lines somewhere: each worker appends to a buffer of its own, the
//! reader takes the buffers, and what does not fit is counted and lost.
//!
//! ```
//! use svc_ingress::access_log::{AccessLog, Format};
//!
//! let (log, mut lines) = AccessLog::new().format(Format::Json).sample(10).channel();
//! // Server::builder().access_log(log)
//! # drop(log);
//! while let Some(text) = lines.blocking_next() {
//!     print!("{}", String::from_utf8_lossy(&text));
//! }
//! ```
//!
//! To write a line takes some 4 000 instructions in ingress-nginx's format and 6 500 as JSON (x86-64, counted by callgrind), and one
//! lock that only the reader shares. A server without a log does none of this.
//!
//! # What stands in it
//!
//! What ingress-nginx writes by default (`log-format-upstream`): the target with its query, `Referer`, `User-Agent` and the user's
//! name in `Authorization`, never the rest of that field, nor cookies, nor any other field. Times are those of UTC. A request is
//! told of once its reply is sent or given up; a client that goes away first has status 499. A head that is no HTTP at all
//! is answered without a line.
//! `enable-access-log: "false"` leaves out the requests of an Ingress.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, REFERER, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Version};

use crate::auth::Credentials;
use crate::table::Location;

mod channel;
mod json;
mod nginx;
mod text;

#[cfg(test)]
mod tests;

pub use channel::{LogReader, LogSender};

/// The status of a request whose client went away before there was a reply; nginx's own.
const CLIENT_GONE: u16 = 499;

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// As ingress-nginx writes them by default.
    #[default]
    Nginx,
    /// A JSON object for each.
    Json,
}

/// Which requests are logged, and how. See [`channel`](Self::channel).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessLog {
    format: Format,
    sample: u32,
}

impl Default for AccessLog {
    fn default() -> Self {
        Self { format: Format::default(), sample: 1 }
    }
}

impl AccessLog {
    /// Every request, in ingress-nginx's format.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// In another format.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// One request of so many; each worker counts its own.
    #[must_use]
    pub fn sample(mut self, one_of: u32) -> Self {
        self.sample = one_of.max(1);
        self
    }

    /// The end that a server writes to, and the end that its lines are read from. A line is lost if a worker has 1 MiB of
    /// them that nobody has read.
    #[must_use]
    pub fn channel(self) -> (LogSender, LogReader) {
        channel::new(self)
    }
}

/// What is known of one request.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) client: IpAddr,
    user: Option<String>,
    method: Method,
    target: Option<PathAndQuery>,
    version: Version,
    host: Option<HeaderValue>,
    referer: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    /// Bytes of its head and its body.
    pub(crate) request_length: u64,
    pub(crate) request_id: Option<HeaderValue>,
    pub(crate) location: Option<Arc<Location>>,
    pub(crate) canary: bool,
    pub(crate) tries: Vec<Try>,
    pub(crate) status: u16,
    pub(crate) bytes: u64,
    /// From its head to the end of its reply.
    pub(crate) took: Duration,
    /// Its end, since 1970.
    pub(crate) at: Duration,
}

/// One endpoint that was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Try {
    pub(crate) endpoint: SocketAddr,
    /// That of its reply, or the one that stands for what went wrong.
    pub(crate) status: u16,
    pub(crate) bytes: u64,
    pub(crate) took: Duration,
}

impl Entry {
    /// A request with this head on a connection from `peer`.
    pub(crate) fn new<B>(request: &http::Request<B>, peer: IpAddr) -> Self {
        let headers = request.headers();
        let target = request.uri().path_and_query();
        let authority = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
        let field = |name| headers.get(name).cloned();
        Self {
            client: peer,
            user: headers
                .get(AUTHORIZATION)
                .and_then(Credentials::parse)
                .map(|login| login.user().to_owned()),
            method: request.method().clone(),
            target: target.cloned(),
            version: request.version(),
            host: field(http::header::HOST).or(authority),
            referer: field(REFERER),
            user_agent: field(USER_AGENT),
            request_length: 0,
            request_id: None,
            location: None,
            canary: false,
            tries: Vec::new(),
            status: CLIENT_GONE,
            bytes: 0,
            took: Duration::ZERO,
            at: Duration::ZERO,
        }
    }

    /// Appends its line.
    fn emit(&self, format: Format, line: &mut Vec<u8>) {
        match format {
            Format::Nginx => nginx::emit(self, line),
            Format::Json => json::emit(self, line),
        }
    }

    /// What ingress-nginx calls the rule's pool, and that of the canary where the request went there.
    fn upstreams(&self) -> Option<(String, Option<String>)> {
        let location = self.location.as_ref()?;
        let canary = location.canary().filter(|_| self.canary);
        Some((location.pool().name(), canary.map(|canary| canary.pool().name())))
    }

    fn target(&self) -> &str {
        self.target.as_ref().map_or("*", PathAndQuery::as_str)
    }

    fn protocol(&self) -> &'static str {
        match self.version {
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_2 => "HTTP/2.0",
            _ => "HTTP/1.1",
        }
    }
}
