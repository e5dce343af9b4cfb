//! What load balancers ask a node about a Service.

use std::collections::BTreeSet;

use svc_model::topology;
use svc_model::{AddressType, Service, Snapshot, TrafficPolicy};

/// `healthCheckNodePort`: a load balancer sends outside clients only to nodes that answer for the Service there. The
/// plan says where and what; the server is somebody else's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    port: u16,
    local_endpoints: usize,
}

impl HealthCheck {
    /// Only LoadBalancers with `externalTrafficPolicy: Local` have one.
    pub(crate) fn new(snapshot: &Snapshot, service: &Service, node: &str) -> Option<Self> {
        let port = service.health_check_node_port()?;
        if service.external_traffic_policy() != TrafficPolicy::Local {
            return None;
        }
        let mut here = BTreeSet::new();
        for port in service.ports() {
            for family in [AddressType::Ipv4, AddressType::Ipv6] {
                let backends = topology::backends(snapshot, service.name(), port, family);
                let ready = backends.iter().filter(|backend| backend.is_ready() && backend.is_on(node));
                here.extend(ready.map(|backend| backend.address().ip()));
            }
        }
        Some(Self { port, local_endpoints: here.len() })
    }

    /// The TCP port on the node.
    #[must_use]
    pub fn port(self) -> u16 {
        self.port
    }

    /// How many ready endpoints are on this node, each address once: without any, the node must not be sent clients.
    #[must_use]
    pub fn local_endpoints(self) -> usize {
        self.local_endpoints
    }
}
