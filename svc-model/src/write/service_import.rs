//! ServiceImport.

use super::{list, meta, text};
use crate::ServiceImport;
use crate::wire;

pub(super) fn service_import(import: &ServiceImport) -> wire::ServiceImport {
    let ports = import.ports().iter().map(|port| wire::ServiceImportPort {
        name: text(port.name()),
        protocol: Some(port.protocol().to_string()),
        app_protocol: port.app_protocol().map(str::to_owned),
        port: Some(port.port().into()),
    });
    wire::ServiceImport {
        metadata: meta(import.meta()),
        spec: wire::ServiceImportSpec {
            import_type: Some(import.import_type().as_str().to_owned()),
            ips: list(import.ips().iter().map(ToString::to_string)),
            ports: Some(ports.collect()),
        },
    }
}
