//! Service: what the fields may say together.

use super::{Ranges, name, service_addresses, service_ports};
use crate::problem::Findings;
use crate::wire::{self, Manifest, ServiceSpec};
use crate::{ServiceType, read};

/// The rules that reading does not apply itself.
pub(super) fn check(wire: &wire::Service, ranges: &Ranges, findings: &mut Findings<'_>) {
    let spec = &wire.spec;
    // Reading reports a type that does not exist; the rest can still be judged.
    let kind = read::service_type(spec.service_type.as_deref()).unwrap_or_default();
    name::labels("spec.selector", spec.selector.iter().flatten(), findings);
    service_ports::check(spec, kind, ranges, findings);
    service_addresses::check(spec, kind, ranges, findings);
    if kind == ServiceType::ExternalName {
        external_name(spec, findings);
    }
    policies(spec, kind, findings);
    balancer(wire, kind, findings);
    affinity(spec, findings);
    if let Some(text) = &spec.traffic_distribution {
        findings.parsed("spec.trafficDistribution", read::traffic_distribution(text));
    }
}

/// The manifest with an address where one will be allocated, so that everything else can be read. Addresses that are
/// written were judged here, more strictly than reading does.
pub(super) fn readable(wire: &wire::Service) -> Manifest {
    let mut wire = wire.clone();
    let kind = read::service_type(wire.spec.service_type.as_deref()).unwrap_or_default();
    if kind != ServiceType::ClusterIp || !wire.spec.is_headless() {
        wire.spec.cluster_ips = Some(vec!["0.0.0.0".to_owned()]);
    }
    Manifest::Service(Box::new(wire))
}

fn external_name(spec: &ServiceSpec, findings: &mut Findings<'_>) {
    let Some(text) = spec.external_name.as_deref().filter(|text| !text.is_empty()) else { return };
    let field = "spec.externalName";
    if text.parse::<std::net::IpAddr>().is_ok() {
        let cure = "is an address, not a name: use a Service without selector and an EndpointSlice";
        return findings.report(field, format!("`{text}` {cure}"));
    }
    findings.parsed(field, name::dns_subdomain(text.strip_suffix('.').unwrap_or(text)));
}

fn policies(spec: &ServiceSpec, kind: ServiceType, findings: &mut Findings<'_>) {
    let external = matches!(kind, ServiceType::NodePort | ServiceType::LoadBalancer)
        || (kind == ServiceType::ClusterIp && spec.external_ips.as_ref().is_some_and(|ips| !ips.is_empty()));
    if let Some(policy) = spec.external_traffic_policy.as_deref().filter(|policy| !policy.is_empty()) {
        let field = "spec.externalTrafficPolicy";
        findings.require(external, field, || {
            format!("`{policy}` may only be set for type NodePort or LoadBalancer, or with externalIPs")
        });
        findings.parsed(field, read::traffic_policy(Some(policy)));
    }
    if kind == ServiceType::ExternalName || spec.is_headless() {
        let internal = read::traffic_policy(spec.internal_traffic_policy.as_deref());
        findings.parsed("spec.internalTrafficPolicy", internal);
    }
    let local = spec.external_traffic_policy.as_deref() == Some("Local");
    if let Some(port) = spec.health_check_node_port.filter(|port| *port != 0) {
        findings.require(kind == ServiceType::LoadBalancer && local, "spec.healthCheckNodePort", || {
            format!("{port} may only be set for type LoadBalancer with externalTrafficPolicy Local")
        });
    }
}

fn balancer(wire: &wire::Service, kind: ServiceType, findings: &mut Findings<'_>) {
    let spec = &wire.spec;
    let balanced = kind == ServiceType::LoadBalancer;
    let only = "may only be set for type LoadBalancer";
    if let Some(class) = &spec.load_balancer_class {
        findings.require(balanced, "spec.loadBalancerClass", || format!("`{class}` {only}"));
        findings.parsed("spec.loadBalancerClass", name::qualified(class));
    }
    if let Some(flag) = spec.allocate_load_balancer_node_ports {
        findings.require(balanced, "spec.allocateLoadBalancerNodePorts", || format!("{flag} {only}"));
    }
    if let Some(ip) = spec.load_balancer_ip.as_deref().filter(|ip| !ip.is_empty()) {
        findings.parsed("spec.loadBalancerIP", read::address(ip));
    }
    let ranges = spec.load_balancer_source_ranges.iter().flatten();
    findings.require(balanced || ranges.clone().next().is_none(), "spec.loadBalancerSourceRanges", || {
        only.to_owned()
    });
    for (index, text) in ranges.enumerate() {
        findings.parsed(&format!("spec.loadBalancerSourceRanges[{index}]"), read::cidr(text.trim()));
    }
    let status = wire.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let ingress = status.into_iter().flat_map(|status| status.ingress.iter().flatten());
    findings.require(balanced || ingress.clone().next().is_none(), "status.loadBalancer.ingress", || {
        only.to_owned()
    });
    for (index, ingress) in ingress.enumerate() {
        if let Some(hostname) = ingress.hostname.as_deref().filter(|hostname| !hostname.is_empty()) {
            let field = format!("status.loadBalancer.ingress[{index}].hostname");
            findings.parsed(&field, name::dns_subdomain(hostname));
        }
    }
}

fn affinity(spec: &ServiceSpec, findings: &mut Findings<'_>) {
    let config = spec.session_affinity_config.as_ref();
    let timeout =
        config.and_then(|config| config.client_ip.as_ref()).and_then(|config| config.timeout_seconds);
    let affinity = spec.session_affinity.as_deref().filter(|text| !text.is_empty()).unwrap_or("None");
    if let Some(seconds) = timeout.filter(|_| affinity == "None") {
        let field = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
        findings.report(field, format!("{seconds} may only be set for sessionAffinity ClientIP"));
    }
}
