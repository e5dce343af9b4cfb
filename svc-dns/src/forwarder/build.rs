//! How a forwarder is set.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use super::{Exchange, Flights, Forwarder, Inner, Jobs, LoopProbe, Policy, Route, RouteBuilder, Routes};
use crate::{
    Cache, ServerAddress,
    error::ConfigError,
    message::Name,
    sys::{Connections, resolve},
};

/// Builds a [`Forwarder`].
#[derive(Debug)]
pub struct ForwarderBuilder {
    upstreams: RouteBuilder,
    has_upstreams: bool,
    routes: Vec<RouteBuilder>,
    defaults: Defaults,
    deadline: Duration,
    random_case: bool,
    detect_loops: bool,
    network: Arc<dyn Exchange>,
}

/// For routes that do not say otherwise.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    pub(super) policy: Policy,
    pub(super) patience: Duration,
    pub(super) max_concurrent: usize,
    pub(super) cache: Option<Cache>,
}

impl Default for ForwarderBuilder {
    fn default() -> Self {
        Self {
            upstreams: Route::builder(Name::root()),
            has_upstreams: false,
            routes: Vec::new(),
            defaults: Defaults {
                policy: Policy::default(),
                patience: Duration::from_secs(2),
                max_concurrent: 1000,
                cache: None,
            },
            deadline: Duration::from_secs(5),
            random_case: false,
            detect_loops: false,
            network: Arc::new(Connections::default()),
        }
    }
}

impl ForwarderBuilder {
    /// Adds a server for all names that no stub domain holds.
    #[must_use]
    pub fn upstream(mut self, server: impl TryInto<ServerAddress, Error = impl Into<ConfigError>>) -> Self {
        self.upstreams = self.upstreams.server(server);
        self.has_upstreams = true;
        self
    }

    /// Servers for a domain and all names below it. The longest domain that holds a name counts.
    #[must_use]
    pub fn stub<S: TryInto<ServerAddress, Error = E>, E: Into<ConfigError>>(
        self,
        domain: impl TryInto<Name, Error = impl Into<ConfigError>>,
        servers: impl IntoIterator<Item = S>,
    ) -> Self {
        self.route(servers.into_iter().fold(Route::builder(domain), RouteBuilder::server))
    }

    /// Adds servers for a domain, with settings of their own. Of routes for the same domain the first counts; the next is asked
    /// when the first [says so](RouteBuilder::next).
    #[must_use]
    pub fn route(mut self, route: RouteBuilder) -> Self {
        self.routes.push(route);
        self
    }

    /// Who is asked first; [`Policy::Random`] by default.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.defaults.policy = policy;
        self
    }

    /// How long one server may take (2 s by default), and all together (5 s).
    #[must_use]
    pub fn patience(mut self, one: Duration, all: Duration) -> Self {
        (self.defaults.patience, self.deadline) = (one, all);
        self
    }

    /// How many questions may be open at a time in each route, 1000 by default; the next one is REFUSED. Each takes about 2 KB.
    #[must_use]
    pub fn max_concurrent(mut self, questions: usize) -> Self {
        self.defaults.max_concurrent = questions;
        self
    }

    /// Remembers what servers said. Without a cache every question goes out.
    #[must_use]
    pub fn cache(mut self, cache: Cache) -> Self {
        self.defaults.cache = Some(cache);
        self
    }

    /// Spells names at random and takes only replies that repeat the spelling: another bit per letter for who would forge a reply
    /// to guess. Off by default: some servers change the spelling.
    #[must_use]
    pub fn random_case(mut self, on: bool) -> Self {
        self.random_case = on;
        self
    }

    /// Sends each server a question that nobody else asks, and watches whether it comes back: then nothing is forwarded any more,
    /// which is said in the log. The usual cause is a resolv.conf that names this very server. Off by default.
    #[must_use]
    pub fn detect_loops(mut self, on: bool) -> Self {
        self.detect_loops = on;
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
        let upstreams = self.has_upstreams.then_some(self.upstreams);
        let builders = self.routes.into_iter().chain(upstreams);
        let built: Result<Vec<Route>, ConfigError> =
            builders.map(|route| route.build(&self.defaults, &self.network)).collect();
        let routes = Routes::new(built?);
        if routes.all().all(|route| route.servers().next().is_none()) {
            return Err(ConfigError::Missing { field: "upstream", problem: "name at least one server" });
        }
        let inner = Inner {
            routes,
            deadline: self.deadline,
            random_case: self.random_case,
            flights: Flights::default(),
            jobs: Jobs::default(),
            loops: self.detect_loops.then(LoopProbe::new),
            secret: std::hash::RandomState::new(),
            turn: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            broken: AtomicU64::new(0),
        };
        Ok(Forwarder { inner: Arc::new(inner) })
    }
}

pub(super) fn address(
    server: impl TryInto<ServerAddress, Error = impl Into<ConfigError>>,
) -> Result<SocketAddr, ConfigError> {
    let server = server.try_into().map_err(Into::into)?;
    resolve(server).map_err(|_| ConfigError::Address { text: server.to_string() })
}
