//! Kubernetes' own form of the objects: serde types of JSON and YAML v1.
//!
//! Everything is optional and no value is checked here, so that whatever a cluster or a user wrote can be read; unknown
//! fields are passed over. Numbers are `i64`: `port: 70000` is a value to complain about, not a parse error.

mod endpoint_slice;
mod endpoints;
mod envelope;
#[cfg(feature = "yaml")]
mod fields;
mod fields_v1;
mod ingress;
mod meta;
mod node;
mod pod;
mod secret;
mod service;
mod service_import;

pub use endpoint_slice::{
    Endpoint, EndpointConditions, EndpointHints, EndpointPort, EndpointSlice, HintTarget,
};
pub use endpoints::{EndpointAddress, EndpointSubset, Endpoints};
pub use fields_v1::FieldsV1;
pub use ingress::{
    Backend, BackendPort, HttpRule, Ingress, IngressClass, IngressClassParameters, IngressClassSpec,
    IngressPath, IngressRule, IngressSpec, IngressStatus, IngressTls, ResourceBackend, ServiceBackend,
};
pub use meta::{Condition, ManagedFieldsEntry, ObjectMeta, OwnerReference, TargetRef};
pub use node::{Namespace, Node, NodeAddress, NodeSpec, NodeStatus, Quantity, Taint};
pub use pod::{Container, ContainerPort, Pod, PodIp, PodSpec, PodStatus};
pub use secret::{ConfigMap, Secret};
pub use service::{
    ClientIpConfig, IntOrString, LoadBalancerIngress, LoadBalancerStatus, PortStatus, Service, ServicePort,
    ServiceSpec, ServiceStatus, SessionAffinityConfig,
};
pub use service_import::{ServiceImport, ServiceImportPort, ServiceImportSpec};

use crate::{Kind, ObjectName, ObjectRef};

/// An object of any kind as it was read, not yet validated.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Manifest {
    /// A ConfigMap.
    ConfigMap(Box<ConfigMap>),
    /// An EndpointSlice.
    EndpointSlice(Box<EndpointSlice>),
    /// An Endpoints object.
    Endpoints(Box<Endpoints>),
    /// An Ingress.
    Ingress(Box<Ingress>),
    /// An IngressClass.
    IngressClass(Box<IngressClass>),
    /// A Namespace.
    Namespace(Box<Namespace>),
    /// A Node.
    Node(Box<Node>),
    /// A Pod.
    Pod(Box<Pod>),
    /// A Secret.
    Secret(Box<Secret>),
    /// A Service.
    Service(Box<Service>),
    /// A ServiceImport.
    ServiceImport(Box<ServiceImport>),
}

impl Manifest {
    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Manifest::ConfigMap(_) => Kind::ConfigMap,
            Manifest::EndpointSlice(_) => Kind::EndpointSlice,
            Manifest::Endpoints(_) => Kind::Endpoints,
            Manifest::Ingress(_) => Kind::Ingress,
            Manifest::IngressClass(_) => Kind::IngressClass,
            Manifest::Namespace(_) => Kind::Namespace,
            Manifest::Node(_) => Kind::Node,
            Manifest::Pod(_) => Kind::Pod,
            Manifest::Secret(_) => Kind::Secret,
            Manifest::Service(_) => Kind::Service,
            Manifest::ServiceImport(_) => Kind::ServiceImport,
        }
    }

    /// The metadata.
    #[must_use]
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Manifest::ConfigMap(object) => &object.metadata,
            Manifest::EndpointSlice(object) => &object.metadata,
            Manifest::Endpoints(object) => &object.metadata,
            Manifest::Ingress(object) => &object.metadata,
            Manifest::IngressClass(object) => &object.metadata,
            Manifest::Namespace(object) => &object.metadata,
            Manifest::Node(object) => &object.metadata,
            Manifest::Pod(object) => &object.metadata,
            Manifest::Secret(object) => &object.metadata,
            Manifest::Service(object) => &object.metadata,
            Manifest::ServiceImport(object) => &object.metadata,
        }
    }

    #[cfg(feature = "yaml")]
    pub(crate) fn has_status(&self) -> bool {
        match self {
            Manifest::Ingress(object) => object.status.is_some(),
            Manifest::Node(object) => object.status.is_some(),
            Manifest::Pod(object) => object.status.is_some(),
            Manifest::Service(object) => object.status.is_some(),
            _ => false,
        }
    }

    #[cfg(feature = "yaml")]
    pub(crate) fn has_status_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Manifest::Ingress(one), Manifest::Ingress(other)) => one.status == other.status,
            (Manifest::Node(one), Manifest::Node(other)) => one.status == other.status,
            (Manifest::Pod(one), Manifest::Pod(other)) => one.status == other.status,
            (Manifest::Service(one), Manifest::Service(other)) => one.status == other.status,
            _ => false,
        }
    }

    pub(crate) fn metadata_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Manifest::ConfigMap(object) => &mut object.metadata,
            Manifest::EndpointSlice(object) => &mut object.metadata,
            Manifest::Endpoints(object) => &mut object.metadata,
            Manifest::Ingress(object) => &mut object.metadata,
            Manifest::IngressClass(object) => &mut object.metadata,
            Manifest::Namespace(object) => &mut object.metadata,
            Manifest::Node(object) => &mut object.metadata,
            Manifest::Pod(object) => &mut object.metadata,
            Manifest::Secret(object) => &mut object.metadata,
            Manifest::Service(object) => &mut object.metadata,
            Manifest::ServiceImport(object) => &mut object.metadata,
        }
    }

    /// Kind and name; a missing namespace is `default`.
    #[must_use]
    pub fn reference(&self) -> ObjectRef {
        let metadata = self.metadata();
        let name = metadata.name.clone().unwrap_or_default();
        if self.kind().is_namespaced() {
            ObjectRef::new(self.kind(), ObjectName::new(metadata.namespace_or_default(), name))
        } else {
            ObjectRef::new(self.kind(), ObjectName::cluster(name))
        }
    }
}
