//! Where a server listens and with what settings.

use std::net::SocketAddr;
use std::num::NonZeroUsize;

use crate::access_log::LogSender;
use crate::config::IngressConfig;
use crate::error::ConfigError;
use crate::sys::{Connect, Listening, Tcp};

use super::Server;

/// A listening address: a [`SocketAddr`], or text such as `127.0.0.1:8080` that [`ServerBuilder::build`] reads. Port 0
/// lets the kernel choose; [`Handle::ready`](super::Handle::ready) tells what it chose.
#[derive(Debug)]
pub struct Listen(Source);

#[derive(Debug)]
enum Source {
    Address(SocketAddr),
    Text(String),
    Socket(std::net::TcpListener),
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self(Source::Address(address))
    }
}

impl From<&str> for Listen {
    fn from(text: &str) -> Self {
        Self(Source::Text(text.to_owned()))
    }
}

impl From<String> for Listen {
    fn from(text: String) -> Self {
        Self(Source::Text(text))
    }
}

/// A socket that listens already: whoever holds a copy keeps it open while the server restarts.
impl From<std::net::TcpListener> for Listen {
    fn from(socket: std::net::TcpListener) -> Self {
        Self(Source::Socket(socket))
    }
}

/// Builds a [`Server`].
#[derive(Debug)]
pub struct ServerBuilder<C: Connect = Tcp> {
    http: Vec<Listen>,
    https: Vec<Listen>,
    config: IngressConfig,
    reuse_port: bool,
    workers: usize,
    metrics: Option<Listen>,
    access_log: Option<LogSender>,
    connect: C,
}

impl Default for ServerBuilder {
    fn default() -> Self {
        let config = IngressConfig::default();
        Self {
            http: Vec::new(),
            https: Vec::new(),
            config,
            reuse_port: false,
            workers: 1,
            metrics: None,
            access_log: None,
            connect: Tcp,
        }
    }
}

impl<C: Connect> ServerBuilder<C> {
    /// Listens for HTTP/1.1 and HTTP/2 without TLS; may be called for several addresses.
    #[must_use]
    pub fn http(mut self, listen: impl Into<Listen>) -> Self {
        self.http.push(listen.into());
        self
    }

    /// Listens for TLS with HTTP/1.1 and HTTP/2; may be called for several addresses.
    #[must_use]
    pub fn https(mut self, listen: impl Into<Listen>) -> Self {
        self.https.push(listen.into());
        self
    }

    /// Settings; the defaults are those of ingress-nginx.
    #[must_use]
    pub fn config(mut self, config: IngressConfig) -> Self {
        self.config = config;
        self
    }

    /// Serves with so many threads, one for each core at best; 1 unless set, which is the thread that polls the server's
    /// future. Each has sockets of its own on every address (`SO_REUSEPORT`), between which the kernel spreads connections,
    /// and connections of its own to endpoints.
    #[must_use]
    pub fn workers(mut self, workers: NonZeroUsize) -> Self {
        self.workers = workers.get();
        self
    }

    /// Counts requests, and tells of them here over HTTP: `/metrics` under the names of ingress-nginx, and `/healthz`.
    #[must_use]
    pub fn metrics(mut self, listen: impl Into<Listen>) -> Self {
        self.metrics = Some(listen.into());
        self
    }

    /// Logs requests there; see [`AccessLog`](crate::access_log::AccessLog).
    #[must_use]
    pub fn access_log(mut self, log: LogSender) -> Self {
        self.access_log = Some(log);
        self
    }

    /// Lets several servers listen on the same address (`SO_REUSEPORT`).
    #[must_use]
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }

    /// Reaches endpoints in another way than TCP from the driving thread.
    #[must_use]
    pub fn connect<D: Connect>(self, connect: D) -> ServerBuilder<D> {
        let Self { http, https, config, reuse_port, workers, metrics, access_log, connect: _ } = self;
        ServerBuilder { http, https, config, reuse_port, workers, metrics, access_log, connect }
    }

    /// Checks and finishes. No socket is opened yet.
    ///
    /// # Errors
    ///
    /// An address that is none, or none at all.
    pub fn build(self) -> Result<Server<C>, ConfigError> {
        if self.http.is_empty() && self.https.is_empty() {
            return Err(ConfigError::NoListener);
        }
        let reuse_port = self.reuse_port || self.workers > 1;
        let read = |all: Vec<Listen>| all.into_iter().map(|listen| listen.read(reuse_port)).collect();
        let (http, https): (Result<_, _>, Result<_, _>) = (read(self.http), read(self.https));
        Ok(Server {
            http: http?,
            https: https?,
            config: self.config,
            workers: self.workers,
            metrics: self.metrics.map(|listen| listen.read(false)).transpose()?,
            access_log: self.access_log,
            connect: self.connect,
        })
    }
}

impl Listen {
    fn read(self, reuse_port: bool) -> Result<Listening, ConfigError> {
        match self.0 {
            Source::Address(address) => Ok(Listening::Address { address, reuse_port }),
            Source::Socket(socket) => Ok(Listening::Socket(socket)),
            Source::Text(text) => match text.parse() {
                Ok(address) => Ok(Listening::Address { address, reuse_port }),
                Err(_) => Err(ConfigError::Address { text }),
            },
        }
    }
}
