//! From a Service or a ServiceImport and its EndpointSlices to records.

use std::{net::IpAddr, sync::Arc};

use svc_model::{EndpointSlice, Service, ServiceImport};

use super::{
    encode,
    items::{
        Names, Port, Scheme, add_hosts, add_ports, add_zones, endpoint_items, key, ready, virtual_items,
    },
    records::{ServiceKind, ServiceRecords},
};
use crate::{config::Zone, message::Name};

/// `None` if the Service has no record at all: then its name does not exist.
pub(super) fn compile<'s>(
    zone: &Zone,
    service: &Service,
    slices: impl Iterator<Item = &'s Arc<EndpointSlice>>,
) -> Option<ServiceRecords> {
    let key = key(service.name())?;
    if !zone.exposed().service(service.meta().labels()) {
        return None;
    }
    if let Some(target) = service.external_name() {
        return alias(target).map(|target| encode::alias(&key, zone.ttl(), target.wire()));
    }
    let found = ready(zone, Scheme::Plain, &key, slices);
    let endpoints = endpoint_items(&found);
    let headless = service.is_headless();
    let kind = if headless { ServiceKind::Headless } else { ServiceKind::Virtual };
    let ports = service.ports().iter().map(Port::of_service);
    let own = if headless { &endpoints } else { &virtual_items(service.cluster_ips(), ports) };
    if own.is_empty() || endpoints.is_empty() && zone.ignore_empty_service() {
        return None;
    }
    let mut names = Names::new();
    add_hosts(&endpoints, &mut names);
    add_ports(own, &mut names);
    if headless && zone.zonal() {
        add_zones(&endpoints, &mut names);
    }
    Some(encode::addresses(&key, kind, zone.ttl(), own, &names))
}

/// The same of a Service of the cluster set (KEP-1645).
pub(super) fn compile_import<'s>(
    zone: &Zone,
    import: &ServiceImport,
    slices: impl Iterator<Item = &'s Arc<EndpointSlice>>,
) -> Option<ServiceRecords> {
    let key = key(import.name())?;
    if !zone.exposed().service(import.meta().labels()) {
        return None;
    }
    let found = ready(zone, Scheme::Multicluster, &key, slices);
    let endpoints = endpoint_items(&found);
    let headless = import.is_headless();
    let kind = if headless { ServiceKind::Headless } else { ServiceKind::Virtual };
    let ports = import.ports().iter().map(Port::of_import);
    let own = if headless { &endpoints } else { &virtual_items(import.ips(), ports) };
    if own.is_empty() || endpoints.is_empty() && zone.ignore_empty_service() {
        return None;
    }
    let mut names = Names::new();
    // Nothing leads to one cluster where all are behind one address (section 2.3.4 of its DNS specification).
    if headless || zone.is_coredns() {
        add_hosts(&endpoints, &mut names);
    }
    add_ports(own, &mut names);
    Some(encode::addresses(&key, kind, zone.ttl(), own, &names))
}

/// An address is no name: such a Service has no record.
fn alias(target: &str) -> Option<Name> {
    if target.trim_end_matches('.').parse::<IpAddr>().is_ok() {
        return None;
    }
    target.parse().ok()
}
