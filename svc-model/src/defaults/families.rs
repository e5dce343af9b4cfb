//! Address families of a Service (KEP-563): what the policy, the families and the addresses say together.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::problem::Findings;
use crate::read::{self, family_policy, service_type};
use crate::wire::ServiceSpec;
use crate::{AddressType, IpFamilyPolicy, Service, ServiceType};

const POLICY: &str = "spec.ipFamilyPolicy";

/// Settles `ipFamilyPolicy` and `ipFamilies` of a Service that is created, or replaces `old`, in a cluster with these
/// families, and reports what cannot be. `clusterIPs` and `ipFamilies` that cannot be read say nothing here.
pub(crate) fn settle(
    spec: &mut ServiceSpec,
    cluster: &[AddressType],
    old: Option<&Service>,
    findings: &mut Findings<'_>,
) {
    let kind = service_type(spec.service_type.as_deref()).unwrap_or_default();
    if kind == ServiceType::ExternalName || old.is_some_and(|old| stays_as_it_is(spec, old)) {
        return;
    }
    let Ok(policy) = policy(spec, old) else { return };
    spec.ip_family_policy = Some(policy.as_str().to_owned());
    match (old, policy) {
        (Some(old), IpFamilyPolicy::SingleStack) => release_secondary(spec, old),
        (Some(old), _) => keep_secondary(spec, old, findings),
        (None, _) => {}
    }
    let addresses = spec.cluster_ips.iter().flatten().count();
    let named = spec.ip_families.iter().flatten().count();
    if policy == IpFamilyPolicy::SingleStack && (addresses > 1 || named > 1) {
        let of = if addresses > 1 { "two clusterIPs" } else { "two ipFamilies" };
        findings.report(POLICY, format!("SingleStack with {of}: write PreferDualStack or RequireDualStack"));
    }
    infer_families(spec, cluster, findings);
    complete(spec, policy, cluster, findings);
}

/// A Service that prefers two families is not upgraded behind its owner's back when the cluster gets a second one.
fn stays_as_it_is(spec: &ServiceSpec, old: &Service) -> bool {
    let addresses: Vec<_> = old.cluster_ips().iter().map(ToString::to_string).collect();
    spec.ip_family_policy.as_deref() == Some("PreferDualStack")
        && old.family_policy() == Some(IpFamilyPolicy::PreferDualStack)
        && !addresses.is_empty()
        && spec.cluster_ips.as_ref() == Some(&addresses)
        && spec.ip_families.as_ref() == Some(&texts(&old.families()))
}

/// What is written, what it was, or the default.
fn policy(spec: &ServiceSpec, old: Option<&Service>) -> Result<IpFamilyPolicy, String> {
    match (
        spec.ip_family_policy.as_deref().filter(|text| !text.is_empty()),
        old.and_then(Service::family_policy),
    ) {
        (Some(text), _) => family_policy(text),
        (None, Some(former)) => Ok(former),
        (None, None) if is_detached(spec) => Ok(IpFamilyPolicy::RequireDualStack),
        (None, None) => Ok(IpFamilyPolicy::SingleStack),
    }
}

/// Headless without selector: its endpoints are somebody else's, of any family, whatever the cluster has.
fn is_detached(spec: &ServiceSpec) -> bool {
    spec.is_headless() && spec.selector.as_ref().is_none_or(BTreeMap::is_empty)
}

/// Who turns to one family and leaves the addresses as they were means the second one to go.
fn release_secondary(spec: &mut ServiceSpec, old: &Service) {
    let former: Vec<_> = old.cluster_ips().iter().map(ToString::to_string).collect();
    if spec.cluster_ips.as_ref() == Some(&former) {
        spec.cluster_ips.iter_mut().for_each(|all| all.truncate(1));
    }
    if spec.ip_families.as_ref() == Some(&texts(&old.families())) {
        spec.ip_families.iter_mut().for_each(|all| all.truncate(1));
    }
}

/// Who leaves one out without a word on the policy does not.
fn keep_secondary(spec: &ServiceSpec, old: &Service, findings: &mut Findings<'_>) {
    let reduced = |now: &Option<Vec<String>>, before: usize| {
        now.as_ref().is_some_and(|now| !now.is_empty() && now.len() < before)
    };
    if reduced(&spec.cluster_ips, old.cluster_ips().len()) && !spec.is_headless() {
        findings.report(POLICY, "must be SingleStack to release the second of the clusterIPs");
    } else if reduced(&spec.ip_families, old.families().len()) {
        findings.report(POLICY, "must be SingleStack to release the second of the ipFamilies");
    }
}

/// The families of the addresses that were asked for. Where the cluster lacks one of them nothing follows from the others:
/// families and addresses agree by position.
fn infer_families(spec: &mut ServiceSpec, cluster: &[AddressType], findings: &mut Findings<'_>) {
    let written = spec.cluster_ips.iter().flatten().enumerate();
    let addresses: Vec<(usize, IpAddr)> =
        written.filter_map(|(index, ip)| Some((index, read::address(ip).ok()?))).collect();
    let all_known = addresses.iter().all(|(_, address)| cluster.contains(&AddressType::of(*address)));
    let named = spec.ip_families.as_ref().map_or(0, Vec::len);
    for (index, address) in addresses.into_iter().filter(|(index, _)| *index >= named) {
        let family = AddressType::of(address);
        if all_known {
            spec.ip_families.get_or_insert_default().push(family.as_str().to_owned());
        } else if !cluster.contains(&family) {
            let field = format!("spec.clusterIPs[{index}]");
            findings.report(field, format!("{address}: {family} is not a family of this cluster"));
        }
    }
}

fn complete(
    spec: &mut ServiceSpec,
    policy: IpFamilyPolicy,
    cluster: &[AddressType],
    findings: &mut Findings<'_>,
) {
    let detached = is_detached(spec);
    if !detached {
        findings.require(policy != IpFamilyPolicy::RequireDualStack || cluster.len() > 1, POLICY, || {
            "RequireDualStack in a cluster with one family".to_owned()
        });
        for (index, text) in spec.ip_families.iter().flatten().enumerate() {
            let known = family(text).is_none_or(|family| cluster.contains(&family));
            findings.require(known, &format!("spec.ipFamilies[{index}]"), || {
                format!("{text} is not a family of this cluster")
            });
        }
    }
    let families = spec.ip_families.get_or_insert_default();
    if families.is_empty() {
        families.extend(cluster.first().map(|family| family.as_str().to_owned()));
    }
    if let [only] = &families[..]
        && policy != IpFamilyPolicy::SingleStack
        && let Some(second) = family(only).map(other)
        && (detached || cluster.contains(&second))
    {
        families.push(second.as_str().to_owned());
    }
}

/// The families that a settled Service names.
pub(crate) fn named(spec: &ServiceSpec) -> Vec<AddressType> {
    spec.ip_families.iter().flatten().filter_map(|text| family(text)).collect()
}

fn texts(families: &[AddressType]) -> Vec<String> {
    families.iter().map(|family| family.as_str().to_owned()).collect()
}

fn other(family: AddressType) -> AddressType {
    match family {
        AddressType::Ipv4 => AddressType::Ipv6,
        AddressType::Ipv6 => AddressType::Ipv4,
    }
}

fn family(text: &str) -> Option<AddressType> {
    match text {
        "IPv4" => Some(AddressType::Ipv4),
        "IPv6" => Some(AddressType::Ipv6),
        _ => None,
    }
}
