//! An answer from the zone.

use std::{net::IpAddr, sync::atomic::Ordering};

use super::{Outcome, Responder};
use crate::{
    forward::Forward,
    index::{Records, ServiceRecords, Srv},
    message::{Header, Name, Owner, Query, Rcode, RecordType, Section, Writer, push_pointer},
    zone::Found,
};

/// Schema version of the DNS specification, as `dns-version.<zone>` gives it.
const SCHEMA_VERSION: &[u8] = b"1.1.0";
/// Its time to live does not follow the zone's.
const SCHEMA_TTL: u32 = 28_800;

/// An answer being written.
pub(super) struct Answer<'r, 'q, 'o> {
    pub(super) responder: &'r Responder,
    pub(super) query: &'q Query<'q>,
    pub(super) writer: Writer<'o>,
    /// Where the zone's name starts in the message: names that end in it are spelled as the client spells it.
    apex: usize,
    stream: bool,
    /// A record of the answer section did not fit.
    full: bool,
}

/// What the answer section has come to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// It holds what was asked for.
    Records,
    /// The name has nothing of this type.
    NoData,
    /// The name does not exist.
    NoName,
    /// It ends in an alias to a name outside the zone.
    Alias(Name),
}

impl<'r, 'q, 'o> Answer<'r, 'q, 'o> {
    pub(super) fn new(
        responder: &'r Responder,
        query: &'q Query<'q>,
        apex: usize,
        limit: usize,
        stream: bool,
        out: &'o mut Vec<u8>,
    ) -> Self {
        let mut writer = Writer::reply(query, limit, out);
        writer.set(Header::AA | if responder.forwarding { Header::RA } else { 0 });
        Self { responder, query, writer, apex: Header::LEN + apex, stream, full: false }
    }

    /// Writes the answer for what was found at the name of the question.
    pub(super) fn write(mut self, found: Found<'_>) -> Outcome {
        let rcode = match self.content(found) {
            Content::Alias(target) => return self.leave_zone(&target),
            Content::Records => Rcode::NOERROR,
            Content::NoData => self.negative(Rcode::NOERROR),
            Content::NoName if self.responder.synced => self.negative(Rcode::NXDOMAIN),
            Content::NoName => self.negative(Rcode::SERVFAIL),
        };
        self.mark_cut();
        self.writer.finish(rcode);
        Outcome::Answer
    }

    fn content(&mut self, found: Found<'_>) -> Content {
        let kind = self.query.question().kind();
        match found {
            Found::Nothing => Content::NoName,
            // Even before they are known to be all there is: SRV takes no alias.
            Found::Alias(_) if kind == RecordType::SRV => Content::NoData,
            Found::Alias(target) => self.follow(target),
            _ if kind == RecordType::ANY => self.any(),
            found => self.records(Owner::QUESTION, &found),
        }
    }

    /// Writes the records of the type asked for that are at a name.
    pub(super) fn records(&mut self, owner: Owner<'_>, found: &Found<'_>) -> Content {
        let kind = self.query.question().kind();
        let before = self.writer.bytes().len();
        match (found, kind) {
            (Found::Service(_, records), RecordType::A) => {
                self.each(owner, kind, &records.v4, |ip| ip.octets())
            }
            (Found::Service(_, records), RecordType::AAAA) => {
                self.each(owner, kind, &records.v6, |ip| ip.octets())
            }
            (Found::Service(service, records), RecordType::SRV) => self.locations(owner, service, records),
            (Found::Pod(address), _) => self.addresses(owner, [*address]),
            (Found::Pointers(pointers), RecordType::PTR) => {
                pointers.names().iter().for_each(|name| self.put(owner, kind, name.wire()));
            }
            (Found::Apex, RecordType::SOA) => self.soa(Section::Answer),
            (Found::Apex, RecordType::NS) => self.name_server(owner),
            (Found::NameServer, _) => self.addresses(owner, self.responder.zone.addresses().iter().copied()),
            (Found::Version, RecordType::TXT) => self.version(owner),
            _ => {}
        }
        if self.full || self.writer.bytes().len() > before { Content::Records } else { Content::NoData }
    }

    /// The records of a set, each of the same length, from a place that changes from answer to answer.
    fn each<T: Copy, const N: usize>(
        &mut self,
        owner: Owner<'_>,
        kind: RecordType,
        set: &[T],
        octets: impl Fn(T) -> [u8; N],
    ) {
        let (behind, front) = set.split_at(self.responder.turn(set.len()));
        for &item in front.iter().chain(behind) {
            if self.full {
                return;
            }
            self.put(owner, kind, &octets(item));
        }
    }

    fn put(&mut self, owner: Owner<'_>, kind: RecordType, data: &[u8]) {
        let ttl = self.responder.zone.ttl();
        let fits = self.writer.record(Section::Answer, owner, kind, ttl, |out| out.extend_from_slice(data));
        self.full |= fits.is_none();
    }

    /// Those of the addresses that are of the type asked for.
    fn addresses(&mut self, owner: Owner<'_>, addresses: impl IntoIterator<Item = IpAddr>) {
        for address in addresses {
            match (address, self.query.question().kind()) {
                (IpAddr::V4(v4), RecordType::A) => self.put(owner, RecordType::A, &v4.octets()),
                (IpAddr::V6(v6), RecordType::AAAA) => self.put(owner, RecordType::AAAA, &v6.octets()),
                _ => {}
            }
        }
    }

