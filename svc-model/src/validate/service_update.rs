//! What an update of a Service may not change.

use std::net::IpAddr;

use crate::defaults::needs_health_check;
use crate::problem::Findings;
use crate::wire::ServiceSpec;
use crate::{Service, ServiceType, read};

/// `spec` has its defaults, and what it does not say has been taken over from `old`.
pub(super) fn check(spec: &ServiceSpec, old: &Service, findings: &mut Findings<'_>) {
    let kind = read::service_type(spec.service_type.as_deref()).unwrap_or_default();
    // Between ExternalName and the others addresses come and go.
    if kind != ServiceType::ExternalName && old.service_type() != ServiceType::ExternalName {
        addresses(spec, old, findings);
    }
    if kind == ServiceType::LoadBalancer && old.service_type() == ServiceType::LoadBalancer {
        let (now, before) = (spec.load_balancer_class.as_deref(), old.load_balancer_class());
        findings.require(now == before, "spec.loadBalancerClass", || {
            format!("is immutable: `{}` cannot become `{}`", before.unwrap_or(""), now.unwrap_or(""))
        });
    }
    let health_checks = (old.health_check_node_port(), spec.health_check_node_port);
    if let (Some(before), Some(now)) = health_checks
        && needs_health_check(spec, kind)
    {
        findings.require(now == i64::from(before), "spec.healthCheckNodePort", || {
            format!("is immutable: {before} cannot become {now}")
        });
    }
}

/// An address can be added and released, but not exchanged; a headless Service has none to keep, and may also exchange
/// its families.
fn addresses(spec: &ServiceSpec, old: &Service, findings: &mut Findings<'_>) {
    let cure = "delete the Service and create it again";
    match (old.is_headless(), spec.is_headless()) {
        (true, true) => return,
        (false, false) => {}
        (headless, _) => {
            let before = old.cluster_ips().first().map_or("None".to_owned(), IpAddr::to_string);
            let now = if headless {
                spec.all_cluster_ips().first().copied().unwrap_or("an address")
            } else {
                "None"
            };
            return findings
                .report("spec.clusterIP", format!("is immutable: {before} cannot become {now}; {cure}"));
        }
    }
    let written = spec.all_cluster_ips();
    for (index, (before, now)) in old.cluster_ips().iter().zip(&written).enumerate() {
        let field =
            if index == 0 { "spec.clusterIP".to_owned() } else { format!("spec.clusterIPs[{index}]") };
        findings.require(read::address(now).is_ok_and(|now| now == *before), &field, || {
            format!("is immutable: {before} cannot become {now}; {cure}")
        });
    }
    for (index, (before, now)) in old.families().iter().zip(spec.ip_families.iter().flatten()).enumerate() {
        findings.require(now == before.as_str(), &format!("spec.ipFamilies[{index}]"), || {
            format!("is immutable: {before} cannot become {now}")
        });
    }
}
