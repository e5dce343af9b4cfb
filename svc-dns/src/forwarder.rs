//! The forwarder: which upstream servers are asked, in what order, and how often.
//!
//! A transport of our own rather than a resolver crate: a relayed reply has to be the server's message as it is, unknown record
//! types, flags and EDNS included, under the client's id; resolvers take it apart and give records. What is needed, a datagram
//! with an id and a source port that nobody can guess, and TCP when the reply was truncated, is small.

mod routes;

use std::{
    collections::hash_map::RandomState,
    fmt,
    future::Future,
    hash::BuildHasher,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Semaphore, time::timeout};

use self::routes::Routes;
use crate::{
    Forward, ServerAddress, Transport,
    error::ConfigError,
    message::{Header, Name, Rcode},
    sys::Sockets,
};

/// A future of [`Exchange::exchange`].
pub type Exchanged<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<u8>>> + Send + 'a>>;

/// Asks a server: what the network does for the forwarder. [`FakeUpstream`](crate::fake::FakeUpstream) does it in memory.
pub trait Exchange: fmt::Debug + Send + Sync + 'static {
    /// Sends `query` to `server` and waits for the message that answers it ([`answers`](crate::forward::answers)). There is no
    /// need for a time limit: the forwarder drops the future.
    fn exchange<'a>(&'a self, server: SocketAddr, transport: Transport, query: &'a [u8]) -> Exchanged<'a>;
}

/// The order in which the servers of a route are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// Anyone first, then those behind it.
    #[default]
    Random,
    /// As they are listed.
    Sequential,
}

/// Asks upstream servers. See [`Forwarder::builder`].
#[derive(Debug)]
pub struct Forwarder {
    routes: Routes,
    policy: Policy,
    patience: Duration,
    deadline: Duration,
    slots: Semaphore,
    network: Arc<dyn Exchange>,
    secret: RandomState,
    turn: AtomicU64,
}

impl Forwarder {
    /// A forwarder.
    ///
    /// ```
    /// use svc_dns::Forwarder;
    ///
    /// let forwarder = Forwarder::builder()
    ///     .upstream("172.20.10.53")
    ///     .stub("corp.example", ["10.1.0.53", "10.2.0.53:5353"])
    ///     .build()?;
    /// # Ok::<(), svc_dns::ConfigError>(())
    /// ```
    #[must_use]
    pub fn builder() -> ForwarderBuilder {
        ForwarderBuilder::default()
    }

    /// The servers that are asked for a name: those of the longest stub domain that it is in, else the upstreams.
    #[must_use]
    pub fn servers(&self, name: &Name) -> &[SocketAddr] {
        self.routes.servers(name)
    }

    /// Asks, and gives the client's answer. Cancel safe: dropping it asks no more.
    pub async fn resolve(&self, forward: &Forward) -> Vec<u8> {
        let mut out = Vec::new();
        let servers = self.servers(forward.name());
        if servers.is_empty() {
            forward.finish(Err(Rcode::REFUSED), &mut out);
            return out;
        }
        let Ok(_slot) = self.slots.try_acquire() else {
            let busy = if forward.is_chase() { Rcode::SERVFAIL } else { Rcode::REFUSED };
            forward.finish(Err(busy), &mut out);
            return out;
        };
        let reply = timeout(self.deadline, self.ask(servers, forward)).await.ok().flatten();
        forward.finish(reply.as_deref().ok_or(Rcode::SERVFAIL), &mut out);
        out
    }

    /// Asks one server after the other, each twice at most.
    async fn ask(&self, servers: &[SocketAddr], forward: &Forward) -> Option<Vec<u8>> {
        let start = match self.policy {
            Policy::Random => usize::from(self.random()) % servers.len(),
            Policy::Sequential => 0,
        };
        for &server in servers.iter().cycle().skip(start).take(2 * servers.len()) {
            match self.ask_one(server, &forward.query(self.random())).await {
                Ok(reply) => return Some(reply),
                Err(error) => tracing::debug!(%server, name = %forward.name(), %error, "upstream"),
            }
        }
        None
    }

    async fn ask_one(&self, server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
        let reply = self.exchange(server, Transport::Udp, query).await?;
        if !Header::parse(&reply).is_ok_and(|header| header.has(Header::TC)) {
            return Ok(reply);
        }
        // A server without TCP has at least said what it could.
        Ok(self.exchange(server, Transport::Tcp, query).await.unwrap_or(reply))
    }

