//! The server: sockets, a responder that follows a store, a forwarder, in one future.

mod builder;
mod follow;
mod handle;
#[cfg(feature = "https")]
mod https;
mod listen;
mod pages;
mod programming;
mod tcp;
mod udp;
mod web;
mod workers;

use std::{future::Future, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use svc_model::{Revision, store::Watch};
use tokio::{net::TcpListener, sync::watch, time::sleep};

pub use self::{
    builder::ServerBuilder,
    handle::{Bound, Handle, Stats, Status},
    pages::Pages,
};
use self::{
    handle::{Counters, Fronts, Progress},
    listen::{Listen, Part},
    workers::HandOver,
};
use crate::{
    Client, Forward, Front, LogSender, RateLimit, ServerAddress, Zone,
    error::ServerError,
    message::Query,
    metrics::{Counted, Metrics, Tally},
    options::{Options, Trust},
    rate::{Limiter, Verdict},
    responder::{Asked, Responder},
    sys::{Listener, Sockets, unix_seconds},
};

/// A name server for one zone. See [`Server::builder`].
#[derive(Debug)]
pub struct Server {
    zone: Zone,
    listen: Vec<Listen>,
    front: Front,
    synced: Synced,
    limits: Limits,
    threads: usize,
    operations: Vec<ServerAddress>,
    lameduck: Duration,
    keep_trying: bool,
    rate_limit: Option<RateLimit>,
    query_log: Option<LogSender>,
    nsid: Vec<u8>,
    cookie_secret: [u8; 16],
}

/// When names that are not found are known not to exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Synced {
    FromStart,
    /// As soon as there is something in the store.
    WithSomething,
    WhenTold,
}

/// An address that is in use is tried again after this time.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// What clients on streams may take up.
#[derive(Clone, Copy, Debug)]
struct Limits {
    connections: usize,
    per_client: usize,
    idle: Duration,
}

/// What all parts of a running server share.
#[derive(Debug)]
struct Shared {
    responder: ArcSwap<Responder>,
    fronts: Arc<Fronts>,
    limits: Limits,
    counters: Arc<Counters>,
    metrics: Arc<Metrics>,
    limiter: Option<Arc<Limiter>>,
    log: Option<LogSender>,
    options: Options,
}

impl Shared {
    /// Adds EDNS options to an answer, counts it, and tells the log of it. `None`: the client has had enough of its kind, it is not to
    /// be sent.
    fn note(
        &self,
        tally: &Tally,
        query: &[u8],
        asked: Option<Asked>,
        client: Client,
        answer: &mut Vec<u8>,
        since: std::time::Instant,
    ) -> Option<Counted> {
        let with_options = asked.is_none_or(|asked| asked.with_options);
        let trust = if with_options { self.add_options(query, client, answer) } else { Trust::None };
        // Who has a cookie has had answers at this address: nobody else asks in its name.
        if let Some(limiter) = self.limiter.as_ref().filter(|_| trust == Trust::None)
            && limiter.check(query, client, std::time::Instant::now(), answer) == Verdict::Drop
        {
            tally.asked(query, client);
            return None;
        }
        if let Some(log) = &self.log {
            log.note(query, client, answer, || since.elapsed());
        }
        Some(tally.answered(query, asked, client, answer))
    }

    #[cold]
    fn add_options(&self, query: &[u8], client: Client, answer: &mut Vec<u8>) -> Trust {
        match Query::parse(query) {
            Ok(query) if !query.options().is_empty() => {
                let limit = self.responder.load().limit(query.edns(), client.transport);
                self.options.add(&query, client, limit, unix_seconds(), answer)
            }
            _ => Trust::None,
        }
    }

    async fn resolve(&self, forward: &Forward) -> Vec<u8> {
        handle::count(&self.counters.forwarded);
        self.fronts.current().resolve(forward).await
    }

    /// Keeps servers' health and the cache up to date, and the responder in step with what the front can do. Never ends.
    async fn upkeep(&self) {
        loop {
            let (front, changed) = self.fronts.current_and_changed();
            let forwarding = front.forwarder().is_some();
            self.responder.rcu(|responder| Responder::clone(responder).forwarding(forwarding));
            tokio::select! {
                () = front.upkeep() => {}
                () = changed => {}
            }
        }
    }
}

impl Server {
    /// A server for `zone`.
    #[must_use]
    pub fn builder(zone: Zone) -> ServerBuilder {
        ServerBuilder::new(zone)
    }

    /// The handle, and the future that serves until the handle is dropped or stopped.
    ///
    /// Nothing happens before the future is polled. It then binds its sockets, in the network namespace of the polling thread;
    /// the sockets towards upstream servers are made there too, so keep it on that thread. It spawns no task, and no thread unless
    /// [asked to](ServerBuilder::threads).
    /// When the store is gone it goes on with what it has.
    ///
    /// # Errors
    /// The future ends with an error if an address cannot be bound, unless it has to [keep trying](ServerBuilder::keep_trying).
    pub fn drive(self, watch: Watch) -> (Handle, impl Future<Output = Result<(), ServerError>> + Send) {
        let limiter = self.rate_limit.clone().map(|limit| Limiter::new(limit, std::time::Instant::now()));
        let (handle, progress) = handle::pair(self.front.clone(), Metrics::new(&self.zone), limiter);
        (handle, self.run(watch, progress))
    }

