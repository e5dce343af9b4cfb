//! Kubernetes Services compiled to kernel rules: plan, diff, apply

mod config;
mod dataplane;
#[cfg(feature = "driver")]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the driver has a clock")]
mod driver;
mod error;
pub mod fake;
pub mod nftables;
pub mod plan;
#[cfg(feature = "driver")]
mod state;
#[cfg(feature = "driver")]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "sockets and files live here")]
pub mod sys;
pub mod sysctl;

pub use config::{Detector, Node, NodeBuilder, NodeError, NodePortAddresses, PodSource};
pub use dataplane::Dataplane;
#[cfg(feature = "driver")]
pub use driver::{Backend, Handle, Proxy, ProxyBuilder, Status};
pub use error::{CleanUpError, Error};
pub use plan::{Compiler, Plan};
pub use sysctl::SysctlPolicy;
