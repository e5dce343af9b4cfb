//! Kubernetes' own form of the objects: serde types of JSON and YAML v1.
//!
//! Everything is optional and no value is checked here, so that whatever a cluster or a user wrote can be read; unknown
//! fields are passed over. Numbers are `i64`: `port: 70000` is a value to complain about, not a parse error.

mod endpoint_slice;
mod envelope;
#[cfg(feature = "yaml")]
mod fields;
mod ingress;
mod meta;
mod pod;
mod service;

pub use endpoint_slice::{
    Endpoint, EndpointConditions, EndpointHints, EndpointPort, EndpointSlice, EndpointTarget, HintTarget,
};
pub use ingress::{
    Backend, BackendPort, HttpRule, Ingress, IngressClass, IngressClassSpec, IngressPath, IngressRule,
    IngressSpec, IngressTls, ResourceBackend, ServiceBackend,
};
pub use meta::ObjectMeta;
pub use pod::{
    Container, ContainerPort, Namespace, Node, NodeAddress, NodeSpec, NodeStatus, Pod, PodCondition, PodIp,
    PodSpec, PodStatus, Secret,
};
pub use service::{
    ClientIpConfig, IntOrString, LoadBalancerIngress, LoadBalancerStatus, Service, ServicePort, ServiceSpec,
    ServiceStatus, SessionAffinityConfig,
};

use crate::{Kind, ObjectName, ObjectRef};

/// An object of any kind as it was read, not yet validated.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Manifest {
    /// An EndpointSlice.
    EndpointSlice(Box<EndpointSlice>),
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
}

impl Manifest {
    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Manifest::EndpointSlice(_) => Kind::EndpointSlice,
            Manifest::Ingress(_) => Kind::Ingress,
            Manifest::IngressClass(_) => Kind::IngressClass,
            Manifest::Namespace(_) => Kind::Namespace,
            Manifest::Node(_) => Kind::Node,
            Manifest::Pod(_) => Kind::Pod,
            Manifest::Secret(_) => Kind::Secret,
            Manifest::Service(_) => Kind::Service,
        }
    }

    /// The metadata.
    #[must_use]
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Manifest::EndpointSlice(object) => &object.metadata,
            Manifest::Ingress(object) => &object.metadata,
            Manifest::IngressClass(object) => &object.metadata,
            Manifest::Namespace(object) => &object.metadata,
            Manifest::Node(object) => &object.metadata,
            Manifest::Pod(object) => &object.metadata,
            Manifest::Secret(object) => &object.metadata,
            Manifest::Service(object) => &object.metadata,
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
