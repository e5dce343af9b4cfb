//! Typed Kubernetes Services, pods, endpoints and Ingresses: validation, allocation, endpoint selection, snapshots.

pub mod allocate;
mod control_plane;
pub mod defaults;
mod delta;
#[cfg(feature = "dir")]
pub mod dir;
mod endpoint_slice;
pub mod endpoint_slices;
mod ingress;
mod node;
mod object;
mod pod;
mod problem;
pub mod read;
mod secret;
mod selector;
mod service;
mod snapshot;
#[cfg(feature = "store")]
pub mod store;
#[cfg(feature = "dir")]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "sys is where files are read")]
mod sys;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod topology;
pub mod validate;
pub mod wire;
pub mod write;
#[cfg(feature = "yaml")]
pub mod yaml;

pub use control_plane::{ControlPlane, ControlPlaneBuilder, Outcome};
pub use delta::Delta;
pub use endpoint_slice::{AddressType, Endpoint, EndpointPort, EndpointSlice, SERVICE_NAME_LABEL};
pub use ingress::{
    BackendPort, Ingress, IngressBackend, IngressClass, IngressPath, IngressRule, IngressTls, PathType,
};
pub use node::{Namespace, Node, ZONE_LABEL};
pub use object::{InvalidObjectName, Kind, Meta, Object, ObjectName, ObjectRef};
pub use pod::{ContainerPort, Pod, PodPhase};
pub use problem::{Problem, Problems};
pub use secret::Secret;
pub use selector::Selector;
pub use service::{
    IpMode, LoadBalancerIngress, Protocol, Service, ServicePort, ServiceType, TargetPort, TrafficPolicy,
};
pub use snapshot::{Revision, Snapshot};
