//! Building a [`Server`].

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use super::{Limits, Listen, Server, Synced};
#[cfg(feature = "tls")]
use crate::Tls;
use crate::{Forwarder, Front, LogSender, RateLimit, ServerAddress, Zone, error::ConfigError};

/// Builds a [`Server`].
#[derive(Debug)]
pub struct ServerBuilder {
    zone: Zone,
    listen: Vec<Result<Listen, ConfigError>>,
    front: Front,
    synced: Synced,
    limits: Limits,
    threads: usize,
    operations: Vec<Result<ServerAddress, ConfigError>>,
    lameduck: Duration,
    keep_trying: bool,
    rate_limit: Option<RateLimit>,
    query_log: Option<LogSender>,
    nsid: Vec<u8>,
    cookie_secret: Option<[u8; 16]>,
}

impl ServerBuilder {
    pub(super) fn new(zone: Zone) -> Self {
        Self {
            zone,
            listen: Vec::new(),
            front: Front::new(),
            synced: Synced::WithSomething,
            limits: Limits { connections: 1024, per_client: 64, idle: Duration::from_secs(10) },
            threads: 0,
            operations: Vec::new(),
            lameduck: Duration::ZERO,
            keep_trying: false,
            rate_limit: None,
            query_log: None,
            nsid: Vec::new(),
            cookie_secret: None,
        }
    }

    /// Listens for datagrams. An answer comes from the address that was asked, also on `0.0.0.0` or `[::]`; naming the address
    /// costs less per query.
    #[must_use]
    pub fn udp(self, address: impl TryInto<ServerAddress, Error = impl Into<ConfigError>>) -> Self {
        self.listen_as(address, Listen::Udp)
    }

    /// Listens for connections.
    #[must_use]
    pub fn tcp(self, address: impl TryInto<ServerAddress, Error = impl Into<ConfigError>>) -> Self {
        self.listen_as(address, Listen::Tcp)
    }

    /// Listens for both on the same port; with port 0 on one that is free for both.
    #[must_use]
    pub fn listen(self, address: impl TryInto<ServerAddress, Error = impl Into<ConfigError>>) -> Self {
        self.listen_as(address, Listen::Both)
    }

