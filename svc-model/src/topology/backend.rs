//! The endpoints of a Service port, from all its slices.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::endpoint_slices::HEADLESS_LABEL;
use crate::{AddressType, Endpoint, EndpointPort, EndpointSlice, ObjectName, ServicePort, Snapshot};

/// An endpoint of one Service port: where it listens, and what the choice depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Backend {
    pub(super) address: SocketAddr,
    pub(super) ready: bool,
    pub(super) serving: bool,
    pub(super) terminating: bool,
    pub(super) node: Option<String>,
    pub(super) zone_hints: Vec<String>,
    pub(super) node_hints: Vec<String>,
}

impl Backend {
    /// Address and port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes new connections.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Answers, whether or not it takes new connections: whoever is connected may stay.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.ready || self.serving
    }

    /// On its way out, but still answering: used when nothing is ready.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.serving && self.terminating
    }

    /// Runs on this node.
    #[must_use]
    pub fn is_on(&self, node: &str) -> bool {
        self.node.as_deref() == Some(node)
    }

    pub(super) fn of(endpoint: &Endpoint, port: u16) -> Self {
        Self {
            address: SocketAddr::new(endpoint.address(), port),
            ready: endpoint.ready(),
            serving: endpoint.serving(),
            terminating: endpoint.terminating(),
            node: endpoint.node_name().map(str::to_owned),
            zone_hints: endpoint.zone_hints().to_vec(),
            node_hints: endpoint.node_hints().to_vec(),
        }
    }
}

/// All endpoints of a Service port in one family, whatever their state, in the order of `address:port` as text: this is
/// the order in which kube-proxy writes them. An address in several slices counts once: one that is not terminating takes
/// the place of what was there, one that is terminating never does. Only the first address of an endpoint counts; a port
/// without a number forwards nothing; slices marked headless count for headless Services alone. O(endpoints x log).
#[must_use]
pub fn backends(
    snapshot: &Snapshot,
    service: &ObjectName,
    port: &ServicePort,
    family: AddressType,
) -> Vec<Backend> {
    let mut found = BTreeMap::new();
    let is_headless = snapshot.service(service).is_some_and(|service| service.is_headless());
    let counts = |slice: &&Arc<EndpointSlice>| {
        let marked = slice.meta().labels().contains_key(HEADLESS_LABEL);
        slice.address_type() == family && (is_headless || !marked)
    };
    for slice in snapshot.slices_of(service).filter(counts) {
        let Some(number) = port_number(slice, port) else { continue };
        for endpoint in slice.endpoints() {
            let backend = Backend::of(endpoint, number);
            let known: Option<&Backend> = found.get(&backend.address);
            if known.is_none() || !backend.terminating {
                found.insert(backend.address, backend);
            }
        }
    }
    let mut found: Vec<_> = found.into_values().collect();
    found.sort_by_cached_key(|backend| backend.address.to_string());
    found
}

/// The number under which the slice's endpoints serve a Service port: matched by name and protocol.
fn port_number(slice: &EndpointSlice, port: &ServicePort) -> Option<u16> {
    let same = |candidate: &&EndpointPort| {
        candidate.name() == port.name() && candidate.protocol() == port.protocol()
    };
    slice.ports().iter().find(same)?.port()
}
