//! DNS answers for Kubernetes Services: a sans-IO responder, a server, forwarding

mod config;
mod error;
pub mod forward;
mod index;
pub mod message;
mod responder;
mod zone;

pub use config::{Cidr, PodRecords, Zone, ZoneBuilder};
pub use error::{ConfigError, ServerError};
pub use forward::Forward;
pub use responder::{Client, Outcome, Responder, Transport};
