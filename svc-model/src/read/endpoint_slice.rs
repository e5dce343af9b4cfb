//! EndpointSlice.

use super::{address, port, protocol, said, target_ref};
use crate::endpoint_slice::EndpointRest;
use crate::problem::Findings;
use crate::wire;
use crate::{AddressType, Endpoint, EndpointPort, EndpointSlice, Meta, ObjectName, SERVICE_NAME_LABEL};

pub(super) fn read(
    wire: &wire::EndpointSlice,
    meta: Meta,
    findings: &mut Findings<'_>,
) -> Option<EndpointSlice> {
    let address_type = findings.parsed("addressType", address_type(wire.address_type.as_deref()))?;
    let namespace = meta.name().namespace().to_owned();
    let service = meta.labels().get(SERVICE_NAME_LABEL).map(|name| ObjectName::new(&namespace, name));
    let ports = wire.ports.iter().flatten().enumerate();
    let endpoints = wire.endpoints.iter().flatten().enumerate();
    Some(EndpointSlice {
        service,
        address_type,
        ports: ports.filter_map(|(index, wire)| endpoint_port(index, wire, findings)).collect(),
        endpoints: endpoints
            .filter_map(|(index, wire)| endpoint(index, wire, address_type, &namespace, findings))
            .collect(),
        meta,
    })
}

pub(crate) fn address_type(text: Option<&str>) -> Result<AddressType, String> {
    match text {
        Some("IPv4") => Ok(AddressType::Ipv4),
        Some("IPv6") => Ok(AddressType::Ipv6),
        Some(other) => Err(format!("`{other}` is not one of IPv4, IPv6")),
        None => Err("is required: IPv4 or IPv6".to_owned()),
    }
}

pub(super) fn endpoint_port(
    index: usize,
    wire: &wire::EndpointPort,
    findings: &mut Findings<'_>,
) -> Option<EndpointPort> {
    let field = |name: &str| format!("ports[{index}].{name}");
    let number = match wire.port.filter(|port| *port != 0) {
        Some(number) => Some(findings.parsed(&field("port"), port(number))?),
        None => None,
    };
    let protocol = findings.parsed(&field("protocol"), protocol(wire.protocol.as_deref()))?;
    Some(EndpointPort {
        name: wire.name.clone().unwrap_or_default(),
        protocol,
        port: number,
        app_protocol: said(wire.app_protocol.as_ref()),
    })
}

fn endpoint(
    index: usize,
    wire: &wire::Endpoint,
    address_type: AddressType,
    namespace: &str,
    findings: &mut Findings<'_>,
) -> Option<Endpoint> {
    let mut addresses = Vec::with_capacity(wire.addresses.len());
    for (position, text) in wire.addresses.iter().enumerate() {
        let field = format!("endpoints[{index}].addresses[{position}]");
        let address = findings.parsed(&field, address(text))?;
        if AddressType::of(address) != address_type {
            findings.report(field, format!("{address} is not of the slice's addressType"));
            return None;
        }
        addresses.push(address);
    }
    if addresses.is_empty() {
        findings.report(format!("endpoints[{index}].addresses"), "at least one address is required");
        return None;
    }
    let conditions = wire.conditions.clone().unwrap_or_default();
    let ready = conditions.ready.unwrap_or(true);
    let hints = wire.hints.clone().unwrap_or_default();
    let names = |targets: Option<Vec<wire::HintTarget>>| {
        targets.into_iter().flatten().map(|hint| hint.name).collect()
    };
    Some(Endpoint {
        addresses: addresses.into(),
        ready,
        serving: conditions.serving.unwrap_or(true),
        terminating: conditions.terminating.unwrap_or(false),
        node_name: wire.node_name.as_deref().map(Into::into),
        zone: wire.zone.as_deref().map(Into::into),
        target: target_ref(wire.target_ref.as_ref(), namespace).map(Box::new),
        zone_hints: names(hints.for_zones),
        node_hints: names(hints.for_nodes),
        rest: EndpointRest {
            hostname: said(wire.hostname.as_ref()).map(Into::into),
            deprecated_topology: wire.deprecated_topology.clone().unwrap_or_default(),
        }
        .boxed(),
    })
}
