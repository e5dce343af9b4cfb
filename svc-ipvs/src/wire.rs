//! The `IPVS` generic-netlink family, version 1: bytes to values and back. Source: `linux/ip_vs.h`.

mod attr;
mod destination;
#[cfg(feature = "netlink")]
pub(crate) mod message;
#[cfg(test)]
#[cfg(feature = "netlink")]
mod proptests;
#[cfg(feature = "netlink")]
pub(crate) mod route;
mod service;
mod stats;
#[cfg(test)]
#[cfg(feature = "netlink")]
mod tests;
mod uapi;

pub use destination::parse_destination;
pub use service::parse_service;

#[cfg(feature = "netlink")]
pub(crate) use {attr::Writer, stats::parse_info, stats::parse_timeouts};
#[cfg(test)]
#[cfg(feature = "netlink")]
pub(crate) use {destination::write_destination, service::write_service};

/// Bytes that are no message of the family: what was missing or did not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the kernel's answer has no valid {0}")]
pub struct Malformed(pub(crate) &'static str);
