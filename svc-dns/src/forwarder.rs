//! The forwarder: which upstream servers are asked, in what order, and how often; what they said is remembered.
//!
//! A transport of our own rather than a resolver crate: a relayed reply has to be the server's message as it is, unknown record
//! types, flags and EDNS included, under the client's id; resolvers take it apart and give records. What is needed, a datagram
//! with an id and a source port that nobody can guess, and a connection where the client came on one, is small.

mod build;
mod flights;
mod health;
mod loops;
mod policy;
mod route;
mod routes;
mod stats;
mod upkeep;
mod upstream;

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

use futures_util::future::Shared;
use tokio::time::{Instant, timeout};

pub use self::{
    build::ForwarderBuilder,
    policy::Policy,
    route::{Protocol, Route, RouteBuilder},
    stats::{ForwardStats, Histogram, UpstreamStats},
};
use self::{
    flights::{Answered, Flight, Flights},
    loops::LoopProbe,
    routes::Routes,
    upkeep::{Job, Jobs},
};
use crate::{
    Cache, Forward, Transport,
    cache::{Found, Hit, StaleMode, cap_ttls},
    forward::Question,
    message::{Header, Name, Rcode},
};

/// A future of [`Exchange::exchange`].
pub type Exchanged<'a> = Pin<Box<dyn Future<Output = io::Result<Vec<u8>>> + Send + 'a>>;

/// Asks a server: what the network does for the forwarder. [`FakeUpstream`](crate::fake::FakeUpstream) does it in memory.
pub trait Exchange: fmt::Debug + Send + Sync + 'static {
    /// Sends `query` to `server` and waits for the message that answers it ([`answers`](crate::forward::answers)). There is no
    /// need for a time limit: the forwarder drops the future. A reply with the right id to another question is
    /// [`InvalidData`](io::ErrorKind::InvalidData): the client gets FORMERR.
    fn exchange<'a>(&'a self, server: SocketAddr, transport: Transport, query: &'a [u8]) -> Exchanged<'a>;

    /// How often a connection was there already, and how often it had to be made.
    fn connections(&self) -> [u64; 2] {
        [0; 2]
    }

    /// Whether they are connections within TLS.
    fn encrypts(&self) -> bool {
        false
    }
}

/// Asks upstream servers. A clone is the same forwarder. See [`Forwarder::builder`].
#[derive(Clone, Debug)]
pub struct Forwarder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    routes: Routes,
    deadline: Duration,
    random_case: bool,
    flights: Flights,
    jobs: Jobs,
    loops: Option<LoopProbe>,
    secret: RandomState,
    turn: AtomicU64,
    rejected: AtomicU64,
    broken: AtomicU64,
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
    pub fn servers(&self, name: &Name) -> Vec<SocketAddr> {
        let route = self.inner.routes.of(name).into_iter().next();
        route.map(|route| route.servers().map(upstream::Upstream::address).collect()).unwrap_or_default()
    }

    /// Answers at once if that can be done without asking a server: from the cache, or because nobody is responsible. `now` is the
    /// time. Does not wait; may be called from any thread.
    pub fn answer_now(&self, forward: &Forward, now: std::time::Instant, out: &mut Vec<u8>) -> bool {
        let routes = self.inner.routes.of(forward.name());
        let Some(route) = routes.first() else {
            forward.finish(Err(Rcode::REFUSED), out);
            return true;
        };
        if self.inner.loops.as_ref().is_some_and(|probe| probe.stops(forward.question())) {
            forward.finish(Err(Rcode::SERVFAIL), out);
            return true;
        }
        let (Some(cache), Some(key)) = (route.cache(), forward.question().key()) else { return false };
        let (hit, refresh) = match cache.find(key, now) {
            Found::Nothing | Found::Verify => return false,
            Found::Fresh { hit, refresh } | Found::Stale { hit, refresh } => (hit, refresh),
        };
        forward.finish_hit(&hit, out);
        if refresh {
            self.inner.jobs.push(Job::Refresh(forward.question().clone()));
        }
        true
    }

    /// Asks, and gives the client's answer. Cancel safe: dropping it asks no more.
    pub async fn resolve(&self, forward: &Forward) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.answer_now(forward, Instant::now().into_std(), &mut out) {
            self.ask(forward, &mut out).await;
        }
        out
    }

    /// Asks, with what the cache has as a last resort only.
    pub(crate) async fn ask(&self, forward: &Forward, out: &mut Vec<u8>) {
        let routes = self.inner.routes.of(forward.name());
        let Some(route) = routes.first() else { return forward.finish(Err(Rcode::REFUSED), out) };
        let Ok(_slot) = route.slots().try_acquire() else {
            self.inner.rejected.fetch_add(1, Ordering::Relaxed);
            let busy = if forward.is_chase() { Rcode::SERVFAIL } else { Rcode::REFUSED };
            return forward.finish(Err(busy), out);
        };
        let stale = stale(route.cache(), forward);
        let answered = self.fetch(forward.question());
        let (reply, stale) = match stale {
            None => (answered.await, None),
            Some((hit, patience)) => match timeout(patience, answered).await {
                Ok(reply) => (reply, Some(hit)),
                Err(_) => {
                    // Somebody has to see it through.
                    self.inner.jobs.push(Job::Refresh(forward.question().clone()));
                    (Err(Rcode::SERVFAIL), Some(hit))
                }
            },
        };
        match (stale, &reply) {
            (Some(hit), reply) if !says_something(reply) => {
                route.cache().into_iter().for_each(Cache::served_stale);
                forward.finish_hit(&hit, out);
            }
            (_, Ok(reply)) => forward.finish(Ok(reply), out),
            (_, Err(rcode)) => forward.finish(Err(*rcode), out),
        }
    }

    /// Asks a question, once for all who have it at the moment.
    fn fetch(&self, question: &Question) -> Shared<Flight> {
        self.inner.flights.join(question.identity(), || {
            let (inner, question) = (Arc::clone(&self.inner), question.clone());
            Box::pin(async move { inner.fetch(&question).await })
        })
    }

    /// Probes servers that failed, and fetches what the cache needs again. Never ends; somebody has to poll it, or servers that fail
    /// are never passed over and stale answers never become fresh ones. Of several callers the first does the work.
    pub async fn upkeep(&self) {
        self.inner.loops.iter().for_each(|_| self.inner.jobs.push(Job::Loops));
        upkeep::run(self).await;
    }

    /// Whether an upstream server has been seen to ask us what we had asked it. Nothing is forwarded then.
    #[must_use]
    pub fn has_loop(&self) -> bool {
        self.inner.loops.as_ref().is_some_and(LoopProbe::was_seen)
    }

    /// What it has done.
    #[must_use]
    pub fn stats(&self) -> ForwardStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        ForwardStats {
            rejected: read(&self.inner.rejected),
            broken: read(&self.inner.broken),
            upstreams: self.inner.routes.all().flat_map(Route::stats).collect(),
            caches: self.inner.routes.caches(),
        }
    }
}

