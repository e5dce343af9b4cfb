//! A domain, the servers for it, and how they are asked.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::Semaphore;

use super::{
    Exchange, Inner, Policy, UpstreamStats,
    build::{Defaults, address},
    upkeep::{Job, ProbeSettings},
    upstream::Upstream,
};
use crate::{
    Cache, ServerAddress, Transport,
    domains::Domains,
    error::ConfigError,
    forward::Question,
    message::{Header, Name, Rcode},
};

/// Servers for a domain. See [`Route::builder`].
#[derive(Debug)]
pub struct Route {
    domain: Name,
    site: Option<Name>,
    except: Domains,
    servers: Vec<Arc<Upstream>>,
    policy: Policy,
    protocol: Protocol,
    patience: Duration,
    max_fails: u32,
    failfast: bool,
    failover: Vec<Rcode>,
    next: Vec<Rcode>,
    next_on_nodata: bool,
    probe: ProbeSettings,
    slots: Semaphore,
    cache: Option<Cache>,
    turn: AtomicU64,
}

/// How servers are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// As the client asks: a truncated reply to a datagram is the client's to repeat over TCP.
    #[default]
    AsAsked,
    /// By datagram first; over TCP when the reply is truncated.
    PreferUdp,
    /// Over TCP.
    Tcp,
}

/// Why a server gave no reply that helps.
enum Failure {
    /// None in time, or it could not be reached.
    Silence,
    /// A reply to something else.
    Mismatch,
}

impl Route {
    /// A route for `domain` and all names below it; `.` for all names.
    ///
    /// ```
    /// use svc_dns::{Forwarder, Policy, Route, message::Rcode};
    ///
    /// let route = Route::builder("corp.example")
    ///     .server("10.1.0.53")
    ///     .server("10.2.0.53")
    ///     .policy(Policy::Sequential)
    ///     .failover([Rcode::SERVFAIL]);
    /// let forwarder = Forwarder::builder().route(route).build()?;
    /// # Ok::<(), svc_dns::ConfigError>(())
    /// ```
    pub fn builder(domain: impl TryInto<Name, Error = impl Into<ConfigError>>) -> RouteBuilder {
        RouteBuilder::new(domain.try_into().map_err(Into::into))
    }

    pub(super) fn domain(&self) -> &Name {
        &self.domain
    }

    /// Names of this domain are asked about in routes of the same site only.
    pub(super) fn site(&self) -> Option<&Name> {
        self.site.as_ref()
    }

    /// Whether a lower-case name below the domain is meant.
    pub(super) fn takes(&self, name: &[u8]) -> bool {
        !self.except.hold(name)
    }

    pub(super) fn servers(&self) -> impl Iterator<Item = &Upstream> {
        self.servers.iter().map(|server| &**server)
    }

    pub(super) fn slots(&self) -> &Semaphore {
        &self.slots
    }

    pub(super) fn cache(&self) -> Option<&Cache> {
        self.cache.as_ref()
    }

    pub(super) fn stats(&self) -> impl Iterator<Item = UpstreamStats> {
        self.servers.iter().map(|server| server.stats(self.max_fails))
    }

    /// Whether the next route is asked after this reply.
    pub(super) fn goes_on_after(&self, reply: &[u8]) -> bool {
        let Ok(header) = Header::parse(reply) else { return false };
        let nodata = header.rcode() == Rcode::NOERROR && header.counts[1] == 0;
        self.next.contains(&header.rcode()) || self.next_on_nodata && nodata
    }

