//! Questions to upstream servers.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::Sockets;
use crate::{
    Transport,
    forward::answers,
    forwarder::{Exchange, Exchanged},
};

impl Exchange for Sockets {
    fn exchange<'a>(&'a self, server: SocketAddr, transport: Transport, query: &'a [u8]) -> Exchanged<'a> {
        match transport {
            Transport::Udp => Box::pin(datagram(server, query)),
            Transport::Tcp => Box::pin(stream(server, query)),
        }
    }
}

async fn datagram(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let socket = Sockets::towards(server).await?;
    socket.send(query).await?;
    let mut reply = vec![0; usize::from(u16::MAX)];
    loop {
        let length = socket.recv(&mut reply).await?;
        // What is not ours may be forged: the true reply can still come.
        if answers(query, &reply[..length]) {
            reply.truncate(length);
            return Ok(reply);
        }
    }
}

async fn stream(server: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    let mut message = Vec::with_capacity(query.len() + 2);
    frame(query, &mut message);
    stream.write_all(&message).await?;
    let mut reply = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut reply).await?;
    if answers(query, &reply) { Ok(reply) } else { Err(io::ErrorKind::InvalidData.into()) }
}

/// Appends a message with its length in front (RFC 1035 section 4.2.2).
pub(crate) fn frame(message: &[u8], out: &mut Vec<u8>) {
    // No message here is longer than 65535 bytes: the writer's limit.
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&message[..usize::from(length)]);
}
