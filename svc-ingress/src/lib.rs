//! A Kubernetes Ingress router on hyper and rustls
pub mod annotation;
pub mod auth;
pub mod authority;
pub mod config;
pub mod error;
pub mod forward;
pub mod htpasswd;
pub mod hygiene;
pub mod path;
pub mod redirect;
mod rewrite;
pub mod state;
pub mod table;
pub mod tls;
pub mod upstream;

#[cfg(feature = "driver")]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the loop that owns clocks and tasks")]
pub mod driver;
#[cfg(feature = "driver")]
pub mod fake;
#[cfg(feature = "driver")]
#[allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the one place with sockets")]
pub mod sys;

pub use config::IngressConfig;
#[cfg(feature = "driver")]
pub use driver::{Handle, Server};
pub use table::{Route, RouteTable};
