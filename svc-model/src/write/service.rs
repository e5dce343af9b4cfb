//! Service.

use super::{balancer, condition, flag, list, meta, text};
use crate::service::LoadBalancer;
use crate::wire;
use crate::{Service, ServicePort, TargetPort, TrafficPolicy};

pub(super) fn service(service: &Service) -> wire::Service {
    let addresses = service.cluster_ips().iter().map(ToString::to_string);
    let mut spec = wire::ServiceSpec {
        service_type: Some(service.service_type().to_string()),
        selector: service.selector().map(|selector| selector.labels().clone()),
        cluster_ip: addresses.clone().next(),
        cluster_ips: list(addresses),
        ip_families: list(service.families().iter().map(ToString::to_string)),
        ip_family_policy: service.family_policy().map(|policy| policy.as_str().to_owned()),
        ports: list(
            service.ports().iter().enumerate().map(|(index, it)| port(it, service.written_node_port(index))),
        ),
        external_name: service.written_external_name().map(str::to_owned),
        load_balancer_ip: service.written_load_balancer_ip().map(str::to_owned),
        publish_not_ready_addresses: flag(service.publish_not_ready_addresses()),
        ..wire::ServiceSpec::default()
    };
    if service.is_headless() {
        spec.cluster_ip = Some("None".to_owned());
        spec.cluster_ips = Some(vec!["None".to_owned()]);
    }
    traffic(&mut spec, service);
    if let Some(balancer) = service.load_balancer() {
        load_balancer(&mut spec, balancer);
    }
    wire::Service { metadata: meta(service.meta()), spec, status: status(service) }
}

fn traffic(spec: &mut wire::ServiceSpec, service: &Service) {
    let traffic = &service.traffic;
    let policy = |policy: TrafficPolicy| policy.as_str().to_owned();
    let affinity = if traffic.session_affinity.is_some() { "ClientIP" } else { "None" };
    spec.session_affinity = Some(affinity.to_owned());
    spec.session_affinity_config = traffic.session_affinity.map(|timeout| wire::SessionAffinityConfig {
        client_ip: Some(wire::ClientIpConfig { timeout_seconds: i64::try_from(timeout.as_secs()).ok() }),
    });
    spec.external_ips = list(traffic.external_ips.iter().map(ToString::to_string));
    spec.internal_traffic_policy = traffic.internal_policy.map(policy);
    spec.external_traffic_policy = traffic.external_policy.map(policy);
    spec.traffic_distribution = traffic.distribution.map(|it| it.as_str().to_owned());
}

fn load_balancer(spec: &mut wire::ServiceSpec, balancer: &LoadBalancer) {
    let ranges = balancer.source_ranges.iter().map(ToString::to_string);
    spec.load_balancer_class.clone_from(&balancer.class);
    spec.load_balancer_source_ranges = list(ranges.chain(balancer.unreadable_source_ranges.iter().cloned()));
    spec.allocate_load_balancer_node_ports = Some(balancer.allocates_node_ports);
    spec.health_check_node_port = balancer.health_check_node_port.map(i64::from);
}

pub(crate) fn status(service: &Service) -> Option<wire::ServiceStatus> {
    let ingress = list(service.load_balancer_ingress().iter().map(balancer::service_entry));
    let conditions = list(service.conditions().iter().map(condition));
    let some = ingress.is_some() || conditions.is_some();
    some.then(|| wire::ServiceStatus {
        load_balancer: ingress.map(|ingress| wire::LoadBalancerStatus { ingress: Some(ingress) }),
        conditions,
    })
}

fn port(port: &ServicePort, node_port: Option<i64>) -> wire::ServicePort {
    wire::ServicePort {
        name: text(port.name()),
        protocol: Some(port.protocol().to_string()),
        port: Some(port.port().into()),
        target_port: Some(match port.target_port() {
            TargetPort::Number(number) => wire::IntOrString::Int((*number).into()),
            TargetPort::Name(name) => wire::IntOrString::String(name.clone()),
        }),
        node_port,
        app_protocol: port.app_protocol().map(str::to_owned),
    }
}
