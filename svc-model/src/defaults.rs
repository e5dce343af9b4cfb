//! What the API server fills in on creation, as far as reading does not take it for granted: the address families of a
//! Service and their policy. Everything else that has a default is read as that default when it is missing.

use crate::read::service_type;
use crate::wire;
use crate::{AddressType, ServiceType};

#[cfg(test)]
mod tests;

/// Fills in `ipFamilies` and `ipFamilyPolicy` for a cluster with these families, the primary one first, and the fields
/// that people look for in the output. Doing it twice is doing it once.
pub fn service(service: &mut wire::Service, cluster: &[AddressType]) {
    let spec = &mut service.spec;
    let kind = service_type(spec.service_type.as_deref()).unwrap_or_default();
    spec.service_type = Some(kind.to_string());
    spec.session_affinity =
        spec.session_affinity.take().filter(|it| !it.is_empty()).or(Some("None".to_owned()));
    if spec.session_affinity.as_deref() == Some("None") {
        spec.session_affinity_config = None;
    }
    if kind == ServiceType::LoadBalancer {
        spec.allocate_load_balancer_node_ports.get_or_insert(true);
    }
    if kind == ServiceType::ExternalName {
        return;
    }
    let families = families(spec, cluster);
    if spec.ip_family_policy.is_none() {
        let policy = if families.len() > 1 { "RequireDualStack" } else { "SingleStack" };
        spec.ip_family_policy = Some(policy.to_owned());
    }
    spec.ip_families = Some(families.into_iter().map(|family| family.as_str().to_owned()).collect());
}

/// The families that a Service is to have, primary first: those it names, or those of the addresses it asks for, or
/// the cluster's primary one; and a second one if its policy wants it and the cluster has it.
#[must_use]
pub fn families(spec: &wire::ServiceSpec, cluster: &[AddressType]) -> Vec<AddressType> {
    let mut families: Vec<AddressType> =
        spec.ip_families.iter().flatten().filter_map(|text| family(text)).collect();
    for ip in spec.all_cluster_ips().into_iter().filter_map(|ip| ip.parse().ok()) {
        push_new(&mut families, AddressType::of(ip));
    }
    if families.is_empty() {
        families.extend(cluster.first());
    }
    let dual = match spec.ip_family_policy.as_deref() {
        Some("PreferDualStack" | "RequireDualStack") => true,
        None => is_detached(spec) && spec.ip_families.is_none(),
        Some(_) => false,
    };
    if dual {
        let known = if is_detached(spec) { &[AddressType::Ipv4, AddressType::Ipv6] } else { cluster };
        known.iter().for_each(|family| push_new(&mut families, *family));
    }
    families
}

/// Headless without selector: its endpoints are somebody else's, of any family, whatever the cluster has.
fn is_detached(spec: &wire::ServiceSpec) -> bool {
    spec.is_headless() && spec.selector.as_ref().is_none_or(std::collections::BTreeMap::is_empty)
}

fn push_new(families: &mut Vec<AddressType>, family: AddressType) {
    if !families.contains(&family) {
        families.push(family);
    }
}

fn family(text: &str) -> Option<AddressType> {
    match text {
        "IPv4" => Some(AddressType::Ipv4),
        "IPv6" => Some(AddressType::Ipv6),
        _ => None,
    }
}
