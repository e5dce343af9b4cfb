//! Connections: pipelined queries, answers in whatever order they are there (RFC 7766).

use std::{
    collections::{HashMap, hash_map::Entry},
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{Shared, handle::count};
use crate::{
    Client, Forward, Outcome, Transfer,
    metrics::Tally,
    sys::{Speech, frame},
};

/// No query is longer: who announces one is cut off.
const LONGEST_QUERY: usize = 4096;
/// Forwarded questions of one connection at a time; more wait in the socket.
const PIPELINE: usize = 64;
/// Answers are sent when they come to so much.
const SEND_AT: usize = 64 * 1024;
/// A socket that fails, for want of file descriptors say, is asked again after this time.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts connections until told to stop; then waits for those that are open.
pub(super) async fn serve(
    listener: TcpListener,
    speech: Speech,
    shared: &Arc<Shared>,
    mut stop: watch::Receiver<()>,
) {
    let tally = shared.metrics.tally();
    let mut connections = FuturesUnordered::new();
    let mut clients: HashMap<IpAddr, usize> = HashMap::new();
    loop {
        let room = connections.len() < shared.limits.connections;
        tokio::select! {
            _ = stop.changed() => break,
            Some(client) = connections.next() => leave(&mut clients, client),
            accepted = listener.accept(), if room => match accepted {
                Ok((stream, client)) => {
                    let open = clients.entry(client.ip()).or_default();
                    if *open < shared.limits.per_client {
                        *open += 1;
                        connections.push(converse(stream, client, &speech, shared, &tally, stop.clone()));
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "accept");
                    sleep(PAUSE).await;
                }
            },
        }
    }
    while connections.next().await.is_some() {}
}

fn leave(clients: &mut HashMap<IpAddr, usize>, client: IpAddr) {
    if let Entry::Occupied(mut open) = clients.entry(client) {
        *open.get_mut() -= 1;
        if *open.get() == 0 {
            open.remove();
        }
    }
}

async fn converse(
    stream: TcpStream,
    client: SocketAddr,
    speech: &Speech,
    shared: &Arc<Shared>,
    tally: &Arc<Tally>,
    stop: watch::Receiver<()>,
) -> IpAddr {
    if let Err(error) = speak(stream, client, speech, shared, tally, stop).await {
        tracing::debug!(%client, %error, "connection");
    }
    client.ip()
}

async fn speak(
    stream: TcpStream,
    client: SocketAddr,
    speech: &Speech,
    shared: &Arc<Shared>,
    tally: &Arc<Tally>,
    stop: watch::Receiver<()>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    match speech {
        Speech::Plain => Connection::new(stream, Client::tcp(client), shared, tally).run(stop).await,
        #[cfg(feature = "tls")]
        Speech::Tls(acceptor) => {
            let stream = timeout(shared.limits.idle, acceptor.accept(stream)).await??;
            Connection::new(stream, Client::tls(client), shared, tally).run(stop).await
        }
        #[cfg(feature = "https")]
        Speech::Https(acceptor) => {
            let stream = timeout(shared.limits.idle, acceptor.accept(stream)).await??;
            super::https::converse(stream, client, shared, tally, stop).await
        }
    }
}

struct Connection<'s, S> {
    stream: S,
    client: Client,
    shared: &'s Shared,
    tally: &'s Tally,
    /// A zone that is being sent: one message is here at a time.
    transfer: Option<Box<Transfer>>,
    received: Vec<u8>,
    answer: Vec<u8>,
    sending: Vec<u8>,
    /// Until then the next whole query has to be there.
    deadline: Instant,
    /// No more queries will be read.
    closing: bool,
}

impl<'s, S: AsyncRead + AsyncWrite + Unpin> Connection<'s, S> {
    fn new(stream: S, client: Client, shared: &'s Shared, tally: &'s Tally) -> Self {
        let deadline = Instant::now() + shared.limits.idle;
        let [received, answer, sending] = [const { Vec::new() }; 3];
        Self {
            stream,
            client,
            shared,
            tally,
            transfer: None,
            received,
            answer,
            sending,
            deadline,
            closing: false,
        }
    }

