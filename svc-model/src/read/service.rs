//! Service.

use std::net::IpAddr;
use std::time::Duration;

use super::{address, balancer, port, protocol, said};
use crate::problem::Findings;
use crate::service::{Exposure, Headless, Spec, Traffic, Unused, VirtualService};
use crate::wire;
use crate::{
    AddressType, IpFamilyPolicy, Meta, Selector, Service, ServicePort, ServiceType, TargetPort,
    TrafficDistribution, TrafficPolicy,
};

pub(super) fn read(wire: &wire::Service, meta: Meta, findings: &mut Findings<'_>) -> Option<Service> {
    let spec = &wire.spec;
    let service_type = findings.parsed("spec.type", service_type(spec.service_type.as_deref()))?;
    let ports = ports(spec, service_type, findings);
    let traffic = traffic(spec, service_type, findings);
    let spec = match service_type {
        ServiceType::ExternalName => {
            let name = said(spec.external_name.as_ref()).ok_or("is required for type ExternalName");
            Spec::ExternalName(findings.parsed("spec.externalName", name)?)
        }
        ServiceType::ClusterIp if spec.is_headless() => Spec::Headless(headless(spec, findings)),
        _ => Spec::Virtual(Box::new(virtual_service(wire, service_type, findings)?)),
    };
    let conditions = wire.status.as_ref().and_then(|status| status.conditions.as_ref());
    Some(Service {
        meta,
        selector: wire.spec.selector.clone().and_then(Selector::new),
        ports,
        publish_not_ready_addresses: wire.spec.publish_not_ready_addresses.unwrap_or(false),
        traffic: traffic?,
        spec,
        conditions: super::conditions(conditions).into(),
        unused: unused(&wire.spec, service_type).boxed(),
    })
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

pub(crate) fn family_policy(text: &str) -> Result<IpFamilyPolicy, String> {
    match text {
        "SingleStack" => Ok(IpFamilyPolicy::SingleStack),
        "PreferDualStack" => Ok(IpFamilyPolicy::PreferDualStack),
        "RequireDualStack" => Ok(IpFamilyPolicy::RequireDualStack),
        other => Err(format!("`{other}` is not one of SingleStack, PreferDualStack, RequireDualStack")),
    }
}

pub(crate) fn traffic_distribution(text: &str) -> Result<TrafficDistribution, String> {
    match text {
        "PreferClose" => Ok(TrafficDistribution::PreferClose),
        "PreferSameZone" => Ok(TrafficDistribution::PreferSameZone),
        "PreferSameNode" => Ok(TrafficDistribution::PreferSameNode),
        other => Err(format!("`{other}` is not one of PreferClose, PreferSameZone, PreferSameNode")),
    }
}

/// What `externalTrafficPolicy` is about: something leads in from outside.
pub(crate) fn is_externally_accessible(spec: &wire::ServiceSpec, service_type: ServiceType) -> bool {
    match service_type {
        ServiceType::NodePort | ServiceType::LoadBalancer => true,
        ServiceType::ClusterIp => spec.external_ips.iter().flatten().next().is_some(),
        ServiceType::ExternalName => false,
    }
}

fn traffic(
    spec: &wire::ServiceSpec,
    service_type: ServiceType,
    findings: &mut Findings<'_>,
) -> Option<Traffic> {
    let internal = findings
        .parsed("spec.internalTrafficPolicy", traffic_policy(spec.internal_traffic_policy.as_deref()));
    let external = findings
        .parsed("spec.externalTrafficPolicy", traffic_policy(spec.external_traffic_policy.as_deref()));
    let internal_said = said(spec.internal_traffic_policy.as_ref()).is_some();
    let texts: Vec<_> = spec.external_ips.iter().flatten().map(String::as_str).collect();
    Some(Traffic {
        external_ips: addresses("spec.externalIPs", texts, findings),
        session_affinity: session_affinity(spec, findings),
        internal_policy: Some(internal?)
            .filter(|_| internal_said || service_type != ServiceType::ExternalName),
        external_policy: Some(external?).filter(|_| is_externally_accessible(spec, service_type)),
        // A preference that we do not know is none: it only ever made hints.
        distribution: spec.traffic_distribution.as_deref().and_then(|text| traffic_distribution(text).ok()),
    })
}

fn unused(spec: &wire::ServiceSpec, service_type: ServiceType) -> Unused {
    let beside =
        |text: Option<&String>, user| said(text).filter(|_| service_type != user).map(String::into_boxed_str);
    let numbers = spec.ports.iter().flatten().map(|port| port.node_port.unwrap_or(0));
    let numbers = numbers.filter(|_| service_type == ServiceType::ExternalName).collect::<Box<[i64]>>();
    Unused {
        external_name: beside(spec.external_name.as_ref(), ServiceType::ExternalName),
        load_balancer_ip: beside(spec.load_balancer_ip.as_ref(), ServiceType::LoadBalancer),
        node_ports: if numbers.iter().all(|number| *number == 0) { Box::default() } else { numbers },
    }
}

fn families(spec: &wire::ServiceSpec, findings: &mut Findings<'_>) -> Vec<AddressType> {
    let read = |(index, text): (usize, &String)| {
        findings.parsed(&format!("spec.ipFamilies[{index}]"), super::endpoint_slice::address_type(Some(text)))
    };
    let mut families: Vec<_> = spec.ip_families.iter().flatten().enumerate().filter_map(read).collect();
    families.dedup();
    families
}

fn headless(spec: &wire::ServiceSpec, findings: &mut Findings<'_>) -> Headless {
    Headless { families: families(spec, findings), family_policy: policy(spec, findings) }
}

fn policy(spec: &wire::ServiceSpec, findings: &mut Findings<'_>) -> Option<IpFamilyPolicy> {
    let text = said(spec.ip_family_policy.as_ref())?;
    findings.parsed("spec.ipFamilyPolicy", family_policy(&text))
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
            app_protocol: said(wire.app_protocol.as_ref()),
        })
    };
    let mut ports: Vec<_> = spec.ports.iter().flatten().enumerate().filter_map(read).collect();
    // There are as many of these as Services, and most have one port.
    ports.shrink_to_fit();
    ports
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
    findings.require(!spec.all_cluster_ips().is_empty(), "spec.clusterIP", || {
        "no address is allocated: create the object through the control plane, or write one".to_owned()
    });
    one_of_each_family(&cluster_ips, findings);
    let default = match cluster_ips.len() {
        2.. => IpFamilyPolicy::RequireDualStack,
        _ => IpFamilyPolicy::SingleStack,
    };
    Some(VirtualService {
        family_policy: policy(spec, findings).unwrap_or(default),
        cluster_ips,
        exposure: match service_type {
            ServiceType::NodePort => Exposure::NodePort,
            ServiceType::LoadBalancer => Exposure::LoadBalancer(Box::new(balancer::balancer(wire, findings))),
            _ => Exposure::ClusterIp,
        },
    })
}

fn one_of_each_family(cluster_ips: &[IpAddr], findings: &mut Findings<'_>) {
    for (index, address) in cluster_ips.iter().enumerate() {
        let family = AddressType::of(*address);
        let first = !cluster_ips[..index].iter().any(|known| AddressType::of(*known) == family);
        findings.require(first, &format!("spec.clusterIPs[{index}]"), || {
            format!("{address} is a second address of {family}: one per family")
        });
    }
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

fn addresses(field: &str, texts: Vec<&str>, findings: &mut Findings<'_>) -> Vec<IpAddr> {
    let read = |(index, text): (usize, &str)| findings.parsed(&format!("{field}[{index}]"), address(text));
    texts.into_iter().enumerate().filter_map(read).collect()
}
