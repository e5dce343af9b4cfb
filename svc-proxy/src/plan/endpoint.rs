//! Endpoints: where connections are forwarded to.

use std::fmt;
use std::net::SocketAddr;

use svc_model::topology::{self, Place};
use svc_model::{AddressType, Service, ServicePort, Snapshot};

use crate::Compat;

/// Somewhere that a connection is forwarded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    address: SocketAddr,
    local: bool,
}

impl Endpoint {
    /// Address and port.
    #[must_use]
    pub fn address(self) -> SocketAddr {
        self.address
    }

    /// It runs on this node.
    #[must_use]
    pub fn is_local(self) -> bool {
        self.local
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.address, if self.local { " (here)" } else { "" })
    }
}

/// The endpoints of one port in one family, as seen from one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choice {
    /// For policy Cluster.
    pub(crate) cluster: Vec<Endpoint>,
    /// For policy Local; empty where no frontend has it.
    pub(crate) local: Vec<Endpoint>,
    /// Someone, somewhere, can serve: what cannot be served from here is dropped, not refused.
    pub(crate) any: bool,
}

impl Choice {
    pub(crate) fn new(
        snapshot: &Snapshot,
        service: &Service,
        port: &ServicePort,
        family: AddressType,
        place: Place<'_>,
        compat: &Compat,
    ) -> Self {
        let backends = topology::backends(snapshot, service.name(), port, family);
        let selection = topology::select(service, port, &backends, place);
        let endpoints = |backends: Vec<&topology::Backend>| -> Vec<Endpoint> {
            let endpoint = |backend: &topology::Backend| Endpoint {
                address: backend.address(),
                local: backend.is_on(place.node),
            };
            backends.into_iter().map(endpoint).collect()
        };
        let cluster = endpoints(selection.cluster);
        let mut local = endpoints(selection.local);
        if local.is_empty() && compat.local_falls_back {
            local.clone_from(&cluster);
        }
        Self { cluster, local, any: selection.any }
    }
}
