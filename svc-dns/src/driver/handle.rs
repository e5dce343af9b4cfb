//! The embedder's end of a running server.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use svc_model::Revision;
use tokio::sync::{Notify, watch};

use crate::{Front, error::ServerError, metrics::Metrics, rate::Limiter, responder::Responder, sys::Scheme};

/// Watches and stops a running server. When all clones are dropped the server stops: it takes no more queries, gives the answers
/// it still owes, and its future ends.
#[derive(Clone, Debug)]
pub struct Handle {
    alive: Arc<watch::Sender<()>>,
    synced: Arc<watch::Sender<bool>>,
    view: View,
}

/// What can be seen of a server.
#[derive(Clone, Debug)]
pub(super) struct View {
    status: watch::Receiver<Status>,
    counters: Arc<Counters>,
    fronts: Arc<Fronts>,
    metrics: Arc<Metrics>,
    limiter: Option<Arc<Limiter>>,
}

impl View {
    pub(super) fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    pub(super) fn told_health(&self, took: Duration) {
        self.metrics.told_health(took);
    }

    /// What has been counted, under the address that clients know first.
    pub(super) fn counted(&self) -> Vec<String> {
        let bound = self.status().bound.unwrap_or_default();
        let first = [("dns", &bound.udp), ("dns", &bound.tcp), ("tls", &bound.tls), ("https", &bound.https)];
        let first = first.iter().find_map(|(scheme, list)| Some((scheme, list.first()?)));
        let server = first.map_or_else(String::new, |(scheme, address)| match address.ip() {
            all if all.is_unspecified() => format!("{scheme}://:{}", address.port()),
            _ => format!("{scheme}://{address}"),
        });
        let front = self.fronts.load();
        let mut lines = self.metrics.lines(&server, &front.stats());
        let mut more =
            |name: &str, count: u64| lines.push(format!("coredns_{name}{{server=\"{server}\"}} {count}"));
        more("autopath_success_total", front.paths_walked());
        if let Some(limiter) = &self.limiter {
            more("rrl_responses_exceeded_total", limiter.exceeded());
        }
        lines.push(format!("coredns_local_localhost_requests_total {}", front.local_answers()));
        lines.push(format!("coredns_panics_total {}", self.counters.sum(|all| &all.panics)));
        lines
    }
}

/// The front of a running server: read with every query, changed seldom.
#[derive(Debug)]
pub(super) struct Fronts {
    current: ArcSwap<Front>,
    changed: Notify,
}

impl Fronts {
    pub(super) fn current(&self) -> Arc<Front> {
        self.current.load_full()
    }

    /// The front for a moment: cheaper, and not to be kept.
    pub(super) fn load(&self) -> arc_swap::Guard<Arc<Front>> {
        self.current.load()
    }

    /// The front, and a future that ends when it is no longer the current one.
    pub(super) fn current_and_changed(&self) -> (Arc<Front>, impl Future<Output = ()> + '_) {
        // In this order: a change in between ends the future at once.
        let mut changed = Box::pin(self.changed.notified());
        changed.as_mut().enable();
        (self.current(), changed)
    }
}

/// The addresses a server listens on, in the order they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bound {
    /// For datagrams.
    pub udp: Vec<SocketAddr>,
    /// For connections.
    pub tcp: Vec<SocketAddr>,
    /// For connections within TLS.
    pub tls: Vec<SocketAddr>,
    /// For HTTPS.
    pub https: Vec<SocketAddr>,
    /// For health, readiness and metrics.
    pub operations: Vec<SocketAddr>,
}

/// How far a server is.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Status {
    /// Where it listens; `None` before the sockets are bound.
    pub bound: Option<Bound>,
    /// It has a snapshot with something in it: names that are not found do not exist.
    pub synced: bool,
    /// What it answers from.
    pub revision: Revision,
    /// It was told to stop and goes on for a while.
    pub stopping: bool,
    /// Addresses that cannot be bound; they are tried again.
    pub unbound: Vec<(SocketAddr, ServerError)>,
    /// Why it ended.
    pub failure: Option<ServerError>,
    /// For health, readiness and metrics, as long as nothing else is bound.
    pages: Vec<SocketAddr>,
}

