//! The server: listens, follows the store, and swaps tables under running connections.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use arc_swap::ArcSwap;
use svc_model::store::Watch;
use tokio::sync::watch;

use crate::access_log::LogSender;
use crate::config::IngressConfig;
use crate::error::ServeError;
use crate::metrics::Metrics;
use crate::sys::{Connect, Listening, Tcp};
use crate::table::RouteTable;
use crate::tls::{Acceptor, Connectors};

mod activity;
mod asked;
mod auth_request;
mod builder;
mod certificates;
mod client_stream;
mod connection;
mod deadline;
mod handle;
mod hints;
mod logged;
mod login;
mod measured;
mod mirror;
mod names;
mod observed;
mod paced;
mod pages;
mod passthrough;
mod policy;
mod publisher;
mod received;
mod reply;
mod router;
mod tunnel;
mod turns;
mod upstream;
mod woken;
mod worker;

#[cfg(test)]
mod tests;

pub use builder::{Listen, ServerBuilder};
pub use handle::{Bound, Handle, Stopped};
pub use publisher::publish_status;

use login::Logins;
use observed::Watchers;
use pages::Pages;
use router::Router;
use worker::Worker;

/// An Ingress router that is about to listen.
#[derive(Debug)]
pub struct Server<C: Connect = Tcp> {
    http: Vec<Listening>,
    https: Vec<Listening>,
    config: IngressConfig,
    workers: usize,
    metrics: Option<Listening>,
    access_log: Option<LogSender>,
    connect: C,
}

impl Server {
    /// A server that listens nowhere yet.
    #[must_use]
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }
}

impl<C: Connect> Server<C> {
    /// Follows a store. The future listens and serves; it has to run on tokio, in the thread whose network namespace the
    /// sockets shall belong to, which may be a `current_thread` runtime. It ends with an error if an address cannot be
    /// bound, or well after the handle is dropped and the last request answered. Dropping it closes everything at once.
    pub fn drive(self, watch: Watch) -> (Handle, impl Future<Output = Result<(), ServeError>> + Send) {
        let table = RouteTable::new(&watch.snapshot(), &self.config);
        let table = Arc::new(ArcSwap::from_pointee(table));
        let (handle, reports) = handle::channel(Arc::clone(&table));
        (handle, self.run(watch, table, reports))
    }

    async fn run(
        self,
        watch: Watch,
        table: Arc<ArcSwap<RouteTable>>,
        reports: handle::Reports,
    ) -> Result<(), ServeError> {
        let no_random = |_| std::io::Error::other("the system gives no random bytes");
        let logins =
            Logins::new().map_err(|error| ServeError::new("start", "the server", no_random(error)))?;
        let no_tls = |error| ServeError::new("set up", "TLS", std::io::Error::other(error));
        let tls = Acceptor::new(Arc::clone(&table)).map_err(no_tls)?;
        let connectors = Connectors::new().map_err(no_tls)?;
        let counting =
            self.metrics.is_some().then(|| Arc::new(Metrics::new(self.config.controller(), self.workers)));
        let router = Router::new(
            Arc::clone(&table),
            self.connect,
            connectors,
            logins,
            Watchers {
                counting: counting.clone().map(|all| (all, 0)),
                logging: self.access_log.map(|log| (log, 0)),
            },
        );
        let (pages, bound_pages) = bind(self.metrics.into_iter().collect(), 1)?;
        let pages = pages.into_iter().flatten().next().zip(counting);
        let (mut http, bound_http) = bind(self.http, self.workers)?;
        let (mut https, bound_https) = bind(self.https, self.workers)?;
        let stop = reports.stop();
        // Dropped with this future: then the other threads end too.
        let (_alive, alive) = watch::channel(());
        let mut others = Vec::new();
        for number in 1..self.workers {
            let worker = Worker {
                http: take(&mut http),
                https: take(&mut https),
                tls: tls.clone(),
                router: router.fork(number),
            };
            let spawned = worker.spawn(number, stop.clone(), alive.clone());
            others
                .push(spawned.map_err(|error| ServeError::new("start", format!("worker {number}"), error))?);
        }
        let worker = Worker { http: take(&mut http), https: take(&mut https), tls, router };
        reports.bound(Bound::new(bound_http, bound_https, bound_pages.first().copied()));
        let served = tokio::select! {
            served = worker.serve(stop) => served,
            never = follow(watch, &table, &reports) => match never {},
            never = tell(pages, &table) => match never {},
        };
        served.map_err(|error| ServeError::new("serve in", "worker 0", error))?;
        for (number, ended) in (1..).zip(others) {
            let served = ended.await.unwrap_or_else(|_| Err(std::io::Error::other("the thread has ended")));
            served.map_err(|error| ServeError::new("serve in", format!("worker {number}"), error))?;
        }
        Ok(())
    }
}

/// Answers who asks for metrics, if anybody may; never ends.
async fn tell(pages: Option<(TcpListener, Arc<Metrics>)>, table: &Arc<ArcSwap<RouteTable>>) -> Infallible {
    if let Some((listener, metrics)) = pages {
        let served = Pages { metrics, table: Arc::clone(table) }.serve(listener).await;
        match served {
            Ok(never) => match never {},
            Err(error) => tracing::warn!(%error, "metrics cannot be served"),
        }
    }
    std::future::pending().await
}

/// A worker's listeners off those of all.
fn take(listeners: &mut [Vec<TcpListener>]) -> Vec<TcpListener> {
    listeners.iter_mut().filter_map(Vec::pop).collect()
}

/// Each address with a socket for every worker.
fn bind(
    listening: Vec<Listening>,
    workers: usize,
) -> Result<(Vec<Vec<TcpListener>>, Vec<SocketAddr>), ServeError> {
    let mut listeners = Vec::new();
    let mut addresses = Vec::new();
    for listening in listening {
        let name = listening.to_string();
        let bound = listening.bind(workers).and_then(|sockets| {
            let address = sockets.first().ok_or(std::io::ErrorKind::InvalidInput)?.local_addr()?;
            Ok((sockets, address))
        });
        let (sockets, address) = bound.map_err(|error| ServeError::new("listen on", name, error))?;
        addresses.push(address);
        listeners.push(sockets);
    }
    Ok((listeners, addresses))
}

/// Keeps the table up to date; never ends: without a store what was known is served on.
async fn follow(mut watch: Watch, table: &ArcSwap<RouteTable>, reports: &handle::Reports) -> Infallible {
    report(None, &table.load());
    while let Ok((snapshot, delta)) = watch.changed().await {
        let next = table.load().update(&snapshot, &delta);
        let revision = next.revision();
        report(Some(&table.load()), &next);
        table.store(Arc::new(next));
        reports.serving(revision);
    }
    std::future::pending().await
}

/// Logs each problem once: when it appears.
fn report(before: Option<&RouteTable>, table: &RouteTable) {
    let known: BTreeSet<_> =
        before.map(|table| table.report().problems().to_vec()).into_iter().flatten().collect();
    let report = table.report();
    for problem in report.problems().iter().filter(|problem| !known.contains(problem)) {
        tracing::warn!(revision = %report.revision(), "{problem}");
    }
}
