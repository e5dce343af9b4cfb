//! Endpoints (core/v1): how old clusters, and people, say what is behind a Service.

mod mirror;
#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "testing"))]
pub(crate) use mirror::{LEADER_ANNOTATION, SKIP_LABEL};
pub use mirror::{MIRRORED_BY, mirror};

use std::net::IpAddr;

use crate::{EndpointPort, Meta, ObjectName, TargetRef};

/// One address of a subset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointAddress {
    pub(crate) ip: IpAddr,
    pub(crate) hostname: Option<String>,
    pub(crate) node_name: Option<String>,
    pub(crate) target: Option<TargetRef>,
}

impl EndpointAddress {
    /// The address.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.ip
    }

    /// The label under which DNS knows it.
    #[must_use]
    pub fn hostname(&self) -> Option<&str> {
        self.hostname.as_deref()
    }

    /// The node it runs on.
    #[must_use]
    pub fn node_name(&self) -> Option<&str> {
        self.node_name.as_deref()
    }

    /// What is behind it.
    #[must_use]
    pub fn target_ref(&self) -> Option<&TargetRef> {
        self.target.as_ref()
    }
}

/// Addresses that share their ports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointSubset {
    pub(crate) ready: Vec<EndpointAddress>,
    pub(crate) not_ready: Vec<EndpointAddress>,
    pub(crate) ports: Vec<EndpointPort>,
}

impl EndpointSubset {
    /// `addresses`.
    #[must_use]
    pub fn ready(&self) -> &[EndpointAddress] {
        &self.ready
    }

    /// `notReadyAddresses`.
    #[must_use]
    pub fn not_ready(&self) -> &[EndpointAddress] {
        &self.not_ready
    }

    /// The ports that every address of this subset has.
    #[must_use]
    pub fn ports(&self) -> &[EndpointPort] {
        &self.ports
    }
}

/// What is behind the Service of the same name. Where the Service has EndpointSlices they count and this does not;
/// where it has none, [`mirror`] makes them from this, and a [`Snapshot`](crate::Snapshot) does so by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoints {
    pub(crate) meta: Meta,
    pub(crate) subsets: Vec<EndpointSubset>,
}

impl Endpoints {
    /// Metadata.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Namespace and name: those of the Service.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        self.meta.name()
    }

    /// The subsets.
    #[must_use]
    pub fn subsets(&self) -> &[EndpointSubset] {
        &self.subsets
    }
}
