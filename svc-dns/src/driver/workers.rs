//! Threads that answer datagrams, one for each socket.
//!
//! A thread waits in the kernel for a batch of queries, answers all of them from the snapshot that is current then, and hands the
//! answers over together. What has to be asked elsewhere goes to the server's future; the thread waits for nobody.

use std::{
    io, panic,
    sync::{Arc, atomic::AtomicU64},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::sync::mpsc;

use super::{
    Shared,
    handle::{Counters, count, count_more},
};
use crate::{
    Client, Forward, Outcome,
    error::ServerError,
    message::Rcode,
    metrics::{Counted, Tally},
    sys::{BATCH, BatchSocket, Inbox, Outbox, Peer},
};

/// A socket that fails is asked again after this time.
const PAUSE: Duration = Duration::from_millis(10);
/// Questions on their way to the future; more get SERVFAIL.
const HANDED_OVER: usize = 4096;

/// The threads of a server. Dropped, they answer what the kernel has received and end.
#[derive(Debug)]
pub(super) struct Workers {
    sockets: Vec<Arc<BatchSocket>>,
    threads: Vec<JoinHandle<()>>,
}

/// An answer that a client is owed, and what has to be asked first.
#[derive(Debug)]
pub(super) struct Owed {
    pub(super) socket: Arc<BatchSocket>,
    pub(super) peer: Peer,
    pub(super) forward: Box<Forward>,
    pub(super) since: Instant,
}

/// The threads' end of the way to the future. When all are gone nothing more will be owed.
#[derive(Clone, Debug)]
pub(super) struct HandOver(mpsc::Sender<Owed>);

impl HandOver {
    pub(super) fn new() -> (Self, mpsc::Receiver<Owed>) {
        let (sender, owed) = mpsc::channel(HANDED_OVER);
        (Self(sender), owed)
    }
}

impl Workers {
    /// Starts a thread for each socket.
    pub(super) fn start(
        sockets: Vec<Arc<BatchSocket>>,
        shared: &Arc<Shared>,
        hand_over: &HandOver,
    ) -> Result<Self, ServerError> {
        let mut workers = Self { sockets, threads: Vec::new() };
        for (number, socket) in workers.sockets.iter().enumerate() {
            let worker = Worker {
                socket: Arc::clone(socket),
                shared: Arc::clone(shared),
                hand_over: hand_over.clone(),
                tally: shared.metrics.tally(),
                counters: shared.counters.another(),
            };
            let thread = thread::Builder::new().name(format!("dns-{number}")).spawn(move || worker.run());
            workers.threads.push(
                thread.map_err(|cause| ServerError::new("start a thread for", socket.address(), cause))?,
            );
        }
        Ok(workers)
    }

    /// Lets the threads take what has been received, and no more.
    pub(super) fn close(&self) {
        self.sockets.iter().for_each(|socket| socket.close());
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread that answers datagrams has panicked");
            }
        }
    }
}

/// Gives the answers that the threads left to others. Ends when the threads have ended and nothing is owed.
pub(super) async fn give(mut owed: mpsc::Receiver<Owed>, shared: &Shared) {
    let tally = shared.metrics.tally();
    let mut resolving = FuturesUnordered::new();
    let mut open = true;
    while open || !resolving.is_empty() {
        tokio::select! {
            next = owed.recv(), if open => match next {
                Some(owed) => resolving.push(resolve(owed, shared)),
                None => open = false,
            },
            Some((owed, mut answer)) = resolving.next() => {
                let (query, client) = (owed.forward.query(0), Client::udp(owed.peer.client));
                let Some(counted) = shared.note(&tally, &query, None, client, &mut answer, owed.since) else { continue };
                tally.took(counted, owed.since.elapsed());
                if let Err(error) = owed.socket.send_one(&answer, owed.peer) {
                    count(&shared.counters.unsent);
                    tracing::debug!(client = %owed.peer.client, %error, "send");
                }
            }
        }
    }
}

async fn resolve(owed: Owed, shared: &Shared) -> (Owed, Vec<u8>) {
    let answer = shared.resolve(&owed.forward).await;
    (owed, answer)
}

struct Worker {
    socket: Arc<BatchSocket>,
    shared: Arc<Shared>,
    hand_over: HandOver,
    tally: Arc<Tally>,
    /// Its own.
    counters: Arc<Counters>,
}

impl Worker {
    /// A panic costs the batch in which it happens and is counted; the socket is served on.
    fn run(self) {
        while guarded(&self.counters.panics, || self.serve()).is_none() {}
    }

    fn serve(&self) {
        let (mut inbox, mut outbox) = (Inbox::new(), Outbox::new());
        loop {
            match self.socket.receive(&mut inbox) {
                Ok(0) if self.socket.is_closing() => return,
                Ok(queries) => self.answer(queries, &inbox, &mut outbox),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::debug!(%error, "receive");
                    thread::sleep(PAUSE);
                }
            }
        }
    }

    fn answer(&self, queries: usize, inbox: &Inbox, outbox: &mut Outbox) {
        // Only for this batch: who keeps them while it waits keeps what has long been replaced.
        let (responder, front) = (self.shared.responder.load(), self.shared.fronts.load());
        let now = Instant::now();
        if queries > 1 {
            responder.approach((0..queries).map(|index| inbox.query(index).0));
        }
        let mut counted = [Counted::default(); BATCH];
        for index in 0..queries {
            let (query, peer) = inbox.query(index);
            count(&self.counters.udp);
            let client = Client::udp(peer.client);
            let (outcome, asked) = front.respond_and_tell(&responder, query, client, now, outbox.next());
            match outcome {
                Outcome::Answer => {
                    let noted = self.shared.note(&self.tally, query, asked, client, outbox.next(), now);
                    if let Some(noted) = noted {
                        counted[outbox.len()] = noted;
                        outbox.owe(inbox, index);
                    }
                }
                Outcome::Forward(forward) => self.hand_over(forward, peer, index, inbox, outbox),
                // Zones go over streams only.
                Outcome::Transfer(_) | Outcome::Drop => count(&self.counters.dropped),
            }
        }
        let answers = outbox.len();
        count_more(&self.counters.unsent, self.socket.send(outbox));
        let took = now.elapsed();
        counted[..answers].iter().for_each(|counted| self.tally.took(*counted, took));
    }

    fn hand_over(&self, forward: Box<Forward>, peer: Peer, index: usize, inbox: &Inbox, outbox: &mut Outbox) {
        let owed = Owed { socket: Arc::clone(&self.socket), peer, forward, since: Instant::now() };
        if let Err(mpsc::error::TrySendError::Full(owed)) = self.hand_over.0.try_send(owed) {
            owed.forward.finish(Err(Rcode::SERVFAIL), outbox.next());
            outbox.owe(inbox, index);
        }
    }
}

/// What it gives; nothing, and a count, when it panics.
fn guarded<T>(panics: &AtomicU64, serve: impl FnOnce() -> T) -> Option<T> {
    // What is shared with others is a snapshot that is never changed, and counters.
    let served = panic::catch_unwind(panic::AssertUnwindSafe(serve));
    if served.is_err() {
        count(panics);
        tracing::error!("a panic while datagrams were answered: the thread goes on");
    }
    served.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_counted_and_work_goes_on() {
        let panics = AtomicU64::new(0);
        let mut turns = 0;
        while guarded(&panics, || {
            turns += 1;
            assert!(turns == 3, "not yet");
        })
        .is_none()
        {}
        assert_eq!((turns, panics.into_inner()), (3, 2));
    }
}