    /// Asks one server after the other, each twice at most.
    pub(super) async fn ask(&self, inner: &Inner, question: &Question) -> Result<Vec<u8>, Rcode> {
        if self.servers.is_empty() {
            return Err(Rcode::REFUSED);
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let order: Vec<usize> = self.policy.order(self.servers.len(), inner.random_bits(), turn).collect();
        let mut well: Vec<usize> = order.iter().copied().filter(|&index| !self.is_down(index)).collect();
        if well.is_empty() {
            inner.broken.fetch_add(1, Ordering::Relaxed);
            if self.failfast {
                return Err(Rcode::SERVFAIL);
            }
            // Probes may be wrong: somebody is asked all the same.
            well = Policy::Random.order(self.servers.len(), inner.random_bits(), turn).collect();
        }
        self.ask_in_order(inner, question, &well).await
    }

    async fn ask_in_order(
        &self,
        inner: &Inner,
        question: &Question,
        order: &[usize],
    ) -> Result<Vec<u8>, Rcode> {
        let mut last = Err(Rcode::SERVFAIL);
        let mut silent = order.to_vec();
        for _round in 0..2 {
            for index in std::mem::take(&mut silent) {
                let server = &self.servers[index];
                match self.ask_one(inner, server, question).await {
                    Ok(reply) if self.fails_over(&reply) => last = Ok(reply),
                    Ok(reply) => return Ok(reply),
                    Err(Failure::Mismatch) => last = last.or(Err(Rcode::FORMERR)),
                    Err(Failure::Silence) => silent.push(index),
                }
            }
        }
        last
    }

    fn is_down(&self, index: usize) -> bool {
        self.servers[index].health.is_down(self.max_fails)
    }

    fn fails_over(&self, reply: &[u8]) -> bool {
        Header::parse(reply).is_ok_and(|header| self.failover.contains(&header.rcode()))
    }

    async fn ask_one(
        &self,
        inner: &Inner,
        server: &Arc<Upstream>,
        question: &Question,
    ) -> Result<Vec<u8>, Failure> {
        let first = match (self.protocol, question.transport()) {
            (Protocol::Tcp, _) | (Protocol::AsAsked, Transport::Tcp) => Transport::Tcp,
            _ => Transport::Udp,
        };
        let query = inner.message(question);
        let reply = server.exchange(first, &query, self.patience).await;
        let reply = reply.map_err(|error| self.failed(inner, server, question, &error))?;
        let end = Header::LEN + question.raw().len();
        if inner.random_case && reply.get(Header::LEN..end) != query.get(Header::LEN..end) {
            return Err(Failure::Mismatch);
        }
        let truncated = Header::parse(&reply).is_ok_and(|header| header.has(Header::TC));
        if !truncated || self.protocol != Protocol::PreferUdp {
            return Ok(reply);
        }
        // A server without TCP has at least said what it could.
        let whole = server.exchange(Transport::Tcp, &inner.message(question), self.patience).await;
        Ok(whole.unwrap_or(reply))
    }

    fn failed(
        &self,
        inner: &Inner,
        server: &Arc<Upstream>,
        question: &Question,
        error: &io::Error,
    ) -> Failure {
        tracing::debug!(server = %server.address(), name = %question.name(), %error, "upstream");
        if error.kind() == io::ErrorKind::InvalidData {
            return Failure::Mismatch;
        }
        if self.max_fails > 0 && server.health.failed() {
            let transport = if self.protocol == Protocol::Tcp { Transport::Tcp } else { Transport::Udp };
            inner.jobs.push(Job::Probe(Arc::clone(server), transport, self.probe.clone()));
        }
        Failure::Silence
    }
}

/// Builds a [`Route`]: give it to [`ForwarderBuilder::route`](super::ForwarderBuilder::route).
#[derive(Debug)]
pub struct RouteBuilder {
    domain: Result<Name, ConfigError>,
    site: Option<Name>,
    except: Domains,
    servers: Vec<Named>,
    policy: Option<Policy>,
    protocol: Protocol,
    max_fails: u32,
    failfast: bool,
    failover: Vec<Rcode>,
    next: Vec<Rcode>,
    next_on_nodata: bool,
    probe: ProbeSettings,
    max_concurrent: Option<usize>,
    cache: Option<Cache>,
    network: Option<Arc<dyn Exchange>>,
}

/// A server, and how it is asked if not as the others.
type Named = (Result<SocketAddr, ConfigError>, Option<Arc<dyn Exchange>>);

/// More servers in one route are a mistake.
const MOST_SERVERS: usize = 15;

impl RouteBuilder {
    fn new(domain: Result<Name, ConfigError>) -> Self {
        Self {
            domain,
            site: None,
            except: Domains::default(),
            servers: Vec::new(),
            policy: None,
            protocol: Protocol::default(),
            max_fails: 2,
            failfast: false,
            failover: Vec::new(),
            next: Vec::new(),
            next_on_nodata: false,
            probe: ProbeSettings::default(),
            max_concurrent: None,
            cache: None,
            network: None,
        }
    }

    /// Adds a server; 15 at most. A route without servers refuses the names of its domain.
    #[must_use]
    pub fn server<S: TryInto<ServerAddress, Error = E>, E: Into<ConfigError>>(mut self, server: S) -> Self {
        self.servers.push((address(server), None));
        self
    }

    /// Adds a server that is asked over TLS (RFC 7858), however the client asks. Write the port: 853 is the usual one.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn server_over_tls<S: TryInto<ServerAddress, Error = E>, E: Into<ConfigError>>(
        self,
        server: S,
        client: &crate::TlsClient,
    ) -> Self {
        let network = crate::sys::Connections::default().over_tls(client);
        self.server_by(server, Arc::new(network))
    }

