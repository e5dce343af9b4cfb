//! Pod and Node, and what may not change.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::name;
use super::status::{self, one_of_each_family};
use crate::problem::Findings;
use crate::wire;
use crate::{Object, Pod, read};

pub(super) fn pod(wire: &wire::Pod, findings: &mut Findings<'_>) {
    for (field, text) in [("spec.hostname", &wire.spec.hostname), ("spec.subdomain", &wire.spec.subdomain)] {
        if let Some(text) = text.as_deref().filter(|text| !text.is_empty()) {
            findings.parsed(field, name::dns_label(text));
        }
    }
    if let Some(node) = wire.spec.node_name.as_deref().filter(|node| !node.is_empty()) {
        findings.parsed("spec.nodeName", name::dns_subdomain(node));
    }
    let mut host_ports = BTreeSet::new();
    for (list, containers) in
        [("spec.containers", &wire.spec.containers), ("spec.initContainers", &wire.spec.init_containers)]
    {
        for (index, container) in containers.iter().flatten().enumerate() {
            container_ports(&format!("{list}[{index}]"), container, &mut host_ports, findings);
        }
    }
}

fn container_ports<'a>(
    field: &str,
    container: &'a wire::Container,
    host_ports: &mut BTreeSet<(&'a str, i64, &'a str)>,
    findings: &mut Findings<'_>,
) {
    let mut names = BTreeSet::new();
    for (index, port) in container.ports.iter().flatten().enumerate() {
        let field = format!("{field}.ports[{index}]");
        if let Some(name) = port.name.as_deref().filter(|name| !name.is_empty()) {
            let field = format!("{field}.name");
            findings.parsed(&field, name::port_name(name));
            findings.require(names.insert(name), &field, || {
                format!("`{name}` is already the name of another port")
            });
        }
        let Some(number) = port.host_port.filter(|number| *number != 0) else { continue };
        let key =
            (port.protocol.as_deref().unwrap_or("TCP"), number, port.host_ip.as_deref().unwrap_or_default());
        findings.require(host_ports.insert(key), &format!("{field}.hostPort"), || {
            format!("{} {number} is already used by another port of this pod", key.0)
        });
    }
}

pub(super) fn node(wire: &wire::Node, findings: &mut Findings<'_>) {
    let spec = wire.spec.clone().unwrap_or_default();
    let all = spec.pod_cidrs.unwrap_or_default();
    let one = spec.pod_cidr.filter(|cidr| !cidr.is_empty());
    if let (Some(one), Some(first)) = (&one, all.first()) {
        findings.require(one == first, "spec.podCIDRs[0]", || format!("{first} is not podCIDR ({one})"));
    }
    let network = |text: &'_ String| read::cidr(text).ok().map(|net| net.network());
    let addresses: Vec<Option<String>> =
        all.iter().map(|text| network(text).as_ref().map(IpAddr::to_string)).collect();
    one_of_each_family("spec.podCIDRs", addresses.iter().map(Option::as_deref), findings);
    status::node(wire, findings);
}

/// What the API server does not let anybody change.
pub(super) fn immutable(old: &Object, new: &Object, findings: &mut Findings<'_>) {
    let mut unchanged = |same: bool, field: &str, change: &dyn Fn() -> String| {
        findings.require(same, field, || format!("is immutable: {}", change()));
    };
    match (old, new) {
        (Object::EndpointSlice(old), Object::EndpointSlice(new)) => {
            let (old, new) = (old.address_type(), new.address_type());
            unchanged(old == new, "addressType", &|| format!("{old} cannot become {new}"));
        }
        (Object::IngressClass(old), Object::IngressClass(new)) => {
            let (old, new) = (old.controller(), new.controller());
            unchanged(old == new, "spec.controller", &|| format!("`{old}` cannot become `{new}`"));
        }
        (Object::Node(old), Object::Node(new)) => {
            let same = old.pod_cidrs().is_empty() || old.pod_cidrs() == new.pod_cidrs();
            unchanged(same, "spec.podCIDRs", &|| "the node has its pod networks already".to_owned());
        }
        (Object::Pod(old), Object::Pod(new)) => pod_update(old, new, findings),
        (Object::Secret(old), Object::Secret(new)) => {
            let (before, now) = (old.secret_type(), new.secret_type());
            unchanged(before == now, "type", &|| format!("{before} cannot become {now}"));
            let same = !old.immutable() || (new.immutable() && old.data == new.data);
            unchanged(same, "immutable", &|| {
                "the Secret said so itself; delete it and create it again".to_owned()
            });
        }
        (Object::ConfigMap(old), Object::ConfigMap(new)) => {
            let data = (old.data(), old.binary_data()) == (new.data(), new.binary_data());
            let same = !old.immutable() || (new.immutable() && data);
            unchanged(same, "immutable", &|| {
                "the ConfigMap said so itself; delete it and create it again".to_owned()
            });
        }
        _ => {}
    }
}

/// Of a Pod's spec the API server lets nobody change but images, tolerations and deadlines, none of which is typed here.
fn pod_update(old: &Pod, new: &Pod, findings: &mut Findings<'_>) {
    let cure = "delete the Pod and create it again";
    for (field, before, now) in [
        ("spec.nodeName", old.node_name(), new.node_name()),
        ("spec.hostname", old.hostname(), new.hostname()),
        ("spec.subdomain", old.subdomain(), new.subdomain()),
    ] {
        findings.require(before == now, field, || {
            format!(
                "is immutable: `{}` cannot become `{}`; {cure}",
                before.unwrap_or_default(),
                now.unwrap_or_default()
            )
        });
    }
    let networks = (old.host_network(), new.host_network());
    findings.require(networks.0 == networks.1, "spec.hostNetwork", || {
        format!("is immutable: {} cannot become {}; {cure}", networks.0, networks.1)
    });
    findings.require(old.ports() == new.ports(), "spec.containers", || {
        format!("are immutable with their ports; {cure}")
    });
}
