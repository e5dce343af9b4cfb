//! Typed Kubernetes Services, pods, endpoints and Ingresses: validation, allocation, endpoint selection, snapshots.
//!
//! # What it is
//!
//! The vocabulary of service networking, without a cluster: manifests become typed objects in which combinations that
//! make no sense cannot be built; a pure [`ControlPlane`] does for them what an API server and its controllers do (it
//! validates, fills in defaults, hands out virtual addresses and node ports, and lets endpoints follow pods); a
//! [`Store`](store::Store) holds them as immutable [`Snapshot`]s, and whoever consumes them (a proxy, a name server, a
//! router) learns of each change as a [`Delta`].
//!
//! It is no API server: nothing listens, no authorization, nothing is stored on a disk. It knows only the kinds and the
//! fields that networking reads.
//!
//! # Layers
//!
//! ```text
//!   yaml::read, dir (inotify), kube   text, files, the API of a cluster
//!        |
//!   wire                              Kubernetes' own form; anything can be read
//!        |            \
//!   read (as stored)   ControlPlane   validate -> defaults -> allocate -> endpoint_slices
//!        |            /
//!   Service, Pod, ...                 typed objects                  write -> wire -> text
//!        |
//!   Store                             Snapshot after Snapshot, a Delta between
//!        |
//!   topology                          which endpoints may serve which traffic
//! ```
//!
//! Everything but `dir` and `kube` is pure: no file, socket, thread or clock.
//!
//! # Two intakes
//!
//! Objects come in by one of two doors. `create` is the API server's: a manifest is [validated](validate), what it leaves
//! out is [filled in](defaults), and what has to be unique is [allocated](allocate); an update is judged against what was
//! there before. `stored` is for programs that only observe a cluster ([`yaml::Manifests::stored`], [`Stored`], [`read`]): what it
//! holds was accepted once, is read with the addresses it has, in whatever spelling, and is never allocated to. Where
//! the two differ stands in [one table](validate#two-intakes); what comes back when an object is written again in
//! [another](mod@write#what-is-kept).
//!
//! # Example
//!
//! ```
//! use svc_model::{ControlPlane, ObjectName, ObjectRef, Kind, allocate::AddressPool, store::Store, yaml};
//!
//! let pool = AddressPool::builder().range("172.20.10.70-172.20.10.79".parse()?).build();
//! let mut control = ControlPlane::builder()
//!     .service_cidr("10.96.0.0/12".parse()?)
//!     .node_ports(30000..=32767)
//!     .load_balancer(Box::new(pool))
//!     .seed(1)
//!     .build();
//! let store = Store::new();
//!
//! // Created: defaults filled in, an address allocated.
//! let manifests = yaml::read("
//! apiVersion: v1
//! kind: Service
//! metadata: {name: my-service}
//! spec:
//!   selector: {app: MyApp}
//!   ports: [{port: 80, targetPort: 9376}]
//! ---
//! apiVersion: v1
//! kind: Pod
//! metadata: {name: web-0, labels: {app: MyApp}}
//! ");
//! let outcome = control.apply(&manifests);
//! assert!(outcome.problems().is_empty());
//! outcome.commit(&store);
//!
//! // A pod is attached to the network: the endpoints follow.
//! let pod = ObjectName::new("default", "web-0");
//! control.pod_network(&pod, &["10.244.2.65".parse()?]).commit(&store);
//! let snapshot = store.snapshot();
//! let my_service = ObjectName::new("default", "my-service");
//! let service = snapshot.service(&my_service).unwrap();
//! let port = &service.ports()[0];
//! let endpoints = svc_model::topology::serving(&snapshot, &my_service, port);
//! assert_eq!(endpoints, ["10.244.2.65:9376".parse()?]);
//!
//! // The Service is edited: its address stays, it gains a node port and an outside address.
//! let edited = yaml::read("
//! apiVersion: v1
//! kind: Service
//! metadata: {name: my-service}
//! spec:
//!   type: LoadBalancer
//!   selector: {app: MyApp}
//!   ports: [{port: 80, targetPort: 9376}]
//! ");
//! control.apply(&edited).commit(&store);
//! let edited = store.snapshot();
//! let edited = edited.service(&my_service).unwrap();
//! assert_eq!(edited.cluster_ips(), service.cluster_ips());
//! assert!(edited.ports()[0].node_port().is_some());
//! assert_eq!(edited.load_balancer_ingress()[0].ip(), Some("172.20.10.70".parse()?));
//!
//! // A mistake is named, and changes nothing.
//! let outcome = control.apply(&yaml::read("
//! apiVersion: v1
//! kind: Service
//! metadata: {name: my-service}
//! spec: {ports: [{port: 70000}]}
//! "));
//! assert_eq!(
//!     outcome.problems()[0].to_string(),
//!     "Service default/my-service: spec.ports[0].port: 70000 is not in 1-65535"
//! );
//!
//! // The pod is gone.
//! control.delete(&ObjectRef::new(Kind::Pod, pod)).commit(&store);
//! assert!(svc_model::topology::serving(&store.snapshot(), &my_service, port).is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |--|--|--|
//! | `yaml` | yes | [`yaml`]: manifests from and to YAML and JSON text |
//! | `store` | yes | [`store`]: the watchable store (no runtime) |
//! | `kube` | no | `kube`: the Kubernetes API as a source, by list and watch (hyper, rustls; a tokio runtime with I/O and time) |
//! | `dir` | no | `dir`: a directory of manifests, followed by inotify (Linux; a tokio runtime with I/O and time) |
//! | `testing` | no | `testing`: proptest strategies for objects, clusters and their histories |
//!
//! With default features 24 crates are compiled, and tokio is none of them; without features there is no YAML either:
//! objects, control plane, snapshots. Nothing needs a privilege.
//!
//! # Cancel safety
//!
//! [`Watch::changed`](store::Watch::changed) loses nothing when it is dropped. The futures of `dir` and `kube` may
//! be dropped at any point and leave the store at a whole revision.
//!
//! # MSRV
//!
//! Rust 1.89.

