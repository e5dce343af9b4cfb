//! EndpointSlice and Endpoints.

use std::collections::BTreeSet;

use super::name;
use crate::problem::Findings;
use crate::wire::{self, EndpointPort, HintTarget};

const MAX_ENDPOINTS: usize = 1000;
const MAX_ADDRESSES: usize = 100;
const MAX_PORTS: usize = 20_000;
const MAX_HINTS: usize = 8;

pub(super) fn slice(wire: &wire::EndpointSlice, findings: &mut Findings<'_>) {
    let is_named = wire.address_type.as_deref() == Some("FQDN");
    let endpoints = wire.endpoints.as_deref().unwrap_or_default();
    at_most(MAX_ENDPOINTS, endpoints.len(), "endpoints", findings);
    for (index, wire) in endpoints.iter().enumerate() {
        endpoint(&format!("endpoints[{index}]"), wire, is_named, findings);
    }
    let ports = wire.ports.as_deref().unwrap_or_default();
    at_most(MAX_PORTS, ports.len(), "ports", findings);
    names("ports", ports, findings);
}

fn at_most(most: usize, count: usize, field: &str, findings: &mut Findings<'_>) {
    findings.require(count <= most, field, || format!("{count} are more than {most}"));
}

fn endpoint(field: &str, wire: &wire::Endpoint, is_named: bool, findings: &mut Findings<'_>) {
    at_most(MAX_ADDRESSES, wire.addresses.len(), &format!("{field}.addresses"), findings);
    for (index, text) in wire.addresses.iter().enumerate() {
        let usable = match is_named {
            true => name::dns_subdomain(text.strip_suffix('.').unwrap_or(text)),
            false => name::canonical_address(text).and_then(name::usable).map(drop),
        };
        findings.parsed(&format!("{field}.addresses[{index}]"), usable);
    }
    place(field, wire.hostname.as_deref(), wire.node_name.as_deref(), findings);
    let hints = wire.hints.clone().unwrap_or_default();
    hint_targets(&format!("{field}.hints.forZones"), hints.for_zones.as_deref(), findings);
    hint_targets(&format!("{field}.hints.forNodes"), hints.for_nodes.as_deref(), findings);
}

fn place(field: &str, hostname: Option<&str>, node: Option<&str>, findings: &mut Findings<'_>) {
    if let Some(hostname) = hostname.filter(|hostname| !hostname.is_empty()) {
        findings.parsed(&format!("{field}.hostname"), name::dns_label(hostname));
    }
    if let Some(node) = node {
        findings.parsed(&format!("{field}.nodeName"), name::dns_subdomain(node));
    }
}

fn hint_targets(field: &str, targets: Option<&[HintTarget]>, findings: &mut Findings<'_>) {
    let targets = targets.unwrap_or_default();
    at_most(MAX_HINTS, targets.len(), field, findings);
    let mut seen = BTreeSet::new();
    for (index, target) in targets.iter().enumerate() {
        let field = format!("{field}[{index}].name");
        findings.require(!target.name.is_empty(), &field, || "is required".to_owned());
        findings.require(seen.insert(&target.name), &field, || format!("`{}` stands twice", target.name));
    }
}

fn names(field: &str, ports: &[EndpointPort], findings: &mut Findings<'_>) {
    let mut names = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let field = format!("{field}[{index}]");
        let name = port.name.as_deref().unwrap_or_default();
        if !name.is_empty() {
            findings.parsed(&format!("{field}.name"), name::dns_label(name));
        }
        findings.require(names.insert(name), &format!("{field}.name"), || {
            format!("`{name}` is already the name of another port")
        });
        if let Some(protocol) = port.app_protocol.as_deref() {
            findings.parsed(&format!("{field}.appProtocol"), name::qualified(protocol));
        }
    }
}

pub(super) fn endpoints(wire: &wire::Endpoints, findings: &mut Findings<'_>) {
    for (index, subset) in wire.subsets.iter().flatten().enumerate() {
        let field = format!("subsets[{index}]");
        let lists = [("addresses", &subset.addresses), ("notReadyAddresses", &subset.not_ready_addresses)];
        let empty = lists.iter().all(|(_, list)| list.as_ref().is_none_or(Vec::is_empty));
        findings.require(!empty, &field, || "addresses or notReadyAddresses are required".to_owned());
        for (list, addresses) in lists {
            for (position, address) in addresses.iter().flatten().enumerate() {
                let field = format!("{field}.{list}[{position}]");
                let ip = address.ip.as_deref().unwrap_or_default();
                findings.parsed(&format!("{field}.ip"), name::canonical_address(ip).and_then(name::usable));
                place(&field, address.hostname.as_deref(), address.node_name.as_deref(), findings);
            }
        }
        names(&format!("{field}.ports"), subset.ports.as_deref().unwrap_or_default(), findings);
    }
}
