//! The netlink form: nfnetlink messages with nested attributes, as linux/netfilter/nf_tables.h lays them out.
//!
//! Everything here is pure: bytes in, values out, and back.

pub(crate) mod attr;
pub(crate) mod batch;
pub(crate) mod chain;
pub(crate) mod decompile;
pub(crate) mod element;
pub(crate) mod expr;
pub(crate) mod listing;
pub(crate) mod message;
pub(crate) mod program;
#[cfg(test)]
mod proptests;
pub(crate) mod rule;
pub(crate) mod set;
pub(crate) mod statement;
pub(crate) mod table;
#[cfg(test)]
mod tests;
pub(crate) mod typeof_;
#[cfg_attr(not(feature = "netlink"), allow(dead_code, reason = "some numbers only matter to the socket"))]
pub(crate) mod uapi;
pub(crate) mod userdata;

pub use batch::{Encoded, Message};
pub use listing::Listing;
