//! Ingress and IngressClass.

use super::{balancer, port, said};
use crate::problem::Findings;
use crate::wire;
use crate::{
    BackendPort, Ingress, IngressBackend, IngressClass, IngressClassParameters, IngressPath, IngressRule,
    IngressTls, Meta, PathType,
};

pub(super) fn ingress(wire: &wire::Ingress, meta: Meta, findings: &mut Findings<'_>) -> Option<Ingress> {
    let default_backend = match &wire.spec.default_backend {
        Some(wire) => Some(backend("spec.defaultBackend", wire, findings)?),
        None => None,
    };
    let tls = wire.spec.tls.iter().flatten().map(|tls| IngressTls {
        hosts: tls.hosts.iter().flatten().map(|host| host.to_ascii_lowercase()).collect(),
        secret_name: tls.secret_name.clone().filter(|name| !name.is_empty()),
    });
    let rules = wire.spec.rules.iter().flatten().enumerate();
    let status = wire.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    Some(Ingress {
        meta,
        class: wire.spec.ingress_class_name.clone(),
        default_backend,
        tls: tls.collect(),
        rules: rules.map(|(index, wire)| rule(index, wire, findings)).collect(),
        load_balancer: balancer::ingress(status, findings),
    })
}

pub(super) fn class(wire: &wire::IngressClass, meta: Meta, findings: &mut Findings<'_>) -> IngressClass {
    let controller = wire.spec.as_ref().and_then(|spec| spec.controller.clone()).unwrap_or_default();
    findings.require(!controller.is_empty(), "spec.controller", || "is required".to_owned());
    let parameters = wire.spec.as_ref().and_then(|spec| spec.parameters.as_ref());
    IngressClass {
        meta,
        controller,
        parameters: parameters.and_then(|wire| class_parameters(wire, findings)),
    }
}

fn class_parameters(
    wire: &wire::IngressClassParameters,
    findings: &mut Findings<'_>,
) -> Option<IngressClassParameters> {
    let namespace = said(wire.namespace.as_ref());
    let field = "spec.parameters.namespace";
    match wire.scope.as_deref() {
        Some("Namespace") => {
            findings.require(namespace.is_some(), field, || "is required with scope Namespace".to_owned());
        }
        None | Some("" | "Cluster") => {
            findings
                .require(namespace.is_none(), field, || "may only be set with scope Namespace".to_owned());
        }
        Some(other) => {
            findings.report("spec.parameters.scope", format!("`{other}` is not one of Cluster, Namespace"));
        }
    }
    Some(IngressClassParameters {
        api_group: said(wire.api_group.as_ref()),
        kind: required("spec.parameters.kind", wire.kind.as_ref(), findings)?,
        name: required("spec.parameters.name", wire.name.as_ref(), findings)?,
        namespace,
    })
}

fn required(field: &str, text: Option<&String>, findings: &mut Findings<'_>) -> Option<String> {
    findings.parsed(field, said(text).ok_or("is required"))
}

fn rule(index: usize, wire: &wire::IngressRule, findings: &mut Findings<'_>) -> IngressRule {
    let paths = wire.http.iter().flat_map(|http| http.paths.iter().flatten()).enumerate();
    IngressRule {
        host: wire.host.clone().filter(|host| !host.is_empty()).map(|host| host.to_ascii_lowercase()),
        paths: paths
            .filter_map(|(position, wire)| {
                path(&format!("spec.rules[{index}].http.paths[{position}]"), wire, findings)
            })
            .collect(),
    }
}

fn path(field: &str, wire: &wire::IngressPath, findings: &mut Findings<'_>) -> Option<IngressPath> {
    let path_type = match wire.path_type.as_deref() {
        Some("Exact") => PathType::Exact,
        Some("Prefix") => PathType::Prefix,
        Some("ImplementationSpecific") => PathType::ImplementationSpecific,
        other => {
            let found = other.map_or("is required:".to_owned(), |other| format!("`{other}` is not one of"));
            findings.report(
                format!("{field}.pathType"),
                format!("{found} Exact, Prefix, ImplementationSpecific"),
            );
            return None;
        }
    };
    let text = wire.path.clone().unwrap_or_default();
    if text.is_empty() && path_type != PathType::ImplementationSpecific {
        findings.report(format!("{field}.path"), "is required for pathType Exact and Prefix");
        return None;
    }
    let Some(target) = &wire.backend else {
        findings.report(format!("{field}.backend"), "is required");
        return None;
    };
    let backend = backend(&format!("{field}.backend"), target, findings)?;
    Some(IngressPath { path: if text.is_empty() { "/".to_owned() } else { text }, path_type, backend })
}

fn backend(field: &str, wire: &wire::Backend, findings: &mut Findings<'_>) -> Option<IngressBackend> {
    match (&wire.service, &wire.resource) {
        (Some(service), None) => {
            let name = required(&format!("{field}.service.name"), service.name.as_ref(), findings);
            let field = format!("{field}.service.port");
            let wire = service.port.clone().unwrap_or_default();
            let port = match (
                wire.name.filter(|name| !name.is_empty()),
                wire.number.filter(|number| *number != 0),
            ) {
                (Some(name), None) => BackendPort::Name(name),
                (None, Some(number)) => {
                    BackendPort::Number(findings.parsed(&format!("{field}.number"), port(number))?)
                }
                _ => {
                    findings.report(field, "exactly one of name and number is required");
                    return None;
                }
            };
            Some(IngressBackend::Service { name: name?, port })
        }
        (None, Some(resource)) => Some(IngressBackend::Resource {
            api_group: said(resource.api_group.as_ref()),
            kind: required(&format!("{field}.resource.kind"), resource.kind.as_ref(), findings)?,
            name: required(&format!("{field}.resource.name"), resource.name.as_ref(), findings)?,
        }),
        _ => {
            findings.report(field, "exactly one of service and resource is required");
            None
        }
    }
}
