//! The server: listens, follows the store, and swaps tables under running connections.

use std::collections::BTreeSet;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use svc_model::store::Watch;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::config::IngressConfig;
use crate::error::ServeError;
use crate::sys::{Connect, Listening, Tcp, is_of_one_connection};
use crate::table::RouteTable;
use crate::tls::acceptor;

mod asked;
mod builder;
mod connection;
mod exchange;
mod handle;
mod login;
mod policy;
mod reply;
mod router;
mod tunnel;
mod upstream;

#[cfg(test)]
mod tests;

pub use builder::{Listen, ServerBuilder};
pub use handle::{Bound, Handle, Stopped};

use login::Logins;
use router::Router;

const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);
const DRAIN: Duration = Duration::from_secs(30);

/// An Ingress router that is about to listen.
#[derive(Debug)]
pub struct Server<C: Connect = Tcp> {
    http: Vec<Listening>,
    https: Vec<Listening>,
    config: IngressConfig,
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
        let tls = acceptor(Arc::clone(&table));
        let tls = tls.map_err(|error| ServeError::new("set up", "TLS", std::io::Error::other(error)))?;
        let router = Arc::new(Router::new(Arc::clone(&table), self.connect, logins));
        let (http, bound_http) = bind(self.http)?;
        let (https, bound_https) = bind(self.https)?;
        let mut listeners = JoinSet::new();
        let stop = reports.stop();
        for listener in http {
            listeners.spawn(accept(listener, None, Arc::clone(&router), stop.clone()));
        }
        for listener in https {
            listeners.spawn(accept(listener, Some(tls.clone()), Arc::clone(&router), stop.clone()));
        }
        reports.bound(Bound::new(bound_http, bound_https));
        let mut stopping = stop;
        tokio::select! {
            () = follow(watch, &table, &reports) => {}
            () = connection::stopped(&mut stopping) => {}
        }
        while listeners.join_next().await.is_some() {}
        Ok(())
    }
}

fn bind(listening: Vec<Listening>) -> Result<(Vec<TcpListener>, Vec<SocketAddr>), ServeError> {
    let mut listeners = Vec::new();
    let mut addresses = Vec::new();
    for listening in listening {
        let name = format!("{listening:?}");
        let name = match &listening {
            Listening::Address { address, .. } => address.to_string(),
            Listening::Socket(_) => name,
        };
        let listener = listening.bind().map_err(|error| ServeError::new("listen on", &name, error))?;
        let address = listener.local_addr().map_err(|error| ServeError::new("listen on", &name, error))?;
        addresses.push(address);
        listeners.push(listener);
    }
    Ok((listeners, addresses))
}

/// Keeps the table up to date; never ends: without a store what was known is served on.
async fn follow(mut watch: Watch, table: &ArcSwap<RouteTable>, reports: &handle::Reports) {
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

async fn accept<C: Connect>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Arc<Router<C>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => {
                    let (tls, router, stop) = (tls.clone(), Arc::clone(&router), stop.clone());
                    connections.spawn(async move {
                        if let Err(error) = connection::serve(stream, address, tls, router, stop).await {
                            tracing::debug!(%address, %error, "connection ended");
                        }
                    });
                }
                Err(error) if is_of_one_connection(&error) => {}
                // Out of descriptors or memory: there will be some again once other connections end.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept");
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = connection::stopped(&mut stop) => break,
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN, drained).await;
}
