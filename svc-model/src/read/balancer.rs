//! `status.loadBalancer` of Services and Ingresses.

use super::{address, port, protocol, said};
use crate::problem::Findings;
use crate::service::LoadBalancer;
use crate::wire;
use crate::{IpMode, LoadBalancerIngress, PortStatus};

pub(super) fn balancer(wire: &wire::Service, findings: &mut Findings<'_>) -> LoadBalancer {
    let spec = &wire.spec;
    let status = wire.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let local = spec.external_traffic_policy.as_deref() == Some("Local");
    let health = spec.health_check_node_port.filter(|port| local && *port != 0);
    let ranges = spec.load_balancer_source_ranges.iter().flatten().map(|text| text.trim());
    let (readable, unreadable): (Vec<_>, Vec<_>) =
        ranges.map(|text| super::cidr(text).map_err(|_| text.to_owned())).partition(Result::is_ok);
    LoadBalancer {
        class: said(spec.load_balancer_class.as_ref()),
        requested: said(spec.load_balancer_ip.as_ref()),
        ingress: ingress(status, findings),
        source_ranges: readable.into_iter().filter_map(Result::ok).collect(),
        unreadable_source_ranges: unreadable
            .into_iter()
            .filter_map(Result::err)
            .filter(|it| !it.is_empty())
            .collect(),
        health_check_node_port: health
            .and_then(|number| findings.parsed("spec.healthCheckNodePort", port(number))),
        allocates_node_ports: spec.allocate_load_balancer_node_ports.unwrap_or(true),
    }
}

pub(super) fn ingress(
    status: Option<&wire::LoadBalancerStatus>,
    findings: &mut Findings<'_>,
) -> Vec<LoadBalancerIngress> {
    let entries = status.and_then(|status| status.ingress.as_deref()).unwrap_or_default();
    entries.iter().enumerate().filter_map(|(index, wire)| entry(index, wire, findings)).collect()
}

fn entry(
    index: usize,
    wire: &wire::LoadBalancerIngress,
    findings: &mut Findings<'_>,
) -> Option<LoadBalancerIngress> {
    let field = |name: &str| format!("status.loadBalancer.ingress[{index}].{name}");
    let ip_mode = match wire.ip_mode.as_deref() {
        None | Some("" | "VIP") => IpMode::Vip,
        Some("Proxy") => IpMode::Proxy,
        Some(other) => {
            findings.report(field("ipMode"), format!("`{other}` is not one of VIP, Proxy"));
            return None;
        }
    };
    let ip = match said(wire.ip.as_ref()) {
        Some(ip) => Some(findings.parsed(&field("ip"), address(&ip))?),
        None => None,
    };
    let ports = wire.ports.iter().flatten().enumerate();
    let ports =
        ports.filter_map(|(at, wire)| port_status(&field(&format!("ports[{at}]")), wire, findings)).collect();
    // A name has no mode.
    let ip_mode = if ip.is_some() { ip_mode } else { IpMode::Vip };
    Some(LoadBalancerIngress { ip, hostname: said(wire.hostname.as_ref()), ip_mode, ports })
}

fn port_status(field: &str, wire: &wire::PortStatus, findings: &mut Findings<'_>) -> Option<PortStatus> {
    let number = wire.port.ok_or("is required".to_owned()).and_then(port);
    Some(PortStatus {
        port: findings.parsed(&format!("{field}.port"), number)?,
        protocol: findings.parsed(&format!("{field}.protocol"), protocol(wire.protocol.as_deref()))?,
        error: said(wire.error.as_ref()),
    })
}
