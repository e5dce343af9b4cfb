//! Service (core/v1): a stable address in front of changing pods.

mod balancer;
mod policy;
mod port;
mod unused;

pub(crate) use balancer::LoadBalancer;
pub use balancer::{IpMode, LoadBalancerIngress, PortStatus};
pub use policy::{IpFamilyPolicy, ServiceType, TrafficDistribution, TrafficPolicy};
pub use port::{Protocol, ServicePort, TargetPort};
pub(crate) use unused::Unused;

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::{AddressType, Condition, Meta, ObjectName, Selector};

/// The annotation that chooses how hints are made.
pub(crate) const TOPOLOGY_MODE: &str = "service.kubernetes.io/topology-mode";
/// Its deprecated name.
pub(crate) const TOPOLOGY_AWARE_HINTS: &str = "service.kubernetes.io/topology-aware-hints";

/// A Service that passed validation. Combinations that make no sense cannot be built: a headless Service has no
/// virtual address, an ExternalName nothing but its name, a node port exists only on the types that have one.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    pub(crate) meta: Meta,
    pub(crate) selector: Option<Selector>,
    pub(crate) ports: Vec<ServicePort>,
    pub(crate) publish_not_ready_addresses: bool,
    pub(crate) traffic: Traffic,
    pub(crate) spec: Spec,
    pub(crate) conditions: Box<[Condition]>,
    pub(crate) unused: Option<Box<Unused>>,
}

/// What the API keeps on Services of every type, though only those with a virtual address act on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Traffic {
    pub(crate) external_ips: Vec<IpAddr>,
    /// Missing only on an ExternalName.
    pub(crate) internal_policy: Option<TrafficPolicy>,
    /// Present exactly where something leads in from outside: a node port, a balancer, an external address.
    pub(crate) external_policy: Option<TrafficPolicy>,
    pub(crate) session_affinity: Option<Duration>,
    pub(crate) distribution: Option<TrafficDistribution>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Spec {
    Virtual(Box<VirtualService>),
    Headless(Headless),
    ExternalName(String),
}

/// What only Services with a virtual address have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct VirtualService {
    /// One per family, primary first.
    pub(crate) cluster_ips: Vec<IpAddr>,
    pub(crate) family_policy: IpFamilyPolicy,
    pub(crate) exposure: Exposure,
}

/// The families that a headless Service was written for; none where nothing says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Headless {
    pub(crate) families: Vec<AddressType>,
    pub(crate) family_policy: Option<IpFamilyPolicy>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Exposure {
    ClusterIp,
    NodePort,
    LoadBalancer(Box<LoadBalancer>),
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
            Spec::Headless(headless) => headless.families.clone(),
            Spec::ExternalName(_) => Vec::new(),
        }
    }

    /// `spec.ipFamilyPolicy`; an ExternalName has none, and an old headless Service may say nothing.
    #[must_use]
    pub fn family_policy(&self) -> Option<IpFamilyPolicy> {
        match &self.spec {
            Spec::Virtual(spec) => Some(spec.family_policy),
            Spec::Headless(headless) => headless.family_policy,
            Spec::ExternalName(_) => None,
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
        self.served().map_or(&[], |traffic| &traffic.external_ips)
    }

    /// `status.loadBalancer.ingress`.
    #[must_use]
    pub fn load_balancer_ingress(&self) -> &[LoadBalancerIngress] {
        self.load_balancer().map_or(&[], |balancer| &balancer.ingress)
    }

    /// `spec.loadBalancerIP`: the address that the user asks for, as a text. No API server looks at it; clouds take names too.
    #[must_use]
    pub fn load_balancer_ip(&self) -> Option<&str> {
        self.load_balancer().and_then(|balancer| balancer.requested.as_deref())
    }

    /// [`load_balancer_ip`](Self::load_balancer_ip), if it is an address.
    #[must_use]
    pub fn requested_load_balancer_ip(&self) -> Option<IpAddr> {
        self.load_balancer_ip().and_then(|text| crate::read::address(text).ok())
    }

    /// `spec.loadBalancerSourceRanges`, as far as they can be read: who may use the load-balancer addresses. Ask
    /// [`restricts_sources`](Self::restricts_sources) whether anybody else may.
    #[must_use]
    pub fn source_ranges(&self) -> &[IpNet] {
        self.load_balancer().map_or(&[], |balancer| &balancer.source_ranges)
    }

    /// Only [`source_ranges`](Self::source_ranges) may use the load-balancer addresses. An entry that cannot be read
    /// counts too: it lets nobody in, and must not open the address to everybody.
    #[must_use]
    pub fn restricts_sources(&self) -> bool {
        self.load_balancer().is_some_and(|balancer| {
            !balancer.source_ranges.is_empty() || !balancer.unreadable_source_ranges.is_empty()
        })
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
        self.served().and_then(|traffic| traffic.external_policy).unwrap_or_default()
    }

    /// `spec.internalTrafficPolicy`: for the ClusterIP.
    #[must_use]
    pub fn internal_traffic_policy(&self) -> TrafficPolicy {
        self.served().and_then(|traffic| traffic.internal_policy).unwrap_or_default()
    }

    /// How long a client stays with its endpoint (`sessionAffinity: ClientIP`); `None` without affinity.
    #[must_use]
    pub fn session_affinity(&self) -> Option<Duration> {
        self.served().and_then(|traffic| traffic.session_affinity)
    }

    /// `spec.trafficDistribution`: what the hints of its endpoints are to prefer.
    #[must_use]
    pub fn traffic_distribution(&self) -> Option<TrafficDistribution> {
        self.traffic.distribution
    }

    /// Annotation `service.kubernetes.io/topology-mode`, or its former name `...topology-aware-hints`.
    #[must_use]
    pub fn topology_mode(&self) -> Option<&str> {
        let annotation = |key: &str| self.meta.annotations().get(key).map(String::as_str);
        annotation(TOPOLOGY_MODE).or_else(|| annotation(TOPOLOGY_AWARE_HINTS))
    }

    /// `status.conditions`.
    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
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

    /// The policies of a Service that has a virtual address to apply them to.
    fn served(&self) -> Option<&Traffic> {
        self.virtual_service().map(|_| &self.traffic)
    }

    fn virtual_service(&self) -> Option<&VirtualService> {
        match &self.spec {
            Spec::Virtual(spec) => Some(spec),
            _ => None,
        }
    }

    pub(crate) fn load_balancer(&self) -> Option<&LoadBalancer> {
        match self.virtual_service().map(|spec| &spec.exposure) {
            Some(Exposure::LoadBalancer(balancer)) => Some(balancer),
            _ => None,
        }
    }
}
