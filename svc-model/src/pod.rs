//! Pod (core/v1), as far as networking cares.

use std::net::IpAddr;

use crate::{Meta, ObjectName, Protocol};

/// `status.phase`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PodPhase {
    /// Not yet running.
    Pending,
    /// Running; also where the manifest of an embedded cluster says nothing.
    #[default]
    Running,
    /// Ended well.
    Succeeded,
    /// Ended badly.
    Failed,
}

/// `containers[].ports[]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerPort {
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
}

impl ContainerPort {
    /// The name; empty if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// `containerPort`.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    pub(crate) meta: Meta,
    pub(crate) node_name: Option<String>,
    pub(crate) hostname: Option<String>,
    pub(crate) subdomain: Option<String>,
    pub(crate) ports: Vec<ContainerPort>,
    pub(crate) phase: PodPhase,
    pub(crate) ips: Vec<IpAddr>,
    pub(crate) ready: bool,
    pub(crate) terminating: bool,
}

impl Pod {
    /// Metadata.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Namespace and name.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        self.meta.name()
    }

    /// `spec.nodeName`.
    #[must_use]
    pub fn node_name(&self) -> Option<&str> {
        self.node_name.as_deref()
    }

    /// `spec.hostname`.
    #[must_use]
    pub fn hostname(&self) -> Option<&str> {
        self.hostname.as_deref()
    }

    /// `spec.subdomain`: the headless Service under which the hostname is published.
    #[must_use]
    pub fn subdomain(&self) -> Option<&str> {
        self.subdomain.as_deref()
    }

    /// The ports of all containers.
    #[must_use]
    pub fn ports(&self) -> &[ContainerPort] {
        &self.ports
    }

    /// `status.phase`.
    #[must_use]
    pub fn phase(&self) -> PodPhase {
        self.phase
    }

    /// `status.podIPs`, primary first; empty before the pod has a network.
    #[must_use]
    pub fn ips(&self) -> &[IpAddr] {
        &self.ips
    }

    /// The Ready condition; where the status says nothing, a pod with an address is ready.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.ready
    }

    /// `metadata.deletionTimestamp` is set.
    #[must_use]
    pub fn terminating(&self) -> bool {
        self.terminating
    }

    /// The same pod on a node: what a scheduler reports.
    #[must_use]
    pub fn bound_to(mut self, node: impl Into<String>) -> Self {
        self.node_name = Some(node.into());
        self
    }

    /// The same pod with these addresses: what the one who attached it reports.
    #[must_use]
    pub fn with_ips(mut self, ips: Vec<IpAddr>) -> Self {
        self.ready = !ips.is_empty() && !self.terminating;
        self.ips = ips;
        self
    }

    /// The same pod, ready or not.
    #[must_use]
    pub fn with_ready(mut self, ready: bool) -> Self {
        self.ready = ready;
        self
    }

    /// The same pod on its way out.
    #[must_use]
    pub fn deleting(mut self) -> Self {
        self.terminating = true;
        self
    }
}
