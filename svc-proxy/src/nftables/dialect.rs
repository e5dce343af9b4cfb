//! What differs between the families and from node to node: the words that all rules are written in.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use svc_model::AddressType;
use svc_nft::{DataType, Expr, Family, Name, Statement, TableId};

use super::map::Map;
use crate::plan::{Destination, Endpoint, Frontend, FrontendKind, Outcome, PortPlan};
use crate::{Compat, Node, NodePortAddresses, PodSource};

/// Who leads connections to one of their endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Balancer {
    /// Chains of the table, all of them.
    #[default]
    Chains,
    /// IPVS, on a node with these addresses. It knows one list of endpoints for an address and port, and takes nothing that
    /// comes from the loopback range: chains still lead where the policy Local asks who the client is, and from 127.0.0.1.
    Ipvs(Arc<BTreeSet<IpAddr>>),
}

/// One family on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) table: TableId,
    pub(crate) family: AddressType,
    pub(crate) mark: u32,
    pub(crate) masquerade_all: bool,
    pub(crate) pods: Option<PodSource>,
    pub(crate) primary: Option<IpAddr>,
    pub(crate) node_ports: NodePortAddresses,
    pub(crate) localhost_node_ports: bool,
    pub(crate) service_cidrs: Vec<IpNet>,
    pub(crate) compat: Compat,
    pub(crate) balancer: Balancer,
}

impl Dialect {
    pub(crate) fn new(node: &Node, family: AddressType, table: &Name, balancer: Balancer) -> Self {
        let nft_family = if family == AddressType::Ipv6 { Family::Ip6 } else { Family::Ip };
        Self {
            table: TableId::new(nft_family, table),
            family,
            mark: node.masquerade_mark(),
            masquerade_all: node.masquerade_all(),
            pods: node.pod_source(family),
            primary: node.primary_address(family),
            node_ports: node.node_port_addresses().clone(),
            localhost_node_ports: node.localhost_node_ports() && family == AddressType::Ipv4,
            service_cidrs: node.service_cidrs(family).collect(),
            compat: node.compat().clone(),
            balancer,
        }
    }

    pub(crate) fn has_ipvs(&self) -> bool {
        self.balancer != Balancer::Chains
    }

