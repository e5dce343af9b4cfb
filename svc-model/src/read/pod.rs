//! Pod.

use std::net::IpAddr;

use super::{address, conditions, port, protocol, said};
use crate::problem::Findings;
use crate::wire;
use crate::{ContainerPort, Meta, Pod, PodPhase};

pub(super) fn pod(wire: &wire::Pod, meta: Meta, findings: &mut Findings<'_>) -> Pod {
    let status = wire.status.clone().unwrap_or_default();
    let ips = addresses("status.podIPs", status.pod_ips, status.pod_ip, findings);
    let host_ips = addresses("status.hostIPs", status.host_ips, status.host_ip, findings);
    Pod {
        node_name: said(wire.spec.node_name.as_ref()),
        hostname: said(wire.spec.hostname.as_ref()),
        subdomain: said(wire.spec.subdomain.as_ref()),
        host_network: wire.spec.host_network.unwrap_or(false),
        ports: all_ports(&wire.spec, findings),
        phase: phase(status.phase.as_deref(), findings),
        host_ips,
        ips,
        conditions: conditions(status.conditions.as_ref()),
        meta,
    }
}

/// The list, or the one address that older objects have.
fn addresses(
    field: &str,
    many: Option<Vec<wire::PodIp>>,
    one: Option<String>,
    findings: &mut Findings<'_>,
) -> Vec<IpAddr> {
    let mut texts: Vec<String> = many.into_iter().flatten().filter_map(|entry| entry.ip).collect();
    if texts.is_empty() {
        texts.extend(one.filter(|ip| !ip.is_empty()));
    }
    let read =
        |(index, text): (usize, &String)| findings.parsed(&format!("{field}[{index}].ip"), address(text));
    texts.iter().enumerate().filter_map(read).collect()
}

fn phase(text: Option<&str>, findings: &mut Findings<'_>) -> PodPhase {
    match text {
        None | Some("" | "Running") => PodPhase::Running,
        Some("Pending") => PodPhase::Pending,
        Some("Succeeded") => PodPhase::Succeeded,
        Some("Failed") => PodPhase::Failed,
        Some("Unknown") => PodPhase::Unknown,
        Some(other) => {
            findings.report(
                "status.phase",
                format!("`{other}` is not one of Pending, Running, Succeeded, Failed, Unknown"),
            );
            PodPhase::Failed
        }
    }
}

/// A name is looked up in the containers first, then in the init containers that go on running (KEP-753).
fn all_ports(spec: &wire::PodSpec, findings: &mut Findings<'_>) -> Vec<ContainerPort> {
    let mut ports = Vec::new();
    for (index, container) in spec.containers.iter().flatten().enumerate() {
        container_ports(&format!("spec.containers[{index}]"), container, false, &mut ports, findings);
    }
    for (index, container) in spec.init_containers.iter().flatten().enumerate() {
        if container.restart_policy.as_deref() == Some("Always") {
            container_ports(&format!("spec.initContainers[{index}]"), container, true, &mut ports, findings);
        }
    }
    ports
}

fn container_ports(
    field: &str,
    container: &wire::Container,
    sidecar: bool,
    ports: &mut Vec<ContainerPort>,
    findings: &mut Findings<'_>,
) {
    let name = container.name.clone().unwrap_or_default();
    for (index, wire) in container.ports.iter().flatten().enumerate() {
        let read = container_port(&format!("{field}.ports[{index}]"), wire, findings);
        ports.extend(read.map(|port| ContainerPort { container: name.clone(), sidecar, ..port }));
    }
}

fn container_port(
    field: &str,
    wire: &wire::ContainerPort,
    findings: &mut Findings<'_>,
) -> Option<ContainerPort> {
    let number = wire.container_port.ok_or("is required".to_owned()).and_then(port);
    let number = findings.parsed(&format!("{field}.containerPort"), number);
    let protocol = findings.parsed(&format!("{field}.protocol"), protocol(wire.protocol.as_deref()));
    let host_port = wire.host_port.filter(|number| *number != 0);
    let host_port = host_port.and_then(|number| findings.parsed(&format!("{field}.hostPort"), port(number)));
    let host_ip = said(wire.host_ip.as_ref());
    let host_ip = host_ip.and_then(|text| findings.parsed(&format!("{field}.hostIP"), address(&text)));
    Some(ContainerPort {
        name: wire.name.clone().unwrap_or_default(),
        protocol: protocol?,
        port: number?,
        host_port,
        host_ip,
        ..ContainerPort::default()
    })
}
