//! Which endpoints may serve which traffic: one reading of the rules for proxy, DNS and Ingress.
//!
//! Three questions, each a pure function of what stands in a snapshot:
//!
//! | question | answer |
//! |--|--|
//! | by which addresses does a Service take part in a family? | [`cluster_ip`], [`balancer_ips`], [`external_ips`] |
//! | which endpoints does a port have, in which state? | [`backends`] |
//! | which of them serve this node's traffic, by policy, topology and source? | [`select`], then [`Selection::verdict`] |
//!
//! Sources: KEP-1669 (terminating endpoints), KEP-2086 (internalTrafficPolicy), KEP-2433 (hints), KEP-4444
//! (trafficDistribution), KEP-1860 (ipMode).
//!
//! ```
//! use svc_model::topology::{self, Client, Place, Traffic, Verdict};
//! use svc_model::{AddressType, ObjectName, Snapshot, yaml};
//!
//! let cluster: Snapshot = yaml::read("
//! apiVersion: v1
//! kind: Service
//! metadata: {name: web}
//! spec: {type: NodePort, clusterIP: 10.96.0.10, externalTrafficPolicy: Local, ports: [{port: 80, nodePort: 30080}]}
//! ---
//! apiVersion: discovery.k8s.io/v1
//! kind: EndpointSlice
//! metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
//! addressType: IPv4
//! ports: [{name: '', port: 8080}]
//! endpoints: [{addresses: [10.244.2.65], nodeName: server2}]
//! ").stored().0.into_iter().collect();
//! let web = ObjectName::new("default", "web");
//! let service = cluster.service(&web).unwrap();
//! let port = &service.ports()[0];
//!
//! let backends = topology::backends(&cluster, &web, port, AddressType::Ipv4);
//! let selection = topology::select(service, port, &backends, Place::new("server1", None));
//! // Clients outside reach endpoints of this node alone, and there is none; a pod goes anywhere.
//! assert_eq!(selection.verdict(Traffic::External(Client::Outside)), Verdict::Drop);
//! assert_eq!(selection.verdict(Traffic::External(Client::Pod)), Verdict::Forward(&[&backends[0]]));
//! ```

mod backend;
mod frontend;
mod selection;
#[cfg(test)]
mod tests;
mod verdict;

use std::net::{IpAddr, SocketAddr};

pub use backend::{Backend, backends};
pub use frontend::{PROXY_NAME_LABEL, balancer_ips, cluster_ip, external_ips, is_externally_accessible};
pub use selection::{Selection, select};
pub use verdict::{Client, Traffic, Verdict};

use crate::{AddressType, ObjectName, ServicePort, Snapshot};

/// Where a node stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place<'a> {
    /// The node's name.
    pub node: &'a str,
    /// Its zone.
    pub zone: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// On `node`, in `zone`.
    #[must_use]
    pub fn new(node: &'a str, zone: Option<&'a str>) -> Self {
        Self { node, zone }
    }
}

/// The addresses that serve a Service port for anyone who does not care where he is (an Ingress router): ready ones,
/// or draining ones when none is ready.
#[must_use]
pub fn serving(snapshot: &Snapshot, service: &ObjectName, port: &ServicePort) -> Vec<SocketAddr> {
    let mut all = backends(snapshot, service, port, AddressType::Ipv4);
    all.extend(backends(snapshot, service, port, AddressType::Ipv6));
    selection::ready_else_draining(&all, |_| true).into_iter().map(Backend::address).collect()
}

/// The family of an address, for the calls above.
impl From<IpAddr> for AddressType {
    fn from(address: IpAddr) -> Self {
        AddressType::of(address)
    }
}
