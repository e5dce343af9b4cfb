//! ServiceImport.

use super::{address, port, protocol, said};
use crate::problem::Findings;
use crate::wire;
use crate::{Meta, ServiceImport, ServiceImportPort, ServiceImportType};

pub(super) fn read(
    wire: &wire::ServiceImport,
    meta: Meta,
    findings: &mut Findings<'_>,
) -> Option<ServiceImport> {
    let import_type = findings.parsed("spec.type", import_type(wire.spec.import_type.as_deref()))?;
    let ips = wire.spec.ips.iter().flatten().enumerate();
    let ips = ips
        .filter_map(|(index, text)| findings.parsed(&format!("spec.ips[{index}]"), address(text)))
        .collect();
    let ports = wire.spec.ports.iter().flatten().enumerate();
    let ports = ports.filter_map(|(index, wire)| import_port(index, wire, findings)).collect();
    Some(ServiceImport { meta, import_type, ips, ports })
}

fn import_type(text: Option<&str>) -> Result<ServiceImportType, String> {
    match text {
        Some("ClusterSetIP") => Ok(ServiceImportType::ClusterSetIp),
        Some("Headless") => Ok(ServiceImportType::Headless),
        Some(other) => Err(format!("`{other}` is not one of ClusterSetIP, Headless")),
        None => Err("is required: ClusterSetIP or Headless".to_owned()),
    }
}

fn import_port(
    index: usize,
    wire: &wire::ServiceImportPort,
    findings: &mut Findings<'_>,
) -> Option<ServiceImportPort> {
    let field = |name: &str| format!("spec.ports[{index}].{name}");
    let number = wire.port.ok_or("is required".to_owned()).and_then(port);
    Some(ServiceImportPort {
        name: wire.name.clone().unwrap_or_default(),
        protocol: findings.parsed(&field("protocol"), protocol(wire.protocol.as_deref()))?,
        port: findings.parsed(&field("port"), number)?,
        app_protocol: said(wire.app_protocol.as_ref()),
    })
}
