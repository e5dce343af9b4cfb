//! Addresses and address families of a Service.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Ranges, name};
use crate::allocate::ClusterIps;
use crate::problem::Findings;
use crate::wire::ServiceSpec;
use crate::{AddressType, ServiceType, read};

pub(super) fn check(spec: &ServiceSpec, kind: ServiceType, ranges: &Ranges, findings: &mut Findings<'_>) {
    external_ips(spec, findings);
    if kind == ServiceType::ExternalName {
        return without_addresses(spec, findings);
    }
    agreement(spec, findings);
    if spec.is_headless() {
        findings.require(kind == ServiceType::ClusterIp, "spec.clusterIP", || {
            format!("None may not be used with type {kind}")
        });
        findings.require(spec.all_cluster_ips().len() == 1, "spec.clusterIPs", || {
            "None may not stand beside addresses".to_owned()
        });
    } else {
        cluster_ips(spec, ranges, findings);
    }
    families(spec, ranges, findings);
}

fn external_ips(spec: &ServiceSpec, findings: &mut Findings<'_>) {
    for (index, text) in spec.external_ips.iter().flatten().enumerate() {
        findings.parsed(&format!("spec.externalIPs[{index}]"), name::usable_address(text));
    }
}

fn without_addresses(spec: &ServiceSpec, findings: &mut Findings<'_>) {
    let message = "may not be set for type ExternalName";
    if let Some(address) = spec.all_cluster_ips().first() {
        findings.report("spec.clusterIP", format!("{address} {message}"));
    }
    let families = spec.ip_families.as_ref().is_some_and(|families| !families.is_empty());
    findings.require(!families, "spec.ipFamilies", || message.to_owned());
    findings.require(spec.ip_family_policy.is_none(), "spec.ipFamilyPolicy", || message.to_owned());
}

/// `clusterIP` is the first of `clusterIPs`.
fn agreement(spec: &ServiceSpec, findings: &mut Findings<'_>) {
    let one = spec.cluster_ip.as_deref().filter(|ip| !ip.is_empty());
    let first = spec.cluster_ips.iter().flatten().next();
    if let (Some(one), Some(first)) = (one, first) {
        findings.require(one == first, "spec.clusterIPs[0]", || format!("{first} is not clusterIP ({one})"));
    }
}

fn cluster_ips(spec: &ServiceSpec, ranges: &Ranges, findings: &mut Findings<'_>) {
    let written = spec.all_cluster_ips();
    let field = |index: usize| match spec.cluster_ips.as_ref().is_some_and(|all| !all.is_empty()) {
        true => format!("spec.clusterIPs[{index}]"),
        false => "spec.clusterIP".to_owned(),
    };
    findings.require(written.len() <= 2, "spec.clusterIPs", || format!("{} are more than 2", written.len()));
    let mut seen = BTreeSet::new();
    for (index, text) in written.into_iter().enumerate() {
        if text == "None" {
            findings.report(field(index), "None may not stand beside addresses");
            continue;
        }
        let Some(address) = findings.parsed(&field(index), name::canonical_address(text)) else { continue };
        let family = AddressType::of(address);
        findings.require(seen.insert(family), &field(index), || {
            format!("{address} is a second address of {family}: one per family")
        });
        inside(&field(index), address, ranges, findings);
        if let Some(named) = spec.ip_families.iter().flatten().nth(index) {
            findings.require(named == family.as_str(), &field(index), || {
                format!("{address} does not agree with spec.ipFamilies[{index}], which is {named}")
            });
        }
    }
}

fn inside(field: &str, address: IpAddr, ranges: &Ranges, findings: &mut Findings<'_>) {
    let handed_out = ranges.cidrs().iter().any(|cidr| ClusterIps::new(*cidr, 0).contains(address));
    findings.require(handed_out, field, || {
        let cidrs: Vec<_> = ranges.cidrs().iter().map(ToString::to_string).collect();
        format!("{address} is not an address that {} has for Services", cidrs.join(", "))
    });
}

fn families(spec: &ServiceSpec, ranges: &Ranges, findings: &mut Findings<'_>) {
    let known = ranges.families();
    let has_selector = spec.selector.as_ref().is_some_and(|selector| !selector.is_empty());
    let mut seen = BTreeSet::new();
    for (index, text) in spec.ip_families.iter().flatten().enumerate() {
        let field = format!("spec.ipFamilies[{index}]");
        let family = match text.as_str() {
            "IPv4" => AddressType::Ipv4,
            "IPv6" => AddressType::Ipv6,
            _ => {
                findings.report(field, format!("`{text}` is not one of IPv4, IPv6"));
                continue;
            }
        };
        findings.require(seen.insert(family), &field, || format!("{family} stands twice"));
        let detached = spec.is_headless() && !has_selector;
        findings.require(detached || known.contains(&family), &field, || {
            format!("{family} is not a family of this cluster")
        });
    }
    let detached = spec.is_headless() && !has_selector;
    match spec.ip_family_policy.as_deref() {
        None | Some("PreferDualStack") => {}
        Some("SingleStack") => {
            let many = seen.len() > 1 || spec.all_cluster_ips().len() > 1;
            findings.require(!many, "spec.ipFamilyPolicy", || "SingleStack with two families".to_owned());
        }
        Some("RequireDualStack") => {
            findings.require(detached || known.len() > 1, "spec.ipFamilyPolicy", || {
                "RequireDualStack in a cluster with one family".to_owned()
            });
        }
        Some(other) => _ = findings.parsed("spec.ipFamilyPolicy", read::family_policy(other)),
    }
}
