//! Endpoints: where connections are forwarded to.

use std::fmt;
use std::net::SocketAddr;

use svc_model::topology::{self, Client, Place, Selection, Traffic, Verdict};
use svc_model::{AddressType, Protocol, Service, ServicePort, Snapshot, TrafficPolicy};

use super::frontend::Outcome;
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    /// For policy Cluster.
    pub(crate) cluster: Vec<Endpoint>,
    /// For policy Local; empty where no frontend has it.
    pub(crate) local: Vec<Endpoint>,
    /// Who answers at all, wherever it is and whatever policy says: clients that are with it may stay. Only of UDP ports,
    /// whose clients have to be told when it is gone.
    pub(crate) answering: Vec<SocketAddr>,
    /// What becomes of connections to the ClusterIP.
    pub(crate) internal: Outcome,
    /// What becomes of those to all other addresses.
    pub(crate) external: Outcome,
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
        let mut selection = topology::select(service, port, &backends, place);
        if selection.local.is_empty() && compat.local_falls_back {
            selection.local.clone_from(&selection.cluster);
        }
        let endpoints = |backends: &[&topology::Backend]| -> Vec<Endpoint> {
            let endpoint = |backend: &&topology::Backend| Endpoint {
                address: backend.address(),
                local: backend.is_on(place.node),
            };
            backends.iter().map(endpoint).collect()
        };
        let by_source = !compat.local_without_short_circuit;
        Self {
            internal: internal(&selection, service.internal_traffic_policy()),
            external: external(&selection, service.external_traffic_policy(), by_source),
            cluster: endpoints(&selection.cluster),
            local: endpoints(&selection.local),
            answering: answering(port, &backends),
        }
    }
}

fn answering(port: &ServicePort, backends: &[topology::Backend]) -> Vec<SocketAddr> {
    let asked_for = port.protocol() == Protocol::Udp;
    let serving = backends.iter().filter(|backend| asked_for && backend.is_serving());
    serving.map(topology::Backend::address).collect()
}

fn internal(selection: &Selection<'_>, policy: TrafficPolicy) -> Outcome {
    outcome(selection.verdict(Traffic::Internal), policy)
}

/// `by_source`: pods and the node are not held to policy Local.
fn external(selection: &Selection<'_>, policy: TrafficPolicy, by_source: bool) -> Outcome {
    match outcome(selection.verdict(Traffic::External(Client::Outside)), policy) {
        Outcome::Local | Outcome::Drop if by_source => Outcome::BySource,
        outcome => outcome,
    }
}

fn outcome(verdict: Verdict<'_>, policy: TrafficPolicy) -> Outcome {
    match (verdict, policy) {
        (Verdict::Reject, _) => Outcome::Reject,
        (Verdict::Forward(_), TrafficPolicy::Local) => Outcome::Local,
        (Verdict::Forward(_), _) => Outcome::Cluster,
        (_, _) => Outcome::Drop,
    }
}
