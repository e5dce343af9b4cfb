//! Places on loopback that nobody else is given: a server or a way to it goes away and comes back to the same one, and no test
//! beside it, nor an outgoing connection of anybody's, can have taken it meanwhile.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};

/// This process' own: outgoing connections on loopback come from 127.0.0.1, and that is where others listen.
pub(crate) fn address() -> Ipv4Addr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 | high, middle, low)
}

/// Another one each time.
pub(crate) fn place() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(2379);
    (address(), NEXT.fetch_add(1, Ordering::Relaxed)).into()
}
