//! Pod, Node and Secret.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{list, meta, text};
use crate::wire;
use crate::{Node, Pod, PodPhase, Secret};

/// What stands for "when" on a pod that is being deleted: which moment it was is not kept.
const DELETED: &str = "1970-01-01T00:00:00Z";

pub(super) fn pod(pod: &Pod) -> wire::Pod {
    let mut metadata = meta(pod.meta());
    metadata.deletion_timestamp = pod.terminating().then(|| DELETED.to_owned());
    let ports = list(pod.ports().iter().map(|port| wire::ContainerPort {
        name: text(port.name()),
        container_port: Some(port.port().into()),
        protocol: Some(port.protocol().to_string()),
    }));
    wire::Pod {
        metadata,
        spec: wire::PodSpec {
            node_name: pod.node_name().map(str::to_owned),
            hostname: pod.hostname().map(str::to_owned),
            subdomain: pod.subdomain().map(str::to_owned),
            // Which container has which port is not kept: nothing in networking depends on it.
            containers: ports
                .map(|ports| vec![wire::Container { name: Some("all".to_owned()), ports: Some(ports) }]),
        },
        status: Some(wire::PodStatus {
            phase: Some(phase(pod.phase()).to_owned()),
            pod_ip: pod.ips().first().map(ToString::to_string),
            pod_ips: list(pod.ips().iter().map(|ip| wire::PodIp { ip: Some(ip.to_string()) })),
            conditions: Some(vec![wire::PodCondition {
                condition_type: Some("Ready".to_owned()),
                status: Some(if pod.ready() { "True" } else { "False" }.to_owned()),
            }]),
        }),
    }
}

fn phase(phase: PodPhase) -> &'static str {
    match phase {
        PodPhase::Pending => "Pending",
        PodPhase::Running => "Running",
        PodPhase::Succeeded => "Succeeded",
        PodPhase::Failed => "Failed",
    }
}

pub(super) fn node(node: &Node) -> wire::Node {
    let cidrs = list(node.pod_cidrs().iter().map(ToString::to_string));
    let addresses = node.internal_ips().iter().map(|ip| wire::NodeAddress {
        address_type: Some("InternalIP".to_owned()),
        address: Some(ip.to_string()),
    });
    wire::Node {
        metadata: meta(node.meta()),
        spec: cidrs.map(|cidrs| wire::NodeSpec { pod_cidr: cidrs.first().cloned(), pod_cidrs: Some(cidrs) }),
        status: list(addresses).map(|addresses| wire::NodeStatus { addresses: Some(addresses) }),
    }
}

pub(super) fn secret(secret: &Secret) -> wire::Secret {
    let encoded =
        secret.keys().filter_map(|key| Some((key.to_owned(), STANDARD.encode(secret.data(key)?)))).collect();
    wire::Secret {
        metadata: meta(secret.meta()),
        secret_type: Some(secret.secret_type().to_owned()),
        data: Some(encoded),
        string_data: None,
    }
}
