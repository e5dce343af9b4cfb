//! Ingress and IngressClass.

use super::{balancer, list, meta};
use crate::wire;
use crate::{BackendPort, Ingress, IngressBackend, IngressClass, IngressPath, IngressRule, PathType};

pub(super) fn ingress(ingress: &Ingress) -> wire::Ingress {
    let tls = ingress.tls().iter().map(|tls| wire::IngressTls {
        hosts: list(tls.hosts().iter().cloned()),
        secret_name: tls.secret_name().map(str::to_owned),
    });
    wire::Ingress {
        metadata: meta(ingress.meta()),
        spec: wire::IngressSpec {
            ingress_class_name: ingress.class().map(str::to_owned),
            default_backend: ingress.default_backend().map(backend),
            tls: list(tls),
            rules: list(ingress.rules().iter().map(rule)),
        },
        status: status(ingress),
    }
}

pub(crate) fn status(ingress: &Ingress) -> Option<wire::IngressStatus> {
    let entries = list(ingress.load_balancer().iter().map(balancer::ingress_entry))?;
    Some(wire::IngressStatus { load_balancer: Some(wire::LoadBalancerStatus { ingress: Some(entries) }) })
}

pub(super) fn class(class: &IngressClass) -> wire::IngressClass {
    wire::IngressClass {
        metadata: meta(class.meta()),
        spec: Some(wire::IngressClassSpec {
            controller: Some(class.controller().to_owned()),
            parameters: class.parameters().map(|parameters| wire::IngressClassParameters {
                api_group: parameters.api_group().map(str::to_owned),
                kind: Some(parameters.kind().to_owned()),
                name: Some(parameters.name().to_owned()),
                namespace: parameters.namespace().map(str::to_owned),
                scope: Some(
                    if parameters.namespace().is_some() { "Namespace" } else { "Cluster" }.to_owned(),
                ),
            }),
        }),
    }
}

fn rule(rule: &IngressRule) -> wire::IngressRule {
    let paths = list(rule.paths().iter().map(path));
    wire::IngressRule {
        host: rule.host().map(str::to_owned),
        http: paths.map(|paths| wire::HttpRule { paths: Some(paths) }),
    }
}

fn path(path: &IngressPath) -> wire::IngressPath {
    let path_type = match path.path_type() {
        PathType::Exact => "Exact",
        PathType::Prefix => "Prefix",
        PathType::ImplementationSpecific => "ImplementationSpecific",
    };
    wire::IngressPath {
        path: Some(path.path().to_owned()),
        path_type: Some(path_type.to_owned()),
        backend: Some(backend(path.backend())),
    }
}

fn backend(backend: &IngressBackend) -> wire::Backend {
    match backend {
        IngressBackend::Service { name, port } => wire::Backend {
            service: Some(wire::ServiceBackend {
                name: Some(name.clone()),
                port: Some(match port {
                    BackendPort::Number(number) => {
                        wire::BackendPort { name: None, number: Some((*number).into()) }
                    }
                    BackendPort::Name(name) => wire::BackendPort { name: Some(name.clone()), number: None },
                }),
            }),
            resource: None,
        },
        IngressBackend::Resource { api_group, kind, name } => wire::Backend {
            service: None,
            resource: Some(wire::ResourceBackend {
                api_group: api_group.clone(),
                kind: Some(kind.clone()),
                name: Some(name.clone()),
            }),
        },
    }
}
