//! One Service's virtual servers.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use svc_ipvs::{Destination as RealServer, Flags, Listed, Scheduler, ServiceId};
use svc_model::{AddressType, Protocol};

use crate::plan::{Destination, Frontend, FrontendKey, Outcome, PortPlan, ServicePlan};
use crate::{Compat, Node, NodePortAddresses};

/// The longest that the kernel keeps a client at its endpoint: its timer is signed, and counts in ticks of up to a
/// thousand a second.
const LONGEST_AFFINITY: u64 = i32::MAX as u64 / 1000;

/// What virtual servers are made with, whatever the Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    scheduler: Scheduler,
    /// Where node ports are served.
    node_port_addresses: BTreeSet<IpAddr>,
    pub(crate) compat: Compat,
}

/// A virtual server, and the frontend that it is for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Server {
    pub(crate) frontend: FrontendKey,
    pub(crate) listed: Listed,
}

impl Server {
    pub(crate) fn id(&self) -> ServiceId {
        self.listed.service().id()
    }
}

impl Settings {
    pub(crate) fn new(node: &Node, scheduler: Scheduler, addresses: &BTreeSet<IpAddr>) -> Self {
        let serves = |address: &IpAddr| match node.node_port_addresses() {
            // A link-local one is many, by interface; IPVS knows no interfaces.
            _ if address.is_loopback() || is_link_local(*address) => false,
            NodePortAddresses::Primary => node.primary_address(AddressType::of(*address)) == Some(*address),
            NodePortAddresses::All => true,
            NodePortAddresses::Cidrs(ranges) => ranges.iter().any(|range| range.contains(address)),
        };
        Self {
            scheduler,
            node_port_addresses: addresses.iter().copied().filter(serves).collect(),
            compat: node.compat().clone(),
        }
    }

    /// The node port that a virtual server may be for.
    pub(crate) fn node_port(&self, id: ServiceId) -> Option<FrontendKey> {
        let ServiceId::Address(protocol, address) = id else { return None };
        let protocol = match protocol {
            svc_ipvs::Protocol::Udp => Protocol::Udp,
            svc_ipvs::Protocol::Sctp => Protocol::Sctp,
            _ => Protocol::Tcp,
        };
        let destination = Destination::NodePort(AddressType::of(address.ip()));
        let key = FrontendKey { destination, protocol, port: address.port() };
        self.node_port_addresses.contains(&address.ip()).then_some(key)
    }

    /// All of a Service, whether or not another one has their address too.
    pub(crate) fn of(&self, service: &ServicePlan) -> Vec<Server> {
        let ports = service.ports().iter();
        ports
            .flat_map(|port| {
                let frontends = port.frontends_in_force().filter(|frontend| serves(port, frontend));
                frontends.flat_map(|frontend| self.servers(port, frontend))
            })
            .collect()
    }

    fn servers(&self, port: &PortPlan, frontend: &Frontend) -> Vec<Server> {
        let key = frontend.key();
        let server = |address: IpAddr| {
            let to = SocketAddr::new(address, key.port);
            Server { frontend: key, listed: self.server(port, frontend, to) }
        };
        match key.destination {
            Destination::Address(address) => vec![server(address)],
            Destination::NodePort(family) => {
                let ours = self.node_port_addresses.iter().copied();
                ours.filter(|address| AddressType::of(*address) == family).map(server).collect()
            }
        }
    }

    fn server(&self, port: &PortPlan, frontend: &Frontend, address: SocketAddr) -> Listed {
        let id = ServiceId::new(protocol(port.name().protocol()), address);
        let mut service = svc_ipvs::Service::new(id, self.scheduler);
        if let Some(timeout) = port.affinity() {
            let seconds = timeout.as_secs().min(LONGEST_AFFINITY);
            service = service.persistent(u32::try_from(seconds).unwrap_or(u32::MAX));
        }
        if self.scheduler == Scheduler::MH {
            // As kube-proxy has it: connections of one client are spread too.
            service = service.with(Flags::SCHEDULER_PORT);
        }
        let endpoints = match frontend.outcome() {
            Outcome::Cluster => port.cluster_endpoints(),
            _ => port.local_endpoints(),
        };
        let real = endpoints.iter().map(|endpoint| RealServer::new(endpoint.address()));
        real.fold(Listed::new(service), Listed::destination)
    }
}

/// Whether IPVS has anything to lead to. The others are refused or dropped by the glue.
fn serves(port: &PortPlan, frontend: &Frontend) -> bool {
    match frontend.outcome() {
        Outcome::Cluster => !port.cluster_endpoints().is_empty(),
        Outcome::Local | Outcome::BySource => !port.local_endpoints().is_empty(),
        Outcome::Reject | Outcome::Drop => false,
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

fn protocol(protocol: Protocol) -> svc_ipvs::Protocol {
    match protocol {
        Protocol::Udp => svc_ipvs::Protocol::Udp,
        Protocol::Sctp => svc_ipvs::Protocol::Sctp,
        _ => svc_ipvs::Protocol::Tcp,
    }
}
