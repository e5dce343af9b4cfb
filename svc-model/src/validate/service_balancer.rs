//! What a Service says of its load balancer.

use super::name;
use crate::problem::Findings;
use crate::wire::{LoadBalancerIngress, Service, ServiceSpec};
use crate::{ServiceType, read};

const ONLY: &str = "may only be set for type LoadBalancer";

/// Where source ranges once stood. Validation still reads it; proxies do not.
const RANGES_ANNOTATION: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";

pub(super) fn check(wire: &Service, kind: ServiceType, findings: &mut Findings<'_>) {
    let spec = &wire.spec;
    let balanced = kind == ServiceType::LoadBalancer;
    if let Some(class) = &spec.load_balancer_class {
        let field = "spec.loadBalancerClass";
        findings.require(balanced, field, || format!("`{class}` {ONLY}"));
        findings.parsed(field, name::qualified(class));
    }
    if let Some(flag) = spec.allocate_load_balancer_node_ports {
        findings.require(balanced, "spec.allocateLoadBalancerNodePorts", || format!("{flag} {ONLY}"));
    }
    source_ranges(wire, spec, balanced, findings);
}

fn source_ranges(wire: &Service, spec: &ServiceSpec, balanced: bool, findings: &mut Findings<'_>) {
    let field = "spec.loadBalancerSourceRanges";
    if let Some(ranges) = spec.load_balancer_source_ranges.as_ref().filter(|ranges| !ranges.is_empty()) {
        findings.require(balanced, field, || ONLY.to_owned());
        for (index, text) in ranges.iter().enumerate() {
            findings.parsed(&format!("{field}[{index}]"), read::cidr(text.trim()));
        }
        return;
    }
    let annotations = wire.metadata.annotations.as_ref();
    let Some(text) = annotations.and_then(|annotations| annotations.get(RANGES_ANNOTATION)) else { return };
    let field = format!("metadata.annotations.{RANGES_ANNOTATION}");
    findings.require(balanced, &field, || ONLY.to_owned());
    if !text.trim().is_empty() {
        for range in text.split(',') {
            findings.parsed(&field, read::cidr(range.trim()));
        }
    }
}

pub(super) fn status(wire: &Service, balanced: bool, findings: &mut Findings<'_>) {
    let field = "status.loadBalancer.ingress";
    let status = wire.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let entries = status.and_then(|status| status.ingress.as_deref()).unwrap_or_default();
    findings.require(balanced || entries.is_empty(), field, || ONLY.to_owned());
    for (index, entry) in entries.iter().enumerate() {
        let field = format!("{field}[{index}]");
        ingress(&field, entry, findings);
        let mode = entry.ip_mode.as_deref().filter(|mode| !mode.is_empty());
        if let Some(mode) = mode.filter(|_| entry.ip.as_deref().is_none_or(str::is_empty)) {
            findings.report(format!("{field}.ipMode"), format!("`{mode}` may only be set beside an ip"));
        }
    }
}

/// An entry of `status.loadBalancer.ingress` of a Service or an Ingress.
pub(super) fn ingress(field: &str, entry: &LoadBalancerIngress, findings: &mut Findings<'_>) {
    if let Some(ip) = entry.ip.as_deref().filter(|ip| !ip.is_empty()) {
        findings.parsed(&format!("{field}.ip"), name::canonical_address(ip));
    }
    if let Some(hostname) = entry.hostname.as_deref().filter(|hostname| !hostname.is_empty()) {
        let field = format!("{field}.hostname");
        if read::address(hostname).is_ok() {
            findings.report(field, format!("`{hostname}` is an address: write it under ip"));
        } else {
            findings.parsed(&field, name::dns_subdomain(hostname));
        }
    }
}