    /// Listens for connections within TLS (RFC 7858). Write the port: 853 is the usual one.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn tls(self, address: impl TryInto<ServerAddress, Error = impl Into<ConfigError>>, tls: Tls) -> Self {
        self.listen_as(address, |address| Listen::Tls(address, tls))
    }

    /// Listens for HTTPS (RFC 8484), HTTP/1.1 and HTTP/2: queries go to `/dns-query`. Write the port: 443 is the usual one.
    #[cfg(feature = "https")]
    #[must_use]
    pub fn https(
        self,
        address: impl TryInto<ServerAddress, Error = impl Into<ConfigError>>,
        tls: Tls,
    ) -> Self {
        self.listen_as(address, |address| Listen::Https(address, tls))
    }

    /// An address that cannot be bound, because another server listens there or because this host does not have it, is named in the
    /// log and in the [status](super::Status::unbound) and tried again, while the others are served. Off by default: it ends the server.
    #[must_use]
    pub fn keep_trying(mut self, on: bool) -> Self {
        self.keep_trying = on;
        self
    }

    fn listen_as(
        mut self,
        address: impl TryInto<ServerAddress, Error = impl Into<ConfigError>>,
        listen: impl FnOnce(ServerAddress) -> Listen,
    ) -> Self {
        let address = address.try_into().map_err(Into::into);
        self.listen.push(address.map(listen));
        self
    }

    /// Forwards names outside the zone; without a forwarder they are REFUSED.
    #[must_use]
    pub fn forward(mut self, forwarder: Forwarder) -> Self {
        self.front = self.front.forward(forwarder);
        self
    }

    /// Puts rules, cache and forwarder in front of the zone. It can be [changed](super::Handle::set_front) while the server runs.
    #[must_use]
    pub fn front(mut self, front: Front) -> Self {
        self.front = front;
        self
    }

    /// The store holds all there is from the start, also if that is nothing. Otherwise a name that is not found gets SERVFAIL until
    /// there is something in the store.
    #[must_use]
    pub fn synced(mut self, synced: bool) -> Self {
        self.synced = if synced { Synced::FromStart } else { Synced::WithSomething };
        self
    }

    /// The store holds all there is when [`Handle::set_synced`](super::Handle::set_synced) says so, however much is in it before: for
    /// sources that list one kind of objects after the other.
    #[must_use]
    pub fn synced_when_told(mut self) -> Self {
        self.synced = Synced::WhenTold;
        self
    }

    /// How many connections may be open at each TCP address, 1024 by default; more wait.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.limits.connections = connections.max(1);
        self
    }

    /// How many of them may be one client's, 64 by default; more are closed at once.
    #[must_use]
    pub fn max_connections_per_client(mut self, connections: usize) -> Self {
        self.limits.per_client = connections.max(1);
        self
    }

    /// Holds back answers to datagrams that are too many of a kind for one network. No limit by default.
    #[must_use]
    pub fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.rate_limit = Some(limit);
        self
    }

    /// Tells of queries here; one log may serve several servers. Nothing is logged by default.
    #[must_use]
    pub fn query_log(mut self, log: LogSender) -> Self {
        self.query_log = Some(log);
        self
    }

    /// What this server is called, for clients that ask for it (EDNS option NSID, RFC 5001): which of several behind one address
    /// answered. Any bytes; the first 255 count. Nothing is told by default.
    #[must_use]
    pub fn nsid(mut self, name: impl Into<Vec<u8>>) -> Self {
        self.nsid = name.into();
        self.nsid.truncate(255);
        self
    }

    /// The secret that cookies of clients are made with (RFC 7873, in the form of RFC 9018): servers behind one address should have the
    /// same, or their clients are told a new cookie with each change of server. A random one by default.
    ///
    /// A client that brings a cookie of ours asks from its own address: [`rate_limit`](Self::rate_limit) does not hold back its answers.
    #[must_use]
    pub fn cookie_secret(mut self, secret: [u8; 16]) -> Self {
        self.cookie_secret = Some(secret);
        self
    }

    /// Answers datagrams in threads of their own, each with a socket for every address; a core each is enough. By default, 0, the
    /// server's future does that, too: slower, and without a thread.
    ///
    /// The threads end with the future.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Tells over HTTP how the server is: `/health` (200 as long as it runs), `/ready` (200 when it has all Services and is not
    /// stopping, else 503 and what is missing), `/metrics` (under CoreDNS's names). May be given several times.
    #[must_use]
    pub fn operations(
        mut self,
        address: impl TryInto<ServerAddress, Error = impl Into<ConfigError>>,
    ) -> Self {
        self.operations.push(address.try_into().map_err(Into::into));
        self
    }

    /// How long the server goes on after it was told to stop, not ready any more, so that clients are sent elsewhere meanwhile; 0 by
    /// default.
    #[must_use]
    pub fn lameduck(mut self, time: Duration) -> Self {
        self.lameduck = time;
        self
    }

    /// How long a connection may stay open without a whole query, 10 s by default (RFC 7766 section 6.2.3).
    #[must_use]
    pub fn idle_timeout(mut self, idle: Duration) -> Self {
        self.limits.idle = idle;
        self
    }

    /// The server.
    ///
    /// # Errors
    /// The first address that is none; also when there is no address to listen on.
    pub fn build(self) -> Result<Server, ConfigError> {
        let listen: Vec<Listen> = self.listen.into_iter().collect::<Result<_, _>>()?;
        if listen.is_empty() {
            return Err(ConfigError::Missing { field: "listen", problem: "name at least one address" });
        }
        let operations = self.operations.into_iter().collect::<Result<_, _>>()?;
        let Self {
            zone,
            front,
            synced,
            limits,
            threads,
            lameduck,
            keep_trying,
            rate_limit,
            query_log,
            nsid,
            ..
        } = self;
        Ok(Server {
            zone,
            listen,
            front,
            synced,
            limits,
            threads,
            operations,
            lameduck,
            keep_trying,
            rate_limit,
            query_log,
            nsid,
            cookie_secret: self.cookie_secret.unwrap_or_else(random_secret),
        })
    }
}

/// What nobody outside can guess: what the standard library's hashes start from is the system's.
fn random_secret() -> [u8; 16] {
    let mut secret = [0; 16];
    for (number, half) in secret.chunks_exact_mut(8).enumerate() {
        half.copy_from_slice(&RandomState::new().hash_one(number).to_le_bytes());
    }
    secret
}
