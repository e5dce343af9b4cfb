//! Service: what the fields may say together.

use super::{Ranges, name, service_addresses, service_balancer, service_ports, service_update};
use crate::defaults::{self, families, needs_health_check};
use crate::problem::Findings;
use crate::read::{self, is_externally_accessible};
use crate::service::{TOPOLOGY_AWARE_HINTS, TOPOLOGY_MODE};
use crate::wire::{self, Manifest, ServiceSpec};
use crate::{Service, ServiceType};

/// The Service, which was prepared, with all its defaults, and everything that is wrong with it; allocation has not happened yet.
pub(super) fn completed(
    mut wire: wire::Service,
    ranges: &Ranges,
    old: Option<&Service>,
    findings: &mut Findings<'_>,
) -> wire::Service {
    defaults::update(&mut wire, old);
    check(&wire, ranges, old, findings);
    if service_addresses::are_readable(&wire.spec) {
        families::settle(&mut wire.spec, &ranges.families(), old, findings);
    }
    if let Some(old) = old {
        service_update::check(&wire.spec, old, findings);
    }
    wire
}

/// The rules that reading does not apply itself.
fn check(wire: &wire::Service, ranges: &Ranges, old: Option<&Service>, findings: &mut Findings<'_>) {
    let spec = &wire.spec;
    // Reading reports a type that does not exist; the rest can still be judged.
    let kind = read::service_type(spec.service_type.as_deref()).unwrap_or_default();
    topology_annotations(wire, findings);
    name::labels("spec.selector", spec.selector.iter().flatten(), findings);
    service_ports::check(spec, kind, ranges, old, findings);
    service_addresses::check(spec, kind, ranges, old, findings);
    if kind == ServiceType::ExternalName {
        external_name(spec, findings);
    }
    policies(spec, kind, ranges, old, findings);
    service_balancer::check(wire, kind, findings);
    if let Some(text) = &spec.traffic_distribution {
        findings.parsed("spec.trafficDistribution", read::traffic_distribution(text));
    }
}

/// The manifest with an address where one will be allocated, so that everything else can be read. Addresses that are
/// written were judged here, more strictly than reading does.
pub(super) fn readable(mut wire: wire::Service) -> Manifest {
    let kind = read::service_type(wire.spec.service_type.as_deref()).unwrap_or_default();
    if kind != ServiceType::ClusterIp || !wire.spec.is_headless() {
        wire.spec.cluster_ips = Some(vec!["0.0.0.0".to_owned()]);
    }
    Manifest::Service(Box::new(wire))
}

/// The annotation has a deprecated name; who writes both must mean one thing.
fn topology_annotations(wire: &wire::Service, findings: &mut Findings<'_>) {
    let annotation = |key: &str| wire.metadata.annotations.as_ref().and_then(|all| all.get(key));
    if let (Some(mode), Some(hints)) = (annotation(TOPOLOGY_MODE), annotation(TOPOLOGY_AWARE_HINTS)) {
        findings.require(mode == hints, &format!("metadata.annotations.{TOPOLOGY_MODE}"), || {
            format!("`{mode}` is not what the deprecated {TOPOLOGY_AWARE_HINTS} says (`{hints}`)")
        });
    }
}

fn external_name(spec: &ServiceSpec, findings: &mut Findings<'_>) {
    let Some(text) = spec.external_name.as_deref().filter(|text| !text.is_empty()) else { return };
    findings.parsed("spec.externalName", name::dns_subdomain(text.strip_suffix('.').unwrap_or(text)));
}

fn policies(
    spec: &ServiceSpec,
    kind: ServiceType,
    ranges: &Ranges,
    old: Option<&Service>,
    findings: &mut Findings<'_>,
) {
    if let Some(policy) = spec.external_traffic_policy.as_deref().filter(|policy| !policy.is_empty()) {
        findings.require(is_externally_accessible(spec, kind), "spec.externalTrafficPolicy", || {
            format!("`{policy}` may only be set for type NodePort or LoadBalancer, or with externalIPs")
        });
    }
    let Some(port) = spec.health_check_node_port.filter(|port| *port != 0) else { return };
    let field = "spec.healthCheckNodePort";
    if !needs_health_check(spec, kind) {
        let message =
            format!("{port} may only be set for type LoadBalancer with externalTrafficPolicy Local");
        return findings.report(field, message);
    }
    if old.and_then(Service::health_check_node_port).map(i64::from) != Some(port) {
        service_ports::in_range(field, port, ranges, findings);
    }
}
