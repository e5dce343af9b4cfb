//! The embedder's end of a running server.

use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use svc_model::Revision;
use tokio::sync::watch;

use crate::table::{Report, RouteTable};

/// The addresses that a server listens on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    http: Vec<SocketAddr>,
    https: Vec<SocketAddr>,
    metrics: Option<SocketAddr>,
}

impl Bound {
    pub(super) fn new(http: Vec<SocketAddr>, https: Vec<SocketAddr>, metrics: Option<SocketAddr>) -> Self {
        Self { http, https, metrics }
    }

    /// Without TLS, in the order of the builder's calls.
    #[must_use]
    pub fn http(&self) -> &[SocketAddr] {
        &self.http
    }

    /// Where metrics are told.
    #[must_use]
    pub fn metrics(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// With TLS, in the order of the builder's calls.
    #[must_use]
    pub fn https(&self) -> &[SocketAddr] {
        &self.https
    }
}

/// The server's future ended: with an error, or because it was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server has stopped: its future tells why")]
#[non_exhaustive]
pub struct Stopped;

/// Watches and stops a running server. Dropping it stops the server gracefully: no new connection, the requests under way
/// are answered (for up to 30 seconds), upgraded connections are closed.
#[derive(Debug)]
pub struct Handle {
    table: Arc<ArcSwap<RouteTable>>,
    bound: watch::Receiver<Option<Bound>>,
    serving: watch::Receiver<Revision>,
    // Its end is what stops the server.
    _stop: watch::Sender<bool>,
}

impl Handle {
    /// Waits until the server listens. Cancel safe.
    ///
    /// # Errors
    ///
    /// The server stopped: an address could not be bound, or its future was dropped.
    pub async fn ready(&self) -> Result<Bound, Stopped> {
        let mut bound = self.bound.clone();
        let ready = bound.wait_for(Option::is_some).await.map_err(|_| Stopped)?;
        ready.clone().ok_or(Stopped)
    }

    /// Waits until new requests are routed by this revision of the objects or a later one, and returns which. Cancel safe.
    ///
    /// # Errors
    ///
    /// The server stopped.
    pub async fn serving(&self, revision: Revision) -> Result<Revision, Stopped> {
        let mut serving = self.serving.clone();
        let reached = serving.wait_for(|reached| *reached >= revision).await.map_err(|_| Stopped)?;
        Ok(*reached)
    }

    /// What was refused of the objects that are served now.
    #[must_use]
    pub fn report(&self) -> Report {
        self.table.load().report()
    }

    /// The table that is served now.
    #[must_use]
    pub fn table(&self) -> Arc<RouteTable> {
        self.table.load_full()
    }
}

/// The server's end.
#[derive(Debug)]
pub(super) struct Reports {
    bound: watch::Sender<Option<Bound>>,
    serving: watch::Sender<Revision>,
    stop: watch::Receiver<bool>,
}

impl Reports {
    pub(super) fn bound(&self, bound: Bound) {
        self.bound.send_replace(Some(bound));
    }

    pub(super) fn serving(&self, revision: Revision) {
        self.serving.send_replace(revision);
    }

    pub(super) fn stop(&self) -> watch::Receiver<bool> {
        self.stop.clone()
    }
}

pub(super) fn channel(table: Arc<ArcSwap<RouteTable>>) -> (Handle, Reports) {
    let revision = table.load().revision();
    let (bound, is_bound) = watch::channel(None);
    let (serving, is_serving) = watch::channel(revision);
    let (stopping, stop) = watch::channel(false);
    let handle = Handle { table, bound: is_bound, serving: is_serving, _stop: stopping };
    (handle, Reports { bound, serving, stop })
}
