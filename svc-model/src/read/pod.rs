//! Pod, Node and Secret.

use super::{address, port, protocol};
use crate::problem::Findings;
use crate::read::service::cidr;
use crate::wire;
use crate::{ContainerPort, Meta, Node, Pod, PodPhase, Secret};

pub(super) fn pod(wire: &wire::Pod, meta: Meta, findings: &mut Findings<'_>) -> Pod {
    let status = wire.status.clone().unwrap_or_default();
    let mut ips: Vec<String> = status.pod_ips.into_iter().flatten().filter_map(|entry| entry.ip).collect();
    if ips.is_empty() {
        ips.extend(status.pod_ip.filter(|ip| !ip.is_empty()));
    }
    let ips: Vec<_> = ips
        .iter()
        .enumerate()
        .filter_map(|(index, ip)| findings.parsed(&format!("status.podIPs[{index}].ip"), address(ip)))
        .collect();
    let terminating = wire.metadata.deletion_timestamp.is_some();
    let condition =
        status.conditions.iter().flatten().find(|it| it.condition_type.as_deref() == Some("Ready"));
    let ready = match condition {
        Some(condition) => condition.status.as_deref() == Some("True"),
        None => !ips.is_empty() && !terminating,
    };
    Pod {
        node_name: wire.spec.node_name.clone().filter(|name| !name.is_empty()),
        hostname: wire.spec.hostname.clone().filter(|name| !name.is_empty()),
        subdomain: wire.spec.subdomain.clone().filter(|name| !name.is_empty()),
        ports: container_ports(&wire.spec, findings),
        phase: phase(status.phase.as_deref(), findings),
        ips,
        ready,
        terminating,
        meta,
    }
}

fn phase(text: Option<&str>, findings: &mut Findings<'_>) -> PodPhase {
    match text {
        None | Some("" | "Running" | "Unknown") => PodPhase::Running,
        Some("Pending") => PodPhase::Pending,
        Some("Succeeded") => PodPhase::Succeeded,
        Some("Failed") => PodPhase::Failed,
        Some(other) => {
            findings.report(
                "status.phase",
                format!("`{other}` is not one of Pending, Running, Succeeded, Failed"),
            );
            PodPhase::Failed
        }
    }
}

fn container_ports(spec: &wire::PodSpec, findings: &mut Findings<'_>) -> Vec<ContainerPort> {
    let mut ports = Vec::new();
    for (outer, container) in spec.containers.iter().flatten().enumerate() {
        for (inner, wire) in container.ports.iter().flatten().enumerate() {
            let field = |name: &str| format!("spec.containers[{outer}].ports[{inner}].{name}");
            let number = wire.container_port.ok_or("is required".to_owned()).and_then(port);
            let number = findings.parsed(&field("containerPort"), number);
            let protocol = findings.parsed(&field("protocol"), protocol(wire.protocol.as_deref()));
            if let (Some(port), Some(protocol)) = (number, protocol) {
                ports.push(ContainerPort { name: wire.name.clone().unwrap_or_default(), protocol, port });
            }
        }
    }
    ports
}

pub(super) fn node(wire: &wire::Node, meta: Meta, findings: &mut Findings<'_>) -> Node {
    let spec = wire.spec.clone().unwrap_or_default();
    let mut cidrs: Vec<String> = spec.pod_cidrs.into_iter().flatten().collect();
    if cidrs.is_empty() {
        cidrs.extend(spec.pod_cidr);
    }
    let addresses = wire.status.iter().flat_map(|status| status.addresses.iter().flatten());
    Node {
        meta,
        pod_cidrs: cidrs
            .iter()
            .enumerate()
            .filter_map(|(index, text)| findings.parsed(&format!("spec.podCIDRs[{index}]"), cidr(text)))
            .collect(),
        internal_ips: addresses
            .enumerate()
            .filter(|(_, entry)| entry.address_type.as_deref() == Some("InternalIP"))
            .filter_map(|(index, entry)| {
                let text = entry.address.as_deref().unwrap_or_default();
                findings.parsed(&format!("status.addresses[{index}].address"), address(text))
            })
            .collect(),
    }
}

pub(super) fn secret(wire: &wire::Secret, meta: Meta, findings: &mut Findings<'_>) -> Secret {
    let mut data = std::collections::BTreeMap::new();
    for (key, text) in wire.data.iter().flatten() {
        // The value itself is never repeated: it may be a key that someone forgot to encode.
        let decoded = decode_base64(text).ok_or("is not base64 (plain text goes under stringData)");
        if let Some(bytes) = findings.parsed(&format!("data.{key}"), decoded) {
            data.insert(key.clone(), bytes);
        }
    }
    for (key, text) in wire.string_data.iter().flatten() {
        data.insert(key.clone(), text.clone().into_bytes());
    }
    Secret { meta, secret_type: wire.secret_type.clone().unwrap_or_else(|| "Opaque".to_owned()), data }
}

/// Standard base64 (RFC 4648 section 4), line breaks allowed as YAML block scalars bring them.
fn decode_base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    let packed: String = text.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    base64::engine::general_purpose::STANDARD.decode(packed).ok()
}
