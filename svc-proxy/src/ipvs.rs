//! The IPVS back end: a plan as virtual servers, the addresses that they listen at, and a few rules of nftables.
//!
//! Each frontend is a virtual server in the kernel's hash table, its endpoints are real servers. IPVS takes only what is for
//! the node itself: the frontends' addresses are put on a device of their own, `kube-ipvs0`. The rules around it, the glue,
//! are a table of the [`nftables`] back end in which maps hold no endpoints. They say what IPVS cannot:
//!
//! - who is masqueraded, and endpoints that talk to themselves;
//! - which sources a load balancer's address is open to;
//! - what is refused or dropped: frontends without endpoints, other ports of a Service's address (what listens on the node
//!   would answer there), addresses of no Service;
//! - `externalTrafficPolicy: Local`: the virtual server has the endpoints of this node, and pods and the node itself, for
//!   whom the policy does not count, are led to all endpoints by chains, before IPVS sees them. So are clients of node ports at
//!   127.0.0.1, from where IPVS forwards nothing.
//!
//! Sources: kube-proxy's IPVS mode for the device and the settings, `net/netfilter/ipvs` of Linux 6.1 for the hooks.

mod change;
mod dataplane;
mod rules;
mod script;
mod servers;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

pub use change::Change;
pub use dataplane::Dataplane;
use ipnet::IpNet;
pub use rules::Rules;
pub use script::{CausedLine, Program};
pub use svc_ipvs::{Scheduler, Timeouts};

use crate::plan::Compiler;
use crate::{Plan, nftables};

/// What the tables around virtual servers are called unless told otherwise: both back ends are there while one follows the
/// other.
const TABLE: &str = "svc-proxy-ipvs";

/// The device that has the addresses of frontends.
pub const DEVICE: &str = "kube-ipvs0";

/// Compiles plans to IPVS.
///
/// ```
/// use svc_model::{Snapshot, yaml};
/// use svc_proxy::{Node, Plan, ipvs, trace::Outcome};
///
/// let manifests = yaml::read("
/// {apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: 10.96.0.80, ports: [{port: 80}]}}
/// ---
/// {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
///  metadata: {name: web-1, labels: {kubernetes.io/service-name: web}},
///  ports: [{port: 9376}], endpoints: [{addresses: [10.244.2.65]}]}");
/// let snapshot: Snapshot = manifests.stored().0.into_iter().collect();
/// let node = Node::builder("server2").address("172.20.10.2").build()?;
/// let rules = Plan::new(&snapshot, &node).compile(&ipvs::Backend::new(node.addresses().iter().copied()));
/// let text = rules.to_string();
/// let servers: Vec<_> = text.lines().filter(|line| line.starts_with('-')).collect();
/// assert_eq!(servers, ["-A -t 10.96.0.80:80 -s rr", "-a -t 10.96.0.80:80 -r 10.244.2.65:9376 -m -w 1"]);
/// let trace = rules.trace(&"TCP 203.0.113.7 10.96.0.80:80".parse()?)?;
/// assert_eq!(trace.outcome(), Outcome::Forward);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    glue: nftables::Backend,
    scheduler: Scheduler,
    addresses: Arc<BTreeSet<IpAddr>>,
    excluded: Vec<IpNet>,
    strict_arp: bool,
    timeouts: Timeouts,
}

impl Backend {
    /// For a node whose interfaces have these addresses, `kube-ipvs0` apart: node ports are served at those that
    /// [`Node::node_port_addresses`](crate::Node::node_port_addresses) chooses among them, and none of them is put on the
    /// device.
    pub fn new(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let glue = nftables::Backend::default().table(TABLE);
        let backend = Self {
            glue,
            scheduler: Scheduler::RR,
            addresses: Arc::default(),
            excluded: Vec::new(),
            strict_arp: false,
            timeouts: Timeouts::default(),
        };
        backend.addresses(addresses)
    }

    /// The same for a node with these addresses. The driver finds out itself.
    #[must_use]
    pub fn addresses(mut self, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        self.addresses = Arc::new(addresses.into_iter().collect());
        self
    }

    /// The same with glue in tables of another name.
    #[must_use]
    pub fn table(mut self, name: impl Into<svc_nft::Name>) -> Self {
        self.glue = self.glue.table(name);
        self
    }

    /// The same with another scheduler: round robin unless set.
    #[must_use]
    pub fn scheduler(mut self, scheduler: Scheduler) -> Self {
        self.scheduler = scheduler;
        self
    }

    /// The same where others have virtual servers at addresses in these ranges, perhaps beside frontends: of those there only
    /// what the driver made itself and recorded is ever changed, kube-proxy's `excludeCIDRs`.
    #[must_use]
    pub fn exclude(mut self, ranges: impl IntoIterator<Item = IpNet>) -> Self {
        self.excluded.extend(ranges);
        self
    }

    /// The same where the node answers and asks by ARP for the addresses of the interface in question only, not for those of
    /// [`DEVICE`]: `arp_ignore` 1 and `arp_announce` 2, which the driver checks and, where it may, sets. Whoever announces
    /// addresses by ARP himself, such as MetalLB, needs it.
    #[must_use]
    pub fn strict_arp(mut self, strict: bool) -> Self {
        self.strict_arp = strict;
        self
    }

    /// The same where connections are forgotten that were idle for so long. 0 leaves a timeout as it is, as all are unless set.
    /// They are those of the whole network namespace; a clean-up puts back what was there.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }
}

#[cfg(feature = "driver")]
impl Backend {
    pub(crate) fn glue(&self) -> &nftables::Backend {
        &self.glue
    }

    pub(crate) fn scheduler_name(&self) -> Scheduler {
        self.scheduler
    }

    /// Whether others may have virtual servers at an address.
    pub(crate) fn is_excluded(&self, address: IpAddr) -> bool {
        self.excluded.iter().any(|range| range.contains(&address))
    }

    /// Whether the address of a virtual server does not say that it is ours: it is the node's own anyway, or excluded.
    pub(crate) fn needs_record(&self, server: svc_ipvs::ServiceId) -> bool {
        let address = server.address().map(|address| address.ip());
        address.is_some_and(|address| self.addresses.contains(&address) || self.is_excluded(address))
    }

    pub(crate) fn is_arp_strict(&self) -> bool {
        self.strict_arp
    }

    pub(crate) fn idle_timeouts(&self) -> Timeouts {
        self.timeouts
    }
}

impl Default for Backend {
    /// For a node of which no address is known.
    fn default() -> Self {
        Self::new([])
    }
}

impl Compiler for Backend {
    type Rules = Rules;

    fn compile(&self, plan: &Plan) -> Rules {
        Rules::new(plan, self)
    }
}
