//! Pod (core/v1), as far as networking cares.

use std::net::IpAddr;

use crate::condition::READY;
use crate::{Condition, Meta, ObjectName, Protocol};

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
    /// Its node no longer answers.
    Unknown,
}

/// `containers[].ports[]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerPort {
    pub(crate) container: String,
    pub(crate) sidecar: bool,
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
    pub(crate) host_port: Option<u16>,
    pub(crate) host_ip: Option<IpAddr>,
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

    /// The container's name.
    #[must_use]
    pub fn container(&self) -> &str {
        &self.container
    }

    /// The container is a restartable init container (KEP-753).
    #[must_use]
    pub fn sidecar(&self) -> bool {
        self.sidecar
    }

    /// `hostPort`: the port of the node that leads here.
    #[must_use]
    pub fn host_port(&self) -> Option<u16> {
        self.host_port
    }

    /// `hostIP`: the one address of the node on which the host port is open; `None` means all.
    #[must_use]
    pub fn host_ip(&self) -> Option<IpAddr> {
        self.host_ip
    }
}

/// What stands for "when" on a pod whose deletion nobody dated.
const DELETED: &str = "1970-01-01T00:00:00Z";

/// A pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    pub(crate) meta: Meta,
    pub(crate) node_name: Option<String>,
    pub(crate) hostname: Option<String>,
    pub(crate) subdomain: Option<String>,
    pub(crate) host_network: bool,
    pub(crate) ports: Vec<ContainerPort>,
    pub(crate) phase: PodPhase,
    pub(crate) host_ips: Vec<IpAddr>,
    pub(crate) ips: Vec<IpAddr>,
    pub(crate) conditions: Vec<Condition>,
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

    /// `spec.hostNetwork`: the pod's addresses are those of its node.
    #[must_use]
    pub fn host_network(&self) -> bool {
        self.host_network
    }

    /// `status.hostIPs`: the addresses of its node.
    #[must_use]
    pub fn host_ips(&self) -> &[IpAddr] {
        &self.host_ips
    }

    /// The ports of all containers, then those of restartable init containers: in this order a name is looked up.
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
        Condition::find_ready(&self.conditions).unwrap_or(!self.ips.is_empty() && !self.terminating())
    }

    /// `status.conditions`, Ready among them.
    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// `metadata.deletionTimestamp` is set.
    #[must_use]
    pub fn terminating(&self) -> bool {
        self.meta.deletion().is_some()
    }

    /// The same pod on a node: what a scheduler reports.
    #[must_use]
    pub fn bound_to(mut self, node: impl Into<String>) -> Self {
        self.node_name = Some(node.into());
        self
    }

    /// The same pod with these addresses: what the one who attached it reports. With an address it is no longer pending.
    #[must_use]
    pub fn with_ips(mut self, ips: Vec<IpAddr>) -> Self {
        if self.phase == PodPhase::Pending && !ips.is_empty() {
            self.phase = PodPhase::Running;
        }
        let ready = !ips.is_empty() && !self.terminating();
        self.ips = ips;
        self.with_ready(ready)
    }

    /// The same pod, ready or not. The condition Ready says so, and no longer since when and why it said the contrary.
    #[must_use]
    pub fn with_ready(mut self, ready: bool) -> Self {
        let known = self.conditions.iter().position(|condition| condition.condition_type == READY);
        match known {
            _ if Condition::find_ready(&self.conditions) == Some(ready) => {}
            Some(index) => self.conditions[index] = Condition::ready(ready),
            None => self.conditions.push(Condition::ready(ready)),
        }
        self
    }

    /// The same pod on its way out, as ready as it was.
    #[must_use]
    pub fn deleting(self) -> Self {
        let ready = self.ready();
        let mut pod = self.with_ready(ready);
        pod.meta.deletion.get_or_insert_with(|| DELETED.to_owned());
        pod
    }
}
