//! Datagrams.

use std::{io, net::SocketAddr, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{net::UdpSocket, sync::watch, time::sleep};

use super::{Shared, handle::count};
use crate::{Client, Forward, Outcome};

/// Datagrams that are answered from one snapshot before anything else has its turn.
const BATCH: usize = 32;
/// No query is longer; the rest of a longer datagram is cut off and makes it malformed.
const LONGEST_QUERY: usize = 4096;
/// A socket that fails is asked again after this time.
const PAUSE: Duration = Duration::from_millis(10);

/// Answers datagrams until told to stop; then gives the answers still owed.
pub(super) async fn serve(socket: &UdpSocket, shared: &Shared, mut stop: watch::Receiver<()>) {
    let mut forwards = FuturesUnordered::new();
    let mut buffers = Buffers { query: vec![0; LONGEST_QUERY], answer: Vec::with_capacity(LONGEST_QUERY) };
    loop {
        tokio::select! {
            _ = stop.changed() => break,
            Some(owed) = forwards.next() => give(socket, owed, shared).await,
            Ok(()) = socket.readable() => {
                let owed = &mut forwards;
                let push = move |client, forward| owed.push(resolve(client, forward, shared));
                if let Err(error) = batch(socket, shared, &mut buffers, push).await {
                    tracing::debug!(%error, "receive");
                    sleep(PAUSE).await;
                }
            }
        }
    }
    while let Some(owed) = forwards.next().await {
        give(socket, owed, shared).await;
    }
}

struct Buffers {
    query: Vec<u8>,
    answer: Vec<u8>,
}

async fn batch(
    socket: &UdpSocket,
    shared: &Shared,
    buffers: &mut Buffers,
    mut push: impl FnMut(SocketAddr, Box<Forward>),
) -> io::Result<()> {
    let responder = shared.responder.load_full();
    for _ in 0..BATCH {
        let (length, client) = match socket.try_recv_from(&mut buffers.query) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            received => received?,
        };
        count(&shared.counters.udp);
        match responder.respond(&buffers.query[..length], Client::udp(client), &mut buffers.answer) {
            Outcome::Answer => send(socket, &buffers.answer, client, shared).await,
            Outcome::Forward(forward) => push(client, forward),
            Outcome::Drop => count(&shared.counters.dropped),
        }
    }
    Ok(())
}

async fn resolve(client: SocketAddr, forward: Box<Forward>, shared: &Shared) -> (SocketAddr, Vec<u8>) {
    (client, shared.resolve(&forward).await)
}

async fn give(socket: &UdpSocket, (client, answer): (SocketAddr, Vec<u8>), shared: &Shared) {
    send(socket, &answer, client, shared).await;
}

/// Waits for room in the socket; what the network does with the datagram is not known anyway.
async fn send(socket: &UdpSocket, answer: &[u8], client: SocketAddr, shared: &Shared) {
    if let Err(error) = socket.send_to(answer, client).await {
        count(&shared.counters.unsent);
        tracing::debug!(%client, %error, "send");
    }
}
