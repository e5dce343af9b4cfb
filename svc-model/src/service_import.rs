//! ServiceImport (multicluster.x-k8s.io/v1beta1, KEP-1645): a Service that other clusters of the cluster set export.

use std::net::IpAddr;

use crate::{Meta, ObjectName, Protocol};

/// The label of an EndpointSlice that names the ServiceImport it belongs to.
pub const IMPORTED_SERVICE_LABEL: &str = "multicluster.kubernetes.io/service-name";
/// The label of an EndpointSlice that says which cluster its endpoints are in.
pub const SOURCE_CLUSTER_LABEL: &str = "multicluster.kubernetes.io/source-cluster";

/// `spec.type` of a ServiceImport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ServiceImportType {
    /// Reached at an address of its own, the clusterset IP.
    ClusterSetIp,
    /// Reached at its endpoints.
    Headless,
}

impl ServiceImportType {
    /// `ClusterSetIP` or `Headless`, as the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ServiceImportType::ClusterSetIp => "ClusterSetIP",
            ServiceImportType::Headless => "Headless",
        }
    }
}

/// A port of a ServiceImport.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceImportPort {
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
    pub(crate) app_protocol: Option<String>,
}

impl ServiceImportPort {
    /// The name; empty where it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The protocol.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The number at the clusterset IP.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `appProtocol`.
    #[must_use]
    pub fn app_protocol(&self) -> Option<&str> {
        self.app_protocol.as_deref()
    }
}

/// A Service of the cluster set. Its endpoints stand in the EndpointSlices with the label [`IMPORTED_SERVICE_LABEL`].
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceImport {
    pub(crate) meta: Meta,
    pub(crate) import_type: ServiceImportType,
    pub(crate) ips: Vec<IpAddr>,
    pub(crate) ports: Vec<ServiceImportPort>,
}

impl ServiceImport {
    /// Metadata.
    #[must_use]
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    /// Namespace and name: those of the Service in every cluster that exports it.
    #[must_use]
    pub fn name(&self) -> &ObjectName {
        self.meta.name()
    }

    /// `spec.type`.
    #[must_use]
    pub fn import_type(&self) -> ServiceImportType {
        self.import_type
    }

    /// Whether it is reached at its endpoints only.
    #[must_use]
    pub fn is_headless(&self) -> bool {
        self.import_type == ServiceImportType::Headless
    }

    /// The clusterset IPs, one a family at most; a headless one has no use for any.
    #[must_use]
    pub fn ips(&self) -> &[IpAddr] {
        &self.ips
    }

    /// The ports.
    #[must_use]
    pub fn ports(&self) -> &[ServiceImportPort] {
        &self.ports
    }
}
