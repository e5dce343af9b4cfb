//! Service.

use super::{list, meta, text};
use crate::wire;
use crate::{IpMode, Service, ServicePort, ServiceType, TargetPort, TrafficPolicy};

pub(super) fn service(service: &Service) -> wire::Service {
    let addresses = service.cluster_ips().iter().map(ToString::to_string);
    let mut spec = wire::ServiceSpec {
        service_type: Some(service.service_type().to_string()),
        selector: service.selector().map(|selector| selector.labels().clone()),
        cluster_ip: addresses.clone().next(),
        cluster_ips: list(addresses),
        ip_families: list(service.families().iter().map(ToString::to_string)),
        ports: list(service.ports().iter().map(port)),
        external_name: service.external_name().map(str::to_owned),
        publish_not_ready_addresses: service.publish_not_ready_addresses().then_some(true),
        ..wire::ServiceSpec::default()
    };
    if service.is_headless() {
        spec.cluster_ip = Some("None".to_owned());
        spec.cluster_ips = Some(vec!["None".to_owned()]);
    }
    if !service.cluster_ips().is_empty() {
        traffic(&mut spec, service);
    }
    let mut wire = wire::Service { metadata: meta(service.meta()), spec, status: None };
    if service.service_type() == ServiceType::LoadBalancer {
        load_balancer(&mut wire, service);
    }
    wire
}

fn traffic(spec: &mut wire::ServiceSpec, service: &Service) {
    let affinity = if service.session_affinity().is_some() { "ClientIP" } else { "None" };
    spec.session_affinity = Some(affinity.to_owned());
    spec.session_affinity_config = service.session_affinity().map(|timeout| wire::SessionAffinityConfig {
        client_ip: Some(wire::ClientIpConfig { timeout_seconds: i64::try_from(timeout.as_secs()).ok() }),
    });
    spec.internal_traffic_policy = Some(policy(service.internal_traffic_policy()));
    spec.external_ips = list(service.external_ips().iter().map(ToString::to_string));
    // Where nothing leads in from outside the API knows no such policy.
    let outside = service.service_type() != ServiceType::ClusterIp || !service.external_ips().is_empty();
    spec.external_traffic_policy = outside.then(|| policy(service.external_traffic_policy()));
}

fn load_balancer(wire: &mut wire::Service, service: &Service) {
    let spec = &mut wire.spec;
    spec.load_balancer_ip = service.requested_load_balancer_ip().map(|ip| ip.to_string());
    spec.load_balancer_class = service.load_balancer_class().map(str::to_owned);
    spec.load_balancer_source_ranges = list(service.source_ranges().iter().map(ToString::to_string));
    spec.allocate_load_balancer_node_ports = Some(service.allocates_node_ports());
    spec.health_check_node_port = service.health_check_node_port().map(i64::from);
    let ingress = list(service.load_balancer_ingress().iter().map(|ingress| wire::LoadBalancerIngress {
        ip: ingress.ip().map(|ip| ip.to_string()),
        hostname: ingress.hostname().map(str::to_owned),
        ip_mode: ingress.ip().map(|_| match ingress.ip_mode() {
            IpMode::Vip => "VIP".to_owned(),
            IpMode::Proxy => "Proxy".to_owned(),
        }),
    }));
    wire.status = ingress.map(|ingress| wire::ServiceStatus {
        load_balancer: Some(wire::LoadBalancerStatus { ingress: Some(ingress) }),
    });
}

fn port(port: &ServicePort) -> wire::ServicePort {
    wire::ServicePort {
        name: text(port.name()),
        protocol: Some(port.protocol().to_string()),
        port: Some(port.port().into()),
        target_port: Some(match port.target_port() {
            TargetPort::Number(number) => wire::IntOrString::Int((*number).into()),
            TargetPort::Name(name) => wire::IntOrString::String(name.clone()),
        }),
        node_port: port.node_port().map(i64::from),
        app_protocol: port.app_protocol().map(str::to_owned),
    }
}

fn policy(policy: TrafficPolicy) -> String {
    match policy {
        TrafficPolicy::Cluster => "Cluster".to_owned(),
        TrafficPolicy::Local => "Local".to_owned(),
    }
}
