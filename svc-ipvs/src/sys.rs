//! Netlink sockets; the only place of this crate that does I/O.

mod device;
mod netlink;
mod socket;

pub use device::AddressSocket;
pub use socket::Socket;
