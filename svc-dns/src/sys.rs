//! Sockets and clocks: nothing else in this crate touches either.

mod batch;
mod datagrams;
mod files;
mod interfaces;
mod sockets;
mod upstream;

use std::time::{SystemTime, UNIX_EPOCH};

pub use self::files::System;
pub(crate) use self::{
    batch::{BATCH, BatchSocket, Inbox, Outbox},
    datagrams::{Datagrams, Peer},
    interfaces::{any_address, interface_addresses, resolve},
    sockets::{Listener, Scheme, Sockets, Speech},
    upstream::{Connections, frame},
};

/// Seconds since 1970, as the serial of a zone counts them.
pub(crate) fn unix_seconds() -> u32 {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // RFC 1982: serials wrap.
    u32::try_from(seconds & u64::from(u32::MAX)).unwrap_or_default()
}
