//! Endpoints.

use super::{address, port, protocol, said, target_ref};
use crate::problem::Findings;
use crate::wire;
use crate::{EndpointAddress, EndpointPort, EndpointSubset, Endpoints, Meta};

pub(super) fn read(wire: &wire::Endpoints, meta: Meta, findings: &mut Findings<'_>) -> Endpoints {
    let namespace = meta.name().namespace().to_owned();
    let subsets = wire.subsets.iter().flatten().enumerate();
    let subsets =
        subsets.map(|(index, wire)| subset(&format!("subsets[{index}]"), wire, &namespace, findings));
    Endpoints { subsets: subsets.collect(), meta }
}

fn subset(
    field: &str,
    wire: &wire::EndpointSubset,
    namespace: &str,
    findings: &mut Findings<'_>,
) -> EndpointSubset {
    EndpointSubset {
        ready: addresses(&format!("{field}.addresses"), &wire.addresses, namespace, findings),
        not_ready: addresses(
            &format!("{field}.notReadyAddresses"),
            &wire.not_ready_addresses,
            namespace,
            findings,
        ),
        ports: wire
            .ports
            .iter()
            .flatten()
            .enumerate()
            .filter_map(|(index, wire)| endpoint_port(&format!("{field}.ports[{index}]"), wire, findings))
            .collect(),
    }
}

fn addresses(
    field: &str,
    wire: &Option<Vec<wire::EndpointAddress>>,
    namespace: &str,
    findings: &mut Findings<'_>,
) -> Vec<EndpointAddress> {
    let read = |(index, wire): (usize, &wire::EndpointAddress)| {
        let ip = wire.ip.as_deref().unwrap_or_default();
        Some(EndpointAddress {
            ip: findings.parsed(&format!("{field}[{index}].ip"), address(ip))?,
            hostname: said(wire.hostname.as_ref()),
            node_name: said(wire.node_name.as_ref()),
            target: target_ref(wire.target_ref.as_ref(), namespace),
        })
    };
    wire.iter().flatten().enumerate().filter_map(read).collect()
}

fn endpoint_port(
    field: &str,
    wire: &wire::EndpointPort,
    findings: &mut Findings<'_>,
) -> Option<EndpointPort> {
    let number = wire.port.ok_or("is required".to_owned()).and_then(port);
    let number = findings.parsed(&format!("{field}.port"), number)?;
    let protocol = findings.parsed(&format!("{field}.protocol"), protocol(wire.protocol.as_deref()))?;
    Some(EndpointPort {
        app_protocol: said(wire.app_protocol.as_ref()),
        ..EndpointPort::new(wire.name.clone().unwrap_or_default(), protocol, number)
    })
}
