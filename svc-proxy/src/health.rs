//! What load balancers, kubelets and Prometheus ask a node: the servers behind `healthCheckNodePort`, `/healthz` and `/livez`
//! of the proxy, and its metrics.
//!
//! | where | who asks | 200 where |
//! |--|--|--|
//! | every `healthCheckNodePort`, any path | load balancers, about one Service | a ready endpoint is on this node, and the proxy is healthy |
//! | `/healthz` of [`ServerBuilder::healthz`] | load balancers, about the node | the proxy is healthy, and the node stays |
//! | `/livez` there | the kubelet, about the proxy | the proxy is healthy |
//! | `/metrics` of [`ServerBuilder::metrics`] | Prometheus | always; `/proxyMode` and `/healthz` are there too |
//!
//! Healthy is a proxy that follows changes within [`ServerBuilder::stale_after`], one that has yet to program its first rules
//! included. A node leaves when it is being deleted or the cluster autoscaler has marked it so (taint
//! `ToBeDeletedByClusterAutoscaler`): KEP-3836. Answers are kube-proxy's, byte for byte in what they mean.
//!
//! ```no_run
//! use svc_model::store::Store;
//! use svc_proxy::{Node, Proxy, health};
//!
//! # async fn example(store: Store) -> Result<(), Box<dyn std::error::Error>> {
//! let node = Node::builder("server2").address("172.20.10.2").build()?;
//! let (proxy, program) = Proxy::builder(node.clone()).build().drive(store.watch());
//! let server = health::Server::builder(node).healthz("0.0.0.0:10256".parse()?).metrics("127.0.0.1:10249".parse()?);
//! let (health, serve) = server.build().drive(store.watch(), &proxy);
//! tokio::spawn(async { tokio::join!(program, serve) });
//! println!("{:?}", health.status().problems());
//! # Ok(())
//! # }
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use svc_model::store::Watch;
use tokio::sync::{mpsc, watch};

use crate::Node;

mod checks;
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the driver has sockets and a clock")]
mod driver;
mod freshness;
mod handle;
mod page;
mod view;

#[cfg(test)]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "asks over real sockets")]
mod tests;

pub use handle::{Handle, Problem, Status};

/// Twice kube-proxy's `syncPeriod`.
const STALE_AFTER: Duration = Duration::from_secs(60);

/// Answers for one node. See [the module](self).
#[derive(Clone, Debug)]
pub struct Server {
    node: Node,
    mode: &'static str,
    healthz: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
    stale_after: Duration,
}

/// Collects a [`Server`].
#[derive(Clone, Debug)]
#[must_use]
pub struct ServerBuilder {
    server: Server,
}

impl ServerBuilder {
    /// Answers `/healthz` and `/livez` there, `0.0.0.0:10256` with kube-proxy. Nowhere unless set.
    pub fn healthz(mut self, address: SocketAddr) -> Self {
        self.server.healthz = Some(address);
        self
    }

    /// Answers `/metrics` there, `127.0.0.1:10249` with kube-proxy. Nowhere unless set.
    pub fn metrics(mut self, address: SocketAddr) -> Self {
        self.server.metrics = Some(address);
        self
    }

    /// How old a change may be that rules do not follow yet: a minute unless set, twice kube-proxy's `syncPeriod`.
    pub fn stale_after(mut self, limit: Duration) -> Self {
        self.server.stale_after = limit;
        self
    }

    /// What `/proxyMode` says: `nftables` unless set.
    pub fn mode(mut self, mode: crate::ProxyMode) -> Self {
        self.server.mode = mode.name();
        self
    }

    /// The server. Nothing is opened yet.
    #[must_use]
    pub fn build(self) -> Server {
        self.server
    }
}

impl Server {
    /// Answers for `node`.
    pub fn builder(node: Node) -> ServerBuilder {
        ServerBuilder {
            server: Self {
                node,
                mode: crate::ProxyMode::Nftables.name(),
                healthz: None,
                metrics: None,
                stale_after: STALE_AFTER,
            },
        }
    }

    /// Follows a store, and the proxy that programs it: returns a handle and the loop, which the caller spawns or awaits.
    ///
    /// Ports are opened in the network namespace of the thread that polls the loop, at the addresses that serve node ports;
    /// a Service's port once its rules are in force. What cannot be opened is reported and tried again; the rest is served.
    /// The loop needs a tokio runtime with I/O and time. It ends when the handle is dropped, and everything it opened with it.
    pub fn drive(
        self,
        watch: Watch,
        proxy: &crate::Handle,
    ) -> (Handle, impl Future<Output = ()> + Send + use<>) {
        let (commands, inbox) = mpsc::unbounded_channel();
        let (reports, status) = watch::channel(Status::default());
        let (revisions, metrics) = (proxy.revisions(), proxy.metrics());
        let run = async move {
            driver::Driver::new(self, watch, revisions, metrics, inbox, reports).run().await;
        };
        (Handle::new(commands, status), run)
    }
}
