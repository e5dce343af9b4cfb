//! Which flows the kernel has to forget when Services change.
//!
//! NAT is decided with the first packet of a flow, and UDP knows no end of one: a client that goes on sending from the same
//! port stays with an endpoint that is long gone, or is sent nowhere for ever because it came before the Service did. So once
//! the rules of a change are in force, flows are looked for that they would have decided otherwise.
//!
//! ```
//! use svc_model::{Snapshot, yaml};
//! use svc_nft::L4Proto;
//! use svc_nft::conntrack::{Flow, Tuple};
//! use svc_proxy::{Node, Plan, conntrack::Sweep};
//!
//! let cluster = |endpoint: &str| -> Snapshot {
//!     let manifests = yaml::read(&format!("
//! {{apiVersion: v1, kind: Service, metadata: {{name: dns, namespace: default}},
//!  spec: {{clusterIP: 10.96.0.10, ports: [{{port: 53, protocol: UDP}}]}}}}
//! ---
//! {{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
//!  metadata: {{name: dns-1, namespace: default, labels: {{kubernetes.io/service-name: dns}}}},
//!  ports: [{{port: 53, protocol: UDP}}], endpoints: [{{addresses: [{endpoint}]}}]}}"));
//!     manifests.stored().0.into_iter().collect()
//! };
//! let node = Node::builder("server2").address("172.20.10.2").build()?;
//! let [before, now] = ["10.244.2.7", "10.244.2.9"].map(|endpoint| Plan::new(&cluster(endpoint), &node));
//!
//! let query = Tuple::new(L4Proto::UDP, "10.244.1.1:40000".parse()?, "10.96.0.10:53".parse()?);
//! let answer = |endpoint: &str| -> Result<Tuple, std::net::AddrParseError> {
//!     Ok(Tuple::new(L4Proto::UDP, endpoint.parse()?, query.source()))
//! };
//! let changed = [svc_model::ObjectName::new("default", "dns")];
//! let sweep = Sweep::new(Some(&before), &now, &changed);
//! assert!(sweep.is_stale(&Flow::new(query, answer("10.244.2.7:53")?)));
//! assert!(sweep.is_stale(&Flow::new(query, query.reversed())), "it came before the Service did");
//! assert!(!sweep.is_stale(&Flow::new(query, answer("10.244.2.9:53")?)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use svc_model::{AddressType, ObjectName, Protocol};
use svc_nft::conntrack::{Filter, Flow};
use svc_nft::{Family, L4Proto};

use crate::plan::{Destination, FrontendKey, PortPlan};
use crate::{Node, NodePortAddresses, Plan};

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
#[cfg(feature = "driver")]
pub(crate) mod tracker;

/// So many frontends are asked for one by one; of more, all UDP flows are listed once. Each listing makes the kernel walk
/// its whole table.
const SINGLY: usize = 4;

/// What to look for after a change, and how to tell what is stale.
///
/// Only UDP: connections of TCP and SCTP end by themselves or are reset. Only flows that were addressed to a frontend of a
/// Service that changed, by address and port; to a node port, where the address is one of this node's that serves node
/// ports. Of these, stale is
///
/// - what leads to nowhere that answers for the frontend, be it an endpoint that is gone or the frontend itself,
/// - where the frontend is gone, what leads to an endpoint that it had.
///
/// Endpoints that answer count, wherever they are: policies and topology say where new clients go, and those that are served
/// stay.
#[derive(Clone, Debug)]
pub struct Sweep {
    now: Plan,
    frontends: BTreeMap<FrontendKey, Watched>,
    local: BTreeSet<IpAddr>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Watched {
    /// Who answers for it now; `None` where no Service has it any more.
    answering: Option<BTreeSet<SocketAddr>>,
    /// Who did before.
    former: BTreeSet<SocketAddr>,
}

impl Sweep {
    /// After `before` became `now` in these Services; without `before`, whatever `now` alone can tell.
    /// O(what the Services have).
    pub fn new<'n>(
        before: Option<&Plan>,
        now: &Plan,
        changed: impl IntoIterator<Item = &'n ObjectName>,
    ) -> Self {
        let mut sweep = Self { now: now.clone(), frontends: BTreeMap::new(), local: BTreeSet::new() };
        for name in changed {
            for port in before.into_iter().flat_map(|plan| udp_ports(plan, name)) {
                for key in keys(port) {
                    sweep.watch(key).former.extend(everywhere(port));
                }
            }
            for key in udp_ports(now, name).flat_map(keys) {
                sweep.watch(key);
            }
        }
        sweep
    }