/// What a server has done since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages that came as datagrams.
    pub udp: u64,
    /// Messages that came on connections.
    pub tcp: u64,
    /// Questions that upstream servers were asked.
    pub forwarded: u64,
    /// Messages that got no answer: no queries.
    pub dropped: u64,
    /// Answers that the kernel did not take.
    pub unsent: u64,
    /// Answers beyond the [limit](super::ServerBuilder::rate_limit): not given, or truncated.
    pub limited: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) udp: AtomicU64,
    pub(super) tcp: AtomicU64,
    pub(super) forwarded: AtomicU64,
    pub(super) dropped: AtomicU64,
    pub(super) unsent: AtomicU64,
    pub(super) panics: AtomicU64,
    /// Of the threads, each of which has its own: no line of the cache is written by two.
    others: Mutex<Vec<Arc<Counters>>>,
}

impl Counters {
    /// Counters for a thread.
    pub(super) fn another(&self) -> Arc<Self> {
        let counters = Arc::<Self>::default();
        self.others.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&counters));
        counters
    }

    fn sum(&self, counter: fn(&Self) -> &AtomicU64) -> u64 {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let own = std::iter::once(self);
        own.chain(others.iter().map(|others| &**others)).map(|all| counter(all).load(Ordering::Relaxed)).sum()
    }
}

/// Adds one. Counters have one writer.
pub(super) fn count(counter: &AtomicU64) {
    count_more(counter, 1);
}

pub(super) fn count_more(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Ordering::Relaxed) + more, Ordering::Relaxed);
}

impl Handle {
    /// Waits until the server listens and has a snapshot with something in it; gives the addresses. Cancel safe.
    ///
    /// # Errors
    /// When an address cannot be bound, or the server was stopped.
    pub async fn ready(&self) -> Result<Bound, ServerError> {
        self.wait_for(|status| status.bound.is_some() && status.synced)
            .await
            .map(|status| status.bound.unwrap_or_default())
    }

    /// Waits until the server listens, with whatever snapshot. Cancel safe.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub async fn bound(&self) -> Result<Bound, ServerError> {
        self.wait_for(|status| status.bound.is_some()).await.map(|status| status.bound.unwrap_or_default())
    }

    /// Waits until queries are answered from `revision` or a later one. Cancel safe.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub async fn serving(&self, revision: Revision) -> Result<(), ServerError> {
        self.wait_for(|status| status.bound.is_some() && status.revision >= revision).await.map(drop)
    }

    /// How far the server is.
    #[must_use]
    pub fn status(&self) -> Status {
        self.view.status()
    }

    /// The rules, the cache and the forwarder in front of the zone.
    #[must_use]
    pub fn front(&self) -> Front {
        Front::clone(&self.view.fronts.current())
    }

    /// Goes over to another front: queries from now on are answered by it. What is being resolved is finished as it began.
    pub fn set_front(&self, front: Front) {
        self.view.fronts.current.store(Arc::new(front));
        self.view.fronts.changed.notify_waiters();
    }

    /// The store holds all there is: from now on names that are not found do not exist. For servers that wait to be
    /// [told](super::ServerBuilder::synced_when_told).
    pub fn set_synced(&self) {
        self.synced.send_replace(true);
    }

    /// What the server has done.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = &self.view.counters;
        Stats {
            udp: counters.sum(|all| &all.udp),
            tcp: counters.sum(|all| &all.tcp),
            forwarded: counters.sum(|all| &all.forwarded),
            dropped: counters.sum(|all| &all.dropped),
            unsent: counters.sum(|all| &all.unsent),
            limited: self.view.limiter.as_ref().map_or(0, |limiter| limiter.exceeded()),
        }
    }

    /// What has been counted, in the text that Prometheus reads, under the names that CoreDNS uses.
    #[must_use]
    pub fn metrics(&self) -> String {
        Metrics::page(self.view.counted())
    }

    pub(super) fn view(&self) -> View {
        self.view.clone()
    }

    /// Waits until more is bound than before; gives what is bound then. Cancel safe.
    ///
    /// # Errors
    /// As [`ready`](Self::ready).
    pub async fn bound_more(&self, before: &Bound) -> Result<Bound, ServerError> {
        self.wait_for(|status| status.bound.as_ref().is_some_and(|bound| bound != before))
            .await
            .map(|status| status.bound.unwrap_or_default())
    }

    /// Stops the server, although clones of this handle live on.
    pub fn stop(&self) {
        self.alive.send_replace(());
    }

    async fn wait_for(&self, reached: impl FnMut(&Status) -> bool + Send) -> Result<Status, ServerError> {
        let mut reached = reached;
        let mut status = self.view.status.clone();
        let found = status.wait_for(|status| status.failure.is_some() || reached(status)).await;
        match found.map(|status| status.clone()) {
            Ok(Status { failure: Some(error), .. }) => Err(error),
            Ok(status) => Ok(status),
            Err(_) => {
                Err(ServerError::new("serve", "(the server was stopped)", io::ErrorKind::NotConnected.into()))
            }
        }
    }
}

