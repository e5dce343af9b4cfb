//! What an update leaves as it was: values that were allocated and are not written again, and fields of the former type
//! that no longer apply.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::ServiceSpec;
use crate::{AddressType, Service, ServiceType, TrafficPolicy};

/// Fills and clears `spec` as the API server does on an update of `old` to type `new_type`. Only values that the user
/// did not change are cleared; those he did are for validation to judge.
pub(super) fn carry_over(spec: &mut ServiceSpec, new_type: ServiceType, old: &Service) {
    carry_addresses(spec, new_type, old);
    if has_node_ports(new_type) && has_node_ports(old.service_type()) {
        carry_node_ports(spec, old);
    }
    if !has_node_ports(new_type) {
        drop_node_ports(spec, old);
    }
    if new_type != ServiceType::LoadBalancer {
        drop_balancer_fields(spec, old);
    }
    let needs_health_check = new_type == ServiceType::LoadBalancer && is_local(spec);
    match old.health_check_node_port().map(i64::from) {
        Some(port) if needs_health_check => _ = spec.health_check_node_port.get_or_insert(port),
        former if !needs_health_check && spec.health_check_node_port == former => {
            spec.health_check_node_port = None;
        }
        _ => {}
    }
}

pub(super) fn has_node_ports(service_type: ServiceType) -> bool {
    matches!(service_type, ServiceType::NodePort | ServiceType::LoadBalancer)
}

pub(super) fn is_local(spec: &ServiceSpec) -> bool {
    spec.external_traffic_policy.as_deref() == Some("Local")
}

fn carry_addresses(spec: &mut ServiceSpec, new_type: ServiceType, old: &Service) {
    let kept = if spec.ip_family_policy.as_deref() == Some("SingleStack") { 1 } else { 2 };
    let former: Vec<String> = old.cluster_ips().iter().take(kept).map(ToString::to_string).collect();
    if new_type == ServiceType::ExternalName {
        if spec.all_cluster_ips() == former {
            (spec.cluster_ip, spec.cluster_ips) = (None, None);
        }
        return;
    }
    if old.service_type() == ServiceType::ExternalName {
        return;
    }
    if spec.ip_families.is_none() && spec.ip_family_policy.is_none() {
        let families = old.families();
        spec.ip_families = (!families.is_empty())
            .then(|| families.into_iter().map(AddressType::as_str).map(str::to_owned).collect());
    }
    let written = spec.all_cluster_ips();
    let only_primary = written.len() == 1 && former.first().is_some_and(|primary| primary == written[0]);
    if old.is_headless() && written.is_empty() {
        spec.cluster_ip = Some("None".to_owned());
    } else if written.is_empty() || (only_primary && spec.cluster_ips.is_none()) {
        spec.cluster_ip = former.first().cloned();
        spec.cluster_ips = (!former.is_empty()).then_some(former);
    }
}

/// By the port's name, as the API server does; a number is not given to two ports.
fn carry_node_ports(spec: &mut ServiceSpec, old: &Service) {
    let former: BTreeMap<&str, i64> = old
        .ports()
        .iter()
        .filter_map(|port| port.node_port().map(|number| (port.name(), i64::from(number))))
        .collect();
    let mut used: BTreeSet<i64> =
        spec.ports.iter().flatten().filter_map(|port| port.node_port).filter(|port| *port != 0).collect();
    for port in spec.ports.iter_mut().flatten().filter(|port| port.node_port.unwrap_or(0) == 0) {
        let name = port.name.as_deref().unwrap_or_default();
        if let Some(number) = former.get(name).filter(|number| used.insert(**number)) {
            port.node_port = Some(*number);
        }
    }
}

fn drop_node_ports(spec: &mut ServiceSpec, old: &Service) {
    let former: BTreeSet<i64> =
        old.ports().iter().filter_map(|port| port.node_port()).map(i64::from).collect();
    for port in spec.ports.iter_mut().flatten() {
        port.node_port = port.node_port.filter(|number| !former.contains(number));
    }
    let policy_dropped = has_node_ports(old.service_type())
        && spec.external_ips.iter().flatten().next().is_none()
        && is_local(spec) == (old.external_traffic_policy() == TrafficPolicy::Local);
    if policy_dropped {
        spec.external_traffic_policy = None;
    }
}

fn drop_balancer_fields(spec: &mut ServiceSpec, old: &Service) {
    if old.service_type() != ServiceType::LoadBalancer {
        return;
    }
    if spec.load_balancer_class.as_deref() == old.load_balancer_class() {
        spec.load_balancer_class = None;
    }
    if spec.allocate_load_balancer_node_ports == Some(old.allocates_node_ports()) {
        spec.allocate_load_balancer_node_ports = None;
    }
}
