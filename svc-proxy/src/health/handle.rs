//! What the embedder holds while the servers run.

use std::net::SocketAddr;

use svc_model::ObjectName;
use tokio::sync::{mpsc, watch};

use crate::Node;

/// An address that cannot be served, and why. It is tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be served at {address}: {reason}")]
pub struct Problem {
    pub(super) what: String,
    pub(super) service: Option<ObjectName>,
    pub(super) address: SocketAddr,
    pub(super) reason: String,
}

impl Problem {
    /// The Service that wants it, where it is a `healthCheckNodePort`.
    #[must_use]
    pub fn service(&self) -> Option<&ObjectName> {
        self.service.as_ref()
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// What is served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    pub(super) listening: Vec<SocketAddr>,
    pub(super) healthz: Option<SocketAddr>,
    pub(super) metrics: Option<SocketAddr>,
    pub(super) problems: Vec<Problem>,
}

impl Status {
    /// Every address that is served, in order.
    #[must_use]
    pub fn listening(&self) -> &[SocketAddr] {
        &self.listening
    }

    /// Where `/healthz` and `/livez` are, once they are.
    #[must_use]
    pub fn healthz(&self) -> Option<SocketAddr> {
        self.healthz
    }

    /// Where `/metrics` is, once it is.
    #[must_use]
    pub fn metrics(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// What cannot be served.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

/// Holds running servers. Dropping it ends them.
#[derive(Debug)]
pub struct Handle {
    commands: mpsc::UnboundedSender<Node>,
    status: watch::Receiver<Status>,
}

impl Handle {
    pub(super) fn new(commands: mpsc::UnboundedSender<Node>, status: watch::Receiver<Status>) -> Self {
        Self { commands, status }
    }

    /// What is served.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// What is served, to follow.
    #[must_use]
    pub fn statuses(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Gives the node other settings, such as other addresses for node ports. Ignored by a loop that has ended.
    pub fn reconfigure(&self, node: Node) {
        // Nobody is there to obey when the loop has ended.
        let _ = self.commands.send(node);
    }
}