    /// SRV records, and the addresses of their targets as far as there is room.
    fn locations(&mut self, owner: Owner<'_>, service: &ServiceRecords, records: &Records) {
        let set = &records.srv;
        let (behind, front) = set.split_at(self.responder.turn(set.len()));
        let mut first = None;
        let mut written = 0;
        for &srv in front.iter().chain(behind) {
            let Some(at) = self.location(owner, service, srv) else {
                self.full = true;
                break;
            };
            first.get_or_insert(at);
            written += 1;
        }
        if let Some(at) = first.filter(|_| !self.full) {
            self.targets(service, front.iter().chain(behind).take(written), at);
        }
    }

    /// One SRV record; gives the offset of its data.
    fn location(&mut self, owner: Owner<'_>, service: &ServiceRecords, srv: Srv) -> Option<usize> {
        let (apex, end) = (self.apex, self.query.question().end() - 4);
        let ttl = self.responder.zone.ttl();
        self.writer.record(Section::Answer, owner, RecordType::SRV, ttl, |out| {
            out.extend_from_slice(&[0, 0]);
            out.extend_from_slice(&srv.weight.to_be_bytes());
            out.extend_from_slice(&srv.port.to_be_bytes());
            // Uncompressed (RFC 2782): lower case, then the zone as the client spells it.
            service.emit_labels(service.target(srv).0, out);
            out.extend_from_within(apex..end);
        })
    }

    /// The addresses of SRV targets. The first record's data is at `at`; each target is written once.
    fn targets<'s>(&mut self, service: &ServiceRecords, set: impl Iterator<Item = &'s Srv>, mut at: usize) {
        let (mut first, mut last) = (None, None);
        for &srv in set {
            let (_, records) = service.target(srv);
            // The set is sorted by host and starts anywhere: only the first host may come back, at the end.
            let seen = last == Some(srv.host) || first == Some(srv.host);
            if !seen && !self.glue(Owner::At(at + 6), records.addresses()) {
                return;
            }
            first.get_or_insert(srv.host);
            last = Some(srv.host);
            at = self.behind(at);
        }
    }

    /// Offset of the data of the record behind the one whose data is at `at`; their owners are pointers.
    fn behind(&self, at: usize) -> usize {
        let length = self
            .writer
            .bytes()
            .get(at - 2..at)
            .map_or(0, |bytes| usize::from(bytes[0]) << 8 | usize::from(bytes[1]));
        at + length + 12
    }

    /// Additional addresses; false when there is no more room. Leaving them out cuts nothing short (RFC 2181 section 9).
    fn glue(&mut self, owner: Owner<'_>, addresses: impl IntoIterator<Item = IpAddr>) -> bool {
        let ttl = self.responder.zone.ttl();
        addresses.into_iter().all(|address| {
            let written = match address {
                IpAddr::V4(v4) => self.writer.record(Section::Additional, owner, RecordType::A, ttl, |out| {
                    out.extend_from_slice(&v4.octets());
                }),
                IpAddr::V6(v6) => {
                    self.writer.record(Section::Additional, owner, RecordType::AAAA, ttl, |out| {
                        out.extend_from_slice(&v6.octets());
                    })
                }
            };
            written.is_some()
        })
    }

    fn name_server(&mut self, owner: Owner<'_>) {
        let (apex, ttl) = (self.apex, self.responder.zone.ttl());
        let at = self.writer.record(Section::Answer, owner, RecordType::NS, ttl, |out| {
            out.extend_from_slice(b"\x02ns\x03dns");
            push_pointer(apex, out);
        });
        if let Some(at) = at {
            self.glue(Owner::At(at), self.responder.zone.addresses().iter().copied());
        }
    }

    fn version(&mut self, owner: Owner<'_>) {
        self.writer.record(Section::Answer, owner, RecordType::TXT, SCHEMA_TTL, |out| {
            out.extend(u8::try_from(SCHEMA_VERSION.len()));
            out.extend_from_slice(SCHEMA_VERSION);
        });
    }

    /// The smallest answer that there is to ANY (RFC 8482 section 4.2).
    fn any(&mut self) -> Content {
        let ttl = self.responder.zone.ttl();
        self.writer.record(Section::Answer, Owner::QUESTION, RecordType::HINFO, ttl, |out| {
            out.extend_from_slice(b"\x07RFC8482\x00");
        });
        Content::Records
    }

    /// The SOA record that a negative answer needs (RFC 2308).
    fn negative(&mut self, rcode: Rcode) -> Rcode {
        self.soa(Section::Authority);
        rcode
    }

    fn soa(&mut self, section: Section) {
        let (apex, serial, minimum) = (self.apex, self.responder.serial, self.responder.zone.ttl());
        self.writer.record(section, Owner::At(apex), RecordType::SOA, minimum.min(300), |out| {
            out.extend_from_slice(b"\x02ns\x03dns");
            push_pointer(apex, out);
            out.extend_from_slice(b"\x0ahostmaster");
            push_pointer(apex, out);
            for number in [serial, 7200, 1800, 86_400, minimum] {
                out.extend_from_slice(&number.to_be_bytes());
            }
        });
    }

    /// An alias that leaves the zone: an upstream server knows the rest, if there is one.
    fn leave_zone(mut self, target: &Name) -> Outcome {
        self.mark_cut();
        if !self.responder.forwarding || self.full {
            self.writer.finish(Rcode::NOERROR);
            return Outcome::Answer;
        }
        Outcome::Forward(Box::new(Forward::chase(self.query, target, self.writer)))
    }

    /// Over TCP there is no larger answer to ask for: what fits is the answer, another part the next time.
    fn mark_cut(&mut self) {
        match (self.full, self.stream) {
            (true, false) => self.writer.set(Header::TC),
            (true, true) => drop(self.responder.counters.trimmed.fetch_add(1, Ordering::Relaxed)),
            (false, _) => {}
        }
    }
}
