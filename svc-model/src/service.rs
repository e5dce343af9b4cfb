//! Service (core/v1): a stable address in front of changing pods.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::{AddressType, Meta, ObjectName, Selector};

/// Transport protocol of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// TCP, the default.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl Protocol {
    /// `tcp`, `udp` or `sctp`, as the kernel's tools and DNS names write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Sctp => "sctp",
        }
    }

    /// The IANA protocol number (6, 17, 132).
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
        }
    }
}

impl std::fmt::Display for Protocol {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.as_str().to_uppercase())
    }
}

/// `spec.type`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ServiceType {
    /// An address inside the cluster (or none: headless).
    #[default]
    ClusterIp,
    /// And a port on every node.
    NodePort,
    /// And an address outside.
    LoadBalancer,
    /// A DNS alias.
    ExternalName,
}

impl std::fmt::Display for ServiceType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ServiceType::ClusterIp => "ClusterIP",
            ServiceType::NodePort => "NodePort",
            ServiceType::LoadBalancer => "LoadBalancer",
            ServiceType::ExternalName => "ExternalName",
        })
    }
}

/// `internalTrafficPolicy`, `externalTrafficPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TrafficPolicy {
    /// All endpoints of the cluster.
    #[default]
    Cluster,
    /// Only endpoints on the node that the traffic reaches.
    Local,
}

/// `targetPort`: a number, or the name of a container port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TargetPort {
    /// A port number.
    Number(u16),
    /// The name of a container port, looked up in each pod.
    Name(String),
}

/// One port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
    pub(crate) target_port: TargetPort,
    pub(crate) node_port: Option<u16>,
    pub(crate) app_protocol: Option<String>,
}

impl ServicePort {
    /// The name; empty where the only port has none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The port on the Service's addresses.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port on the pods.
    #[must_use]
    pub fn target_port(&self) -> &TargetPort {
        &self.target_port
    }

    /// The port on the nodes; only NodePort and LoadBalancer Services have one.
    #[must_use]
    pub fn node_port(&self) -> Option<u16> {
        self.node_port
    }

    /// `appProtocol`.
    #[must_use]
    pub fn app_protocol(&self) -> Option<&str> {
        self.app_protocol.as_deref()
    }
}

/// `ipMode` of a load-balancer address (KEP-1860).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum IpMode {
    /// Packets arrive with the address as destination: nodes serve it.
    #[default]
    Vip,
    /// The balancer is a proxy: nodes must not serve its address.
    Proxy,
}

/// One entry of `status.loadBalancer.ingress`: an address or a host name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadBalancerIngress {
    pub(crate) ip: Option<IpAddr>,
    pub(crate) hostname: Option<String>,
    pub(crate) ip_mode: IpMode,
}

impl LoadBalancerIngress {
    /// An address served in `ip_mode`.
    #[must_use]
    pub fn address(ip: IpAddr, ip_mode: IpMode) -> Self {
        Self { ip: Some(ip), hostname: None, ip_mode }
    }

    /// The address.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// The host name.
    #[must_use]
    pub fn hostname(&self) -> Option<&str> {
        self.hostname.as_deref()
    }

    /// How packets for the address reach the nodes.
    #[must_use]
    pub fn ip_mode(&self) -> IpMode {
        self.ip_mode
    }
}

/// A Service that passed validation. Combinations that make no sense cannot be built: a headless Service has no
/// virtual address, an ExternalName nothing but its name, a node port exists only on the types that have one.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    pub(crate) meta: Meta,
    pub(crate) selector: Option<Selector>,
    pub(crate) ports: Vec<ServicePort>,
    pub(crate) publish_not_ready_addresses: bool,
    pub(crate) spec: Spec,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Spec {
    Virtual(Box<VirtualService>),
    /// With the families it was written for; none where nothing says.
    Headless(Vec<AddressType>),
    ExternalName(String),
}