/// The server's end.
#[derive(Debug)]
pub(super) struct Progress {
    stop: watch::Receiver<()>,
    synced: watch::Receiver<bool>,
    status: watch::Sender<Status>,
    view: View,
}

pub(super) fn pair(front: Front, metrics: Metrics, limiter: Option<Limiter>) -> (Handle, Progress) {
    let (alive, stop) = watch::channel(());
    let (set_synced, synced) = watch::channel(false);
    let (sender, status) = watch::channel(Status::default());
    let fronts = Arc::new(Fronts { current: ArcSwap::from_pointee(front), changed: Notify::new() });
    let view = View {
        status,
        counters: Arc::default(),
        fronts,
        metrics: Arc::new(metrics),
        limiter: limiter.map(Arc::new),
    };
    let handle = Handle { alive: Arc::new(alive), synced: Arc::new(set_synced), view: view.clone() };
    (handle, Progress { stop, synced, status: sender, view })
}

impl Progress {
    /// Ends when the server has to stop.
    pub(super) async fn stopped(&self) {
        // Closed: the last handle is gone.
        let _closed = self.stop.clone().changed().await;
    }

    pub(super) fn is_told_synced(&self) -> bool {
        *self.synced.borrow()
    }

    pub(super) fn told_synced(&self) -> watch::Receiver<bool> {
        self.synced.clone()
    }

    pub(super) fn view(&self) -> View {
        self.view.clone()
    }

    pub(super) fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.view.counters)
    }

    pub(super) fn fronts(&self) -> Arc<Fronts> {
        Arc::clone(&self.view.fronts)
    }

    pub(super) fn limiter(&self) -> Option<Arc<Limiter>> {
        self.view.limiter.clone()
    }

    pub(super) fn shared_metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.view.metrics)
    }

    pub(super) fn failed(&self, error: ServerError) -> ServerError {
        self.status.send_modify(|status| status.failure = Some(error.clone()));
        error
    }

    pub(super) fn stopping(&self) {
        self.status.send_modify(|status| status.stopping = true);
    }

    /// Sockets are bound.
    pub(super) fn bound(&self, more: Vec<(Scheme, SocketAddr)>) {
        if more.is_empty() {
            return;
        }
        self.status.send_modify(|status| {
            let bound = status.bound.get_or_insert_default();
            bound.operations.append(&mut status.pages);
            for (scheme, address) in more {
                match scheme {
                    Scheme::Udp => &mut bound.udp,
                    Scheme::Tcp => &mut bound.tcp,
                    Scheme::Tls => &mut bound.tls,
                    Scheme::Https => &mut bound.https,
                }
                .push(address);
            }
        });
    }

    /// Health, readiness and metrics are told at this address.
    pub(super) fn has_page(&self, address: SocketAddr) {
        self.status.send_modify(|status| match &mut status.bound {
            Some(bound) => bound.operations.push(address),
            None => status.pages.push(address),
        });
    }

    /// An address cannot be bound.
    pub(super) fn unbound(&self, address: SocketAddr, error: ServerError) {
        tracing::error!(%error, "it is tried again");
        self.status.send_modify(|status| status.unbound.push((address, error)));
    }

    pub(super) fn bound_after_all(&self, address: SocketAddr) {
        tracing::info!(%address, "listens after all");
        self.status.send_modify(|status| status.unbound.retain(|(other, _)| *other != address));
    }

    pub(super) fn serving(&self, responder: &Responder) {
        self.status.send_modify(|status| {
            status.revision = responder.revision();
            status.synced = responder.is_synced();
        });
    }
}
