//! What differs between the families and from node to node: the words that all rules are written in.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net};
use svc_model::AddressType;
use svc_nft::ipset::IpSet;

use super::Backend;
use super::base::{MARK_MASQ, REJECT};
use super::matching::{AddressKind, Match, Negatable};
use super::rule::Rule;
use super::table::netfilter;
use crate::{Compat, Node, NodePortAddresses, PodSource};

/// One family on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) family: AddressType,
    pub(crate) mark: u32,
    pods: Option<PodSource>,
    primary: Option<IpAddr>,
    node_ports: NodePortAddresses,
    pub(crate) localhost_node_ports: bool,
    pub(crate) service_cidrs: Vec<IpNet>,
    pub(crate) compat: Compat,
    pub(crate) flat: bool,
    pub(crate) clients: u32,
    /// Chains that most Services lead to.
    pub(crate) mark_masq: Arc<str>,
    pub(crate) reject: Arc<str>,
}

impl Dialect {
    pub(crate) fn new(node: &Node, family: AddressType, backend: &Backend) -> Self {
        let compat = node.compat().clone();
        Self {
            family,
            mark: node.masquerade_mark(),
            pods: node.pod_source(family),
            primary: node.primary_address(family),
            node_ports: node.node_port_addresses().clone(),
            localhost_node_ports: node.localhost_node_ports() && family == AddressType::Ipv4,
            service_cidrs: node.service_cidrs(family).collect(),
            flat: backend.flat,
            clients: if compat.affinity_of_100_clients { 100 } else { backend.clients },
            compat,
            mark_masq: MARK_MASQ.into(),
            reject: REJECT.into(),
        }
    }

    pub(crate) fn rule(&self) -> Rule {
        Rule::new(self.family)
    }

    /// A set of clients of an endpoint. The SET target cannot make a set larger, so it has room for all from the beginning:
    /// a place for four of them holds up to twelve.
    pub(crate) fn set(&self, name: String) -> IpSet {
        IpSet::new(name, netfilter(self.family))
            .max_elements(self.clients)
            .hash_size(self.clients.div_ceil(4))
    }

    /// The packet comes from a pod, or not from one; `None` where pods are not told from others.
    pub(crate) fn where_from_pods(&self, rule: Rule, yes: bool) -> Option<Rule> {
        let interface = |name: String| Negatable { value: name.into(), negated: !yes };
        Some(match self.pods.as_ref()? {
            PodSource::Cidr(cidr) => rule.source(Negatable { value: (*cidr).into(), negated: !yes }),
            PodSource::Interface(name) => rule.input(interface(name.clone())),
            PodSource::InterfacePrefix(prefix) => rule.input(interface(format!("{prefix}+"))),
        })
    }

    /// Rules that match packets to this node, where it serves node ports, and lead to a chain.
    pub(crate) fn node_port_jumps(&self, chain: &str) -> Vec<Rule> {
        let lead = |rule: Rule| {
            rule.comment("kubernetes service nodeports; NOTE: this must be the last rule in this chain")
                .jump(chain)
        };
        let local = |rule: Rule| rule.matching(Match::DestinationType(Negatable::is(AddressKind::Local)));
        let mut rules = Vec::new();
        if self.localhost_node_ports {
            // Not from neighbours, who could send there with route_localnet.
            rules.push(lead(
                self.rule().from(self.loopback()).destination(Negatable::is(self.loopback().into())),
            ));
        }
        let everywhere = || lead(local(self.rule().destination(Negatable::not(self.loopback().into()))));
        match &self.node_ports {
            NodePortAddresses::Primary => {
                rules.extend(self.primary.map(|address| lead(self.rule().to(address))));
            }
            NodePortAddresses::All => rules.push(everywhere()),
            NodePortAddresses::Cidrs(cidrs) => {
                for cidr in cidrs.iter().filter(|cidr| AddressType::of(cidr.addr()) == self.family) {
                    if cidr.prefix_len() == 0 {
                        rules.push(everywhere());
                    } else if !self.loopback().contains(cidr) {
                        if cidr.contains(&self.loopback()) {
                            let loopback = Negatable::is(self.loopback().into());
                            rules.push(
                                self.rule().destination(loopback).target(super::target::Target::Return),
                            );
                        }
                        rules.push(lead(local(self.rule().destination(Negatable::is((*cidr).into())))));
                    }
                }
            }
        }
        rules
    }

    /// The same for node ports that nobody serves.
    pub(crate) fn refused_node_port_jumps(&self, chain: &str) -> Vec<Rule> {
        if self.compat.reject_node_ports_on_all_addresses {
            let local = Match::DestinationType(Negatable::is(AddressKind::Local));
            return vec![self.rule().matching(local).jump(chain)];
        }
        self.node_port_jumps(chain)
    }

    pub(crate) fn loopback(&self) -> IpNet {
        match self.family {
            AddressType::Ipv6 => IpNet::from(IpAddr::V6(Ipv6Addr::LOCALHOST)),
            _ => IpNet::V4(Ipv4Net::new_assert([127, 0, 0, 0].into(), 8)),
        }
    }
}