    /// Adds a server that is asked in a way of its own.
    #[cfg(feature = "tls")]
    pub(crate) fn server_by<S: TryInto<ServerAddress, Error = E>, E: Into<ConfigError>>(
        mut self,
        server: S,
        network: Arc<dyn Exchange>,
    ) -> Self {
        self.servers.push((address(server), Some(network)));
        self
    }

    /// Routes of one site go on to one another, and never to those of another: a server block of a Corefile.
    pub(crate) fn of_site(mut self, zone: &Name) -> Self {
        self.site = Some(zone.to_lowercase());
        self
    }

    /// Leaves the names of this domain to other routes.
    #[must_use]
    pub fn except(mut self, domain: &Name) -> Self {
        self.except.add(domain);
        self
    }

    /// Who is asked first.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// How servers are asked.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Failed probes in a row that make a server be passed over: 2 by default, 0 for never.
    #[must_use]
    pub fn max_fails(mut self, fails: u32) -> Self {
        self.max_fails = fails;
        self
    }

    /// Time between probes of a server that failed (half a second by default), the name they ask for (`.` by default), and whether
    /// they desire recursion (true by default).
    #[must_use]
    pub fn probe(mut self, interval: Duration, name: Name, recursion: bool) -> Self {
        self.probe = ProbeSettings { interval, name, recursion };
        self
    }

    /// Says SERVFAIL at once when all servers are down, rather than asking one all the same.
    #[must_use]
    pub fn failfast(mut self, on: bool) -> Self {
        self.failfast = on;
        self
    }

    /// Codes after which the next server is asked; the last reply counts.
    #[must_use]
    pub fn failover(mut self, rcodes: impl IntoIterator<Item = Rcode>) -> Self {
        self.failover.extend(rcodes);
        self
    }

    /// Codes after which the next route that holds the name is asked, if there is one.
    #[must_use]
    pub fn next(mut self, rcodes: impl IntoIterator<Item = Rcode>) -> Self {
        self.next.extend(rcodes);
        self
    }

    /// The next route is asked also when the name exists without records of the type.
    #[must_use]
    pub fn next_on_nodata(mut self, on: bool) -> Self {
        self.next_on_nodata = on;
        self
    }

    /// How many questions may be open at a time.
    #[must_use]
    pub fn max_concurrent(mut self, questions: usize) -> Self {
        self.max_concurrent = Some(questions);
        self
    }

    /// Remembers what these servers said.
    #[must_use]
    pub fn cache(mut self, cache: Cache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Asks these servers in a way of its own.
    #[must_use]
    pub fn network(mut self, network: impl Exchange) -> Self {
        self.network = Some(Arc::new(network));
        self
    }

    pub(super) fn build(
        self,
        defaults: &Defaults,
        network: &Arc<dyn Exchange>,
    ) -> Result<Route, ConfigError> {
        let domain = self.domain?;
        let network = self.network.as_ref().unwrap_or(network);
        let upstream = |(address, own): Named| {
            Ok(Arc::new(Upstream::new(address?, own.unwrap_or_else(|| Arc::clone(network)))))
        };
        let servers: Vec<_> = self.servers.into_iter().map(upstream).collect::<Result<_, ConfigError>>()?;
        if servers.len() > MOST_SERVERS {
            let given = format!("{} servers for {domain}", servers.len());
            return Err(ConfigError::Range { field: "upstream", given, range: "1 to 15 servers" });
        }
        let max_concurrent = self.max_concurrent.unwrap_or(defaults.max_concurrent);
        if max_concurrent == 0 || max_concurrent > Semaphore::MAX_PERMITS {
            let given = max_concurrent.to_string();
            return Err(ConfigError::Range { field: "max_concurrent", given, range: "1 or more questions" });
        }
        Ok(Route {
            domain: domain.to_lowercase(),
            site: self.site,
            except: self.except,
            servers,
            policy: self.policy.unwrap_or(defaults.policy),
            protocol: self.protocol,
            patience: defaults.patience,
            max_fails: self.max_fails,
            failfast: self.failfast,
            failover: self.failover,
            next: self.next,
            next_on_nodata: self.next_on_nodata,
            probe: self.probe,
            slots: Semaphore::new(max_concurrent),
            cache: self.cache.or_else(|| defaults.cache.clone()),
            turn: AtomicU64::new(0),
        })
    }
}
