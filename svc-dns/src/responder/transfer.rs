//! Zone transfers (RFC 5936, RFC 1995).

use std::{net::IpAddr, vec};

use super::{Client, Outcome, Responder, Transport, reply};
use crate::{
    config::Realm,
    index::{RECORD_HEAD, RecordSet, ServiceKind, ServiceRecords},
    message::{Header, Labels, Query, Rcode, RecordType, Writer, push_pointer, serial_of_ixfr},
};

/// A zone on its way to a client on a stream: send what [`next_message`](Self::next_message) gives until it gives nothing.
///
/// It is the zone at one moment, however long it takes. There are the SOA record, the name servers with their addresses, then the
/// Services by name: ClusterIP Services with their addresses and ports, headless ones with their endpoints as well, ExternalNames;
/// in a reverse zone the names of addresses. Names of pods, and endpoints of ClusterIP Services, are left out, as CoreDNS does.
#[derive(Clone, Debug)]
pub struct Transfer {
    responder: Responder,
    header: Header,
    /// The question, its name being that of the zone.
    question: Vec<u8>,
    /// Records for the next message.
    ready: vec::IntoIter<Vec<u8>>,
    /// What did not fit any more.
    waiting: Option<Vec<u8>>,
    rest: Rest,
}

/// What comes behind the records that are ready.
#[derive(Clone, Debug)]
enum Rest {
    Services(vec::IntoIter<ServiceRecords>),
    Pointers(vec::IntoIter<(IpAddr, Vec<Vec<u8>>)>),
    Nothing,
}

/// Where the zone's name is in each message.
const APEX: usize = Header::LEN;
/// Room in a message; pointers to the zone's name reach anyway.
const LIMIT: usize = u16::MAX as usize;

impl Responder {
    /// Answers AXFR and IXFR.
    #[cold]
    pub(super) fn transfer(
        &self,
        message: &[u8],
        query: &Query<'_>,
        realm: Realm<'_>,
        client: Client,
        out: &mut Vec<u8>,
    ) -> Outcome {
        let limit = self.limit(query.edns(), client.transport);
        if !self.zone.transfers_to(client.address.ip()) {
            return reply(query, Rcode::REFUSED, limit, out);
        }
        if realm.apex() != 0 {
            return reply(query, Rcode::NOTAUTH, limit, out);
        }
        if !self.synced {
            return reply(query, Rcode::SERVFAIL, limit, out);
        }
        let incremental = query.question().kind() == RecordType::IXFR;
        let current =
            incremental && serial_of_ixfr(message, query).is_some_and(|serial| serial == self.serial);
        match (client.transport, incremental) {
            // RFC 1995 section 2: a single SOA record says that the client is up to date, over UDP also that it has to use TCP.
            (Transport::Udp, true) => self.single_soa(query, limit, out),
            (Transport::Tcp, true) if current => self.single_soa(query, limit, out),
            (Transport::Udp, false) => reply(query, Rcode::REFUSED, limit, out),
            (Transport::Tcp, _) => Outcome::Transfer(Box::new(Transfer::new(self, query, realm))),
        }
    }

    fn single_soa(&self, query: &Query<'_>, limit: usize, out: &mut Vec<u8>) -> Outcome {
        let mut writer = Writer::reply(query, limit, out);
        writer.set(Header::AA);
        writer.whole(crate::message::Section::Answer, &self.soa(APEX));
        writer.finish(Rcode::NOERROR);
        Outcome::Answer
    }
}

impl Transfer {
    fn new(responder: &Responder, query: &Query<'_>, realm: Realm<'_>) -> Self {
        let flags = Header::QR | Header::AA | query.header().flags & (Header::RD | Header::CD);
        let rest = match realm {
            Realm::Cluster(origin, _) => {
                Rest::Services(responder.index.services(origin.multicluster).into_iter())
            }
            Realm::Reverse(apex, _) => Rest::Pointers(responder.reverse_names(apex).into_iter()),
        };
        let header = Header { id: query.header().id, flags, counts: [1, 0, 0, 0] };
        let question = query.question().raw().to_vec();
        let (ready, waiting) = (Vec::new().into_iter(), None);
        let mut transfer = Self { responder: responder.clone(), header, question, ready, waiting, rest };
        transfer.ready = transfer.front(realm).into_iter();
        transfer
    }

    /// Writes the next message over `out`; false, and nothing in it, when all have been given.
    pub fn next_message(&mut self, out: &mut Vec<u8>) -> bool {
        out.clear();
        self.header.counts = [1, 0, 0, 0];
        self.header.emit(out);
        out.extend_from_slice(&self.question);
        while let Some(record) = self.next_record() {
            if out.len() + record.len() > LIMIT {
                self.waiting = Some(record);
                break;
            }
            out.extend_from_slice(&record);
            self.header.counts[1] += 1;
        }
        out[6..8].copy_from_slice(&self.header.counts[1].to_be_bytes());
        if self.header.counts[1] == 0 {
            out.clear();
        }
        !out.is_empty()
    }

