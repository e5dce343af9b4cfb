//! EndpointSlice.

use super::{list, meta, target_ref, text};
use crate::wire::{self, HintTarget};
use crate::{Endpoint, EndpointSlice};

pub(super) fn slice(slice: &EndpointSlice) -> wire::EndpointSlice {
    let ports = slice.ports().iter().map(|port| wire::EndpointPort {
        name: Some(port.name().to_owned()),
        protocol: Some(port.protocol().to_string()),
        port: port.port().map(i64::from),
        app_protocol: port.app_protocol().map(str::to_owned),
    });
    wire::EndpointSlice {
        metadata: meta(slice.meta()),
        address_type: Some(slice.address_type().to_string()),
        endpoints: Some(slice.endpoints().iter().map(endpoint).collect()),
        ports: Some(ports.collect()),
    }
}

fn endpoint(endpoint: &Endpoint) -> wire::Endpoint {
    wire::Endpoint {
        addresses: endpoint.addresses().iter().map(ToString::to_string).collect(),
        conditions: Some(wire::EndpointConditions {
            ready: Some(endpoint.ready()),
            serving: Some(endpoint.serving()),
            terminating: Some(endpoint.terminating()),
        }),
        hostname: endpoint.hostname().and_then(text),
        node_name: endpoint.node_name().map(str::to_owned),
        zone: endpoint.zone().map(str::to_owned),
        target_ref: endpoint.target_ref().map(target_ref),
        hints: hints(endpoint),
        deprecated_topology: endpoint.deprecated_topology().cloned(),
    }
}

fn hints(endpoint: &Endpoint) -> Option<wire::EndpointHints> {
    let targets = |names: &[String]| list(names.iter().map(|name| HintTarget { name: name.clone() }));
    let (for_zones, for_nodes) = (targets(endpoint.zone_hints()), targets(endpoint.node_hints()));
    let any = for_zones.is_some() || for_nodes.is_some();
    any.then_some(wire::EndpointHints { for_zones, for_nodes })
}
