//! Who asks.

use std::net::SocketAddr;

/// How a query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// One datagram: the answer has to fit into what the client can take.
    Udp,
    /// A stream: an answer may have 65535 bytes.
    Tcp,
}

/// Who asks, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Client {
    /// The source of the query.
    pub address: SocketAddr,
    /// How it came.
    pub transport: Transport,
    /// Whether nobody else could read it: within TLS.
    pub encrypted: bool,
}

impl Client {
    /// A client that sent a datagram.
    #[must_use]
    pub const fn udp(address: SocketAddr) -> Self {
        Self { address, transport: Transport::Udp, encrypted: false }
    }

    /// A client on a stream.
    #[must_use]
    pub const fn tcp(address: SocketAddr) -> Self {
        Self { address, transport: Transport::Tcp, encrypted: false }
    }

    /// A client on a stream within TLS.
    #[must_use]
    pub const fn tls(address: SocketAddr) -> Self {
        Self { address, transport: Transport::Tcp, encrypted: true }
    }
}
