//! Addresses and address families of a Service.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Ranges, name};
use crate::problem::Findings;
use crate::wire::ServiceSpec;
use crate::{AddressType, Service, ServiceType, read};

pub(super) fn check(
    spec: &ServiceSpec,
    kind: ServiceType,
    ranges: &Ranges,
    old: Option<&Service>,
    findings: &mut Findings<'_>,
) {
    external_ips(spec, old, findings);
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
        cluster_ips(spec, ranges, old, findings);
    }
    families(spec, findings);
    if let Some(policy) = spec.ip_family_policy.as_deref().filter(|text| !text.is_empty()) {
        findings.parsed("spec.ipFamilyPolicy", read::family_policy(policy));
    }
}

/// Whether the families can be judged: more would only be said of addresses that are wrong already.
pub(super) fn are_readable(spec: &ServiceSpec) -> bool {
    let headless = spec.is_headless();
    spec.all_cluster_ips().iter().all(|text| read::address(text).is_ok() || (headless && *text == "None"))
}

/// An address in its canonical spelling, unless it was there before.
fn address(text: &str, before: &[IpAddr]) -> Result<IpAddr, String> {
    match read::address(text) {
        Ok(address) if before.contains(&address) => Ok(address),
        _ => name::canonical_address(text),
    }
}

fn external_ips(spec: &ServiceSpec, old: Option<&Service>, findings: &mut Findings<'_>) {
    let before = old.map_or(&[][..], |old| &old.traffic.external_ips);
    for (index, text) in spec.external_ips.iter().flatten().enumerate() {
        let usable = address(text, before).and_then(name::usable);
        findings.parsed(&format!("spec.externalIPs[{index}]"), usable);
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
    match (one, spec.cluster_ips.iter().flatten().next()) {
        (Some(one), Some(first)) => {
            findings
                .require(one == first, "spec.clusterIPs[0]", || format!("{first} is not clusterIP ({one})"));
        }
        (None, Some(first)) => {
            findings.report("spec.clusterIP", format!("is required beside clusterIPs: write {first}"));
        }
        (_, None) => {}
    }
}

fn cluster_ips(spec: &ServiceSpec, ranges: &Ranges, old: Option<&Service>, findings: &mut Findings<'_>) {
    let written = spec.all_cluster_ips();
    let field = |index: usize| match written.len() {
        0 | 1 => "spec.clusterIP".to_owned(),
        _ => format!("spec.clusterIPs[{index}]"),
    };
    findings.require(written.len() <= 2, "spec.clusterIPs", || format!("{} are more than 2", written.len()));
    let before = old.map_or(&[][..], Service::cluster_ips);
    let mut seen = BTreeSet::new();
    for (index, text) in written.iter().enumerate() {
        let field = field(index);
        if *text == "None" {
            findings.report(field, "None may not stand beside addresses");
            continue;
        }
        let Some(address) = findings.parsed(&field, address(text, before)) else { continue };
        let family = AddressType::of(address);
        findings.require(seen.insert(family), &field, || {
            format!("{address} is a second address of {family}: one per family")
        });
        findings.require(before.contains(&address) || ranges.offer(address), &field, || {
            let cidrs: Vec<_> = ranges.cidrs().iter().map(ToString::to_string).collect();
            format!("{address} is not an address that {} has for Services", cidrs.join(", "))
        });
        if let Some(named) = spec.ip_families.iter().flatten().nth(index) {
            findings.require(named == family.as_str(), &field, || {
                format!("{address} does not agree with spec.ipFamilies[{index}], which is {named}")
            });
        }
    }
}

fn families(spec: &ServiceSpec, findings: &mut Findings<'_>) {
    let mut seen = BTreeSet::new();
    for (index, text) in spec.ip_families.iter().flatten().enumerate() {
        let field = format!("spec.ipFamilies[{index}]");
        if matches!(text.as_str(), "IPv4" | "IPv6") {
            findings.require(seen.insert(text), &field, || format!("{text} stands twice"));
        } else {
            findings.report(field, format!("`{text}` is not one of IPv4, IPv6"));
        }
    }
}
