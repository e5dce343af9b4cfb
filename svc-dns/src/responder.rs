//! The responder: a query in, what to do about it out. No sockets, no clocks, no tasks.

mod answer;
mod chain;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use svc_model::{Delta, Revision, Snapshot};

use self::answer::Answer;
use crate::{
    config::{Realm, Zone},
    forward::Forward,
    index::Index,
    message::{Class, Edns, Header, Query, QueryError, Rcode, RecordType, Writer},
    zone::{Found, find},
};

/// Answers queries from one snapshot.
///
/// A value: cloning is cheap, [`update`](Self::update) makes the next one from the last in time that depends on what changed,
/// not on the size of the zone. Clones share their rotation and their counters.
#[derive(Clone, Debug)]
pub struct Responder {
    zone: Arc<Zone>,
    index: Index,
    revision: Revision,
    serial: u32,
    synced: bool,
    forwarding: bool,
    counters: Arc<Counters>,
}

#[derive(Debug, Default)]
struct Counters {
    turn: AtomicU64,
    trimmed: AtomicU64,
}

/// How a query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// One datagram: the answer has to fit into what the client can take.
    Udp,
    /// A stream: an answer may have 65535 bytes.
    Tcp,
}

/// Who asks, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Client {
    /// The source of the query.
    pub address: SocketAddr,
    /// How it came.
    pub transport: Transport,
}

impl Client {
    /// A client that sent a datagram.
    #[must_use]
    pub const fn udp(address: SocketAddr) -> Self {
        Self { address, transport: Transport::Udp }
    }

    /// A client on a stream.
    #[must_use]
    pub const fn tcp(address: SocketAddr) -> Self {
        Self { address, transport: Transport::Tcp }
    }
}

/// What to do about a query.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// Send the answer.
    Answer,
    /// Ask an upstream server; [`Forward::finish`] then makes the answer.
    Forward(Box<Forward>),
    /// Say nothing.
    Drop,
}

/// What an IPv4 packet holds behind its IP and UDP headers.
const MAX_DATAGRAM: u16 = 65_507;

impl Responder {
    /// A responder for a snapshot that holds all there is.
    #[must_use]
    pub fn new(zone: impl Into<Arc<Zone>>, snapshot: &Snapshot) -> Self {
        let zone = zone.into();
        Self {
            index: Index::new(&zone, snapshot),
            zone,
            revision: snapshot.revision(),
            serial: 1,
            synced: true,
            forwarding: false,
            counters: Arc::default(),
        }
    }

    /// Whether the snapshot holds all there is; true at first. Before that a name that is not found gets SERVFAIL: clients would
    /// remember an NXDOMAIN.
    #[must_use]
    pub fn synced(mut self, synced: bool) -> Self {
        self.synced = synced;
        self
    }

    /// Whether names outside the zone are forwarded; false at first: they are REFUSED.
    #[must_use]
    pub fn forwarding(mut self, on: bool) -> Self {
        self.forwarding = on;
        self
    }

    /// The serial of the SOA record: seconds since 1970 at the last change that a client can see.
    #[must_use]
    pub fn serial(mut self, serial: u32) -> Self {
        self.serial = serial;
        self
    }

    /// Goes over to `snapshot`, which `delta` leads to. `now` is seconds since 1970: the next serial, if a client can see the
    /// change; a second change within one second gets the number above.
    pub fn update(&mut self, snapshot: &Snapshot, delta: &Delta, now: u32) {
        self.revision = snapshot.revision();
        if self.index.update(&self.zone, snapshot, delta) {
            self.serial = now.max(self.serial.wrapping_add(1));
        }
    }

    /// The zone.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The revision that is answered.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Whether a name that is not found is known not to exist.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.synced
    }

    /// Answers over TCP that were too long and left records out, since the first of these responders was made.
    #[must_use]
    pub fn trimmed(&self) -> u64 {
        self.counters.trimmed.load(Ordering::Relaxed)
    }

    /// Answers one message. `out` is overwritten; it keeps its capacity from call to call, so that after some calls nothing is
    /// allocated any more.
    ///
    /// Never panics, whatever the message is.
    pub fn respond(&self, message: &[u8], client: Client, out: &mut Vec<u8>) -> Outcome {
        out.clear();
        match Query::parse(message) {
            Ok(query) => self.answer(message, &query, client, out),
            Err(error) => refuse_message(message, error, out),
        }
    }

    fn answer(&self, message: &[u8], query: &Query<'_>, client: Client, out: &mut Vec<u8>) -> Outcome {
        let limit = self.limit(query.edns(), client.transport);
        if query.edns().is_some_and(|edns| edns.version != 0) {
            return reply(query, Rcode::BADVERS, limit, out);
        }
        let question = query.question();
        if question.class() != Class::IN {
            return reply(query, Rcode::REFUSED, limit, out);
        }
        let Some((realm, apex)) = self.zone.realm_of(question.name().wire()) else {
            return self.foreign(message, query, limit, out);
        };
        if matches!(question.kind(), RecordType::AXFR | RecordType::IXFR) {
            return reply(query, Rcode::REFUSED, limit, out);
        }
        let found = find(&self.zone, &self.index, question.name().wire(), realm, apex);
        let falls_through = realm == Realm::Reverse && self.zone.reverse_fallthrough();
        if falls_through && matches!(found, Found::Nothing | Found::Empty) {
            return self.foreign(message, query, limit, out);
        }
        let stream = client.transport == Transport::Tcp;
        Answer::new(self, query, apex, limit, stream, out).write(found)
    }

    /// A name that this server has no authority over.
    fn foreign(&self, message: &[u8], query: &Query<'_>, limit: usize, out: &mut Vec<u8>) -> Outcome {
        let transfer = matches!(query.question().kind(), RecordType::AXFR | RecordType::IXFR);
        if !self.forwarding || transfer {
            return reply(query, Rcode::REFUSED, limit, out);
        }
        Outcome::Forward(Box::new(Forward::plain(message, query, limit)))
    }

    fn limit(&self, edns: Option<Edns>, transport: Transport) -> usize {
        match (transport, edns) {
            (Transport::Tcp, _) => usize::from(u16::MAX),
            (Transport::Udp, None) => 512,
            (Transport::Udp, Some(edns)) => {
                usize::from(edns.udp_size.min(self.zone.max_udp_size()).clamp(512, MAX_DATAGRAM))
            }
        }
    }

    /// Where to start in a set of `count` records: evenly spread, and not in step with clients that always ask for A and AAAA
    /// in turn.
    fn turn(&self, count: usize) -> usize {
        let turn = self.counters.turn.fetch_add(1, Ordering::Relaxed);
        let mixed = (turn ^ turn >> 7).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        usize::try_from(mixed).unwrap_or_default().checked_rem(count).unwrap_or_default()
    }
}

/// A response without records.
fn reply(query: &Query<'_>, rcode: Rcode, limit: usize, out: &mut Vec<u8>) -> Outcome {
    Writer::reply(query, limit, out).finish(rcode);
    Outcome::Answer
}

/// A message that is no query we could answer.
#[cold]
fn refuse_message(message: &[u8], error: QueryError, out: &mut Vec<u8>) -> Outcome {
    let rcode = match error {
        QueryError::Silence => return Outcome::Drop,
        QueryError::Opcode(_) => Rcode::NOTIMP,
        QueryError::NoQuestion => Rcode::SERVFAIL,
        QueryError::Malformed(_) => Rcode::FORMERR,
    };
    let Ok(header) = Header::parse(message) else { return Outcome::Drop };
    Writer::bare(header, rcode, out);
    Outcome::Answer
}

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
