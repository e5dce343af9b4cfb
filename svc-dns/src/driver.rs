//! The server: sockets, a responder that follows a store, a forwarder, in one future.

mod follow;
mod handle;
mod tcp;
mod udp;
mod web;
mod workers;

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use svc_model::{Revision, store::Watch};
use tokio::{net::TcpListener, sync::watch, time::sleep};

pub use self::handle::{Bound, Handle, Stats, Status};
use self::{
    handle::{Counters, Fronts, Progress},
    workers::Workers,
};
use crate::{
    Forward, Forwarder, Front, ServerAddress, Zone,
    error::{ConfigError, ServerError},
    metrics::Metrics,
    responder::Responder,
    sys::{Listener, Sockets, unix_seconds},
};

/// A name server for one zone. See [`Server::builder`].
#[derive(Debug)]
pub struct Server {
    zone: Zone,
    listen: Vec<Listen>,
    front: Front,
    synced: bool,
    limits: Limits,
    threads: usize,
    operations: Vec<SocketAddr>,
    lameduck: Duration,
}

/// An address to listen on.
#[derive(Clone, Copy, Debug)]
enum Listen {
    Udp(SocketAddr),
    Tcp(SocketAddr),
    Both(SocketAddr),
}

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
}

impl Shared {
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
        let limits = Limits { connections: 1024, per_client: 64, idle: Duration::from_secs(10) };
        ServerBuilder {
            zone,
            listen: Vec::new(),
            front: Front::new(),
            synced: false,
            limits,
            threads: 0,
            operations: Vec::new(),
            lameduck: Duration::ZERO,
        }
    }

    /// The handle, and the future that serves until the handle is dropped or stopped.
    ///
    /// Nothing happens before the future is polled. It then binds its sockets, in the network namespace of the polling thread;
    /// the sockets towards upstream servers are made there too, so keep it on that thread. It spawns no task, and no thread unless
    /// [asked to](ServerBuilder::threads).
    /// When the store is gone it goes on with what it has.
    ///
    /// # Errors
    /// The future ends with an error if an address cannot be bound.
    pub fn drive(self, watch: Watch) -> (Handle, impl Future<Output = Result<(), ServerError>> + Send) {
        let (handle, progress) = handle::pair(self.front.clone(), Metrics::new(&self.zone));
        (handle, self.run(watch, progress))
    }

    async fn run(self, watch: Watch, progress: Progress) -> Result<(), ServerError> {
        let (listeners, pages) = match self.bind().await {
            Ok(bound) => bound,
            Err(error) => return Err(progress.failed(error)),
        };
        let shared = Arc::new(self.shared(&watch, &listeners, &progress));
        let sockets = listeners.iter().filter_map(Listener::batches).flatten().cloned().collect();
        let (workers, owed) = Workers::start(sockets, &shared).map_err(|error| progress.failed(error))?;
        let page_addresses = pages.iter().filter_map(|page| page.local_addr().ok()).collect();
        progress.bound(&listeners, page_addresses, &shared.responder.load());
        let (halt, halted) = watch::channel(());
        let streams: FuturesUnordered<_> =
            listeners.iter().filter_map(|listener| serve(listener, &shared, halted.clone())).collect();
        let serving = async {
            let stop = async {
                progress.stopped().await;
                progress.stopping();
                sleep(self.lameduck).await;
                halt.send_replace(());
                // What has been received is answered; then the threads and with them the sender of what is owed are gone.
                drop(workers);
            };
            tokio::join!(stop, streams.collect::<()>(), workers::give(owed, &shared));
        };
        let operations: FuturesUnordered<_> =
            pages.iter().map(|page| web::serve(page, progress.view())).collect();
        tokio::select! {
            () = follow::follow(watch, &shared, &progress) => {}
            () = serving => {}
            () = shared.upkeep() => {}
            () = forever(operations.collect::<()>()) => {}
        }
        Ok(())
    }

    fn shared(&self, watch: &Watch, listeners: &[Listener], progress: &Progress) -> Shared {
        let snapshot = watch.snapshot();
        let reached =
            listeners.iter().filter_map(|listener| listener.address().ok()).map(|address| address.ip());
        let responder = Responder::new(self.zone.clone().reached_at(reached), &snapshot)
            .serial(unix_seconds())
            .synced(self.synced || snapshot.revision() > Revision::default())
            .forwarding(self.front.forwarder().is_some());
        Shared {
            responder: ArcSwap::from_pointee(responder),
            fronts: progress.fronts(),
            limits: self.limits,
            counters: progress.counters(),
            metrics: progress.shared_metrics(),
        }
    }

    async fn bind(&self) -> Result<(Vec<Listener>, Vec<TcpListener>), ServerError> {
        let (mut listeners, threads) = (Vec::new(), self.threads);
        for listen in &self.listen {
            match *listen {
                Listen::Udp(address) => listeners.push(Sockets::udp(address, threads).await?),
                Listen::Tcp(address) => listeners.push(Listener::Tcp(Sockets::tcp(address)?)),
                Listen::Both(address) => listeners.extend(Sockets::both(address, threads).await?),
            }
        }
        let pages = self.operations.iter().map(|address| Sockets::tcp(*address)).collect::<Result<_, _>>()?;
        Ok((listeners, pages))
    }
}

async fn forever(never_enough: impl Future<Output = ()>) {
    never_enough.await;
    std::future::pending().await
}

/// Serves what the threads do not.
fn serve<'s>(
    listener: &'s Listener,
    shared: &'s Shared,
    stop: watch::Receiver<()>,
) -> Option<BoxFuture<'s, ()>> {
    match listener {
        Listener::Udp(socket) => Some(Box::pin(udp::serve(socket, shared, stop))),
        Listener::Tcp(listener) => Some(Box::pin(tcp::serve(listener, shared, stop))),
        Listener::Batches(_) => None,
    }
}

/// Builds a [`Server`].
#[derive(Debug)]
pub struct ServerBuilder {
    zone: Zone,
    listen: Vec<Result<Listen, ConfigError>>,
    front: Front,
    synced: bool,
    limits: Limits,
    threads: usize,
    operations: Vec<Result<SocketAddr, ConfigError>>,
    lameduck: Duration,
}

impl ServerBuilder {
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

    fn listen_as(
        mut self,
        address: impl TryInto<ServerAddress, Error = impl Into<ConfigError>>,
        listen: impl FnOnce(SocketAddr) -> Listen,
    ) -> Self {
        let address = address.try_into().map_err(Into::into);
        self.listen.push(address.map(|address| listen(address.socket())));
        self
    }

    /// Forwards names outside the zone; without a forwarder they are REFUSED.
    #[must_use]
    pub fn forward(mut self, forwarder: Forwarder) -> Self {
        self.front = self.front.forward(forwarder);
        self
    }

    /// Puts rules, cache and forwarder in front of the zone. It can be [changed](Handle::set_front) while the server runs.
    #[must_use]
    pub fn front(mut self, front: Front) -> Self {
        self.front = front;
        self
    }

    /// The store holds all there is from the start, also if that is nothing. Otherwise a name that is not found gets SERVFAIL until
    /// there is something in the store.
    #[must_use]
    pub fn synced(mut self, synced: bool) -> Self {
        self.synced = synced;
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
        self.operations.push(address.try_into().map(|address| address.socket()).map_err(Into::into));
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
        let Self { zone, front, synced, limits, threads, lameduck, .. } = self;
        Ok(Server { zone, listen, front, synced, limits, threads, operations, lameduck })
    }
}

#[cfg(test)]
mod tests;
