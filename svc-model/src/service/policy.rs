//! What a Service is, and which endpoints its traffic may reach.

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

impl TrafficPolicy {
    /// `Cluster` or `Local`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TrafficPolicy::Cluster => "Cluster",
            TrafficPolicy::Local => "Local",
        }
    }
}

/// `ipFamilyPolicy` (KEP-563): how many address families a Service wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum IpFamilyPolicy {
    /// One.
    #[default]
    SingleStack,
    /// Two where the cluster has two.
    PreferDualStack,
    /// Two, or none at all.
    RequireDualStack,
}

impl IpFamilyPolicy {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            IpFamilyPolicy::SingleStack => "SingleStack",
            IpFamilyPolicy::PreferDualStack => "PreferDualStack",
            IpFamilyPolicy::RequireDualStack => "RequireDualStack",
        }
    }
}

/// `trafficDistribution` (KEP-4444, KEP-3015): which endpoints the hints prefer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TrafficDistribution {
    /// The former name of [`PreferSameZone`](Self::PreferSameZone).
    PreferClose,
    /// Endpoints in the client's zone.
    PreferSameZone,
    /// Endpoints on the client's node, then in its zone.
    PreferSameNode,
}

impl TrafficDistribution {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TrafficDistribution::PreferClose => "PreferClose",
            TrafficDistribution::PreferSameZone => "PreferSameZone",
            TrafficDistribution::PreferSameNode => "PreferSameNode",
        }
    }
}
