//! Endpoints.

use super::{list, meta, target_ref, text};
use crate::wire;
use crate::{EndpointAddress, EndpointSubset, Endpoints};

pub(super) fn endpoints(endpoints: &Endpoints) -> wire::Endpoints {
    wire::Endpoints {
        metadata: meta(endpoints.meta()),
        subsets: list(endpoints.subsets().iter().map(subset)),
    }
}

fn subset(subset: &EndpointSubset) -> wire::EndpointSubset {
    let ports = subset.ports().iter().map(|port| wire::EndpointPort {
        name: text(port.name()),
        protocol: Some(port.protocol().to_string()),
        port: port.port().map(i64::from),
        app_protocol: port.app_protocol().map(str::to_owned),
    });
    wire::EndpointSubset {
        addresses: list(subset.ready().iter().map(address)),
        not_ready_addresses: list(subset.not_ready().iter().map(address)),
        ports: list(ports),
    }
}

fn address(address: &EndpointAddress) -> wire::EndpointAddress {
    wire::EndpointAddress {
        ip: Some(address.ip().to_string()),
        hostname: address.hostname().map(str::to_owned),
        node_name: address.node_name().map(str::to_owned),
        target_ref: address.target_ref().map(target_ref),
    }
}
