//! Questions to upstream servers.

use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
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
    reused: AtomicU64,
    made: AtomicU64,
}

#[derive(Debug)]
struct Idle {
    stream: TcpStream,
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
        Self { idle: Mutex::default(), expire, most_idle, reused: AtomicU64::new(0), made: AtomicU64::new(0) }
    }

    async fn stream(&self, server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
        // The server may have closed it meanwhile: then a new one is due.
        if let Some(mut stream) = self.take(server) {
            self.reused.fetch_add(1, Ordering::Relaxed);
            match converse(&mut stream, query).await {
                Ok(reply) => return self.checked(server, stream, query, reply),
                Err(error) => tracing::trace!(%server, %error, "an idle connection was of no use"),
            }
        }
        self.made.fetch_add(1, Ordering::Relaxed);
        let mut stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        let reply = converse(&mut stream, query).await?;
        self.checked(server, stream, query, reply)
    }

    /// A connection on which something else came is not used again.
    fn checked(
        &self,
        server: SocketAddr,
        stream: TcpStream,
        query: &[u8],
        reply: Vec<u8>,
    ) -> io::Result<Vec<u8>> {
        if !answers(query, &reply) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.give(server, stream);
        Ok(reply)
    }

    fn take(&self, server: SocketAddr) -> Option<TcpStream> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = idle.get_mut(&server)?;
        connections.retain(|idle| idle.since.elapsed() < self.expire);
        connections.pop().map(|idle| idle.stream)
    }

    fn give(&self, server: SocketAddr, stream: TcpStream) {
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
            Transport::Udp => Box::pin(datagram(server, query)),
            _ => Box::pin(self.stream(server, query)),
        }
    }

    fn connections(&self) -> [u64; 2] {
        [self.reused.load(Ordering::Relaxed), self.made.load(Ordering::Relaxed)]
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

async fn converse(stream: &mut TcpStream, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut message = Vec::with_capacity(query.len() + 2);
    frame(query, &mut message);
    stream.write_all(&message).await?;
    let mut reply = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut reply).await?;
    Ok(reply)
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
