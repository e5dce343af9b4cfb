//! Node.

use std::collections::BTreeMap;

use super::{condition, list, meta, text};
use crate::wire::{self, Quantity};
use crate::{Node, NodeAddress, Taint};

pub(super) fn node(node: &Node) -> wire::Node {
    let cidrs = list(node.pod_cidrs().iter().map(ToString::to_string));
    let taints = list(node.taints().iter().map(taint));
    wire::Node {
        metadata: meta(node.meta()),
        spec: (cidrs.is_some() || taints.is_some()).then(|| wire::NodeSpec {
            pod_cidr: cidrs.as_ref().and_then(|cidrs| cidrs.first().cloned()),
            pod_cidrs: cidrs,
            taints,
        }),
        status: status(node),
    }
}

pub(crate) fn status(node: &Node) -> Option<wire::NodeStatus> {
    let cpu = node.allocatable_cpu().map(|millis| Quantity::Text(cpu(millis)));
    let status = wire::NodeStatus {
        addresses: list(node.addresses().iter().map(address)),
        allocatable: cpu.map(|cpu| BTreeMap::from([("cpu".to_owned(), cpu)])),
        conditions: list(node.conditions().iter().map(condition)),
    };
    (status != wire::NodeStatus::default()).then_some(status)
}

fn taint(taint: &Taint) -> wire::Taint {
    wire::Taint {
        key: text(taint.key()),
        value: text(taint.value()),
        effect: text(taint.effect()),
        time_added: taint.time_added().map(str::to_owned),
    }
}

/// As Kubernetes writes it: `4`, or `3920m`.
fn cpu(millis: u64) -> String {
    if millis.is_multiple_of(1000) { (millis / 1000).to_string() } else { format!("{millis}m") }
}

fn address(address: &NodeAddress) -> wire::NodeAddress {
    let (kind, value) = match address {
        NodeAddress::InternalIp(ip) => ("InternalIP", ip.to_string()),
        NodeAddress::ExternalIp(ip) => ("ExternalIP", ip.to_string()),
        NodeAddress::Hostname(name) => ("Hostname", name.clone()),
        NodeAddress::InternalDns(name) => ("InternalDNS", name.clone()),
        NodeAddress::ExternalDns(name) => ("ExternalDNS", name.clone()),
        NodeAddress::Other { address_type, address } => (address_type.as_str(), address.clone()),
    };
    wire::NodeAddress { address_type: text(kind), address: text(&value) }
}
