//! Sockets: listening ones, and those to endpoints.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};

/// Makes connections to endpoints. [`Tcp`] does it with the kernel, [`crate::fake::Network`] in memory.
pub trait Connect: Clone + Send + Sync + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Connects to an endpoint. The caller limits the time.
    fn connect(&self, endpoint: SocketAddr) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// TCP in the network namespace of the thread that polls.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Tcp;

impl Connect for Tcp {
    type Stream = TcpStream;

    async fn connect(&self, endpoint: SocketAddr) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(endpoint).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

/// A listening address, or a socket that listens already and lives on in whoever gave it.
#[derive(Debug)]
pub(crate) enum Listening {
    Address { address: SocketAddr, reuse_port: bool },
    Socket(std::net::TcpListener),
}

impl Listening {
    /// So many sockets on the address, in this thread's network namespace. Accepted connections inherit `TCP_NODELAY`.
    pub(crate) fn bind(self, sockets: usize) -> io::Result<Vec<std::net::TcpListener>> {
        let (address, reuse_port) = match self {
            Self::Socket(socket) => return (0..sockets).map(|_| socket.try_clone()).collect(),
            Self::Address { address, reuse_port } => (address, reuse_port),
        };
        let first = bind(address, reuse_port)?;
        // The port may have been left to the kernel.
        let address = first.local_addr()?;
        let others = (1..sockets).map(|_| bind(address, reuse_port));
        std::iter::once(Ok(first)).chain(others).collect()
    }
}

fn bind(address: SocketAddr, reuse_port: bool) -> io::Result<std::net::TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(reuse_port)?;
    socket.set_nodelay(true)?;
    socket.bind(address)?;
    socket.listen(1024)?.into_std()
}

impl fmt::Display for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { address, .. } => address.fmt(f),
            Self::Socket(socket) => write!(f, "{socket:?}"),
        }
    }
}

/// Whether a failed accept concerns one connection only (accept(2)): the listener goes on at once.
pub(crate) fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{
        ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable,
    };
    let kinds = [ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable];
    kinds.contains(&error.kind())
}
