//! What a user may write: the rules of the API server on creation and update, on manifests as they were written.
//!
//! All faults are found at once, each with its field, its value and the rule. Whatever passes here is
//! understood by [`read`], but for the addresses of a Service, which it still has to be given.

mod ingress;
mod name;
mod service;
mod service_addresses;
mod service_ports;
mod service_update;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use ipnet::IpNet;

use crate::problem::Findings;
use crate::wire::{self, Manifest, ObjectMeta};
use crate::{AddressType, Kind, ObjectRef, Problems, SERVICE_NAME_LABEL, Service, read};

/// What a cluster hands out, and therefore what may be asked for.
#[derive(Clone, Debug)]
pub struct Ranges {
    service_cidrs: Vec<IpNet>,
    node_ports: RangeInclusive<u16>,
}

impl Default for Ranges {
    /// 10.96.0.0/12 and 30000-32767, as kubeadm sets them.
    fn default() -> Self {
        let cidr = IpNet::V4(ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::new(10, 96, 0, 0), 12));
        Self { service_cidrs: vec![cidr], node_ports: 30_000..=32_767 }
    }
}

impl Ranges {
    /// The same with these ranges of virtual addresses, primary family first.
    #[must_use]
    pub fn service_cidrs(mut self, cidrs: Vec<IpNet>) -> Self {
        self.service_cidrs = cidrs;
        self
    }

    /// The same with these node ports.
    #[must_use]
    pub fn node_ports(mut self, range: RangeInclusive<u16>) -> Self {
        self.node_ports = range;
        self
    }

    /// The ranges of virtual addresses.
    #[must_use]
    pub fn cidrs(&self) -> &[IpNet] {
        &self.service_cidrs
    }

    /// The node ports.
    #[must_use]
    pub fn node_port_range(&self) -> RangeInclusive<u16> {
        self.node_ports.clone()
    }

    /// The address families, primary first.
    #[must_use]
    pub fn families(&self) -> Vec<AddressType> {
        self.service_cidrs.iter().map(|cidr| AddressType::of(cidr.addr())).collect()
    }
}

/// Whether a manifest may be created.
///
/// # Errors
/// All its faults.
pub fn create(manifest: &Manifest, ranges: &Ranges) -> Result<(), Problems> {
    let at = manifest.reference();
    match manifest {
        Manifest::Service(wire) => service(wire, &at, ranges, None),
        other => {
            let mut findings = Findings::of(&at);
            metadata(&at, other.metadata(), &mut findings);
            match other {
                Manifest::Ingress(wire) => ingress::check(wire, &mut findings),
                Manifest::Secret(wire) => secret(wire, &mut findings),
                Manifest::EndpointSlice(wire) => endpoint_slice(wire, &mut findings),
                Manifest::Pod(wire) => pod(wire, &mut findings),
                _ => {}
            }
            finish(findings, other)
        }
    }
}

/// Whether a Service may be created, or may replace `old`.
///
/// # Errors
/// All its faults.
pub fn service(
    wire: &wire::Service,
    at: &ObjectRef,
    ranges: &Ranges,
    old: Option<&Service>,
) -> Result<(), Problems> {
    let mut findings = Findings::of(at);
    metadata(at, &wire.metadata, &mut findings);
    service::check(wire, ranges, &mut findings);
    if let Some(old) = old {
        service_update::check(&wire.spec, old, &mut findings);
    }
    finish(findings, &service::readable(wire))
}

/// Adds what reading finds: the typed fields are checked in one place only.
fn finish(mut findings: Findings<'_>, readable: &Manifest) -> Result<(), Problems> {
    if let Err(problems) = read::object(readable) {
        findings.add_unknown(problems);
    }
    findings.finish()
}

fn metadata(at: &ObjectRef, wire: &ObjectMeta, findings: &mut Findings<'_>) {
    let name = at.name.name();
    if !name.is_empty() {
        let checked = match at.kind {
            Kind::Service | Kind::Namespace => name::dns_label(name),
            _ => name::dns_subdomain(name),
        };
        findings.parsed("metadata.name", checked);
    }
    if at.kind.is_namespaced() {
        findings.parsed("metadata.namespace", name::dns_label(at.name.namespace()));
    }
    name::labels("metadata.labels", wire.labels.iter().flatten(), findings);
    for key in wire.annotations.iter().flat_map(|annotations| annotations.keys()) {
        findings.parsed(&format!("metadata.annotations.{key}"), name::qualified(&key.to_lowercase()));
    }
}

/// What makes a Secret of this type usable; the values themselves are for those who use them.
fn secret(wire: &wire::Secret, findings: &mut Findings<'_>) {
    let required: &[&str] = match wire.secret_type.as_deref() {
        Some("kubernetes.io/tls") => &["tls.crt", "tls.key"],
        _ => &[],
    };
    let written =
        |key: &str| [&wire.data, &wire.string_data].into_iter().flatten().any(|map| map.contains_key(key));
    for key in required.iter().filter(|key| !written(key)) {
        findings.report(format!("data.{key}"), "is required for type kubernetes.io/tls");
    }
    for key in wire.data.iter().chain(&wire.string_data).flat_map(|map| map.keys()) {
        findings.parsed(&format!("data.{key}"), name::secret_key(key));
    }
}

fn endpoint_slice(wire: &wire::EndpointSlice, findings: &mut Findings<'_>) {
    let service = wire.metadata.labels.iter().flatten().find(|(key, _)| *key == SERVICE_NAME_LABEL);
    findings.require(service.is_some(), "metadata.labels", || {
        format!("{SERVICE_NAME_LABEL} is required: without it the slice belongs to no Service")
    });
    let endpoints = wire.endpoints.iter().flatten();
    findings.require(endpoints.clone().count() <= 1000, "endpoints", || {
        format!("{} are more than 1000", endpoints.clone().count())
    });
    for (index, endpoint) in endpoints.enumerate() {
        for (position, text) in endpoint.addresses.iter().enumerate() {
            let field = format!("endpoints[{index}].addresses[{position}]");
            findings.parsed(&field, name::usable_address(text));
        }
        if let Some(hostname) = &endpoint.hostname {
            findings.parsed(&format!("endpoints[{index}].hostname"), name::dns_label(hostname));
        }
    }
    let mut names = std::collections::BTreeSet::new();
    for (index, port) in wire.ports.iter().flatten().enumerate() {
        let name = port.name.as_deref().unwrap_or_default();
        findings.require(names.insert(name), &format!("ports[{index}].name"), || {
            format!("`{name}` is already the name of another port")
        });
    }
}

fn pod(wire: &wire::Pod, findings: &mut Findings<'_>) {
    for (field, text) in [("spec.hostname", &wire.spec.hostname), ("spec.subdomain", &wire.spec.subdomain)] {
        if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
            findings.parsed(field, name::dns_label(text));
        }
    }
    for (outer, container) in wire.spec.containers.iter().flatten().enumerate() {
        let mut names = std::collections::BTreeSet::new();
        let named = |port: &wire::ContainerPort| port.name.clone().filter(|name| !name.is_empty());
        for (inner, name) in container.ports.iter().flatten().map(named).enumerate() {
            let Some(name) = name else { continue };
            let field = format!("spec.containers[{outer}].ports[{inner}].name");
            findings.parsed(&field, name::port_name(&name));
            findings.require(names.insert(name.clone()), &field, || {
                format!("`{name}` is already the name of another port")
            });
        }
    }
}
