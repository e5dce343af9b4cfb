//! The names of a zone: what a name means, label by label from the right.
//!
//! `[x ...].<service>.<namespace>.{svc|pod}.<zone>`, as the DNS specification of Kubernetes (schema 1.1.0) lays it out. An
//! empty non-terminal exists: nothing below a name that got NXDOMAIN is ever answered (RFC 8020).

use std::net::IpAddr;

use crate::{
    config::{PodRecords, Realm, ReverseName, Zone},
    index::{Index, Pointers, Records, ServiceRecords},
    message::{Labels, Name},
};

/// What is at a name.
#[derive(Debug)]
pub(crate) enum Found<'i> {
    /// The name does not exist.
    Nothing,
    /// The name exists and has no records.
    Empty,
    /// The name of the zone.
    Apex,
    /// `ns.dns.<zone>`: the addresses of the server itself.
    NameServer,
    /// `dns-version.<zone>`.
    Version,
    /// A Service, one of its ports or one of its endpoints.
    Service(&'i ServiceRecords, &'i Records),
    /// An ExternalName.
    Alias(&'i Name),
    /// A pod, by its address.
    Pod(IpAddr),
    /// An address.
    Pointers(&'i Pointers),
}

/// More labels left of the zone never mean anything: `_port._protocol.<service>.<namespace>.svc`.
const MOST_LABELS: usize = 5;

/// Looks a lower-case name up. `apex` is where the zone's name starts in it.
pub(crate) fn find<'i>(zone: &Zone, index: &'i Index, wire: &[u8], realm: Realm, apex: usize) -> Found<'i> {
    if apex == 0 {
        return Found::Apex;
    }
    if realm == Realm::Reverse {
        return find_address(index, wire);
    }
    let mut labels = [[].as_slice(); MOST_LABELS];
    let mut count = 0;
    for label in Labels::of(&wire[..apex]) {
        let Some(slot) = labels.get_mut(count) else { return Found::Nothing };
        *slot = label;
        count += 1;
    }
    match &labels[..count] {
        [b"svc" | b"pod" | b"dns"] => Found::Empty,
        [b"dns-version"] => Found::Version,
        [b"ns", b"dns"] => Found::NameServer,
        [namespace, b"svc"] => find_namespace(index, namespace),
        [rest @ .., service, namespace, b"svc"] => {
            // The labels stand one behind the other in the name, each behind its length.
            let end = apex - b"\x03svc".len();
            let start = end - (service.len() + namespace.len() + 2);
            find_service(index, &wire[start..end], rest)
        }
        [.., b"pod"] if zone.pods() == PodRecords::Disabled => Found::Nothing,
        [namespace, b"pod"] => find_namespace(index, namespace),
        [address, namespace, b"pod"] => find_pod(zone, index, address, namespace),
        _ => Found::Nothing,
    }
}

fn find_namespace<'i>(index: &Index, label: &[u8]) -> Found<'i> {
    if index.has_namespace(label) { Found::Empty } else { Found::Nothing }
}

fn find_service<'i>(index: &'i Index, key: &[u8], rest: &[&[u8]]) -> Found<'i> {
    let Some(service) = index.service(key) else { return Found::Nothing };
    if let Some(target) = service.alias() {
        return if rest.is_empty() { Found::Alias(target) } else { Found::Nothing };
    }
    let records = match rest {
        [] => Some(service.own()),
        [host] if service.has_protocol(host) => return Found::Empty,
        [host] => service.host(host),
        [port, protocol] => service.port(port, protocol),
        _ => None,
    };
    records.map_or(Found::Nothing, |records| Found::Service(service, records))
}

fn find_pod<'i>(zone: &Zone, index: &Index, label: &[u8], namespace: &[u8]) -> Found<'i> {
    let Some(address) = pod_address(label) else { return Found::Nothing };
    let exists = match zone.pods() {
        PodRecords::Disabled => false,
        PodRecords::Insecure => index.has_namespace(namespace),
        PodRecords::Verified => index.has_pod(namespace, address),
    };
    if exists { Found::Pod(address) } else { Found::Nothing }
}

/// Three dashes, none beside another, are an IPv4 address.
fn pod_address(label: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(label).ok()?;
    let v4 = text.matches('-').count() == 3 && !text.contains("--");
    text.replace('-', if v4 { "." } else { ":" }).parse().ok()
}

fn find_address<'i>(index: &'i Index, wire: &[u8]) -> Found<'i> {
    match ReverseName::parse(wire) {
        ReverseName::Address(address) => index.pointers(address).map_or(Found::Nothing, Found::Pointers),
        ReverseName::Partial => Found::Empty,
        ReverseName::Nothing => Found::Nothing,
    }
}