    async fn run(self, watch: Watch, progress: Progress) -> Result<(), ServerError> {
        let opened = self.open(&progress).await.map_err(|error| progress.failed(error))?;
        let shared = Arc::new(self.shared(&watch, &opened.listeners, &progress));
        let (hand_over, owed) = HandOver::new();
        let (halt, halted) = watch::channel(());
        let parts: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
        let addresses = opened.listeners.iter().filter_map(Listener::bound).collect();
        for listener in opened.listeners {
            let part = Part::start(listener, &shared, &hand_over).map_err(|error| progress.failed(error))?;
            parts.push(Box::pin(part.serve(&shared, halted.clone())));
        }
        for listen in opened.late {
            let late = self.serve_later(listen, &shared, hand_over.clone(), &progress, halted.clone());
            parts.push(Box::pin(late));
        }
        drop(hand_over);
        progress.bound(addresses);
        progress.serving(&shared.responder.load());
        let serving = async {
            let stop = async {
                progress.stopped().await;
                progress.stopping();
                sleep(self.lameduck).await;
                halt.send_replace(());
            };
            // What has been received is answered; then the threads and with them the sender of what is owed are gone.
            tokio::join!(stop, parts.collect::<()>(), workers::give(owed, &shared));
        };
        let views = [progress.view()];
        let pages: FuturesUnordered<_> =
            opened.pages.iter().map(|page| web::serve(page, &views, &Vec::new)).collect();
        let late: FuturesUnordered<_> =
            opened.late_pages.iter().map(|address| page_later(*address, &views, &progress)).collect();
        tokio::select! {
            () = follow::follow(watch, &shared, &progress, self.synced) => {}
            () = serving => {}
            () = shared.upkeep() => {}
            () = forever(pages.collect::<()>()) => {}
            () = forever(late.collect::<()>()) => {}
        }
        Ok(())
    }

    fn shared(&self, watch: &Watch, listeners: &[Listener], progress: &Progress) -> Shared {
        let snapshot = watch.snapshot();
        let bound = listeners.iter().filter_map(|listener| listener.address().ok());
        // Also those that cannot be had yet.
        let reached = bound
            .chain(self.listen.iter().map(|listen| listen.address().socket()))
            .map(|address| address.ip());
        let responder = Responder::new(self.zone.clone().reached_at(reached), &snapshot)
            .serial(unix_seconds())
            .synced(match self.synced {
                Synced::FromStart => true,
                Synced::WithSomething => snapshot.revision() > Revision::default(),
                Synced::WhenTold => progress.is_told_synced(),
            })
            .forwarding(self.front.forwarder().is_some());
        Shared {
            responder: ArcSwap::from_pointee(responder),
            fronts: progress.fronts(),
            limits: self.limits,
            counters: progress.counters(),
            metrics: progress.shared_metrics(),
            limiter: progress.limiter(),
            log: self.query_log.clone(),
            options: Options::new(self.nsid.clone(), self.cookie_secret, self.limits.idle),
        }
    }

    /// Binds what can be bound.
    async fn open(&self, progress: &Progress) -> Result<Opened, ServerError> {
        let mut opened = Opened::default();
        for listen in &self.listen {
            match listen.bind(self.threads).await {
                Ok(listeners) => opened.listeners.extend(listeners),
                Err(error) if self.keep_trying => {
                    progress.unbound(listen.address().socket(), error);
                    opened.late.push(listen.clone());
                }
                Err(error) => return Err(error),
            }
        }
        for address in &self.operations {
            match Sockets::page(*address) {
                Ok(page) => {
                    progress.has_page(page.local_addr().unwrap_or(address.socket()));
                    opened.pages.push(page);
                }
                Err(error) if self.keep_trying => {
                    progress.unbound(address.socket(), error);
                    opened.late_pages.push(*address);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(opened)
    }

    /// Serves at an address as soon as it can be had.
    async fn serve_later(
        &self,
        listen: Listen,
        shared: &Arc<Shared>,
        hand_over: HandOver,
        progress: &Progress,
        mut halted: watch::Receiver<()>,
    ) {
        let parts = FuturesUnordered::new();
        while parts.is_empty() {
            tokio::select! {
                _ = halted.changed() => return,
                () = sleep(TRY_AGAIN) => {}
            }
            let Ok(listeners) = listen.bind(self.threads).await else { continue };
            progress.bound_after_all(listen.address().socket());
            progress.bound(listeners.iter().filter_map(Listener::bound).collect());
            for listener in listeners {
                match Part::start(listener, shared, &hand_over) {
                    Ok(part) => parts.push(part.serve(shared, halted.clone())),
                    Err(error) => tracing::error!(%error, "a thread"),
                }
            }
        }
        drop(hand_over);
        parts.collect().await
    }
}

/// The sockets of a server, and what there is no socket for yet.
#[derive(Default)]
struct Opened {
    listeners: Vec<Listener>,
    pages: Vec<TcpListener>,
    late: Vec<Listen>,
    late_pages: Vec<ServerAddress>,
}

async fn page_later(address: ServerAddress, views: &[handle::View], progress: &Progress) {
    let page = loop {
        sleep(TRY_AGAIN).await;
        if let Ok(page) = Sockets::page(address) {
            break page;
        }
    };
    progress.bound_after_all(address.socket());
    progress.has_page(page.local_addr().unwrap_or(address.socket()));
    web::serve(&page, views, &Vec::new).await;
}

async fn forever(never_enough: impl Future<Output = ()>) {
    never_enough.await;
    std::future::pending().await
}

#[cfg(test)]
mod tests;