/// What only Services with a virtual address have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct VirtualService {
    pub(crate) cluster_ips: Vec<IpAddr>,
    pub(crate) external_ips: Vec<IpAddr>,
    pub(crate) internal_traffic_policy: TrafficPolicy,
    pub(crate) external_traffic_policy: TrafficPolicy,
    pub(crate) session_affinity: Option<Duration>,
    pub(crate) exposure: Exposure,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Exposure {
    ClusterIp,
    NodePort,
    LoadBalancer(LoadBalancer),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LoadBalancer {
    pub(crate) class: Option<String>,
    pub(crate) requested_ip: Option<IpAddr>,
    pub(crate) ingress: Vec<LoadBalancerIngress>,
    pub(crate) source_ranges: Vec<IpNet>,
    pub(crate) health_check_node_port: Option<u16>,
    pub(crate) allocates_node_ports: bool,
}

impl Service {
    /// Metadata.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Namespace and name.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        self.meta.name()
    }

    /// The pods behind the Service; `None` when its endpoints are managed by someone else.
    #[must_use]
    pub fn selector(&self) -> Option<&Selector> {
        self.selector.as_ref()
    }

    /// `spec.type`.
    #[must_use]
    pub fn service_type(&self) -> ServiceType {
        match &self.spec {
            Spec::ExternalName(_) => ServiceType::ExternalName,
            Spec::Headless(_) => ServiceType::ClusterIp,
            Spec::Virtual(spec) => match spec.exposure {
                Exposure::ClusterIp => ServiceType::ClusterIp,
                Exposure::NodePort => ServiceType::NodePort,
                Exposure::LoadBalancer(_) => ServiceType::LoadBalancer,
            },
        }
    }

    /// `clusterIP: None`: names for the pods, no virtual address.
    #[must_use]
    pub fn is_headless(&self) -> bool {
        matches!(self.spec, Spec::Headless(_))
    }

    /// The virtual addresses, one per family, primary first; none for headless and ExternalName.
    #[must_use]
    pub fn cluster_ips(&self) -> &[IpAddr] {
        self.virtual_service().map_or(&[], |spec| &spec.cluster_ips)
    }

    /// The address families, primary first: those of the virtual addresses, or `ipFamilies` of a headless Service (none
    /// where it does not say). An ExternalName has none.
    #[must_use]
    pub fn families(&self) -> Vec<AddressType> {
        match &self.spec {
            Spec::Virtual(spec) => spec.cluster_ips.iter().map(|ip| AddressType::of(*ip)).collect(),
            Spec::Headless(families) => families.clone(),
            Spec::ExternalName(_) => Vec::new(),
        }
    }

    /// The alias of an ExternalName Service.
    #[must_use]
    pub fn external_name(&self) -> Option<&str> {
        match &self.spec {
            Spec::ExternalName(name) => Some(name),
            _ => None,
        }
    }

    /// The ports, in the order of the manifest.
    #[must_use]
    pub fn ports(&self) -> &[ServicePort] {
        &self.ports
    }

    /// `spec.externalIPs`.
    #[must_use]
    pub fn external_ips(&self) -> &[IpAddr] {
        self.virtual_service().map_or(&[], |spec| &spec.external_ips)
    }

    /// `status.loadBalancer.ingress`.
    #[must_use]
    pub fn load_balancer_ingress(&self) -> &[LoadBalancerIngress] {
        self.load_balancer().map_or(&[], |balancer| &balancer.ingress)
    }

    /// `spec.loadBalancerIP`: the address the user asks for.
    #[must_use]
    pub fn requested_load_balancer_ip(&self) -> Option<IpAddr> {
        self.load_balancer().and_then(|balancer| balancer.requested_ip)
    }

    /// `spec.loadBalancerSourceRanges`: who may use the load-balancer addresses; empty means everybody.
    #[must_use]
    pub fn source_ranges(&self) -> &[IpNet] {
        self.load_balancer().map_or(&[], |balancer| &balancer.source_ranges)
    }

    /// `spec.loadBalancerClass`.
    #[must_use]
    pub fn load_balancer_class(&self) -> Option<&str> {
        self.load_balancer().and_then(|balancer| balancer.class.as_deref())
    }

    /// `spec.allocateLoadBalancerNodePorts` of a LoadBalancer; true for NodePort.
    #[must_use]
    pub fn allocates_node_ports(&self) -> bool {
        match self.virtual_service().map(|spec| &spec.exposure) {
            Some(Exposure::NodePort) => true,
            Some(Exposure::LoadBalancer(balancer)) => balancer.allocates_node_ports,
            _ => false,
        }
    }

    /// `spec.healthCheckNodePort`.
    #[must_use]
    pub fn health_check_node_port(&self) -> Option<u16> {
        self.load_balancer().and_then(|balancer| balancer.health_check_node_port)
    }

    /// `spec.externalTrafficPolicy`: for node ports, externalIPs and load-balancer addresses.
    #[must_use]
    pub fn external_traffic_policy(&self) -> TrafficPolicy {
        self.virtual_service().map_or_else(TrafficPolicy::default, |spec| spec.external_traffic_policy)
    }

    /// `spec.internalTrafficPolicy`: for the ClusterIP.
    #[must_use]
    pub fn internal_traffic_policy(&self) -> TrafficPolicy {
        self.virtual_service().map_or_else(TrafficPolicy::default, |spec| spec.internal_traffic_policy)
    }

    /// How long a client stays with its endpoint (`sessionAffinity: ClientIP`); `None` without affinity.
    #[must_use]
    pub fn session_affinity(&self) -> Option<Duration> {
        self.virtual_service().and_then(|spec| spec.session_affinity)
    }

    /// Endpoints that are not ready are published too.
    #[must_use]
    pub fn publish_not_ready_addresses(&self) -> bool {
        self.publish_not_ready_addresses
    }

    /// The same Service, reached through these load-balancer addresses; any other type has none.
    #[must_use]
    pub fn with_ingress(&self, ingress: Vec<LoadBalancerIngress>) -> Self {
        let mut service = self.clone();
        if let Spec::Virtual(spec) = &mut service.spec
            && let Exposure::LoadBalancer(balancer) = &mut spec.exposure
        {
            balancer.ingress = ingress;
        }
        service
    }

    fn virtual_service(&self) -> Option<&VirtualService> {
        match &self.spec {
            Spec::Virtual(spec) => Some(spec),
            _ => None,
        }
    }

    fn load_balancer(&self) -> Option<&LoadBalancer> {
        match self.virtual_service().map(|spec| &spec.exposure) {
            Some(Exposure::LoadBalancer(balancer)) => Some(balancer),
            _ => None,
        }
    }
}
