//! What records are made from: an address on a port, under a name.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use svc_model::{Endpoint, EndpointPort, EndpointSlice, ObjectName, ServiceImportPort, ServicePort};

use crate::{config::Zone, message::Name};

/// One address on one port: what records are made from.
#[derive(Clone, Copy)]
pub(super) struct Item<'o> {
    /// The labels of its name; `None` is the Service itself.
    pub(super) host: Option<&'o [u8]>,
    pub(super) address: IpAddr,
    pub(super) port: Option<Port<'o>>,
    /// The topology zone.
    zone: Option<&'o str>,
}

#[derive(Clone, Copy)]
pub(super) struct Port<'o> {
    name: &'o str,
    protocol: &'static str,
    pub(super) number: u16,
}

impl<'o> Port<'o> {
    pub(super) fn of_service(port: &'o ServicePort) -> Self {
        Self { name: port.name(), protocol: port.protocol().as_str(), number: port.port() }
    }

    pub(super) fn of_import(port: &'o ServiceImportPort) -> Self {
        Self { name: port.name(), protocol: port.protocol().as_str(), number: port.port() }
    }

    /// "All ports" is none that could be told.
    fn of_endpoint(port: &'o EndpointPort) -> Option<Self> {
        Some(Self { name: port.name(), protocol: port.protocol().as_str(), number: port.port()? })
    }
}

/// How endpoints are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// `<hostname>.<service>`
    Plain,
    /// `<hostname>.<cluster>.<service>` (KEP-1645)
    Multicluster,
}

/// What is at the names in front of a Service's own; those without items exist too.
pub(super) type Names<'o> = BTreeMap<Vec<u8>, Vec<Item<'o>>>;

/// In front of it stands the topology zone.
pub(crate) const ZONE_MARK: &[u8] = b"\x05_zone";

/// The key of a Service; `None` if its names make no labels.
pub(super) fn key(name: &ObjectName) -> Option<Vec<u8>> {
    labels([name.name(), name.namespace()])
}

/// Labels in lower-case wire form, without a root.
fn labels<'l>(texts: impl IntoIterator<Item = &'l str>) -> Option<Vec<u8>> {
    let name = Name::from_labels(texts.into_iter().map(str::as_bytes)).ok()?.to_lowercase();
    name.wire().split_last().map(|(_, labels)| labels.to_vec())
}

/// An address of a ready endpoint, under its name.
pub(super) struct Found<'s> {
    /// Empty if it has none.
    labels: Vec<u8>,
    slice: &'s EndpointSlice,
    endpoint: &'s Endpoint,
    address: IpAddr,
}

/// One whose whole name would be too long is left out.
pub(super) fn ready<'s>(
    zone: &Zone,
    scheme: Scheme,
    key: &[u8],
    slices: impl Iterator<Item = &'s Arc<EndpointSlice>>,
) -> Vec<Found<'s>> {
    let room = (Name::MAX_LEN - 5).saturating_sub(key.len() + zone.longest_origin());
    let mut found = Vec::new();
    for slice in slices {
        for endpoint in slice.endpoints().iter().filter(|endpoint| endpoint.ready()) {
            for &address in endpoint.addresses() {
                let label = host_label(zone, endpoint, address);
                let labels = match (scheme, slice.source_cluster()) {
                    (Scheme::Plain, _) => labels([label.as_str()]),
                    (Scheme::Multicluster, Some(cluster)) => labels([label.as_str(), cluster]),
                    // It is in some cluster, and has no name.
                    (Scheme::Multicluster, None) => Some(Vec::new()),
                };
                let labels = labels.filter(|labels| labels.len() <= room);
                found.extend(labels.map(|labels| Found { labels, slice, endpoint, address }));
            }
        }
    }
    found
}

/// The hostname, else (if so set) the pod's name, else the address with dashes.
pub(crate) fn host_label(zone: &Zone, endpoint: &Endpoint, address: IpAddr) -> String {
    let pod =
        endpoint.target().map(ObjectName::name).filter(|name| zone.endpoint_pod_names() && name.len() < 64);
    if let Some(named) = endpoint.hostname().filter(|hostname| !hostname.is_empty()).or(pod) {
        return named.to_owned();
    }
    let mut label = address.to_string().replace(['.', ':'], "-");
    if label.ends_with('-') {
        // A label may not end in a hyphen (RFC 952): 2001:db8:: is 2001-db8--0.
        label.push('0');
    }
    label
}

pub(super) fn endpoint_items<'f>(found: &'f [Found<'_>]) -> Vec<Item<'f>> {
    let items = |found: &'f Found<'_>| {
        let host = Some(&*found.labels).filter(|labels| !labels.is_empty());
        let (address, zone) = (found.address, found.endpoint.zone());
        endpoint_ports(found.slice).map(move |port| Item { host, address, port, zone })
    };
    found.iter().flat_map(items).collect()
}

/// The ports of a slice; a slice without any still has addresses.
fn endpoint_ports(slice: &EndpointSlice) -> impl Iterator<Item = Option<Port<'_>>> {
    slice.ports().iter().map(Port::of_endpoint).chain(slice.ports().is_empty().then_some(None))
}

/// Each address on each port; without a port it still has its address.
pub(super) fn virtual_items<'o>(
    addresses: &[IpAddr],
    ports: impl IntoIterator<Item = Port<'o>>,
) -> Vec<Item<'o>> {
    let mut ports: Vec<Option<Port<'o>>> = ports.into_iter().map(Some).collect();
    if ports.is_empty() {
        ports.push(None);
    }
    let item = |address, port| Item { host: None, address, port, zone: None };
    addresses.iter().flat_map(|&address| ports.iter().map(move |&port| item(address, port))).collect()
}

pub(super) fn add_hosts<'o>(endpoints: &[Item<'o>], names: &mut Names<'o>) {
    for item in endpoints {
        let Some(labels) = item.host else { continue };
        names.entry(labels.to_vec()).or_default().push(*item);
        let cluster = behind_first(labels);
        if !cluster.is_empty() {
            names.entry(cluster).or_default();
        }
    }
}

/// An unnamed port has no name of its own.
pub(super) fn add_ports<'o>(own: &[Item<'o>], names: &mut Names<'o>) {
    for item in own {
        let Some(port) = item.port.filter(|port| !port.name.is_empty()) else { continue };
        let texts = [format!("_{}", port.name), format!("_{}", port.protocol)];
        let Some(labels) = labels(texts.iter().map(String::as_str)) else { continue };
        names.entry(behind_first(&labels)).or_default();
        names.entry(labels).or_default().push(*item);
    }
}

pub(super) fn add_zones<'o>(endpoints: &[Item<'o>], names: &mut Names<'o>) {
    for item in endpoints {
        let Some(mut key) = item.zone.and_then(|zone| labels(zone.split('.'))) else { continue };
        key.extend_from_slice(ZONE_MARK);
        if key.len() < Name::MAX_LEN {
            names.entry(key).or_default().push(*item);
        }
    }
}

fn behind_first(labels: &[u8]) -> Vec<u8> {
    labels[usize::from(labels[0]) + 1..].to_vec()
}
