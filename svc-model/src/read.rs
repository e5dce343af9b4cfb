//! From Kubernetes' form to the domain types: parsing, where every fault is reported with its field.
//!
//! This is the intake `stored`: it takes what a cluster may hold (old spellings of addresses, no allocator ranges).
//! What a user may *write* is stricter: see [`validate`](crate::validate).

mod balancer;
mod endpoint_slice;
mod endpoints;
mod ingress;
mod meta;
mod node;
mod pod;
mod secret;
mod service;
mod service_import;

pub(crate) use service::{family_policy, is_externally_accessible, service_type, traffic_distribution};

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use crate::condition::Looked;
use crate::endpoint_slice::TargetRest;
use crate::meta::Bookkeeping;
use crate::problem::Findings;
use crate::wire::{self, Manifest};
use crate::{Condition, Object, ObjectName, ObjectRef, Problems, Protocol, TargetRef};

/// What a cluster holds, as [`object`]; `None` where it holds something that is none of the network's business: an
/// EndpointSlice of addressType FQDN, which proxies pass over.
///
/// # Errors
/// Every field that cannot be understood, with its path.
pub fn stored(manifest: &Manifest) -> Result<Option<Object>, Problems> {
    match manifest {
        Manifest::EndpointSlice(slice) if slice.address_type.as_deref() == Some("FQDN") => Ok(None),
        manifest => object(manifest).map(Some),
    }
}

/// The domain object of a manifest, or all its faults.
///
/// # Errors
/// Every field that cannot be understood, with its path.
pub fn object(manifest: &Manifest) -> Result<Object, Problems> {
    let reference = manifest.reference();
    let mut findings = Findings::of(&reference);
    let meta = meta::meta(manifest.metadata(), &reference, &mut findings);
    let object: Option<Object> = match manifest {
        Manifest::ConfigMap(wire) => Some(secret::config_map(wire, meta, &mut findings).into()),
        Manifest::EndpointSlice(wire) => endpoint_slice::read(wire, meta, &mut findings).map(Object::from),
        Manifest::Endpoints(wire) => Some(endpoints::read(wire, meta, &mut findings).into()),
        Manifest::Ingress(wire) => ingress::ingress(wire, meta, &mut findings).map(Object::from),
        Manifest::IngressClass(wire) => Some(ingress::class(wire, meta, &mut findings).into()),
        Manifest::Namespace(_) => Some(crate::Namespace { meta }.into()),
        Manifest::Node(wire) => Some(node::node(wire, meta, &mut findings).into()),
        Manifest::Pod(wire) => Some(pod::pod(wire, meta, &mut findings).into()),
        Manifest::Secret(wire) => Some(secret::secret(wire, meta, &mut findings).into()),
        Manifest::Service(wire) => service::read(wire, meta, &mut findings).map(Object::from),
        Manifest::ServiceImport(wire) => service_import::read(wire, meta, &mut findings).map(Object::from),
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

/// An address as old clusters may have stored it: IPv4 parts with leading zeros are decimal, and an IPv4 address
/// written as IPv6 (`::ffff:10.0.0.1`) is IPv4.
pub(crate) fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map(|address: IpAddr| address.to_canonical()).or_else(|_| {
        let parts: Vec<_> = text.split('.').map(decimal::<u8>).collect();
        match parts[..] {
            [Some(a), Some(b), Some(c), Some(d)] => Ok(IpAddr::V4(Ipv4Addr::new(a, b, c, d))),
            _ => Err(format!("`{text}` is not an IP address")),
        }
    })
}

/// Digits only: no sign, as `parse` would allow.
fn decimal<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A network, in any spelling of its address; bits beyond the length are passed over.
pub(crate) fn cidr(text: &str) -> Result<IpNet, String> {
    let error = || format!("`{text}` is not a CIDR such as 10.0.0.0/8");
    let (ip, length) = text.split_once('/').ok_or_else(error)?;
    let net = IpNet::new(address(ip).map_err(|_| error())?, decimal(length).ok_or_else(error)?);
    net.map(|net| net.trunc()).map_err(|_| error())
}

fn target_ref(wire: Option<&wire::TargetRef>, namespace: &str) -> Option<TargetRef> {
    let wire = wire?;
    let kind = wire.kind.clone().filter(|kind| !kind.is_empty()).unwrap_or_else(|| "Pod".to_owned());
    let namespace = match (wire.namespace.as_deref(), kind.as_str()) {
        (Some(namespace), _) => namespace,
        (None, "Node") => "",
        (None, _) => namespace,
    };
    let name = ObjectName::new(namespace, wire.name.clone()?);
    let rest = TargetRest {
        api_version: said(wire.api_version.as_ref()),
        resource_version: said(wire.resource_version.as_ref()),
        field_path: said(wire.field_path.as_ref()),
    };
    let rest = (rest != TargetRest::default()).then(|| Box::new(rest));
    Some(TargetRef { kind, name, uid: wire.uid.clone().unwrap_or_default(), rest })
}

fn conditions(wire: Option<&Vec<wire::Condition>>) -> Vec<Condition> {
    wire.into_iter().flatten().map(condition).collect()
}

fn condition(wire: &wire::Condition) -> Condition {
    Condition {
        condition_type: wire.condition_type.clone().unwrap_or_default(),
        status: wire.status.clone().unwrap_or_default(),
        observed_generation: wire.observed_generation.filter(|generation| *generation != 0),
        last_transition_time: said(wire.last_transition_time.as_ref()),
        reason: said(wire.reason.as_ref()),
        message: said(wire.message.as_ref()),
        looked: Bookkeeping(Looked {
            heartbeat: said(wire.last_heartbeat_time.as_ref()),
            probe: said(wire.last_probe_time.as_ref()),
        }),
    }
}

/// An empty text says nothing.
fn said(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).cloned()
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
