//! Node and Namespace (core/v1): where pods run, and what divides their names.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::Meta;

/// The label that names a node's zone.
pub const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// A machine of the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub(crate) meta: Meta,
    pub(crate) pod_cidrs: Vec<IpNet>,
    pub(crate) internal_ips: Vec<IpAddr>,
}

impl Node {
    /// Metadata.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.meta.name().name()
    }

    /// `spec.podCIDRs`, at most one per family.
    #[must_use]
    pub fn pod_cidrs(&self) -> &[IpNet] {
        &self.pod_cidrs
    }

    /// `status.addresses` of type InternalIP.
    #[must_use]
    pub fn internal_ips(&self) -> &[IpAddr] {
        &self.internal_ips
    }

    /// Label `topology.kubernetes.io/zone`.
    #[must_use]
    pub fn zone(&self) -> Option<&str> {
        self.meta.labels().get(ZONE_LABEL).map(String::as_str)
    }
}

/// A namespace.
#[derive(Clone, Debug, PartialEq)]
pub struct Namespace {
    pub(crate) meta: Meta,
}

impl Namespace {
    /// Metadata.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// The namespace's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.meta.name().name()
    }
}
