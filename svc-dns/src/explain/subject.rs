//! What a name of a Service stands for: a Service, or one of the cluster set.

use std::{fmt, net::IpAddr, sync::Arc};

use svc_model::{EndpointSlice, Kind, ObjectRef, Service, ServiceImport, Snapshot};

use super::{Source, reading::Named};

/// A Service or a ServiceImport.
#[derive(Clone, Copy)]
pub(super) enum Subject<'s> {
    Service(&'s Service),
    Import(&'s ServiceImport),
}

impl<'s> Subject<'s> {
    pub(super) fn of(snapshot: &'s Snapshot, named: &Named) -> Option<Self> {
        match named.imported {
            false => snapshot.service(&named.name).map(|service| Self::Service(service)),
            true => snapshot.service_import(&named.name).map(|import| Self::Import(import)),
        }
    }

    pub(super) fn slices(self, snapshot: &'s Snapshot) -> Vec<&'s Arc<EndpointSlice>> {
        match self {
            Self::Service(service) => snapshot.slices_of(service.name()).collect(),
            Self::Import(import) => snapshot.slices_of_import(import.name()).collect(),
        }
    }

    pub(super) fn labels(self) -> &'s std::collections::BTreeMap<String, String> {
        match self {
            Self::Service(service) => service.meta().labels(),
            Self::Import(import) => import.meta().labels(),
        }
    }

    pub(super) fn is_headless(self) -> bool {
        match self {
            Self::Service(service) => service.is_headless(),
            Self::Import(import) => import.is_headless(),
        }
    }

    pub(super) fn external_name(self) -> Option<&'s str> {
        match self {
            Self::Service(service) => service.external_name(),
            Self::Import(_) => None,
        }
    }

    /// Its virtual addresses.
    pub(super) fn addresses(self) -> &'s [IpAddr] {
        match self {
            Self::Service(service) => service.cluster_ips(),
            Self::Import(import) if import.is_headless() => &[],
            Self::Import(import) => import.ips(),
        }
    }

    /// Name, protocol and number of each port.
    pub(super) fn ports(self) -> Vec<(&'s str, &'static str, u16)> {
        match self {
            Self::Service(service) => {
                service.ports().iter().map(|it| (it.name(), it.protocol().as_str(), it.port())).collect()
            }
            Self::Import(import) => {
                import.ports().iter().map(|it| (it.name(), it.protocol().as_str(), it.port())).collect()
            }
        }
    }

    /// The virtual address at this place of the list.
    pub(super) fn address_source(self, at: usize) -> Source {
        self.source(match self {
            Self::Service(_) => format!("spec.clusterIPs[{at}]"),
            Self::Import(_) => format!("spec.ips[{at}]"),
        })
    }

    pub(super) fn source(self, place: impl Into<String>) -> Source {
        let reference = match self {
            Self::Service(service) => ObjectRef::new(Kind::Service, service.name().clone()),
            Self::Import(import) => ObjectRef::new(Kind::ServiceImport, import.name().clone()),
        };
        Source::object(reference, place)
    }
}

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(service) => write!(f, "Service {}", service.name()),
            Self::Import(import) => write!(f, "ServiceImport {}", import.name()),
        }
    }
}