    /// The endpoints that chains draw lots among for a frontend: of the cluster, and of this node.
    pub(crate) fn lots<'a>(&self, port: &'a PortPlan, frontend: &Frontend) -> [&'a [Endpoint]; 2] {
        let (cluster, local) = (port.cluster_endpoints(), port.local_endpoints());
        if !self.has_ipvs() {
            return [cluster, local];
        }
        let from_loopback = self.localhost_node_ports && frontend.kind() == FrontendKind::NodePort;
        match frontend.outcome() {
            Outcome::BySource => [cluster, &[]],
            Outcome::Cluster if from_loopback => [cluster, &[]],
            Outcome::Local if from_loopback => [&[], local],
            _ => [&[], &[]],
        }
    }

    /// The address of a frontend that has to be the node's own for IPVS to see packets to it, and is not.
    pub(crate) fn bound_address(&self, frontend: &Frontend) -> Option<IpAddr> {
        match (&self.balancer, frontend.key().destination) {
            (Balancer::Ipvs(local), Destination::Address(address)) => {
                Some(address).filter(|to| !local.contains(to))
            }
            _ => None,
        }
    }

    /// What chains lead on where IPVS could.
    pub(crate) fn beyond_ipvs(&self) -> Option<Statement> {
        self.has_ipvs().then(|| Statement::eq(self.daddr(), self.loopback()))
    }

    pub(crate) fn is_v6(&self) -> bool {
        self.family == AddressType::Ipv6
    }

    pub(crate) fn saddr(&self) -> Expr {
        if self.is_v6() { Expr::Ip6Saddr } else { Expr::IpSaddr }
    }

    pub(crate) fn daddr(&self) -> Expr {
        if self.is_v6() { Expr::Ip6Daddr } else { Expr::IpDaddr }
    }

    /// The destination that the client used.
    pub(crate) fn original_daddr(&self) -> Expr {
        if self.is_v6() { Expr::CtOriginalIp6Daddr } else { Expr::CtOriginalIpDaddr }
    }

    pub(crate) fn address_type(&self) -> DataType {
        if self.is_v6() { DataType::Ipv6Addr } else { DataType::Ipv4Addr }
    }

    /// What frontends with an address are looked up by.
    pub(crate) fn service_key(&self) -> [Expr; 3] {
        [self.daddr(), Expr::L4Proto, Expr::ThDport]
    }

    /// Asks for masquerading.
    pub(crate) fn mark(&self) -> Statement {
        Statement::mark_or(self.mark)
    }

    /// The packet comes from a pod; `None` where pods are not told from others.
    pub(crate) fn pods_only(&self) -> Option<Statement> {
        Some(match self.pods.as_ref()? {
            PodSource::Cidr(cidr) => Statement::eq(self.saddr(), *cidr),
            PodSource::Interface(name) => Statement::iifname(name),
            PodSource::InterfacePrefix(prefix) => Statement::iifname(&format!("{prefix}*")),
        })
    }

    /// The packet does not come from a pod; `None` where pods are not told from others.
    pub(crate) fn pods_excluded(&self) -> Option<Statement> {
        Some(match self.pods.as_ref()? {
            PodSource::Cidr(cidr) => Statement::ne(self.saddr(), *cidr),
            PodSource::Interface(name) => Statement::iifname_not(name),
            PodSource::InterfacePrefix(prefix) => Statement::iifname_not(&format!("{prefix}*")),
        })
    }

    /// The packet is addressed to this node, where it serves node ports: one alternative per item.
    pub(crate) fn to_node_port_address(&self) -> Vec<Vec<Statement>> {
        let mut alternatives = match &self.node_ports {
            NodePortAddresses::Primary => {
                self.primary.iter().map(|address| vec![Statement::eq(self.daddr(), *address)]).collect()
            }
            NodePortAddresses::All => vec![self.to_local_address_in(None)],
            NodePortAddresses::Cidrs(cidrs) => {
                let ours = cidrs.iter().filter(|cidr| AddressType::of(cidr.addr()) == self.family);
                ours.map(|cidr| self.to_local_address_in(Some(*cidr))).collect::<Vec<_>>()
            }
        };
        if self.localhost_node_ports {
            alternatives.push(vec![Statement::eq(self.daddr(), self.loopback())]);
        }
        alternatives
    }

    /// Where node ports without endpoints are refused.
    pub(crate) fn to_refused_node_port_address(&self) -> Vec<Vec<Statement>> {
        if self.compat.reject_node_ports_on_all_addresses {
            return vec![vec![Statement::to_local()]];
        }
        self.to_node_port_address()
    }

    fn to_local_address_in(&self, cidr: Option<IpNet>) -> Vec<Statement> {
        let cidr = cidr.filter(|cidr| cidr.prefix_len() > 0);
        let in_range = cidr.map(|cidr| Statement::eq(self.daddr(), cidr));
        let local = [Statement::to_local(), Statement::ne(self.daddr(), self.loopback())];
        let bound =
            self.has_ipvs().then(|| Statement::lookup_not([self.daddr()], Map::BoundAddresses.name()));
        in_range.into_iter().chain(local).chain(bound).collect()
    }

    /// A packet to the loopback range that does not come from it: with `route_localnet`, neighbours could send it.
    pub(crate) fn strays_to_loopback(&self) -> Option<[Statement; 2]> {
        let stray =
            || [Statement::ne(self.saddr(), self.loopback()), Statement::eq(self.daddr(), self.loopback())];
        self.localhost_node_ports.then(stray)
    }

    pub(crate) fn loopback(&self) -> IpNet {
        if self.is_v6() {
            return IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST));
        }
        IpNet::V4(Ipv4Net::new_assert([127, 0, 0, 0].into(), 8))
    }
}
