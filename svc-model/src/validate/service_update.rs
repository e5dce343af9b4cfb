//! What an update of a Service may not change.

use crate::problem::Findings;
use crate::wire::ServiceSpec;
use crate::{Service, ServiceType, read};

pub(super) fn check(spec: &ServiceSpec, old: &Service, findings: &mut Findings<'_>) {
    let kind = read::service_type(spec.service_type.as_deref()).unwrap_or_default();
    // Between ExternalName and the others addresses come and go.
    if kind != ServiceType::ExternalName && old.service_type() != ServiceType::ExternalName {
        cluster_ip(spec, old, findings);
    }
    if kind == ServiceType::LoadBalancer && old.service_type() == ServiceType::LoadBalancer {
        let (now, before) = (spec.load_balancer_class.as_deref(), old.load_balancer_class());
        findings.require(now == before, "spec.loadBalancerClass", || {
            format!("is immutable: `{}` cannot become `{}`", before.unwrap_or(""), now.unwrap_or(""))
        });
        if let (Some(before), Some(now)) = (old.health_check_node_port(), spec.health_check_node_port) {
            let local = spec.external_traffic_policy.as_deref() == Some("Local");
            findings.require(
                !local || now == 0 || now == i64::from(before),
                "spec.healthCheckNodePort",
                || format!("is immutable: {before} cannot become {now}"),
            );
        }
    }
}

fn cluster_ip(spec: &ServiceSpec, old: &Service, findings: &mut Findings<'_>) {
    let before = match old.cluster_ips().first() {
        Some(address) => address.to_string(),
        None => "None".to_owned(),
    };
    if let Some(now) = spec.all_cluster_ips().first() {
        findings.require(*now == before, "spec.clusterIP", || {
            format!("is immutable: {before} cannot become {now}; delete the Service and create it again")
        });
    }
    let primary = old.families().first().copied();
    if let (Some(primary), Some(now)) = (primary, spec.ip_families.iter().flatten().next()) {
        findings.require(now == primary.as_str(), "spec.ipFamilies[0]", || {
            format!("is immutable: {primary} cannot become {now}")
        });
    }
}
