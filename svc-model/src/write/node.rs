//! Node.

use std::collections::BTreeMap;

use super::{list, meta};
use crate::wire::{self, Quantity};
use crate::{Node, NodeAddress, Taint};

pub(super) fn node(node: &Node) -> wire::Node {
    let cidrs = list(node.pod_cidrs().iter().map(ToString::to_string));
    let taints = list(node.taints().iter().map(taint));
    let cpu = node.allocatable_cpu().map(|millis| Quantity::Text(cpu(millis)));
    let ready = if node.ready() { "True" } else { "False" };
    wire::Node {
        metadata: meta(node.meta()),
        spec: (cidrs.is_some() || taints.is_some()).then(|| wire::NodeSpec {
            pod_cidr: cidrs.as_ref().and_then(|cidrs| cidrs.first().cloned()),
            pod_cidrs: cidrs,
            taints,
        }),
        status: Some(wire::NodeStatus {
            addresses: list(node.addresses().iter().map(address)),
            allocatable: cpu.map(|cpu| BTreeMap::from([("cpu".to_owned(), cpu)])),
            conditions: Some(vec![wire::Condition {
                condition_type: Some("Ready".to_owned()),
                status: Some(ready.to_owned()),
                ..wire::Condition::default()
            }]),
        }),
    }
}

fn taint(taint: &Taint) -> wire::Taint {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    wire::Taint { key: text(taint.key()), value: text(taint.value()), effect: text(taint.effect()) }
}

/// As Kubernetes writes it: `4`, or `3920m`.
fn cpu(millis: u64) -> String {
    if millis.is_multiple_of(1000) { (millis / 1000).to_string() } else { format!("{millis}m") }
}

fn address(address: &NodeAddress) -> wire::NodeAddress {
    let (kind, text) = match address {
        NodeAddress::InternalIp(ip) => ("InternalIP", ip.to_string()),
        NodeAddress::ExternalIp(ip) => ("ExternalIP", ip.to_string()),
        NodeAddress::Hostname(name) => ("Hostname", name.clone()),
        NodeAddress::InternalDns(name) => ("InternalDNS", name.clone()),
        NodeAddress::ExternalDns(name) => ("ExternalDNS", name.clone()),
    };
    wire::NodeAddress { address_type: Some(kind.to_owned()), address: Some(text) }
}
