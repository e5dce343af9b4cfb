//! What the status of an object may say: the rules of the subresource `status`.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{finish, service, service_balancer};
use crate::problem::Findings;
use crate::wire::{self, Manifest};
use crate::{AddressType, Problems, ServiceType, read};

/// Whether the status of this manifest may be written, of an object that is as the rest of it says.
///
/// # Errors
/// All its faults.
pub fn status(manifest: &Manifest) -> Result<(), Problems> {
    let at = manifest.reference();
    let mut findings = Findings::of(&at);
    let read = match manifest {
        Manifest::Service(wire) => {
            let kind = read::service_type(wire.spec.service_type.as_deref()).unwrap_or_default();
            service_balancer::status(wire, kind == ServiceType::LoadBalancer, &mut findings);
            read::object(&service::readable(wire::Service::clone(wire))).map(drop)
        }
        other => {
            match other {
                Manifest::Ingress(wire) => ingress(wire, &mut findings),
                Manifest::Node(wire) => node(wire, &mut findings),
                Manifest::Pod(wire) => pod(wire, &mut findings),
                _ => {}
            }
            read::stored(other).map(drop)
        }
    };
    finish(findings, read)
}

fn ingress(wire: &wire::Ingress, findings: &mut Findings<'_>) {
    let status = wire.status.iter().flat_map(|status| &status.load_balancer);
    for (index, entry) in status.flat_map(|status| status.ingress.iter().flatten()).enumerate() {
        service_balancer::ingress(&format!("status.loadBalancer.ingress[{index}]"), entry, findings);
    }
}

fn pod(wire: &wire::Pod, findings: &mut Findings<'_>) {
    let Some(status) = &wire.status else { return };
    for (field, ips) in [("status.podIPs", &status.pod_ips), ("status.hostIPs", &status.host_ips)] {
        one_of_each_family(field, ips.iter().flatten().map(|ip| ip.ip.as_deref()), findings);
    }
}

pub(super) fn node(wire: &wire::Node, findings: &mut Findings<'_>) {
    let mut seen = Vec::new();
    let addresses = wire.status.iter().flat_map(|status| status.addresses.iter().flatten());
    for (index, address) in addresses.enumerate() {
        findings.require(!seen.contains(&address), &format!("status.addresses[{index}]"), || {
            format!("{} stands twice", address.address.as_deref().unwrap_or_default())
        });
        seen.push(address);
    }
}

pub(super) fn one_of_each_family<'a>(
    field: &str,
    texts: impl Iterator<Item = Option<&'a str>>,
    findings: &mut Findings<'_>,
) {
    let mut seen = BTreeSet::new();
    for (index, text) in texts.enumerate() {
        let Some(address): Option<IpAddr> = text.and_then(|text| read::address(text).ok()) else { continue };
        findings.require(seen.insert(AddressType::of(address)), &format!("{field}[{index}]"), || {
            format!("{address} is a second one of {}: one per family", AddressType::of(address))
        });
    }
}
