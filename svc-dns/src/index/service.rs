//! The records of one Service.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use svc_model::{Endpoint, EndpointSlice, ObjectName, Service};

use crate::{
    config::Zone,
    message::{Labels, Name},
};

/// What is known under the name of one Service.
#[derive(Debug, PartialEq)]
pub(crate) struct ServiceRecords {
    /// `<service>.<namespace>` in lower-case wire form, without a root.
    key: Box<[u8]>,
    alias: Option<Name>,
    own: Records,
    /// By label, sorted.
    hosts: Box<[(Box<[u8]>, Records)]>,
    /// By port name, then protocol, sorted; without the underscores.
    ports: Box<[(PortName, Records)]>,
    cluster_ips: Box<[IpAddr]>,
}

type PortName = (Box<[u8]>, &'static str);

/// The records at one name.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Records {
    pub(crate) v4: Box<[Ipv4Addr]>,
    pub(crate) v6: Box<[Ipv6Addr]>,
    /// Sorted by host, then port.
    pub(crate) srv: Box<[Srv]>,
}

/// A service location; its priority is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Srv {
    /// Which of the hosts; `None` is the Service itself.
    pub(crate) host: Option<usize>,
    pub(crate) port: u16,
    pub(crate) weight: u16,
}

/// One address on one port: what records are made from.
struct Item<'o> {
    /// Which host; `None` is the Service itself.
    host: Option<usize>,
    address: IpAddr,
    port: Option<Port<'o>>,
}

#[derive(Clone, Copy)]
struct Port<'o> {
    name: &'o str,
    protocol: &'static str,
    number: u16,
}

/// The key of a Service; `None` if its names make no labels.
pub(super) fn key(name: &ObjectName) -> Option<Box<[u8]>> {
    let labels = [name.name().to_ascii_lowercase(), name.namespace().to_ascii_lowercase()];
    let name = Name::from_labels(labels.iter().map(String::as_bytes)).ok()?;
    name.wire().split_last().map(|(_, key)| key.into())
}