    fn next_record(&mut self) -> Option<Vec<u8>> {
        if let Some(record) = self.waiting.take() {
            return Some(record);
        }
        loop {
            if let Some(record) = self.ready.next() {
                return Some(record);
            }
            self.ready = self.next_group()?.into_iter();
        }
    }

    /// The SOA record ends the zone as it begins it.
    fn next_group(&mut self) -> Option<Vec<Vec<u8>>> {
        let group = match &mut self.rest {
            Rest::Services(services) => services.next().map(|service| self.service(&service)),
            Rest::Pointers(pointers) => {
                pointers.next().map(|(address, names)| self.pointers(address, &names))
            }
            Rest::Nothing => return None,
        };
        group.or_else(|| {
            self.rest = Rest::Nothing;
            Some(vec![self.responder.soa(APEX).to_vec()])
        })
    }

    fn front(&self, realm: Realm<'_>) -> Vec<Vec<u8>> {
        let reverse = matches!(realm, Realm::Reverse(..));
        let mut records = vec![self.responder.soa(APEX).to_vec()];
        let mut glue = Vec::new();
        for server in self.responder.name_servers(realm) {
            let mut target = server.labels.clone();
            if reverse {
                target.extend_from_slice(self.responder.zone.naming_origin().wire());
            } else {
                push_pointer(APEX, &mut target);
                glue.extend(server.addresses.iter().map(|&address| self.address(&server.labels, address)));
            }
            records.push(self.record(&[], RecordType::NS, &target));
        }
        records.append(&mut glue);
        records
    }

    fn service(&self, service: &ServiceRecords) -> Vec<Vec<u8>> {
        let restricted = !self.responder.zone.exposed().every_namespace();
        if restricted && !self.responder.index.has_namespace(service.namespace()) {
            return Vec::new();
        }
        let name = [service.labels(), b"\x03svc"].concat();
        if let Some(alias) = service.alias() {
            return vec![self.record(&name, RecordType::CNAME, &alias[RECORD_HEAD..])];
        }
        let mut records = Vec::new();
        self.set(service, &[], service.own(), &mut records);
        for (port, set) in service.ports() {
            self.locations(service, port, set, &mut records);
        }
        if service.kind() == ServiceKind::Headless {
            for (host, set) in service.hosts() {
                records.extend(set.addresses().map(|address| self.address(&[host, &name].concat(), address)));
            }
        }
        records
    }

    /// Addresses and locations at the name with these labels in front.
    fn set(&self, service: &ServiceRecords, front: &[u8], set: RecordSet<'_>, records: &mut Vec<Vec<u8>>) {
        let owner = [front, service.labels(), b"\x03svc"].concat();
        records.extend(set.addresses().map(|address| self.address(&owner, address)));
        self.locations(service, front, set, records);
    }

    fn locations(
        &self,
        service: &ServiceRecords,
        front: &[u8],
        set: RecordSet<'_>,
        records: &mut Vec<Vec<u8>>,
    ) {
        let owner = [front, service.labels(), b"\x03svc"].concat();
        for srv in (0..set.locations()).map(|number| set.location(number)) {
            let alone = service.is_virtual() && self.responder.zone.is_coredns();
            let weight = if alone { 100 } else { srv.weight };
            let mut data = vec![0, 0];
            data.extend_from_slice(&weight.to_be_bytes());
            data.extend_from_slice(&srv.port.to_be_bytes());
            data.extend_from_slice(service.target(srv).0);
            data.extend_from_slice(service.labels());
            data.extend_from_slice(b"\x03svc");
            // Uncompressed (RFC 2782).
            data.extend_from_slice(&self.question[..self.question.len() - 4]);
            records.push(self.record(&owner, RecordType::SRV, &data));
        }
    }

    fn pointers(&self, address: IpAddr, names: &[Vec<u8>]) -> Vec<Vec<u8>> {
        let apex = Labels::of(&self.question[..self.question.len() - 4]).count();
        let whole = crate::config::reverse_name(address);
        let front = whole.labels().count().saturating_sub(apex);
        let owner: Vec<u8> = whole
            .labels()
            .take(front)
            .flat_map(|label| u8::try_from(label.len()).into_iter().chain(label.iter().copied()))
            .collect();
        let exposed = names.iter().filter(|name| self.responder.finder().exposes(name));
        exposed.map(|name| self.record(&owner, RecordType::PTR, name)).collect()
    }

    fn address(&self, owner: &[u8], address: IpAddr) -> Vec<u8> {
        match address {
            IpAddr::V4(v4) => self.record(owner, RecordType::A, &v4.octets()),
            IpAddr::V6(v6) => self.record(owner, RecordType::AAAA, &v6.octets()),
        }
    }

    /// A record owned by these labels in front of the zone.
    fn record(&self, owner: &[u8], kind: RecordType, data: &[u8]) -> Vec<u8> {
        let mut record = owner.to_vec();
        push_pointer(APEX, &mut record);
        record.extend_from_slice(&kind.number().to_be_bytes());
        record.extend_from_slice(&[0, 1]);
        record.extend_from_slice(&self.responder.zone.ttl().to_be_bytes());
        record.extend_from_slice(&u16::try_from(data.len()).unwrap_or_default().to_be_bytes());
        record.extend_from_slice(data);
        record
    }
}
