//! From Kubernetes' form to the domain types: parsing, where every fault is reported with its field.
//!
//! This is the intake `stored`: it takes what a cluster may hold (old spellings of addresses, no allocator ranges).
//! What a user may *write* is stricter: see [`validate`](crate::validate).

mod endpoint_slice;
mod ingress;
mod pod;
mod service;

pub(crate) use service::{cidr, service_type, traffic_policy};

use std::net::{IpAddr, Ipv4Addr};

use crate::problem::Findings;
use crate::wire::{Manifest, ObjectMeta};
use crate::{Meta, Object, ObjectRef, Problems, Protocol};

/// The domain object of a manifest, or all its faults.
///
/// # Errors
/// Every field that cannot be understood, with its path.
pub fn object(manifest: &Manifest) -> Result<Object, Problems> {
    let reference = manifest.reference();
    let mut findings = Findings::of(&reference);
    let meta = meta(manifest.metadata(), &reference, &mut findings);
    let object: Option<Object> = match manifest {
        Manifest::EndpointSlice(wire) => endpoint_slice::read(wire, meta, &mut findings).map(Object::from),
        Manifest::Ingress(wire) => ingress::ingress(wire, meta, &mut findings).map(Object::from),
        Manifest::IngressClass(wire) => Some(ingress::class(wire, meta, &mut findings).into()),
        Manifest::Namespace(_) => Some(crate::Namespace { meta }.into()),
        Manifest::Node(wire) => Some(pod::node(wire, meta, &mut findings).into()),
        Manifest::Pod(wire) => Some(pod::pod(wire, meta, &mut findings).into()),
        Manifest::Secret(wire) => Some(pod::secret(wire, meta, &mut findings).into()),
        Manifest::Service(wire) => service::read(wire, meta, &mut findings).map(Object::from),
    };
    findings.finish()?;
    object.ok_or_else(|| unreachable_without_problem(&reference))
}

/// A reader that returns nothing has said why; this is for the one that forgot.
fn unreachable_without_problem(reference: &ObjectRef) -> Problems {
    let mut findings = Findings::of(reference);
    findings.report("", "cannot be read");
    findings.finish().expect_err("one problem was reported")
}

fn meta(wire: &ObjectMeta, reference: &ObjectRef, findings: &mut Findings<'_>) -> Meta {
    findings.require(!reference.name.name().is_empty(), "metadata.name", || "is required".to_owned());
    Meta {
        name: reference.name.clone(),
        uid: wire.uid.clone().unwrap_or_default(),
        labels: wire.labels.clone().unwrap_or_default(),
        annotations: wire.annotations.clone().unwrap_or_default(),
        created: wire.creation_timestamp.clone(),
    }
}

/// An address as old clusters may have stored it: IPv4 parts with leading zeros are decimal.
pub(crate) fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().or_else(|_| {
        let parts: Vec<&str> = text.split('.').collect();
        let [a, b, c, d] = parts[..] else { return Err(format!("`{text}` is not an IP address")) };
        let part = |part: &str| {
            let valid = !part.is_empty() && part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
            valid.then(|| part.parse::<u8>().ok()).flatten().ok_or(format!("`{text}` is not an IP address"))
        };
        Ok(IpAddr::V4(Ipv4Addr::new(part(a)?, part(b)?, part(c)?, part(d)?)))
    })
}

pub(crate) fn port(number: i64) -> Result<u16, String> {
    u16::try_from(number).ok().filter(|port| *port > 0).ok_or(format!("{number} is not in 1-65535"))
}

pub(crate) fn protocol(text: Option<&str>) -> Result<Protocol, String> {
    match text {
        None | Some("" | "TCP") => Ok(Protocol::Tcp),
        Some("UDP") => Ok(Protocol::Udp),
        Some("SCTP") => Ok(Protocol::Sctp),
        Some(other) => Err(format!("`{other}` is not one of TCP, UDP, SCTP")),
    }
}
