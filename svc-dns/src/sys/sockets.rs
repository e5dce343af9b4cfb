//! Sockets that clients reach.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use tokio::net::{TcpListener, TcpSocket, UdpSocket};
#[cfg(feature = "tls")]
use tokio_rustls::TlsAcceptor;

use super::{BatchSocket, Datagrams, resolve};
use crate::{ServerAddress, error::ServerError};

/// The kernel's sockets, made in the network namespace of the thread that asks for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sockets;

/// Where clients reach the server.
#[derive(Debug)]
pub(crate) enum Listener {
    Udp(Datagrams),
    /// For as many threads.
    Batches(Vec<Arc<BatchSocket>>),
    Streams(TcpListener, Speech),
}

/// What is spoken at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "https"), allow(dead_code, reason = "not everything is spoken"))]
pub(crate) enum Scheme {
    Udp,
    Tcp,
    Tls,
    Https,
}

/// What is spoken on connections.
#[derive(Clone)]
pub(crate) enum Speech {
    /// Messages with their length in front (RFC 7766).
    Plain,
    /// The same within TLS (RFC 7858).
    #[cfg(feature = "tls")]
    Tls(TlsAcceptor),
    /// HTTPS (RFC 8484).
    #[cfg(feature = "https")]
    Https(TlsAcceptor),
}

impl fmt::Debug for Speech {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            #[cfg(feature = "tls")]
            Self::Tls(_) => "Tls",
            #[cfg(feature = "https")]
            Self::Https(_) => "Https",
        })
    }
}

/// How often a free port is looked for that both protocols can have.
const ATTEMPTS: usize = 16;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 1024;

impl Sockets {
    /// For as many threads; none: for the server's future.
    pub(crate) async fn udp(address: SocketAddr, threads: usize) -> Result<Listener, ServerError> {
        let listener = match threads {
            0 => Datagrams::bind(address).await.map(Listener::Udp),
            _ => BatchSocket::bind(address, threads)
                .map(|sockets| Listener::Batches(sockets.into_iter().map(Arc::new).collect())),
        };
        listener.map_err(|cause| ServerError::new("listen on udp", address, cause))
    }

    pub(crate) fn tcp(address: SocketAddr) -> Result<TcpListener, ServerError> {
        let listen = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            // A restarted server may listen although old connections are not quite gone.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(BACKLOG)
        };
        listen().map_err(|cause| ServerError::new("listen on tcp", address, cause))
    }

    /// For health, readiness and metrics.
    pub(crate) fn page(address: ServerAddress) -> Result<TcpListener, ServerError> {
        let at = resolve(address).map_err(|cause| ServerError::new("listen on tcp", address, cause))?;
        Self::tcp(at)
    }

    /// Both on one port: a client that gets a truncated datagram comes back to the same port.
    pub(crate) async fn both(address: SocketAddr, threads: usize) -> Result<[Listener; 2], ServerError> {
        let mut attempt = 1;
        loop {
            let udp = Self::udp(address, threads).await?;
            match Self::tcp(udp.address().unwrap_or(address)) {
                Ok(tcp) => return Ok([udp, Listener::Streams(tcp, Speech::Plain)]),
                Err(error) if address.port() != 0 || attempt == ATTEMPTS || !error.is_exists() => {
                    return Err(error);
                }
                Err(_) => attempt += 1,
            }
        }
    }

    /// A socket that hears one server only, from a port that the kernel picks at random.
    pub(super) async fn towards(server: SocketAddr) -> io::Result<UdpSocket> {
        let any: IpAddr = if server.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(server).await?;
        Ok(socket)
    }
}

impl Listener {
    /// The address, with what is spoken there.
    pub(crate) fn bound(&self) -> Option<(Scheme, SocketAddr)> {
        let scheme = match self {
            Self::Udp(_) | Self::Batches(_) => Scheme::Udp,
            Self::Streams(_, Speech::Plain) => Scheme::Tcp,
            #[cfg(feature = "tls")]
            Self::Streams(_, Speech::Tls(_)) => Scheme::Tls,
            #[cfg(feature = "https")]
            Self::Streams(_, Speech::Https(_)) => Scheme::Https,
        };
        self.address().ok().map(|address| (scheme, address))
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Udp(socket) => Ok(socket.address()),
            Self::Batches(sockets) => {
                sockets.first().map(|socket| socket.address()).ok_or_else(|| io::ErrorKind::NotFound.into())
            }
            Self::Streams(listener, _) => listener.local_addr(),
        }
    }
}