impl ServiceRecords {
    /// `None` if the Service has no record at all: then its name does not exist.
    pub(super) fn new<'s>(
        zone: &Zone,
        service: &Service,
        slices: impl Iterator<Item = &'s Arc<EndpointSlice>>,
    ) -> Option<Self> {
        let key = key(service.name())?;
        if let Some(target) = service.external_name() {
            return alias(target).map(|target| Self::alias_of(key, target));
        }
        let slices: Vec<&EndpointSlice> = slices.map(|slice| &**slice).collect();
        let labels = host_labels(zone, &key, &slices);
        let endpoints = endpoint_items(zone, &slices, &labels);
        let own = if service.is_headless() { &endpoints } else { &cluster_items(service) };
        let empty = endpoints.is_empty() && zone.ignore_empty_service();
        if own.is_empty() || empty {
            return None;
        }
        Some(Self {
            alias: None,
            own: Records::new(own.iter()),
            ports: by_port(own),
            hosts: by_host(&labels, &endpoints),
            cluster_ips: service.cluster_ips().into(),
            key,
        })
    }

    fn alias_of(key: Box<[u8]>, target: Name) -> Self {
        let (own, hosts, ports) = <(Records, Box<[_]>, Box<[_]>)>::default();
        Self { key, alias: Some(target), own, hosts, ports, cluster_ips: [].into() }
    }

    /// `<service>.<namespace>` in lower-case wire form, without a root.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The target of an ExternalName.
    pub(crate) fn alias(&self) -> Option<&Name> {
        self.alias.as_ref()
    }

    /// The records at the Service's own name.
    pub(crate) fn own(&self) -> &Records {
        &self.own
    }

    /// The endpoints by their labels.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = (&[u8], &Records)> {
        self.hosts.iter().map(|(label, records)| (&**label, records))
    }

    /// The records at an endpoint's name.
    pub(crate) fn host(&self, label: &[u8]) -> Option<&Records> {
        let at = self.hosts.binary_search_by(|(host, _)| (**host).cmp(label)).ok()?;
        Some(&self.hosts[at].1)
    }

    /// The records at a port's name; one leading underscore of each label does not count.
    pub(crate) fn port(&self, port: &[u8], protocol: &[u8]) -> Option<&Records> {
        let wanted = (plain(port), plain(protocol));
        let order = |(name, protocol): &PortName| (&**name, protocol.as_bytes()).cmp(&wanted);
        let at = self.ports.binary_search_by(|(port, _)| order(port)).ok()?;
        Some(&self.ports[at].1)
    }

    /// Whether port names exist below this label: `_tcp` exists without having records (RFC 8020).
    pub(crate) fn has_protocol(&self, label: &[u8]) -> bool {
        let wanted = label.strip_prefix(b"_");
        self.ports.iter().any(|((_, protocol), _)| Some(protocol.as_bytes()) == wanted)
    }

    /// The label and the records of what an SRV record points at.
    pub(crate) fn target(&self, srv: Srv) -> (Option<&[u8]>, &Records) {
        match srv.host.and_then(|host| self.hosts.get(host)) {
            Some((label, records)) => (Some(label), records),
            None => (None, &self.own),
        }
    }

    /// Writes the labels in front of the zone: `[<host>.]<service>.<namespace>.svc`.
    pub(crate) fn emit_labels(&self, host: Option<&[u8]>, out: &mut Vec<u8>) {
        if let Some(label) = host {
            out.extend(u8::try_from(label.len()));
            out.extend_from_slice(label);
        }
        out.extend_from_slice(&self.key);
        out.extend_from_slice(b"\x03svc");
    }

    /// The whole name in lower case.
    pub(super) fn name(&self, zone: &Zone, host: Option<&[u8]>) -> Option<Name> {
        let labels = host.into_iter().chain(Labels::of(&self.key)).chain([b"svc".as_slice()]);
        Name::from_labels(labels.chain(zone.origin().labels())).ok()
    }

    pub(super) fn cluster_ips(&self) -> &[IpAddr] {
        &self.cluster_ips
    }
}

fn plain(label: &[u8]) -> &[u8] {
    label.strip_prefix(b"_").unwrap_or(label)
}

/// An address is no name: such a Service has no record.
fn alias(target: &str) -> Option<Name> {
    if target.trim_end_matches('.').parse::<IpAddr>().is_ok() {
        return None;
    }
    target.parse().ok()
}

/// The labels of all ready endpoints, sorted. One whose whole name would be too long has none.
fn host_labels(zone: &Zone, key: &[u8], slices: &[&EndpointSlice]) -> BTreeSet<Box<[u8]>> {
    let room = (Name::MAX_LEN - 5).saturating_sub(key.len() + zone.origin().wire().len());
    let labels = ready(slices).flat_map(|(_, endpoint)| {
        endpoint.addresses().iter().map(move |&address| host_label(zone, endpoint, address))
    });
    labels.filter(|label| (1..=room.min(Name::MAX_LABEL)).contains(&label.len())).collect()
}

fn ready<'s>(slices: &'s [&EndpointSlice]) -> impl Iterator<Item = (&'s EndpointSlice, &'s Endpoint)> {
    let all =
        slices.iter().flat_map(|slice| slice.endpoints().iter().map(move |endpoint| (*slice, endpoint)));
    all.filter(|(_, endpoint)| endpoint.ready())
}

/// The hostname, else (if so set) the pod's name, else the address with dashes.
fn host_label(zone: &Zone, endpoint: &Endpoint, address: IpAddr) -> Box<[u8]> {
    let pod =
        endpoint.target().map(ObjectName::name).filter(|name| zone.endpoint_pod_names() && name.len() < 64);
    let named = endpoint.hostname().filter(|hostname| !hostname.is_empty()).or(pod);
    let mut label =
        named.map_or_else(|| address.to_string().replace(['.', ':'], "-"), str::to_ascii_lowercase);
    if named.is_none() && label.ends_with('-') {
        // A label may not end in a hyphen (RFC 952): 2001:db8:: is 2001-db8--0.
        label.push('0');
    }
    label.into_bytes().into()
}

