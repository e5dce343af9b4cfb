//! An answer from the zones.

use std::{net::IpAddr, sync::atomic::Ordering};

use super::{Outcome, Responder};
use crate::{
    config::Realm,
    forward::Forward,
    index::{RECORD_HEAD, RecordSet, ServiceRecords, V4, V6},
    message::{Header, Name, Owner, Query, QuestionName, Rcode, RecordType, Section, Writer, push_pointer},
    zone::Found,
};

/// Schema version of the DNS specification, as `dns-version.<zone>` gives it.
const SCHEMA_VERSION: &[u8] = b"\x051.1.0";
/// The same of the cluster set's (KEP-1645, section 1 of its DNS specification).
const MULTICLUSTER_VERSION: &[u8] = b"\x051.0.0";
/// Its time to live does not follow the zone's.
const SCHEMA_TTL: u32 = 28_800;

/// An answer being written.
pub(super) struct Answer<'r, 'q, 'o> {
    pub(super) responder: &'r Responder,
    pub(super) query: &'q Query<'q>,
    pub(super) writer: Writer<'o>,
    pub(super) realm: Realm<'r>,
    stream: bool,
    /// A record of the answer section did not fit.
    pub(super) full: bool,
}

/// What the answer section has come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content<'r> {
    /// It holds what was asked for.
    Records,
    /// The name has nothing of this type.
    NoData,
    /// The name does not exist.
    NoName,
    /// It ends in an alias to a name outside the zones, in wire form.
    Alias(&'r [u8]),
}

impl<'r, 'q, 'o> Answer<'r, 'q, 'o> {
    pub(super) fn new(
        responder: &'r Responder,
        query: &'q Query<'q>,
        realm: Realm<'r>,
        limit: usize,
        stream: bool,
        out: &'o mut Vec<u8>,
    ) -> Self {
        let mut writer = Writer::reply(query, limit, out);
        writer.set(Header::AA | if responder.forwarding { Header::RA } else { 0 });
        Self { responder, query, writer, realm, stream, full: false }
    }

    /// Writes the answer for what was found at the name of the question.
    pub(super) fn write(mut self, found: Found<'r>) -> Outcome {
        let rcode = match self.content(found) {
            Content::Alias(target) => return self.leave_zone(target),
            Content::Records => Rcode::NOERROR,
            Content::NoData => self.negative(Rcode::NOERROR),
            Content::NoName if self.responder.synced => self.negative(Rcode::NXDOMAIN),
            Content::NoName => self.negative(Rcode::SERVFAIL),
        };
        self.mark_cut();
        self.writer.finish(rcode);
        Outcome::Answer
    }

    fn content(&mut self, found: Found<'r>) -> Content<'r> {
        let kind = self.query.question().kind();
        match found {
            Found::Service(service, set) if is_common(kind) => self.of_service(Owner::QUESTION, service, set),
            Found::Nothing => self.no_name(kind),
            // Even before they are known to be all there is: SRV takes no alias.
            Found::Alias(_) if kind == RecordType::SRV => Content::NoData,
            Found::Empty => Content::NoData,
            _ if kind == RecordType::ANY && !self.responder.zone.is_coredns() => self.any(),
            Found::Alias(alias) => self.follow(alias),
            found => self.records(Owner::QUESTION, &found),
        }
    }

    /// CoreDNS gives the SOA record of names that it has not looked for.
    fn no_name(&self, kind: RecordType) -> Content<'r> {
        let coredns = self.responder.zone.is_coredns() && self.responder.synced;
        if kind == RecordType::SOA && coredns { Content::NoData } else { Content::NoName }
    }

