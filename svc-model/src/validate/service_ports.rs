//! Ports of a Service.

use std::collections::{BTreeMap, BTreeSet};

use super::{Ranges, name};
use crate::problem::Findings;
use crate::wire::{IntOrString, ServicePort, ServiceSpec};
use crate::{Protocol, Service, ServiceType, read};

pub(super) fn check(
    spec: &ServiceSpec,
    kind: ServiceType,
    ranges: &Ranges,
    old: Option<&Service>,
    findings: &mut Findings<'_>,
) {
    let before: BTreeSet<i64> =
        old.iter().flat_map(|old| old.ports()).filter_map(|port| port.node_port()).map(i64::from).collect();
    let ports = spec.ports.as_deref().unwrap_or_default();
    let needed = kind != ServiceType::ExternalName && !spec.is_headless();
    findings
        .require(!needed || !ports.is_empty(), "spec.ports", || "at least one port is required".to_owned());
    names(ports, findings);
    unique_numbers(ports, findings);
    for (index, port) in ports.iter().enumerate() {
        node_port(index, port, kind, ranges, &before, findings);
        if let Some(IntOrString::String(text)) = port.target_port.as_ref().filter(|target| !is_empty(target))
        {
            findings.parsed(&format!("spec.ports[{index}].targetPort"), target_name(text));
        }
        if let Some(protocol) = port.app_protocol.as_deref() {
            findings.parsed(&format!("spec.ports[{index}].appProtocol"), name::qualified(protocol));
        }
    }
}

fn is_empty(target: &IntOrString) -> bool {
    matches!(target, IntOrString::String(text) if text.is_empty())
}

/// A number in quotes is a common slip, and no valid name.
fn target_name(text: &str) -> Result<(), String> {
    name::port_name(text).map_err(|error| match text.parse::<u16>() {
        Ok(number) => format!("`{text}` is a text: write {number} without quotes"),
        Err(_) => error,
    })
}

fn names(ports: &[ServicePort], findings: &mut Findings<'_>) {
    let mut seen = BTreeSet::new();
    for (index, port) in ports.iter().enumerate() {
        let field = format!("spec.ports[{index}].name");
        let text = port.name.as_deref().unwrap_or_default();
        if text.is_empty() {
            findings.require(ports.len() == 1, &field, || "is required with more than one port".to_owned());
            continue;
        }
        findings.parsed(&field, name::dns_label(text));
        findings
            .require(seen.insert(text), &field, || format!("`{text}` is already the name of another port"));
    }
}

/// (protocol, port) and (protocol, nodePort) occur once in an object.
fn unique_numbers(ports: &[ServicePort], findings: &mut Findings<'_>) {
    let mut numbers: BTreeMap<(Protocol, i64), usize> = BTreeMap::new();
    let mut node_ports: BTreeMap<(Protocol, i64), usize> = BTreeMap::new();
    for (index, port) in ports.iter().enumerate() {
        let Ok(protocol) = read::protocol(port.protocol.as_deref()) else { continue };
        for (seen, number, name) in
            [(&mut numbers, port.port, "port"), (&mut node_ports, port.node_port, "nodePort")]
        {
            let Some(number) = number.filter(|number| *number != 0) else { continue };
            if let Some(first) = seen.insert((protocol, number), index) {
                let message = format!("{protocol} {number} is already used by spec.ports[{first}]");
                findings.report(format!("spec.ports[{index}].{name}"), message);
            }
        }
    }
}

fn node_port(
    index: usize,
    port: &ServicePort,
    kind: ServiceType,
    ranges: &Ranges,
    before: &BTreeSet<i64>,
    findings: &mut Findings<'_>,
) {
    let Some(number) = port.node_port.filter(|number| *number != 0) else { return };
    let field = format!("spec.ports[{index}].nodePort");
    match kind {
        ServiceType::ClusterIp => {
            let message = format!("{number} may only be set for type NodePort or LoadBalancer, not {kind}");
            findings.report(field, message);
        }
        // Says nothing there, and is kept.
        ServiceType::ExternalName => {}
        // What was allocated under another range stays.
        _ if before.contains(&number) => {}
        _ => in_range(&field, number, ranges, findings),
    }
}

pub(super) fn in_range(field: &str, number: i64, ranges: &Ranges, findings: &mut Findings<'_>) {
    let range = ranges.node_port_range();
    let inside = u16::try_from(number).is_ok_and(|number| range.contains(&number));
    findings.require(inside, field, || format!("{number} is not in {}-{}", range.start(), range.end()));
}
