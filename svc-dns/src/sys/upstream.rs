//! Questions to upstream servers: over UDP and TCP, or over TLS.

use std::{
    collections::HashMap,
    fmt, io,
    net::SocketAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use super::Sockets;
use crate::{
    Transport,
    forward::answers,
    forwarder::{Exchange, Exchanged},
    message::Header,
};

/// Datagrams from ports that nobody can guess, and connections that are used again.
#[derive(Debug)]
pub(crate) struct Connections {
    idle: Mutex<HashMap<SocketAddr, Vec<Idle>>>,
    expire: Duration,
    most_idle: usize,
    #[cfg(feature = "tls")]
    tls: Option<crate::TlsClient>,
    reused: AtomicU64,
    made: AtomicU64,
}

/// A connection, with or without TLS.
trait Stream: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Stream for S {}

#[derive(Debug)]
struct Idle {
    stream: Box<dyn Stream>,
    since: Instant,
}

impl Default for Connections {
    fn default() -> Self {
        Self::new(Duration::from_secs(10), 64)
    }
}

impl Connections {
    /// `expire`: how long an idle connection is kept; `most_idle`: how many to each server.
    pub(crate) fn new(expire: Duration, most_idle: usize) -> Self {
        Self {
            idle: Mutex::default(),
            expire,
            most_idle,
            #[cfg(feature = "tls")]
            tls: None,
            reused: AtomicU64::new(0),
            made: AtomicU64::new(0),
        }
    }

    /// The same, all within TLS.
    #[cfg(feature = "tls")]
    pub(crate) fn over_tls(self, client: &crate::TlsClient) -> Self {
        Self { tls: Some(client.clone()), ..self }
    }

    #[cfg(feature = "tls")]
    fn is_over_tls(&self) -> bool {
        self.tls.is_some()
    }

    #[cfg(not(feature = "tls"))]
    fn is_over_tls(&self) -> bool {
        false
    }

    async fn connect(&self, server: SocketAddr) -> io::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        #[cfg(feature = "tls")]
        if let Some(client) = &self.tls {
            let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::clone(client.config()));
            let stream = connector.connect(client.name(server.ip()), stream).await;
            return Ok(Box::new(stream.map_err(no_reply)?));
        }
        Ok(Box::new(stream))
    }

    async fn stream(&self, server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
        // The server may have closed it meanwhile: then a new one is due.
        if let Some(mut stream) = self.take(server) {
            self.reused.fetch_add(1, Ordering::Relaxed);
            match converse(&mut *stream, query).await {
                Ok(reply) => return self.checked(server, stream, query, reply),
                Err(error) => tracing::trace!(%server, %error, "an idle connection was of no use"),
            }
        }
        self.made.fetch_add(1, Ordering::Relaxed);
        let mut stream = self.connect(server).await?;
        let reply = converse(&mut *stream, query).await?;
        self.checked(server, stream, query, reply)
    }

    /// A connection on which something else came is not used again.
    fn checked(
        &self,
        server: SocketAddr,
        stream: Box<dyn Stream>,
        query: &[u8],
        reply: Vec<u8>,
    ) -> io::Result<Vec<u8>> {
        if !answers(query, &reply) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.give(server, stream);
        Ok(reply)
    }

    fn take(&self, server: SocketAddr) -> Option<Box<dyn Stream>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = idle.get_mut(&server)?;
        connections.retain(|idle| idle.since.elapsed() < self.expire);
        connections.pop().map(|idle| idle.stream)
    }

    fn give(&self, server: SocketAddr, stream: Box<dyn Stream>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = idle.entry(server).or_default();
        connections.retain(|idle| idle.since.elapsed() < self.expire);
        if connections.len() < self.most_idle {
            connections.push(Idle { stream, since: Instant::now() });
        }
    }
}

impl Exchange for Connections {
    fn exchange<'a>(&'a self, server: SocketAddr, transport: Transport, query: &'a [u8]) -> Exchanged<'a> {
        match transport {
            Transport::Udp if !self.is_over_tls() => Box::pin(datagram(server, query)),
            _ => Box::pin(self.stream(server, query)),
        }
    }

    fn connections(&self) -> [u64; 2] {
        [self.reused.load(Ordering::Relaxed), self.made.load(Ordering::Relaxed)]
    }

    fn encrypts(&self) -> bool {
        self.is_over_tls()
    }
}

async fn datagram(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let socket = Sockets::towards(server).await?;
    socket.send(query).await?;
    let mut reply = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut reply).await?;
        // What has another id may be forged: the true reply can still come.
        if !has_id_of(query, &reply[..length]) {
            continue;
        }
        if !answers(query, &reply[..length]) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        reply.truncate(length);
        return Ok(reply);
    }
}

fn has_id_of(query: &[u8], reply: &[u8]) -> bool {
    reply.len() >= Header::LEN && reply[..2] == query[..2]
}

async fn converse(stream: &mut dyn Stream, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut message = Vec::with_capacity(query.len() + 2);
    frame(query, &mut message);
    let exchanged = async {
        stream.write_all(&message).await?;
        stream.flush().await?;
        let mut reply = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut reply).await?;
        Ok(reply)
    };
    exchanged.await.map_err(no_reply)
}

/// Data that TLS cannot make sense of are no reply to something else: there is none.
fn no_reply(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::InvalidData => io::Error::new(io::ErrorKind::ConnectionAborted, error),
        _ => error,
    }
}

/// Appends a message with its length in front (RFC 1035 section 4.2.2).
pub(crate) fn frame(message: &[u8], out: &mut Vec<u8>) {
    // No message here is longer than 65535 bytes: the writer's limit.
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&message[..usize::from(length)]);
}

#[cfg(test)]
mod tests;
