//! Service.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use super::{address, port, protocol};
use crate::problem::Findings;
use crate::service::{Exposure, LoadBalancer, Spec, VirtualService};
use crate::wire;
use crate::{
    AddressType, IpMode, LoadBalancerIngress, Meta, Selector, Service, ServicePort, ServiceType, TargetPort,
    TrafficPolicy,
};

pub(super) fn read(wire: &wire::Service, meta: Meta, findings: &mut Findings<'_>) -> Option<Service> {
    let spec = &wire.spec;
    let service_type = findings.parsed("spec.type", service_type(spec.service_type.as_deref()))?;
    let ports = ports(spec, service_type, findings);
    let spec = match service_type {
        ServiceType::ExternalName => {
            let name = spec.external_name.clone().filter(|name| !name.is_empty());
            if name.is_none() {
                findings.report("spec.externalName", "is required for type ExternalName");
            }
            Spec::ExternalName(name?)
        }
        _ if spec.is_headless() => Spec::Headless(families(spec, findings)),
        _ => Spec::Virtual(Box::new(virtual_service(wire, service_type, findings)?)),
    };
    Some(Service {
        meta,
        selector: wire.spec.selector.clone().and_then(Selector::new),
        ports,
        publish_not_ready_addresses: wire.spec.publish_not_ready_addresses.unwrap_or(false),
        spec,
    })
}

impl wire::ServiceSpec {
    /// `clusterIPs`, or `clusterIP` where an old object has only that.
    #[must_use]
    pub fn all_cluster_ips(&self) -> Vec<&str> {
        let many = self.cluster_ips.iter().flatten().map(String::as_str).collect::<Vec<_>>();
        let one = self.cluster_ip.as_deref().into_iter().collect();
        let mut all = if many.is_empty() { one } else { many };
        all.retain(|ip| !ip.is_empty());
        all
    }

    /// `clusterIP: None`.
    #[must_use]
    pub fn is_headless(&self) -> bool {
        self.all_cluster_ips().first() == Some(&"None")
    }
}

pub(crate) fn service_type(text: Option<&str>) -> Result<ServiceType, String> {
    match text {
        None | Some("" | "ClusterIP") => Ok(ServiceType::ClusterIp),
        Some("NodePort") => Ok(ServiceType::NodePort),
        Some("LoadBalancer") => Ok(ServiceType::LoadBalancer),
        Some("ExternalName") => Ok(ServiceType::ExternalName),
        Some(other) => {
            Err(format!("`{other}` is not one of ClusterIP, NodePort, LoadBalancer, ExternalName"))
        }
    }
}

pub(crate) fn traffic_policy(text: Option<&str>) -> Result<TrafficPolicy, String> {
    match text {
        None | Some("" | "Cluster") => Ok(TrafficPolicy::Cluster),
        Some("Local") => Ok(TrafficPolicy::Local),
        Some(other) => Err(format!("`{other}` is not one of Cluster, Local")),
    }
}

fn families(spec: &wire::ServiceSpec, findings: &mut Findings<'_>) -> Vec<AddressType> {
    let read = |(index, text): (usize, &String)| {
        findings.parsed(&format!("spec.ipFamilies[{index}]"), super::endpoint_slice::address_type(Some(text)))
    };
    spec.ip_families.iter().flatten().enumerate().filter_map(read).collect()
}

fn ports(
    spec: &wire::ServiceSpec,
    service_type: ServiceType,
    findings: &mut Findings<'_>,
) -> Vec<ServicePort> {
    let has_node_ports = matches!(service_type, ServiceType::NodePort | ServiceType::LoadBalancer);
    let read = |(index, wire): (usize, &wire::ServicePort)| {
        let field = |name: &str| format!("spec.ports[{index}].{name}");
        let number =
            findings.parsed(&field("port"), wire.port.ok_or("is required".to_owned()).and_then(port))?;
        let node_port = wire.node_port.filter(|port| has_node_ports && *port != 0);
        Some(ServicePort {
            name: wire.name.clone().unwrap_or_default(),
            protocol: findings.parsed(&field("protocol"), protocol(wire.protocol.as_deref()))?,
            port: number,
            target_port: findings
                .parsed(&field("targetPort"), target_port(wire.target_port.as_ref(), number))?,
            node_port: match node_port {
                Some(number) => Some(findings.parsed(&field("nodePort"), port(number))?),
                None => None,
            },
            app_protocol: wire.app_protocol.clone(),
        })
    };
    spec.ports.iter().flatten().enumerate().filter_map(read).collect()
}

fn target_port(wire: Option<&wire::IntOrString>, port_number: u16) -> Result<TargetPort, String> {
    match wire {
        None | Some(wire::IntOrString::Int(0)) => Ok(TargetPort::Number(port_number)),
        Some(wire::IntOrString::Int(number)) => port(*number).map(TargetPort::Number),
        Some(wire::IntOrString::String(name)) if name.is_empty() => Ok(TargetPort::Number(port_number)),
        Some(wire::IntOrString::String(name)) => Ok(TargetPort::Name(name.clone())),
    }
}

