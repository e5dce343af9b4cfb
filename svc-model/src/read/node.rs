//! Node.

use super::{address, cidr, conditions, said};
use crate::problem::Findings;
use crate::wire::{self, Quantity};
use crate::{Meta, Node, NodeAddress, Taint};

pub(super) fn node(wire: &wire::Node, meta: Meta, findings: &mut Findings<'_>) -> Node {
    let spec = wire.spec.clone().unwrap_or_default();
    let status = wire.status.clone().unwrap_or_default();
    let mut cidrs = spec.pod_cidrs.unwrap_or_default();
    if cidrs.is_empty() {
        cidrs.extend(spec.pod_cidr.filter(|cidr| !cidr.is_empty()));
    }
    let cidrs = cidrs.iter().enumerate();
    let cpu = status.allocatable.as_ref().and_then(|all| all.get("cpu"));
    Node {
        meta,
        pod_cidrs: cidrs
            .filter_map(|(index, text)| findings.parsed(&format!("spec.podCIDRs[{index}]"), cidr(text)))
            .collect(),
        taints: spec.taints.iter().flatten().map(taint).collect(),
        addresses: status
            .addresses
            .iter()
            .flatten()
            .enumerate()
            .filter_map(|(index, wire)| {
                findings.parsed(&format!("status.addresses[{index}].address"), node_address(wire))
            })
            .collect(),
        conditions: conditions(status.conditions.as_ref()),
        allocatable_cpu: cpu.and_then(|cpu| findings.parsed("status.allocatable.cpu", millis(&text(cpu)))),
    }
}

fn taint(wire: &wire::Taint) -> Taint {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Taint {
        key: text(&wire.key),
        value: text(&wire.value),
        effect: text(&wire.effect),
        time_added: said(wire.time_added.as_ref()),
    }
}

fn node_address(wire: &wire::NodeAddress) -> Result<NodeAddress, String> {
    let text = wire.address.clone().unwrap_or_default();
    Ok(match wire.address_type.as_deref() {
        Some("InternalIP") => NodeAddress::InternalIp(address(&text)?),
        Some("ExternalIP") => NodeAddress::ExternalIp(address(&text)?),
        Some("Hostname") => NodeAddress::Hostname(text),
        Some("InternalDNS") => NodeAddress::InternalDns(text),
        Some("ExternalDNS") => NodeAddress::ExternalDns(text),
        // Kubernetes may yet invent others.
        other => NodeAddress::Other { address_type: other.unwrap_or_default().to_owned(), address: text },
    })
}

fn text(quantity: &Quantity) -> String {
    match quantity {
        Quantity::Int(number) => number.to_string(),
        Quantity::Float(number) => number.to_string(),
        Quantity::Text(text) => text.clone(),
    }
}

/// Thousandths, rounded up as Kubernetes does: `4`, `0.5`, `3920m`, `4k`.
fn millis(text: &str) -> Result<u64, String> {
    let error = || format!("`{text}` is not a quantity such as 4 or 3920m");
    let split = text.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let exponent: i32 = match suffix {
        "n" => -6,
        "u" => -3,
        "m" => 0,
        "" => 3,
        "k" => 6,
        _ => return Err(error()),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits: u128 = format!("{whole}{part}").parse().map_err(|_| error())?;
    let exponent = exponent - i32::try_from(part.len()).map_err(|_| error())?;
    let scale = 10_u128.checked_pow(exponent.unsigned_abs()).ok_or_else(error)?;
    let millis = if exponent < 0 { Some(digits.div_ceil(scale)) } else { digits.checked_mul(scale) };
    millis.and_then(|millis| u64::try_from(millis).ok()).ok_or_else(error)
}