fn endpoint_items<'s>(
    zone: &Zone,
    slices: &[&'s EndpointSlice],
    labels: &BTreeSet<Box<[u8]>>,
) -> Vec<Item<'s>> {
    let numbers: BTreeMap<&[u8], usize> =
        labels.iter().enumerate().map(|(at, label)| (&**label, at)).collect();
    let mut items = Vec::new();
    for slice in slices {
        for endpoint in slice.endpoints().iter().filter(|endpoint| endpoint.ready()) {
            for &address in endpoint.addresses() {
                let Some(&host) = numbers.get(&*host_label(zone, endpoint, address)) else { continue };
                let item = |port| Item { host: Some(host), address, port };
                items.extend(ports_of(slice).map(item));
            }
        }
    }
    items
}

/// The ports of a slice; a slice without any still has addresses.
fn ports_of(slice: &EndpointSlice) -> impl Iterator<Item = Option<Port<'_>>> {
    let port = |port: &svc_model::EndpointPort, number| (number, port.protocol().as_str());
    let ports = slice.ports().iter().map(move |each| {
        let (number, protocol) = port(each, each.port()?);
        Some(Port { name: each.name(), protocol, number })
    });
    ports.chain(slice.ports().is_empty().then_some(None))
}

fn cluster_items(service: &Service) -> Vec<Item<'_>> {
    let port = |port: &'_ svc_model::ServicePort| (port.protocol().as_str(), port.port());
    let mut items = Vec::new();
    for &address in service.cluster_ips() {
        let item = |port| Item { host: None, address, port };
        items.extend(service.ports().iter().map(|each| {
            let (protocol, number) = port(each);
            item(Some(Port { name: each.name(), protocol, number }))
        }));
        if service.ports().is_empty() {
            items.push(item(None));
        }
    }
    items
}

fn by_port(items: &[Item<'_>]) -> Box<[(PortName, Records)]> {
    let mut ports: BTreeMap<PortName, Vec<&Item<'_>>> = BTreeMap::new();
    for item in items {
        // An unnamed port has no name of its own.
        let Some(port) = item.port.filter(|port| !port.name.is_empty()) else { continue };
        let name = port.name.to_ascii_lowercase().into_bytes().into();
        ports.entry((name, port.protocol)).or_default().push(item);
    }
    ports.into_iter().map(|(name, items)| (name, Records::new(items.into_iter()))).collect()
}

fn by_host(labels: &BTreeSet<Box<[u8]>>, items: &[Item<'_>]) -> Box<[(Box<[u8]>, Records)]> {
    let mut hosts: Vec<Vec<&Item<'_>>> = labels.iter().map(|_| Vec::new()).collect();
    for item in items {
        if let Some(host) = item.host.and_then(|host| hosts.get_mut(host)) {
            host.push(item);
        }
    }
    let records = hosts.into_iter().map(|items| Records::new(items.into_iter()));
    labels.iter().cloned().zip(records).collect()
}

impl Records {
    fn new<'i, 'o: 'i>(items: impl Iterator<Item = &'i Item<'o>> + Clone) -> Self {
        // The weight counts all items, also those that say the same: 1 port on 2 addresses is one record of weight 50.
        let count = u16::try_from(items.clone().count()).unwrap_or(u16::MAX);
        let weight = (100 / count.max(1)).max(1);
        let (mut v4, mut v6, mut srv) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for item in items {
            match item.address {
                IpAddr::V4(address) => drop(v4.insert(address)),
                IpAddr::V6(address) => drop(v6.insert(address)),
            }
            srv.extend(item.port.map(|port| Srv { host: item.host, port: port.number, weight }));
        }
        Self { v4: v4.into_iter().collect(), v6: v6.into_iter().collect(), srv: srv.into_iter().collect() }
    }

    /// Every address.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.v4.iter().copied().map(IpAddr::V4).chain(self.v6.iter().copied().map(IpAddr::V6))
    }
}
