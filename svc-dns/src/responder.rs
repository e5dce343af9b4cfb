//! The responder: a query in, what to do about it out. No sockets, no clocks, no tasks.

mod answer;
mod asked;
#[cfg(feature = "driver")]
mod batch;
mod chain;
mod client;
mod locations;
mod servers;
mod transfer;

use std::{
    cell::Cell,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use svc_model::{Delta, ObjectName, Revision, Snapshot};

use self::answer::Answer;
#[cfg_attr(not(feature = "driver"), allow(unused_imports, reason = "the server counts"))]
pub(crate) use self::asked::Asked;
pub use self::{
    client::{Client, Transport},
    transfer::Transfer,
};
use crate::{
    config::{Realm, Zone, reverse_name},
    forward::Forward,
    index::Index,
    message::{Class, Edns, Header, Name, Query, QueryError, QuestionName, Rcode, RecordType, Writer},
    zone::{Finder, Found},
};

/// Answers queries from one snapshot.
///
/// A value: cloning is cheap, [`update`](Self::update) makes the next one from the last in time that depends on what changed,
/// not on the size of the zone. It holds no object of the snapshot, only what is answered.
#[derive(Clone, Debug)]
pub struct Responder {
    zone: Arc<Zone>,
    index: Index,
    serial: u32,
    synced: bool,
    forwarding: bool,
    /// Shared by all clones.
    trimmed: Arc<AtomicU64>,
}

/// What to do about a query.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// Send the answer.
    Answer,
    /// Ask an upstream server; [`Forward::finish`] then makes the answer.
    Forward(Box<Forward>),
    /// Send a zone, message by message: to clients on streams only.
    Transfer(Box<Transfer>),
    /// Say nothing.
    Drop,
}

/// What an IPv4 packet holds behind its IP and UDP headers.
const MAX_DATAGRAM: u16 = 65_507;

thread_local! {
    /// Counts answers that begin with another record each time. Nothing that threads would wait for one another for.
    static TURN: Cell<u64> = const { Cell::new(0) };
}

impl Responder {
    /// A responder for a snapshot that holds all there is.
    #[must_use]
    pub fn new(zone: impl Into<Arc<Zone>>, snapshot: &Snapshot) -> Self {
        let zone = zone.into();
        Self {
            index: Index::new(&zone, snapshot),
            zone,
            serial: 1,
            synced: true,
            forwarding: false,
            trimmed: Arc::default(),
        }
    }

    /// Whether the snapshot holds all there is; true at first. Before that a name that is not found gets SERVFAIL: clients would
    /// remember an NXDOMAIN.
    #[must_use]
    pub fn synced(mut self, synced: bool) -> Self {
        self.synced = synced;
        self
    }

