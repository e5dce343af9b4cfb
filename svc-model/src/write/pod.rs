//! Pod.

use super::{condition, flag, list, meta, text};
use crate::wire;
use crate::{ContainerPort, Pod, PodPhase};

pub(super) fn pod(pod: &Pod) -> wire::Pod {
    let (containers, sidecars): (Vec<_>, Vec<_>) =
        pod.ports().chunk_by(same_container).partition(|ports| !ports[0].sidecar());
    wire::Pod {
        metadata: meta(pod.meta()),
        spec: wire::PodSpec {
            node_name: pod.node_name().map(str::to_owned),
            hostname: pod.hostname().map(str::to_owned),
            subdomain: pod.subdomain().map(str::to_owned),
            host_network: flag(pod.host_network()),
            containers: list(containers.into_iter().map(container)),
            init_containers: list(sidecars.into_iter().map(container)),
        },
        status: Some(status(pod)),
    }
}

pub(crate) fn status(pod: &Pod) -> wire::PodStatus {
    let ip = |ip: &std::net::IpAddr| wire::PodIp { ip: Some(ip.to_string()) };
    wire::PodStatus {
        phase: Some(phase(pod.phase()).to_owned()),
        host_ip: pod.host_ips().first().map(ToString::to_string),
        host_ips: list(pod.host_ips().iter().map(ip)),
        pod_ip: pod.ips().first().map(ToString::to_string),
        pod_ips: list(pod.ips().iter().map(ip)),
        conditions: list(pod.conditions().iter().map(condition)),
    }
}

fn same_container(a: &ContainerPort, b: &ContainerPort) -> bool {
    (a.sidecar(), a.container()) == (b.sidecar(), b.container())
}

fn container(ports: &[ContainerPort]) -> wire::Container {
    wire::Container {
        name: text(ports[0].container()),
        restart_policy: ports[0].sidecar().then(|| "Always".to_owned()),
        ports: list(ports.iter().map(port)),
    }
}

fn port(port: &ContainerPort) -> wire::ContainerPort {
    wire::ContainerPort {
        name: text(port.name()),
        container_port: Some(port.port().into()),
        protocol: Some(port.protocol().to_string()),
        host_port: port.host_port().map(i64::from),
        host_ip: port.host_ip().map(|ip| ip.to_string()),
    }
}

fn phase(phase: PodPhase) -> &'static str {
    match phase {
        PodPhase::Pending => "Pending",
        PodPhase::Running => "Running",
        PodPhase::Succeeded => "Succeeded",
        PodPhase::Failed => "Failed",
        PodPhase::Unknown => "Unknown",
    }
}
