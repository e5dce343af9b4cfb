//! Frontends: where clients knock, and what becomes of them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use svc_model::{AddressType, ObjectName, Protocol, TrafficPolicy};

/// One port of a Service: what endpoints and affinity belong to. Written `namespace/name:port`, without the colon
/// where the port has no name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServicePortName {
    service: ObjectName,
    port: String,
    protocol: Protocol,
}

impl ServicePortName {
    /// The port called `port` (empty: unnamed) of `service`.
    pub fn new(service: ObjectName, port: impl Into<String>, protocol: Protocol) -> Self {
        Self { service, port: port.into(), protocol }
    }

    /// The Service.
    #[must_use]
    pub fn service(&self) -> &ObjectName {
        &self.service
    }

    /// The port's name; empty where it has none.
    #[must_use]
    pub fn port(&self) -> &str {
        &self.port
    }

    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }
}

impl fmt::Display for ServicePortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.port.is_empty() {
            return write!(f, "{}", self.service);
        }
        write!(f, "{}:{}", self.service, self.port)
    }
}

/// An address that serves a Service, or all node port addresses of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Destination {
    /// One address.
    Address(IpAddr),
    /// The node's own addresses, as far as they serve node ports.
    NodePort(AddressType),
}

impl Destination {
    /// The family of the packets.
    #[must_use]
    pub fn family(self) -> AddressType {
        match self {
            Destination::Address(address) => AddressType::of(address),
            Destination::NodePort(family) => family,
        }
    }
}

/// Destination, protocol and port: what a packet is looked up by. Only one Service can have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct FrontendKey {
    /// Where packets are sent to.
    pub destination: Destination,
    /// The protocol.
    pub protocol: Protocol,
    /// The port.
    pub port: u16,
}

impl fmt::Display for FrontendKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.destination {
            Destination::Address(address) => {
                write!(f, "{} {}", self.protocol, SocketAddr::new(address, self.port))
            }
            Destination::NodePort(AddressType::Ipv6) => write!(f, "{} [node]:{}", self.protocol, self.port),
            Destination::NodePort(_) => write!(f, "{} node:{}", self.protocol, self.port),
        }
    }
}

/// Why a frontend exists. The order is the order of precedence when two Services claim the same one: nobody can take
/// a ClusterIP away by naming it in `externalIPs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FrontendKind {
    /// `spec.clusterIPs`
    ClusterIp,
    /// `status.loadBalancer.ingress` with ipMode VIP
    LoadBalancer,
    /// `spec.externalIPs`
    ExternalIp,
    /// `spec.ports[].nodePort`
    NodePort,
}

impl FrontendKind {
    /// For clients outside the cluster: everything but the ClusterIP.
    #[must_use]
    pub fn is_external(self) -> bool {
        self != FrontendKind::ClusterIp
    }
}

impl fmt::Display for FrontendKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            FrontendKind::ClusterIp => "ClusterIP",
            FrontendKind::LoadBalancer => "LoadBalancer",
            FrontendKind::ExternalIp => "ExternalIP",
            FrontendKind::NodePort => "NodePort",
        })
    }
}

/// Where a packet comes from, as far as forwarding cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SourceClass {
    /// A pod of this cluster, as the node's detector sees it.
    Pod,
    /// This node itself.
    Node,
    /// Anything else.
    Outside,
}

impl SourceClass {
    /// All classes.
    pub const ALL: [SourceClass; 3] = [SourceClass::Pod, SourceClass::Node, SourceClass::Outside];
}

/// Whose source address is replaced by the node's. A connection that comes back to its own source always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Masquerade {
    /// Nobody's.
    Never,
    /// Everybody's.
    Always,
    /// All but pods'.
    UnlessPod,
    /// The node's own.
    Node,
}

impl Masquerade {
    /// Whether traffic of this class is masqueraded.
    #[must_use]
    pub fn applies_to(self, class: SourceClass) -> bool {
        match self {
            Masquerade::Never => false,
            Masquerade::Always => true,
            Masquerade::UnlessPod => class != SourceClass::Pod,
            Masquerade::Node => class == SourceClass::Node,
        }
    }
}

impl fmt::Display for Masquerade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Masquerade::Never => "never",
            Masquerade::Always => "always",
            Masquerade::UnlessPod => "unless pod",
            Masquerade::Node => "node",
        })
    }
}

/// What becomes of new connections to a frontend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// To one of the port's cluster endpoints.
    Cluster,
    /// To one of the port's local endpoints, whoever asks.
    Local,
    /// From pods and from the node to a cluster endpoint; from elsewhere to a local one, or dropped where there is
    /// none (`externalTrafficPolicy: Local`).
    BySource,
    /// Refused: the Service has no endpoint anywhere.
    Reject,
    /// Dropped: there are endpoints, but none here (`internalTrafficPolicy: Local`).
    Drop,
}

/// An address, protocol and port that a Service is reached by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontend {
    pub(crate) key: FrontendKey,
    pub(crate) kind: FrontendKind,
    pub(crate) policy: TrafficPolicy,
    pub(crate) masquerade: Masquerade,
    pub(crate) sources: Option<Vec<IpNet>>,
    pub(crate) outcome: Outcome,
    pub(crate) taken_by: Option<Arc<ServicePortName>>,
}

impl Frontend {
    /// Destination, protocol and port.
    #[must_use]
    pub fn key(&self) -> FrontendKey {
        self.key
    }

    /// Why it exists.
    #[must_use]
    pub fn kind(&self) -> FrontendKind {
        self.kind
    }

    /// `internalTrafficPolicy` for a ClusterIP, `externalTrafficPolicy` for the others.
    #[must_use]
    pub fn policy(&self) -> TrafficPolicy {
        self.policy
    }

    /// Whose source address is replaced.
    #[must_use]
    pub fn masquerade(&self) -> Masquerade {
        self.masquerade
    }

    /// Who may use it (`loadBalancerSourceRanges`, and the Service's own load-balancer addresses where the node may);
    /// `None` means everybody, an empty list nobody.
    #[must_use]
    pub fn sources(&self) -> Option<&[IpNet]> {
        self.sources.as_deref()
    }

    /// Whether this source may use it. What comes from others is dropped, whatever the outcome.
    #[must_use]
    pub fn admits(&self, source: IpAddr) -> bool {
        self.sources.as_ref().is_none_or(|ranges| ranges.iter().any(|range| range.contains(&source)))
    }

    /// What becomes of new connections.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Another Service port that has the same destination, protocol and port, and precedence: this frontend is not
    /// in force.
    #[must_use]
    pub fn taken_by(&self) -> Option<&ServicePortName> {
        self.taken_by.as_deref()
    }
}