pub mod allocate;
mod condition;
mod config_map;
mod control_plane;
pub mod defaults;
mod delta;
#[cfg(feature = "dir")]
pub mod dir;
mod endpoint_slice;
pub mod endpoint_slices;
mod endpoints;
mod ingress;
#[cfg(feature = "kube")]
pub mod kube;
mod meta;
mod node;
mod object;
mod pod;
mod prepare;
mod problem;
pub mod read;
mod secret;
mod selector;
mod service;
mod service_import;
mod snapshot;
#[cfg(feature = "store")]
pub mod store;
#[cfg(feature = "yaml")]
mod stored;
#[cfg(any(feature = "dir", feature = "kube"))]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the place for files and sockets")]
mod sys;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod topology;
pub mod validate;
pub mod wire;
pub mod write;
#[cfg(feature = "yaml")]
pub mod yaml;

pub use condition::Condition;
pub use config_map::ConfigMap;
pub use control_plane::{ControlPlane, ControlPlaneBuilder, Outcome};
pub use delta::Delta;
pub use endpoint_slice::{AddressType, Endpoint, EndpointPort, EndpointSlice, SERVICE_NAME_LABEL, TargetRef};
pub use endpoints::{EndpointAddress, EndpointSubset, Endpoints, MIRRORED_BY, mirror};
pub use ingress::{
    BackendPort, Ingress, IngressBackend, IngressClass, IngressClassParameters, IngressPath, IngressRule,
    IngressTls, PathType,
};
pub use meta::{Meta, OwnerReference};
pub use node::{Namespace, Node, NodeAddress, Taint, ZONE_LABEL};
pub use object::{InvalidObjectName, Kind, Object, ObjectName, ObjectRef};
pub use pod::{ContainerPort, Pod, PodPhase};
pub use problem::{Problem, Problems};
pub use secret::Secret;
pub use selector::Selector;
pub use service::{
    IpFamilyPolicy, IpMode, LoadBalancerIngress, PortStatus, Protocol, Service, ServicePort, ServiceType,
    TargetPort, TrafficDistribution, TrafficPolicy,
};
pub use service_import::{
    IMPORTED_SERVICE_LABEL, SOURCE_CLUSTER_LABEL, ServiceImport, ServiceImportPort, ServiceImportType,
};
pub use snapshot::{Revision, Snapshot};
#[cfg(feature = "yaml")]
pub use stored::Stored;