/// What is given if the servers do not answer in time.
fn stale(cache: Option<&Cache>, forward: &Forward) -> Option<(Hit, Duration)> {
    let (cache, key) = (cache?, forward.question().key()?);
    let StaleMode::Verify(patience) = cache.config().stale_mode()? else { return None };
    Some((cache.find_stale(key, Instant::now().into_std())?, patience))
}

/// Anything else is no reason to drop what was known (RFC 8767 section 4).
fn says_something(reply: &Answered) -> bool {
    let rcode = reply.as_ref().ok().and_then(|reply| Header::parse(reply).ok()).map(|header| header.rcode());
    matches!(rcode, Some(Rcode::NOERROR | Rcode::NXDOMAIN))
}

impl Inner {
    /// Asks the servers of each route that is responsible, and remembers the reply.
    async fn fetch(&self, question: &Question) -> Answered {
        let routes = self.routes.of(question.name());
        let asked = timeout(self.deadline, self.ask_routes(&routes, question)).await;
        let mut reply = asked.unwrap_or(Err(Rcode::SERVFAIL));
        let kept = routes.first().and_then(|route| Some((route.cache()?, question.key()?)));
        if let Some((cache, key)) = kept {
            let now = Instant::now().into_std();
            if let Some(ttl) = reply.as_ref().ok().and_then(|reply| cache.keep(key, reply, now)) {
                reply.iter_mut().for_each(|reply| cap_ttls(reply, ttl));
            }
            if !reply
                .as_ref()
                .is_ok_and(|reply| Header::parse(reply).is_ok_and(|header| header.rcode() != Rcode::SERVFAIL))
            {
                cache.failed(key, now);
            }
        }
        reply.map(Arc::from)
    }

    async fn ask_routes(&self, routes: &[&Route], question: &Question) -> Result<Vec<u8>, Rcode> {
        let mut last = Err(Rcode::REFUSED);
        for (index, route) in routes.iter().enumerate() {
            last = route.ask(self, question).await;
            let goes_on = last.as_ref().is_ok_and(|reply| route.goes_on_after(reply));
            if !goes_on || index + 1 == routes.len() {
                break;
            }
        }
        last
    }

    /// Sixteen bits of a keyed hash (SipHash, key from the operating system) over a counter.
    fn random(&self) -> u16 {
        let [a, b, ..] = self.random_bits().to_le_bytes();
        u16::from_le_bytes([a, b])
    }

    fn random_bits(&self) -> u64 {
        self.secret.hash_one(self.turn.fetch_add(1, Ordering::Relaxed))
    }

    /// The message to send: an id, and if wanted a spelling, that nobody can guess.
    fn message(&self, question: &Question) -> Vec<u8> {
        let mut message = question.message(self.random());
        if self.random_case {
            let end = Header::LEN + question.name().wire().len();
            let mut bits = 0;
            for (index, byte) in message[Header::LEN..end].iter_mut().enumerate() {
                if index % 64 == 0 {
                    bits = self.random_bits();
                }
                // Length bytes are below 64: no letters.
                if byte.is_ascii_alphabetic() && bits >> (index % 64) & 1 == 1 {
                    *byte ^= 0x20;
                }
            }
        }
        message
    }
}

#[cfg(test)]
mod tests;
