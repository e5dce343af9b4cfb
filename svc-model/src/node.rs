//! Node and Namespace (core/v1): where pods run, and what divides their names.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{Condition, Meta};

/// The label that names a node's zone.
pub const ZONE_LABEL: &str = "topology.kubernetes.io/zone";

/// A machine of the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub(crate) meta: Meta,
    pub(crate) pod_cidrs: Vec<IpNet>,
    pub(crate) taints: Vec<Taint>,
    pub(crate) addresses: Vec<NodeAddress>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) allocatable_cpu: Option<u64>,
}

/// One of `spec.taints`: why pods, or load balancers, had better keep away.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Taint {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) effect: String,
    pub(crate) time_added: Option<String>,
}

impl Taint {
    /// What it is about, such as `ToBeDeletedByClusterAutoscaler`.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// More about it; often empty.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    #[must_use]
    pub fn effect(&self) -> &str {
        &self.effect
    }

    /// When a `NoExecute` taint was set, as written (RFC 3339).
    #[must_use]
    pub fn time_added(&self) -> Option<&str> {
        self.time_added.as_deref()
    }
}

/// One of `status.addresses`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NodeAddress {
    /// An address inside the cluster.
    InternalIp(IpAddr),
    /// An address that others reach too.
    ExternalIp(IpAddr),
    /// The host's own name.
    Hostname(String),
    /// A name that resolves inside.
    InternalDns(String),
    /// A name that resolves outside.
    ExternalDns(String),
    /// Of a type that is none of these.
    Other {
        /// The type.
        address_type: String,
        /// The address, whatever it is.
        address: String,
    },
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

    /// `spec.taints`.
    #[must_use]
    pub fn taints(&self) -> &[Taint] {
        &self.taints
    }

    /// `status.addresses`.
    #[must_use]
    pub fn addresses(&self) -> &[NodeAddress] {
        &self.addresses
    }

    /// `status.addresses` of type InternalIP.
    pub fn internal_ips(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().filter_map(|address| match address {
            NodeAddress::InternalIp(ip) => Some(*ip),
            _ => None,
        })
    }

    /// The Ready condition; a node that says nothing is ready.
    #[must_use]
    pub fn ready(&self) -> bool {
        Condition::find_ready(&self.conditions).unwrap_or(true)
    }

    /// `status.conditions`, Ready among them.
    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// `status.allocatable.cpu` in thousandths of a processor.
    #[must_use]
    pub fn allocatable_cpu(&self) -> Option<u64> {
        self.allocatable_cpu
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
