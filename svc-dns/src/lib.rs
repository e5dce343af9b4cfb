//! DNS answers for Kubernetes Services: a sans-IO responder, a server, forwarding

mod address;
mod config;
#[cfg(feature = "driver")]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the loop around sockets and clocks")]
mod driver;
mod error;
#[cfg(feature = "driver")]
pub mod fake;
pub mod forward;
#[cfg(feature = "driver")]
mod forwarder;
mod index;
pub mod message;
mod responder;
#[cfg(feature = "driver")]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the place for sockets and clocks")]
mod sys;
mod zone;

pub use address::ServerAddress;
pub use config::{Cidr, PodRecords, Zone, ZoneBuilder};
#[cfg(feature = "driver")]
pub use driver::{Bound, Handle, Server, ServerBuilder, Stats, Status};
pub use error::{ConfigError, ServerError};
pub use forward::Forward;
#[cfg(feature = "driver")]
pub use forwarder::{Exchange, Exchanged, Forwarder, ForwarderBuilder, Policy};
pub use responder::{Client, Outcome, Responder, Transport};
