//! Sockets: listening ones, and those to endpoints.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

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
    /// Accepted connections inherit `TCP_NODELAY`.
    pub(crate) fn bind(self) -> io::Result<TcpListener> {
        let (address, reuse_port) = match self {
            Self::Socket(socket) => {
                socket.set_nonblocking(true)?;
                return TcpListener::from_std(socket);
            }
            Self::Address { address, reuse_port } => (address, reuse_port),
        };
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.set_reuseport(reuse_port)?;
        socket.set_nodelay(true)?;
        socket.bind(address)?;
        socket.listen(1024)
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

/// Whether a plain connection begins with the preface of HTTP/2 (RFC 9113 section 3.4). Clients send it in one piece.
pub(crate) async fn begins_with_http2(stream: &TcpStream) -> io::Result<bool> {
    const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let mut first = [0; PREFACE.len()];
    let length = stream.peek(&mut first).await?;
    Ok(length == PREFACE.len() && first == *PREFACE)
}
