//! What an update leaves as it was: values that were allocated and are not written again, and fields of the former type
//! that no longer apply.

use std::collections::{BTreeMap, BTreeSet};

use crate::read::{is_externally_accessible, service_type};
use crate::wire::{self, ServiceSpec};
use crate::{Service, ServiceType};

/// Fills and clears a Service as the API server does before it judges an update of `old`, or a creation. Only values
/// that the user did not change are cleared; those he did are for validation to judge.
///
/// | the update | what is done |
/// |--|--|
/// | says nothing of `clusterIP`, `clusterIPs`, `nodePort` (of a port of the same name), `healthCheckNodePort` | they stay |
/// | names only `clusterIP`, unchanged | `clusterIPs` stay; changed: it becomes the only one, for validation to refuse |
/// | turns to ExternalName | addresses, families and policy go |
/// | leaves NodePort and LoadBalancer | node ports and `externalTrafficPolicy` go |
/// | needs no health check any more | `healthCheckNodePort` goes |
/// | leaves LoadBalancer | `allocateLoadBalancerNodePorts`, `loadBalancerClass` and `status.loadBalancer` go |
pub fn update(service: &mut wire::Service, old: Option<&Service>) {
    super::fields(service);
    let Ok(kind) = service_type(service.spec.service_type.as_deref()) else { return };
    let spec = &mut service.spec;
    let Some(old) = old else {
        if let (Some(one), None) = (said(spec.cluster_ip.as_ref()), &spec.cluster_ips) {
            spec.cluster_ips = Some(vec![one]);
        }
        return;
    };
    agree(spec, old);
    keep_allocated(spec, kind, old);
    drop_fields(spec, kind, old);
    if kind != ServiceType::LoadBalancer
        && let Some(status) = &mut service.status
    {
        status.load_balancer = None;
    }
}

pub(crate) fn has_node_ports(service_type: ServiceType) -> bool {
    matches!(service_type, ServiceType::NodePort | ServiceType::LoadBalancer)
}

/// A balancer that sends traffic only to nodes with endpoints has to ask which these are.
pub(crate) fn needs_health_check(spec: &ServiceSpec, service_type: ServiceType) -> bool {
    service_type == ServiceType::LoadBalancer && spec.external_traffic_policy.as_deref() == Some("Local")
}

fn said(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
}

/// `clusterIPs` of the Service as the API shows them.
fn former_addresses(old: &Service) -> Vec<String> {
    if old.is_headless() {
        return vec!["None".to_owned()];
    }
    old.cluster_ips().iter().map(ToString::to_string).collect()
}

/// Brings `clusterIP` and `clusterIPs` together, where only one of them was edited.
fn agree(spec: &mut ServiceSpec, old: &Service) {
    let former = former_addresses(old);
    let one = said(spec.cluster_ip.as_ref());
    let unsaid = spec.cluster_ips.as_ref().is_none_or(Vec::is_empty);
    let unchanged = spec.cluster_ips.as_ref() == Some(&former);
    if !former.is_empty() && unsaid && one.as_ref() == former.first() {
        spec.cluster_ips = Some(former);
    } else if one.as_ref() != former.first() {
        match one {
            None if unchanged => spec.cluster_ips = None,
            Some(one) if unchanged || unsaid => spec.cluster_ips = Some(vec![one]),
            _ => {}
        }
    }
}

fn keep_allocated(spec: &mut ServiceSpec, kind: ServiceType, old: &Service) {
    let former = former_addresses(old);
    if kind != ServiceType::ExternalName && !former.is_empty() {
        let one = said(spec.cluster_ip.as_ref()).or_else(|| former.first().cloned());
        if spec.cluster_ips.as_ref().is_none_or(Vec::is_empty) && one == former.first().cloned() {
            spec.cluster_ips = Some(former);
        }
        spec.cluster_ip = one;
    }
    if has_node_ports(kind) && has_node_ports(old.service_type()) {
        keep_node_ports(spec, old);
    }
    let health_check = old.health_check_node_port().filter(|_| needs_health_check(spec, kind));
    if let Some(port) = health_check
        && spec.health_check_node_port.unwrap_or(0) == 0
    {
        spec.health_check_node_port = Some(port.into());
    }
}

/// By the port's name, as the API server does; a number is not given to two ports.
fn keep_node_ports(spec: &mut ServiceSpec, old: &Service) {
    let former: BTreeMap<&str, i64> = old
        .ports()
        .iter()
        .filter_map(|port| port.node_port().map(|number| (port.name(), i64::from(number))))
        .collect();
    let used: BTreeSet<i64> =
        spec.ports.iter().flatten().filter_map(|port| port.node_port).filter(|port| *port != 0).collect();
    for port in spec.ports.iter_mut().flatten().filter(|port| port.node_port.unwrap_or(0) == 0) {
        let name = port.name.as_deref().unwrap_or_default();
        if let Some(number) = former.get(name).filter(|number| !used.contains(number)) {
            port.node_port = Some(*number);
        }
    }
}

fn drop_fields(spec: &mut ServiceSpec, kind: ServiceType, old: &Service) {
    if kind == ServiceType::ExternalName && old.service_type() != ServiceType::ExternalName {
        drop_addresses(spec, old);
    }
    if has_node_ports(old.service_type()) && !has_node_ports(kind) && same_node_ports(spec, old) {
        spec.ports.iter_mut().flatten().for_each(|port| port.node_port = None);
    }
    let former = old.health_check_node_port().map(i64::from);
    if former.is_some() && !needs_health_check(spec, kind) && spec.health_check_node_port == former {
        spec.health_check_node_port = None;
    }
    if old.service_type() == ServiceType::LoadBalancer && kind != ServiceType::LoadBalancer {
        let balancer = old.load_balancer();
        if spec.allocate_load_balancer_node_ports == balancer.map(|it| it.allocates_node_ports) {
            spec.allocate_load_balancer_node_ports = None;
        }
        if spec.load_balancer_class.as_deref() == old.load_balancer_class() {
            spec.load_balancer_class = None;
        }
    }
    let policy = old.traffic.external_policy.map(|policy| policy.as_str());
    if policy.is_some()
        && !is_externally_accessible(spec, kind)
        && spec.external_traffic_policy.as_deref() == policy
    {
        spec.external_traffic_policy = None;
    }
}

fn drop_addresses(spec: &mut ServiceSpec, old: &Service) {
    let former = former_addresses(old);
    if spec.cluster_ips.as_ref() == Some(&former) && said(spec.cluster_ip.as_ref()).as_ref() == former.first()
    {
        (spec.cluster_ip, spec.cluster_ips) = (None, None);
    }
    let families: Vec<_> = old.families().iter().map(ToString::to_string).collect();
    if spec.ip_families.as_ref() == Some(&families) {
        spec.ip_families = None;
    }
    if spec.ip_family_policy.as_deref() == old.family_policy().map(crate::IpFamilyPolicy::as_str) {
        spec.ip_family_policy = None;
    }
}

/// The user did not touch them: each is what it was, or not written at all.
fn same_node_ports(spec: &ServiceSpec, old: &Service) -> bool {
    let former: BTreeSet<i64> =
        old.ports().iter().filter_map(|port| port.node_port()).map(i64::from).collect();
    let mut written = spec.ports.iter().flatten().filter_map(|port| port.node_port).filter(|port| *port != 0);
    written.all(|port| former.contains(&port))
}