    async fn exchange(&self, server: SocketAddr, transport: Transport, query: &[u8]) -> io::Result<Vec<u8>> {
        timeout(self.patience, self.network.exchange(server, transport, query)).await?
    }

    /// Sixteen bits of a keyed hash (SipHash, key from the operating system) over a counter.
    fn random(&self) -> u16 {
        let hash = self.secret.hash_one(self.turn.fetch_add(1, Ordering::Relaxed));
        u16::from_le_bytes([hash.to_le_bytes()[0], hash.to_le_bytes()[1]])
    }
}

type Servers = Vec<Result<SocketAddr, ConfigError>>;

/// Builds a [`Forwarder`].
#[derive(Debug)]
pub struct ForwarderBuilder {
    upstreams: Servers,
    stubs: Vec<(Result<Name, ConfigError>, Servers)>,
    policy: Policy,
    patience: Duration,
    deadline: Duration,
    max_concurrent: usize,
    network: Arc<dyn Exchange>,
}

impl Default for ForwarderBuilder {
    fn default() -> Self {
        Self {
            upstreams: Vec::new(),
            stubs: Vec::new(),
            policy: Policy::default(),
            patience: Duration::from_secs(2),
            deadline: Duration::from_secs(5),
            max_concurrent: 1000,
            network: Arc::new(Sockets),
        }
    }
}

impl ForwarderBuilder {
    /// Adds a server for all names that no stub domain holds.
    #[must_use]
    pub fn upstream(mut self, server: impl TryInto<ServerAddress, Error = impl Into<ConfigError>>) -> Self {
        self.upstreams.push(address(server));
        self
    }

    /// Servers for a domain and all names below it. The longest domain that holds a name counts.
    #[must_use]
    pub fn stub<S: TryInto<ServerAddress, Error = E>, E: Into<ConfigError>>(
        mut self,
        domain: impl TryInto<Name, Error = impl Into<ConfigError>>,
        servers: impl IntoIterator<Item = S>,
    ) -> Self {
        let servers = servers.into_iter().map(address).collect();
        self.stubs.push((domain.try_into().map_err(Into::into), servers));
        self
    }

    /// Who is asked first; [`Policy::Random`] by default.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// How long one server may take (2 s by default), and all together (5 s).
    #[must_use]
    pub fn patience(mut self, one: Duration, all: Duration) -> Self {
        (self.patience, self.deadline) = (one, all);
        self
    }

    /// How many questions may be open at a time, 1000 by default; the next one is REFUSED.
    #[must_use]
    pub fn max_concurrent(mut self, questions: usize) -> Self {
        self.max_concurrent = questions;
        self
    }

    /// Asks through something other than sockets.
    #[must_use]
    pub fn network(mut self, network: impl Exchange) -> Self {
        self.network = Arc::new(network);
        self
    }

    /// The forwarder.
    ///
    /// # Errors
    /// The first setting that cannot be; also when there is no server at all.
    pub fn build(self) -> Result<Forwarder, ConfigError> {
        let mut routes = Routes::new(self.upstreams.into_iter().collect::<Result<_, _>>()?);
        for (domain, servers) in self.stubs {
            routes.add(&domain?, servers.into_iter().collect::<Result<_, _>>()?);
        }
        if routes.is_empty() {
            return Err(ConfigError::Missing { field: "upstream", problem: "name at least one server" });
        }
        if self.max_concurrent == 0 || self.max_concurrent > Semaphore::MAX_PERMITS {
            let given = self.max_concurrent.to_string();
            return Err(ConfigError::Range { field: "max_concurrent", given, range: "1 or more questions" });
        }
        Ok(Forwarder {
            routes,
            policy: self.policy,
            patience: self.patience,
            deadline: self.deadline,
            slots: Semaphore::new(self.max_concurrent),
            network: self.network,
            secret: RandomState::new(),
            turn: AtomicU64::new(0),
        })
    }
}

fn address(
    server: impl TryInto<ServerAddress, Error = impl Into<ConfigError>>,
) -> Result<SocketAddr, ConfigError> {
    server.try_into().map(ServerAddress::socket).map_err(Into::into)
}

#[cfg(test)]
mod tests;