fn virtual_service(
    wire: &wire::Service,
    service_type: ServiceType,
    findings: &mut Findings<'_>,
) -> Option<VirtualService> {
    let spec = &wire.spec;
    let cluster_ips = addresses("spec.clusterIPs", spec.all_cluster_ips(), findings);
    findings.require(!cluster_ips.is_empty(), "spec.clusterIP", || {
        "no address is allocated: create the object through the control plane, or write one".to_owned()
    });
    let policy = traffic_policy(spec.external_traffic_policy.as_deref());
    let internal = traffic_policy(spec.internal_traffic_policy.as_deref());
    Some(VirtualService {
        cluster_ips,
        external_ips: addresses("spec.externalIPs", strings(spec.external_ips.as_deref()), findings),
        internal_traffic_policy: findings.parsed("spec.internalTrafficPolicy", internal)?,
        external_traffic_policy: findings.parsed("spec.externalTrafficPolicy", policy)?,
        session_affinity: session_affinity(spec, findings),
        exposure: match service_type {
            ServiceType::NodePort => Exposure::NodePort,
            ServiceType::LoadBalancer => Exposure::LoadBalancer(load_balancer(wire, findings)),
            _ => Exposure::ClusterIp,
        },
    })
}

fn session_affinity(spec: &wire::ServiceSpec, findings: &mut Findings<'_>) -> Option<Duration> {
    match spec.session_affinity.as_deref() {
        None | Some("" | "None") => None,
        Some("ClientIP") => {
            let config = spec.session_affinity_config.as_ref().and_then(|config| config.client_ip.as_ref());
            let seconds = config.and_then(|config| config.timeout_seconds).unwrap_or(10_800);
            let field = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
            let valid = u64::try_from(seconds).ok().filter(|seconds| (1..=86_400).contains(seconds));
            findings
                .parsed(field, valid.ok_or(format!("{seconds} is not in 1-86400")))
                .map(Duration::from_secs)
        }
        Some(other) => {
            findings.report("spec.sessionAffinity", format!("`{other}` is not one of None, ClientIP"));
            None
        }
    }
}

fn load_balancer(wire: &wire::Service, findings: &mut Findings<'_>) -> LoadBalancer {
    let spec = &wire.spec;
    let status = wire.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    let ingress = status.and_then(|status| status.ingress.as_deref()).unwrap_or_default();
    let requested = spec.load_balancer_ip.as_deref().filter(|ip| !ip.is_empty());
    let health = spec.health_check_node_port.filter(|port| *port != 0);
    LoadBalancer {
        class: spec.load_balancer_class.clone(),
        requested_ip: requested.and_then(|ip| findings.parsed("spec.loadBalancerIP", address(ip))),
        ingress: ingress
            .iter()
            .enumerate()
            .filter_map(|(index, wire)| balancer_ingress(index, wire, findings))
            .collect(),
        source_ranges: strings(spec.load_balancer_source_ranges.as_deref())
            .into_iter()
            .enumerate()
            .filter_map(|(index, text)| {
                findings.parsed(&format!("spec.loadBalancerSourceRanges[{index}]"), cidr(text.trim()))
            })
            .collect(),
        health_check_node_port: health
            .and_then(|number| findings.parsed("spec.healthCheckNodePort", port(number))),
        allocates_node_ports: spec.allocate_load_balancer_node_ports.unwrap_or(true),
    }
}

fn balancer_ingress(
    index: usize,
    wire: &wire::LoadBalancerIngress,
    findings: &mut Findings<'_>,
) -> Option<LoadBalancerIngress> {
    let field = |name: &str| format!("status.loadBalancer.ingress[{index}].{name}");
    let ip = wire.ip.as_deref().filter(|ip| !ip.is_empty());
    let ip_mode = match wire.ip_mode.as_deref() {
        None | Some("" | "VIP") => IpMode::Vip,
        Some("Proxy") => IpMode::Proxy,
        Some(other) => {
            findings.report(field("ipMode"), format!("`{other}` is not one of VIP, Proxy"));
            return None;
        }
    };
    let ip = match ip {
        Some(ip) => Some(findings.parsed(&field("ip"), address(ip))?),
        None => None,
    };
    Some(LoadBalancerIngress { ip, hostname: wire.hostname.clone(), ip_mode })
}

pub(crate) fn cidr(text: &str) -> Result<IpNet, String> {
    let error = || format!("`{text}` is not a CIDR such as 10.0.0.0/8");
    let (ip, length) = text.split_once('/').ok_or_else(error)?;
    let net = IpNet::new(address(ip).map_err(|_| error())?, length.parse().map_err(|_| error())?);
    net.map(|net| net.trunc()).map_err(|_| error())
}

fn addresses(field: &str, texts: Vec<&str>, findings: &mut Findings<'_>) -> Vec<IpAddr> {
    let read = |(index, text): (usize, &str)| findings.parsed(&format!("{field}[{index}]"), address(text));
    texts.into_iter().enumerate().filter_map(read).collect()
}

fn strings(texts: Option<&[String]>) -> Vec<&str> {
    texts.unwrap_or_default().iter().map(String::as_str).collect()
}
