//! Ingress and IngressClass (networking.k8s.io/v1).

use super::name;
use crate::ingress::CLASS_ANNOTATION;
use crate::problem::Findings;
use crate::wire::{Backend, Ingress, IngressClass, IngressPath};

pub(super) fn check(wire: &Ingress, is_new: bool, findings: &mut Findings<'_>) {
    let spec = &wire.spec;
    class_name(wire, is_new, findings);
    let rules = spec.rules.iter().flatten();
    let empty = spec.default_backend.is_none() && rules.clone().next().is_none();
    findings.require(!empty, "spec", || "either defaultBackend or rules are required".to_owned());
    if let Some(target) = &spec.default_backend {
        backend("spec.defaultBackend", target, findings);
    }
    for (index, tls) in spec.tls.iter().flatten().enumerate() {
        for (position, text) in tls.hosts.iter().flatten().enumerate() {
            findings.parsed(&format!("spec.tls[{index}].hosts[{position}]"), certified_host(text));
        }
        if let Some(secret) = tls.secret_name.as_deref().filter(|name| !name.is_empty()) {
            findings.parsed(&format!("spec.tls[{index}].secretName"), name::dns_subdomain(secret));
        }
    }
    for (index, rule) in rules.enumerate() {
        if let Some(text) = rule.host.as_deref().filter(|host| !host.is_empty()) {
            findings.parsed(&format!("spec.rules[{index}].host"), host(text));
        }
        let Some(http) = &rule.http else { continue };
        let field = format!("spec.rules[{index}].http.paths");
        let paths = http.paths.as_deref().unwrap_or_default();
        findings.require(!paths.is_empty(), &field, || "at least one path is required".to_owned());
        for (position, wire) in paths.iter().enumerate() {
            path(&format!("{field}[{position}]"), wire, findings);
        }
    }
}

/// The field, or the annotation that came before it. A new Ingress may say both, if they agree.
fn class_name(wire: &Ingress, is_new: bool, findings: &mut Findings<'_>) {
    let Some(class) = &wire.spec.ingress_class_name else { return };
    findings.parsed("spec.ingressClassName", name::dns_subdomain(class));
    let annotation = wire.metadata.annotations.as_ref().and_then(|all| all.get(CLASS_ANNOTATION));
    if let Some(other) = annotation.filter(|other| is_new && *other != class) {
        let message = format!("`{other}` is not spec.ingressClassName (`{class}`)");
        findings.report(format!("metadata.annotations.{CLASS_ANNOTATION}"), message);
    }
}

pub(super) fn class(wire: &IngressClass, findings: &mut Findings<'_>) {
    let Some(spec) = &wire.spec else { return };
    if let Some(controller) = spec.controller.as_deref().filter(|text| !text.is_empty()) {
        findings.parsed("spec.controller", name::domain_prefixed(controller));
    }
    let Some(parameters) = &spec.parameters else { return };
    reference("spec.parameters", &parameters.api_group, &parameters.kind, &parameters.name, findings);
    if let Some(namespace) = parameters.namespace.as_deref().filter(|text| !text.is_empty()) {
        findings.parsed("spec.parameters.namespace", name::dns_label(namespace));
    }
}

fn reference(
    field: &str,
    group: &Option<String>,
    kind: &Option<String>,
    name: &Option<String>,
    findings: &mut Findings<'_>,
) {
    if let Some(group) = group {
        findings.parsed(&format!("{field}.apiGroup"), name::dns_subdomain(group));
    }
    for (part, text) in [("kind", kind), ("name", name)] {
        if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
            findings.parsed(&format!("{field}.{part}"), name::path_segment(text));
        }
    }
}

/// A DNS name, or `*.` and one; never an address.
fn host(text: &str) -> Result<(), String> {
    match crate::read::address(text) {
        Ok(_) => Err(format!("`{text}` is an address: a host is a DNS name")),
        Err(_) => certified_host(text),
    }
}

/// What a certificate may stand for: here the API server does not look for addresses.
fn certified_host(text: &str) -> Result<(), String> {
    if let Some(rest) = text.strip_prefix("*.") {
        return name::dns_subdomain(rest).map_err(|_| format!("`{text}` is not `*.` and a DNS name"));
    }
    if text.contains('*') {
        return Err(format!(
            "`{text}`: a wildcard stands only for the whole first label, as in `*.example.com`"
        ));
    }
    if let Some((_, port)) = text.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()) {
        return Err(format!("`{text}`: a host has no port; leave out `:{port}`"));
    }
    name::dns_subdomain(text)
}

fn path(field: &str, wire: &IngressPath, findings: &mut Findings<'_>) {
    if let Some(target) = &wire.backend {
        backend(&format!("{field}.backend"), target, findings);
    }
    let Some(text) = wire.path.as_deref().filter(|path| !path.is_empty()) else { return };
    let field = format!("{field}.path");
    findings.require(text.starts_with('/'), &field, || format!("`{text}` must start with `/`"));
    if wire.path_type.as_deref() == Some("ImplementationSpecific") {
        return;
    }
    let banned = ["//", "/./", "/../", "%2f", "%2F"];
    for part in banned.into_iter().filter(|part| text.contains(part)) {
        findings.report(&field, format!("`{text}` must not contain `{part}`"));
    }
    for part in ["/..", "/."].into_iter().filter(|part| text.ends_with(part)) {
        findings.report(&field, format!("`{text}` must not end with `{part}`"));
    }
}

fn backend(field: &str, wire: &Backend, findings: &mut Findings<'_>) {
    if let Some(resource) = &wire.resource {
        reference(
            &format!("{field}.resource"),
            &resource.api_group,
            &resource.kind,
            &resource.name,
            findings,
        );
    }
    let Some(service) = &wire.service else { return };
    if let Some(text) = service.name.as_deref().filter(|name| !name.is_empty()) {
        findings.parsed(&format!("{field}.service.name"), name::dns_label(text));
    }
    let port = service.port.as_ref().and_then(|port| port.name.as_deref()).filter(|name| !name.is_empty());
    if let Some(port) = port {
        findings.parsed(&format!("{field}.service.port.name"), name::port_name(port));
    }
}
