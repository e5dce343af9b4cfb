//! The server: sockets, a responder that follows a store, a forwarder, in one future.

mod follow;
mod handle;
mod tcp;
mod udp;

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use svc_model::{Revision, store::Watch};
use tokio::sync::watch;

pub use self::handle::{Bound, Handle, Stats, Status};
use self::handle::{Counters, Fronts, Progress};
use crate::{
    Forward, Forwarder, Front, ServerAddress, Zone,
    error::{ConfigError, ServerError},
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
    idle: Duration,
}

/// What all parts of a running server share.
#[derive(Debug)]
struct Shared {
    responder: ArcSwap<Responder>,
    fronts: Arc<Fronts>,
    limits: Limits,
    counters: Arc<Counters>,
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
        let limits = Limits { connections: 256, idle: Duration::from_secs(10) };
        ServerBuilder { zone, listen: Vec::new(), front: Front::new(), synced: false, limits }
    }

    /// The handle, and the future that serves until the handle is dropped or stopped.
    ///
    /// Nothing happens before the future is polled. It then binds its sockets, in the network namespace of the polling thread;
    /// the sockets towards upstream servers are made there too, so keep it on that thread. It spawns no task and no thread.
    /// When the store is gone it goes on with what it has.
    ///
    /// # Errors
    /// The future ends with an error if an address cannot be bound.
    pub fn drive(self, watch: Watch) -> (Handle, impl Future<Output = Result<(), ServerError>> + Send) {
        let (handle, progress) = handle::pair(self.front.clone());
        (handle, self.run(watch, progress))
    }

    async fn run(self, watch: Watch, progress: Progress) -> Result<(), ServerError> {
        let listeners = match bind(&self.listen).await {
            Ok(listeners) => listeners,
            Err(error) => return Err(progress.failed(error)),
        };
        let snapshot = watch.snapshot();
        let reached =
            listeners.iter().filter_map(|listener| listener.address().ok()).map(|address| address.ip());
        let responder = Responder::new(self.zone.reached_at(reached), &snapshot)
            .serial(unix_seconds())
            .synced(self.synced || snapshot.revision() > Revision::default())
            .forwarding(self.front.forwarder().is_some());
        let shared = Shared {
            responder: ArcSwap::from_pointee(responder),
            fronts: progress.fronts(),
            limits: self.limits,
            counters: progress.counters(),
        };
        progress.bound(&listeners, &shared.responder.load());
        let serving: FuturesUnordered<_> =
            listeners.iter().map(|listener| serve(listener, &shared, progress.stop())).collect();
        tokio::select! {
            () = follow::follow(watch, &shared, &progress) => {}
            () = serving.collect::<()>() => {}
            () = shared.upkeep() => {}
        }
        Ok(())
    }
}

async fn bind(listen: &[Listen]) -> Result<Vec<Listener>, ServerError> {
    let mut listeners = Vec::new();
    for listen in listen {
        match *listen {
            Listen::Udp(address) => listeners.push(Listener::Udp(Sockets::udp(address).await?)),
            Listen::Tcp(address) => listeners.push(Listener::Tcp(Sockets::tcp(address)?)),
            Listen::Both(address) => listeners.extend(Sockets::both(address).await?),
        }
    }
    Ok(listeners)
}

fn serve<'s>(listener: &'s Listener, shared: &'s Shared, stop: watch::Receiver<()>) -> BoxFuture<'s, ()> {
    match listener {
        Listener::Udp(socket) => Box::pin(udp::serve(socket, shared, stop)),
        Listener::Tcp(listener) => Box::pin(tcp::serve(listener, shared, stop)),
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

    /// How many connections may be open at each TCP address, 256 by default; more wait.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.limits.connections = connections.max(1);
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
        Ok(Server { zone: self.zone, listen, front: self.front, synced: self.synced, limits: self.limits })
    }
}

#[cfg(test)]
mod tests;