    async fn run(mut self, mut stop: watch::Receiver<()>) -> io::Result<()> {
        let mut forwards = FuturesUnordered::new();
        loop {
            let more = self.answer_queries(&mut forwards)?;
            self.send().await?;
            if more {
                continue;
            }
            if self.closing && forwards.is_empty() {
                return Ok(());
            }
            let reading = !self.closing && forwards.len() < PIPELINE;
            tokio::select! {
                Some(owed) = forwards.next() => self.give(owed),
                length = self.stream.read_buf(&mut self.received), if reading => self.closing = length? == 0,
                _ = stop.changed(), if !self.closing => self.closing = true,
                () = sleep_until(self.deadline), if forwards.is_empty() => return Ok(()),
            }
        }
    }

    /// Answers the queries that are there as a whole. True when there is too much to send to go on.
    fn answer_queries(&mut self, forwards: &mut FuturesUnordered<BoxFuture<'s, Owed>>) -> io::Result<bool> {
        if self.continue_transfer() {
            return Ok(true);
        }
        let (responder, front) = (self.shared.responder.load_full(), self.shared.fronts.current());
        let mut at = 0;
        while forwards.len() < PIPELINE && self.sending.len() < SEND_AT && self.transfer.is_none() {
            let Some(length) = whole_query(&self.received[at..])? else { break };
            count(&self.shared.counters.tcp);
            let query = &self.received[at + 2..at + 2 + length];
            let now = Instant::now().into_std();
            let (outcome, asked) =
                front.respond_and_tell(&responder, query, self.client, now, &mut self.answer);
            match outcome {
                Outcome::Answer => {
                    let noted =
                        self.shared.note(self.tally, query, asked, self.client, &mut self.answer, now);
                    if let Some(counted) = noted {
                        self.tally.took(counted, now.elapsed());
                        frame(&self.answer, &mut self.sending);
                    }
                }
                Outcome::Forward(forward) => forwards.push(Box::pin(resolve(forward, self.shared))),
                Outcome::Transfer(transfer) => self.transfer = Some(transfer),
                Outcome::Drop => count(&self.shared.counters.dropped),
            }
            at += 2 + length;
            self.deadline = Instant::now() + self.shared.limits.idle;
        }
        self.received.drain(..at);
        Ok(self.sending.len() >= SEND_AT || self.transfer.is_some())
    }

    /// Puts the next message of a zone among what is to be sent. False when there is none.
    fn continue_transfer(&mut self) -> bool {
        let more = self.transfer.as_mut().is_some_and(|transfer| transfer.next_message(&mut self.answer));
        if more {
            frame(&self.answer, &mut self.sending);
            self.deadline = Instant::now() + self.shared.limits.idle;
        } else {
            self.transfer = None;
        }
        more
    }

    fn give(&mut self, mut owed: Owed) {
        let noted =
            self.shared.note(self.tally, &owed.query, None, self.client, &mut owed.answer, owed.since);
        if let Some(counted) = noted {
            self.tally.took(counted, owed.since.elapsed());
            self.push(&owed.answer);
        }
    }

    fn push(&mut self, answer: &[u8]) {
        frame(answer, &mut self.sending);
        self.deadline = Instant::now() + self.shared.limits.idle;
    }

    /// Sends what there is. A client that does not read it in time is cut off.
    async fn send(&mut self) -> io::Result<()> {
        if !self.sending.is_empty() {
            let sent = async {
                self.stream.write_all(&self.sending).await?;
                self.stream.flush().await
            };
            timeout(self.shared.limits.idle, sent).await??;
            self.sending.clear();
        }
        Ok(())
    }
}

/// The answer to a forwarded question.
struct Owed {
    query: Vec<u8>,
    answer: Vec<u8>,
    since: std::time::Instant,
}

async fn resolve(forward: Box<Forward>, shared: &Shared) -> Owed {
    let since = Instant::now().into_std();
    let answer = shared.resolve(&forward).await;
    Owed { query: forward.query(0), answer, since }
}

/// The length of the query in front, if it is there as a whole.
fn whole_query(received: &[u8]) -> io::Result<Option<usize>> {
    let Some(&[high, low]) = received.get(..2) else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > LONGEST_QUERY {
        return Err(io::ErrorKind::InvalidData.into());
    }
    Ok((received.len() >= 2 + length).then_some(length))
}