    /// Whether it matters which addresses the node has, beside those of its configuration.
    #[must_use]
    pub fn asks_for_local_addresses(&self) -> bool {
        let mut keys = self.frontends.keys();
        let chosen = self.now.node().node_port_addresses();
        *chosen != NodePortAddresses::Primary
            && keys.any(|key| matches!(key.destination, Destination::NodePort(_)))
    }

    /// The node has these addresses. A node port of an address that is not known to be its own is somebody else's.
    #[must_use]
    pub fn with_local_addresses(mut self, local: impl IntoIterator<Item = IpAddr>) -> Self {
        self.local.extend(local);
        self
    }

    fn watch(&mut self, key: FrontendKey) -> &mut Watched {
        let now = &self.now;
        self.frontends.entry(key).or_insert_with(|| Watched {
            // Another Service may have taken it over.
            answering: now.frontend(key).map(|(port, _)| everywhere(port).collect()),
            former: BTreeSet::new(),
        })
    }

    /// Nothing can be stale.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frontends.is_empty()
    }

    /// What to ask connection tracking for: everything that may be stale passes one of these filters.
    pub fn filters(&self) -> impl Iterator<Item = Filter> {
        let singly = self.frontends.len() <= SINGLY;
        let udp = |family| Filter::new().protocol(L4Proto::UDP).family(family_of(family));
        let one = move |key: &FrontendKey| match key.destination {
            Destination::Address(address) => {
                udp(AddressType::of(address)).destination(address).port(key.port)
            }
            Destination::NodePort(family) => udp(family).port(key.port),
        };
        let keys = self.frontends.keys().filter(move |_| singly).map(one);
        let present =
            |family: &AddressType| self.frontends.keys().any(|key| key.destination.family() == *family);
        let families = [AddressType::Ipv4, AddressType::Ipv6].into_iter();
        keys.chain(families.filter(move |family| !singly && present(family)).map(udp))
    }

    /// Whether the rules in force would have decided otherwise about this flow.
    #[must_use]
    pub fn is_stale(&self, flow: &Flow) -> bool {
        let Some(watched) = self.frontend_of(flow) else { return false };
        match &watched.answering {
            Some(answering) => !answering.contains(&flow.reply().source()),
            None => flow.translated_to().is_some_and(|endpoint| watched.former.contains(&endpoint)),
        }
    }

    fn frontend_of(&self, flow: &Flow) -> Option<&Watched> {
        let original = flow.original();
        if original.protocol() != L4Proto::UDP {
            return None;
        }
        let (address, port) = (original.destination().ip(), original.destination().port());
        let key = |destination| FrontendKey { destination, protocol: Protocol::Udp, port };
        let exact = key(Destination::Address(address));
        if let Some(watched) = self.frontends.get(&exact) {
            return Some(watched);
        }
        // What has the address and the port is asked before what has the port alone, as the rules do.
        if self.now.frontend(exact).is_some() || !self.serves_node_ports(address) {
            return None;
        }
        self.frontends.get(&key(Destination::NodePort(AddressType::of(address))))
    }

    fn serves_node_ports(&self, address: IpAddr) -> bool {
        let node: &Node = self.now.node();
        if address.is_loopback() {
            return address.is_ipv4() && node.localhost_node_ports();
        }
        let chosen = match node.node_port_addresses() {
            NodePortAddresses::Primary => node.primary_address(AddressType::of(address)) == Some(address),
            NodePortAddresses::All => true,
            NodePortAddresses::Cidrs(cidrs) => cidrs.iter().any(|cidr| cidr.contains(&address)),
        };
        chosen && (self.local.contains(&address) || node.addresses().contains(&address))
    }
}

fn udp_ports<'p>(plan: &'p Plan, name: &ObjectName) -> impl Iterator<Item = &'p PortPlan> + use<'p> {
    let ports = plan.service(name).into_iter().flat_map(|service| service.ports());
    ports.filter(|port| port.name().protocol() == Protocol::Udp)
}

fn keys(port: &PortPlan) -> impl Iterator<Item = FrontendKey> {
    port.frontends_in_force().map(|frontend| frontend.key())
}

/// Whoever serves the port or answers for it; where a policy falls back to others, these too.
fn everywhere(port: &PortPlan) -> impl Iterator<Item = SocketAddr> {
    let chosen = port.cluster_endpoints().iter().chain(port.local_endpoints());
    port.answering_endpoints().iter().copied().chain(chosen.map(|endpoint| endpoint.address()))
}

fn family_of(family: AddressType) -> Family {
    if family == AddressType::Ipv6 { Family::Ip6 } else { Family::Ip }
}
