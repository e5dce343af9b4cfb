//! Datagrams.

use std::{io, time::Duration};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::{Shared, handle::count};
use crate::{
    Client, Forward, Outcome,
    metrics::Tally,
    sys::{Datagrams, Peer},
};

/// Datagrams that are answered from one snapshot before anything else has its turn.
const BATCH: usize = 32;
/// No query is longer; the rest of a longer datagram is cut off and makes it malformed.
const LONGEST_QUERY: usize = 4096;
/// A socket that fails is asked again after this time.
const PAUSE: Duration = Duration::from_millis(10);

/// Answers datagrams until told to stop; then gives the answers still owed.
pub(super) async fn serve(socket: &Datagrams, shared: &Shared, mut stop: watch::Receiver<()>) {
    let tally = shared.metrics.tally();
    let mut forwards = FuturesUnordered::new();
    let mut buffers = Buffers { query: vec![0; LONGEST_QUERY], answer: Vec::with_capacity(LONGEST_QUERY) };
    loop {
        tokio::select! {
            _ = stop.changed() => break,
            Some(owed) = forwards.next() => give(socket, owed, shared, &tally).await,
            Ok(()) = socket.readable() => {
                let owed = &mut forwards;
                let push = move |peer, forward| owed.push(resolve(peer, forward, shared));
                if let Err(error) = batch(socket, shared, &tally, &mut buffers, push).await {
                    tracing::debug!(%error, "receive");
                    sleep(PAUSE).await;
                }
            }
        }
    }
    while let Some(owed) = forwards.next().await {
        give(socket, owed, shared, &tally).await;
    }
}

struct Buffers {
    query: Vec<u8>,
    answer: Vec<u8>,
}

async fn batch(
    socket: &Datagrams,
    shared: &Shared,
    tally: &Tally,
    buffers: &mut Buffers,
    mut push: impl FnMut(Peer, Box<Forward>),
) -> io::Result<()> {
    let (responder, front, now) =
        (shared.responder.load_full(), shared.fronts.current(), Instant::now().into_std());
    for _ in 0..BATCH {
        let (length, peer) = match socket.try_receive(&mut buffers.query) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            received => received?,
        };
        count(&shared.counters.udp);
        let (query, client) = (&buffers.query[..length], Client::udp(peer.client));
        let (outcome, asked) = front.respond_and_tell(&responder, query, client, now, &mut buffers.answer);
        match outcome {
            Outcome::Answer => {
                if let Some(counted) = shared.note(tally, query, asked, client, &mut buffers.answer, now) {
                    send(socket, &buffers.answer, peer, shared).await;
                    tally.took(counted, now.elapsed());
                }
            }
            Outcome::Forward(forward) => push(peer, forward),
            // Zones go over streams only.
            Outcome::Transfer(_) | Outcome::Drop => count(&shared.counters.dropped),
        }
    }
    Ok(())
}

/// The answer to a forwarded question.
struct Owed {
    peer: Peer,
    query: Vec<u8>,
    answer: Vec<u8>,
    since: std::time::Instant,
}

async fn resolve(peer: Peer, forward: Box<Forward>, shared: &Shared) -> Owed {
    let since = Instant::now().into_std();
    let answer = shared.resolve(&forward).await;
    Owed { peer, query: forward.query(0), answer, since }
}

async fn give(socket: &Datagrams, mut owed: Owed, shared: &Shared, tally: &Tally) {
    let client = Client::udp(owed.peer.client);
    if let Some(counted) = shared.note(tally, &owed.query, None, client, &mut owed.answer, owed.since) {
        tally.took(counted, owed.since.elapsed());
        send(socket, &owed.answer, owed.peer, shared).await;
    }
}

async fn send(socket: &Datagrams, answer: &[u8], peer: Peer, shared: &Shared) {
    if let Err(error) = socket.send(answer, peer).await {
        count(&shared.counters.unsent);
        tracing::debug!(client = %peer.client, %error, "send");
    }
}
