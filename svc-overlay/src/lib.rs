//! A VXLAN pod overlay with flannel's semantics, and pod attachment

mod config;
mod dataplane;
#[cfg(feature = "driver")]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the loop needs tasks and clocks")]
mod driver;
mod error;
pub mod fake;
mod ipam;
mod kernel;
mod lease;
mod mac;
mod mark;
mod masquerade;
mod operation;
mod plan;
mod pod;
mod registry;
mod state;
#[cfg(feature = "driver")]
#[allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the only place with sockets, files and threads"
)]
mod sys;

pub use config::{
    AddressArg, Config, ConfigError, DEFAULT_PORT, DEFAULT_VNI, NetworkArg, OVERHEAD, OverlayBuilder,
};
pub use dataplane::Dataplane;
#[cfg(feature = "driver")]
pub use driver::{Handle, Overlay, Pods};
pub use error::{CleanUpError, Error, PodError, Stopped};
pub use ipam::{Ipam, IpamError};
pub use kernel::{
    Bridge, Device, FdbEntry, Found, Kernel, Neighbour, PROTOCOL, PodPort, Route, Scope, Underlay,
};
pub use lease::{Backend, Lease, LeaseError, VxlanData};
pub use mac::{Mac, ParseMacError};
pub use mark::Mark;
pub use masquerade::{Rules, TABLE};
pub use operation::{Changes, Operation};
pub use plan::{Obstacle, Plan, Refusal, RefusalReason, sysctls_before};
pub use pod::{AttachOptions, Attachment, ParsePodIdError, PodId, Port};
pub use registry::{BoxFuture, LeaseSet, Leases, Registry, RegistryError, Revision, Watch};
pub use state::{Problem, Status};
#[cfg(feature = "driver")]
pub use sys::System;