    /// Whether names outside the zones are forwarded; false at first: they are REFUSED.
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
        if self.index.update(&self.zone, snapshot, delta) {
            self.serial = now.max(self.serial.wrapping_add(1));
        }
    }

    /// The zones.
    #[must_use]
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The revision that is answered.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.index.revision()
    }

    /// Whether a name that is not found is known not to exist.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.synced
    }

    /// Answers over TCP that were too long and left records out, since the first of these responders was made.
    #[must_use]
    pub fn trimmed(&self) -> u64 {
        self.trimmed.load(Ordering::Relaxed)
    }

    /// The zone that a name belongs to, in lower case; `None` if it is not ours.
    #[must_use]
    pub fn zone_of(&self, name: &QuestionName) -> Option<&Name> {
        self.zone.realm_of(name).map(|realm| match realm {
            Realm::Cluster(origin, _) => &origin.name,
            Realm::Reverse(name, _) => name,
        })
    }

    /// The pod that has this address; known only if pods are verified or [their names](crate::ZoneBuilder::pod_names) are.
    #[must_use]
    pub fn pod_at(&self, address: IpAddr) -> Option<&ObjectName> {
        self.index.pods_at(address.to_canonical()).first()
    }

    pub(crate) fn soa_serial(&self) -> u32 {
        self.serial
    }

    /// Whether names in this namespace are answered for.
    pub(crate) fn has_namespace(&self, name: &str) -> bool {
        let label = u8::try_from(name.len()).into_iter().chain(name.bytes());
        self.index.has_namespace(&label.collect::<Vec<_>>())
    }

    pub(crate) fn is_pod_in(&self, namespace: &str, address: IpAddr) -> bool {
        self.index.pods_at(address).iter().any(|pod| pod.namespace() == namespace)
    }

    /// Bytes of memory that the records and the tables over them take, those about pods not counted. Walks all of them.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.index.heap_bytes()
    }

    /// Answers one message. `out` is overwritten; it keeps its capacity from call to call, so that after some calls nothing is
    /// allocated any more.
    ///
    /// Never panics, whatever the message is.
    pub fn respond(&self, message: &[u8], client: Client, out: &mut Vec<u8>) -> Outcome {
        self.respond_and_tell(message, client, out).0
    }

    /// The same, and what was asked for, if it is a query.
    pub(crate) fn respond_and_tell(
        &self,
        message: &[u8],
        client: Client,
        out: &mut Vec<u8>,
    ) -> (Outcome, Option<Asked>) {
        out.clear();
        let query = match Query::parse(message) {
            Ok(query) => query,
            Err(error) => return (refuse_message(message, error, out), None),
        };
        let name = query.question().name();
        let realm = self.zone.realm_of(&name);
        let asked = Asked::new(&self.zone, &query, realm);
        (self.answer(message, &query, &name, realm, client, out), Some(asked))
    }

    fn answer(
        &self,
        message: &[u8],
        query: &Query<'_>,
        name: &QuestionName,
        realm: Option<Realm<'_>>,
        client: Client,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let limit = self.limit(query.edns(), client.transport);
        if query.edns().is_some_and(|edns| edns.version != 0) {
            return reply(query, Rcode::BADVERS, limit, out);
        }
        let question = query.question();
        if question.class() != Class::IN {
            return reply(query, Rcode::REFUSED, limit, out);
        }
        let Some(realm) = realm else { return self.foreign(message, query, limit, out) };
        if is_transfer(question.kind()) {
            return self.transfer(message, query, realm, client, out);
        }
        let found = self.finder().find(name, realm);
        if matches!(found, Found::Nothing | Found::Empty) && self.falls_through(&found, name, realm) {
            return self.foreign(message, query, limit, out);
        }
        Answer::new(self, query, realm, limit, client.transport == Transport::Tcp, out).write(found)
    }

    /// Whether a name without records is for somebody else to answer. One that exists is not, but for a part of an address.
    #[cold]
    fn falls_through(&self, found: &Found<'_>, name: &QuestionName, realm: Realm<'_>) -> bool {
        let absent = matches!(found, Found::Nothing) || matches!(realm, Realm::Reverse(..));
        absent && self.forwarding && self.zone.falls_through(name)
    }

    fn finder(&self) -> Finder<'_> {
        Finder { zone: &self.zone, index: &self.index }
    }

    /// A name that this server has no authority over.
    fn foreign(&self, message: &[u8], query: &Query<'_>, limit: usize, out: &mut Vec<u8>) -> Outcome {
        if !self.forwarding || is_transfer(query.question().kind()) {
            return reply(query, Rcode::REFUSED, limit, out);
        }
        Outcome::Forward(Box::new(Forward::plain(message, query, limit)))
    }

    pub(crate) fn limit(&self, edns: Option<Edns>, transport: Transport) -> usize {
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
        if count < 2 || !self.zone.rotates() {
            return 0;
        }
        let turn = TURN.replace(TURN.get().wrapping_add(1));
        let mixed = (turn ^ turn >> 7).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
        usize::try_from(mixed).unwrap_or_default() % count
    }

    /// The addresses in this reverse zone, sorted, and the data of their PTR records.
    fn reverse_names(&self, apex: &Name) -> Vec<(IpAddr, Vec<Vec<u8>>)> {
        let within = |address: &IpAddr| reverse_name(*address).is_within(apex);
        self.index.reverse_names().into_iter().filter(|(address, _)| within(address)).collect()
    }

    /// The whole SOA record of the zone whose name is at this offset of the message.
    fn soa(&self, apex: usize) -> [u8; 54] {
        let (ttl, [high, low]) = (self.zone.ttl(), pointer(apex));
        let mut record = *SOA;
        for at in [0, 19, 32] {
            record[at..at + 2].copy_from_slice(&[high, low]);
        }
        record[6..10].copy_from_slice(&ttl.min(300).to_be_bytes());
        record[34..38].copy_from_slice(&self.serial.to_be_bytes());
        record[50..].copy_from_slice(&ttl.to_be_bytes());
        record
    }
}

/// A pointer, type, class, time to live, length, `ns.dns` and a pointer, `hostmaster` and a pointer, serial, refresh 7200 s,
/// retry 1800 s, expire 86400 s, minimum.
const SOA: &[u8; 54] =
    b"\xc0\0\0\x06\0\x01\0\0\0\0\0\x2a\x02ns\x03dns\xc0\0\x0ahostmaster\xc0\0\0\0\0\0\0\0\x1c\x20\
    \0\0\x07\x08\0\x01\x51\x80\0\0\0\0";

/// A pointer to this offset, which is one in the question.
fn pointer(offset: usize) -> [u8; 2] {
    let [high, low] = u16::try_from(offset).unwrap_or_default().to_be_bytes();
    [high | 0xc0, low]
}

fn is_transfer(kind: RecordType) -> bool {
    matches!(kind, RecordType::AXFR | RecordType::IXFR)
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