    fn of_service(&mut self, owner: Owner<'_>, service: &ServiceRecords, set: RecordSet<'_>) -> Content<'r> {
        let before = self.writer.len();
        match self.query.question().kind() {
            RecordType::A => self.ready::<V4>(owner, set.v4()),
            RecordType::AAAA => self.ready::<V6>(owner, set.v6()),
            _ => self.locations(owner, service, set),
        }
        self.written_since(before)
    }

    /// Writes the records of the type asked for that are at a name.
    pub(super) fn records(&mut self, owner: Owner<'_>, found: &Found<'_>) -> Content<'r> {
        let kind = self.query.question().kind();
        let before = self.writer.len();
        match (found, kind) {
            (Found::Service(service, set), kind) if is_common(kind) => {
                return self.of_service(owner, service, *set);
            }
            (Found::Pod(address), _) => self.addresses(owner, [*address]),
            (Found::Pointers(pointers), RecordType::PTR) => {
                pointers.records().for_each(|record| self.pointer(owner, record));
            }
            (Found::Apex, RecordType::SOA) => self.soa(Section::Answer),
            (Found::Apex, RecordType::NS) => self.name_servers(owner),
            (Found::NameServer, _) => {
                let servers = self.responder.name_servers(self.realm);
                self.addresses(owner, servers.into_iter().flat_map(|server| server.addresses));
            }
            (Found::Version, RecordType::TXT) => self.version(owner),
            (Found::Version | Found::Pointers(_), _) if self.responder.zone.is_coredns() => {
                return Content::NoName;
            }
            _ => {}
        }
        self.written_since(before)
    }

    fn written_since(&self, before: usize) -> Content<'r> {
        if self.full || self.writer.len() > before { Content::Records } else { Content::NoData }
    }

    /// Whole records, each of the same length, from a place that changes from answer to answer.
    fn ready<const LENGTH: usize>(&mut self, owner: Owner<'_>, records: &[u8]) {
        let count = records.len() / LENGTH;
        let turn = self.responder.turn(count);
        let written = match owner {
            Owner::At(Header::LEN) => self.writer.ready::<LENGTH>(records, turn),
            _ => self.retold(owner, records, LENGTH, turn),
        };
        self.full |= written < count;
    }

    /// The same under another name than the question's.
    fn retold(&mut self, owner: Owner<'_>, records: &[u8], length: usize, turn: usize) -> usize {
        let (behind, front) = records.split_at(turn * length);
        let all = front.chunks_exact(length).chain(behind.chunks_exact(length));
        let kind = self.query.question().kind();
        all.take_while(|record| self.put(Section::Answer, owner, kind, &record[RECORD_HEAD..])).count()
    }

    /// False when it does not fit.
    fn put(&mut self, section: Section, owner: Owner<'_>, kind: RecordType, data: &[u8]) -> bool {
        let ttl = self.responder.zone.ttl();
        self.writer.record(section, owner, kind, ttl, |out| out.extend_from_slice(data)).is_some()
    }

    fn pointer(&mut self, owner: Owner<'_>, record: &[u8]) {
        let name = &record[RECORD_HEAD..];
        if self.responder.finder().exposes(name) {
            self.full |= !self.put(Section::Answer, owner, RecordType::PTR, name);
        }
    }

    /// Those of the addresses that are of the type asked for.
    fn addresses(&mut self, owner: Owner<'_>, addresses: impl IntoIterator<Item = IpAddr>) {
        for address in addresses {
            let kind = self.query.question().kind();
            self.full |= match address {
                IpAddr::V4(v4) if kind == RecordType::A => {
                    !self.put(Section::Answer, owner, kind, &v4.octets())
                }
                IpAddr::V6(v6) if kind == RecordType::AAAA => {
                    !self.put(Section::Answer, owner, kind, &v6.octets())
                }
                _ => false,
            };
        }
    }

    /// Additional addresses; false when there is no more room. Leaving them out cuts nothing short (RFC 2181 section 9).
    pub(super) fn glue(&mut self, owner: Owner<'_>, addresses: impl IntoIterator<Item = IpAddr>) -> bool {
        addresses.into_iter().all(|address| match address {
            IpAddr::V4(v4) => self.put(Section::Additional, owner, RecordType::A, &v4.octets()),
            IpAddr::V6(v6) => self.put(Section::Additional, owner, RecordType::AAAA, &v6.octets()),
        })
    }

    fn name_servers(&mut self, owner: Owner<'_>) {
        let ttl = self.responder.zone.ttl();
        let mut glue = Vec::new();
        for server in self.responder.name_servers(self.realm) {
            let at = self.writer.record(Section::Answer, owner, RecordType::NS, ttl, |out| {
                out.extend_from_slice(&server.labels);
                match self.realm {
                    Realm::Cluster(_, apex) => push_pointer(Header::LEN + apex, out),
                    Realm::Reverse(..) => out.extend_from_slice(self.responder.zone.naming_origin().wire()),
                }
            });
            self.full |= at.is_none();
            glue.extend(at.map(|at| (at, server.addresses)));
        }
        glue.into_iter().all(|(at, addresses)| self.glue(Owner::At(at), addresses));
    }

    fn version(&mut self, owner: Owner<'_>) {
        let multicluster = matches!(self.realm, Realm::Cluster(origin, _) if origin.multicluster);
        let version = match multicluster && !self.responder.zone.is_coredns() {
            true => MULTICLUSTER_VERSION,
            false => SCHEMA_VERSION,
        };
        self.writer.record(Section::Answer, owner, RecordType::TXT, SCHEMA_TTL, |out| {
            out.extend_from_slice(version);
        });
    }

    /// The smallest answer that there is to ANY (RFC 8482 section 4.2).
    fn any(&mut self) -> Content<'r> {
        self.put(Section::Answer, Owner::QUESTION, RecordType::HINFO, b"\x07RFC8482\x00");
        Content::Records
    }

    /// The SOA record that a negative answer needs (RFC 2308).
    fn negative(&mut self, rcode: Rcode) -> Rcode {
        self.soa(Section::Authority);
        rcode
    }

    fn soa(&mut self, section: Section) {
        let record = self.responder.soa(Header::LEN + self.realm.apex());
        self.writer.whole(section, &record);
    }

    /// An alias that leaves the zones: an upstream server knows the rest, if there is one.
    fn leave_zone(mut self, target: &[u8]) -> Outcome {
        self.mark_cut();
        if !self.responder.forwarding || self.full {
            self.writer.finish(Rcode::NOERROR);
            return Outcome::Answer;
        }
        let chase = Forward::chase(self.query, &Name::from_wire(target), self.writer);
        Outcome::Forward(Box::new(chase.keeping_alias(self.responder.zone.is_coredns())))
    }

    /// Over TCP there is no larger answer to ask for: what fits is the answer, another part the next time.
    fn mark_cut(&mut self) {
        match (self.full, self.stream) {
            (true, false) => self.writer.set(Header::TC),
            (true, true) => drop(self.responder.trimmed.fetch_add(1, Ordering::Relaxed)),
            (false, _) => {}
        }
    }

    /// What is at another name, if it is in one of the zones.
    pub(super) fn find(&self, name: &QuestionName) -> Option<Found<'r>> {
        let realm = self.responder.zone.realm_of(name)?;
        Some(self.responder.finder().find(name, realm))
    }
}

/// The types that Services have.
fn is_common(kind: RecordType) -> bool {
    matches!(kind, RecordType::A | RecordType::AAAA | RecordType::SRV)
}
