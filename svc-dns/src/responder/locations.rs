//! SRV records and the addresses of their targets (RFC 2782).

use super::answer::Answer;
use crate::{
    config::Realm,
    index::{RecordSet, ServiceRecords, Srv},
    message::{Header, Owner, RecordType, Section},
};

impl Answer<'_, '_, '_> {
    /// Writes the locations, each once, beginning with another target in each answer; then, as far as there is room, addresses.
    pub(super) fn locations(&mut self, owner: Owner<'_>, service: &ServiceRecords, set: RecordSet<'_>) {
        let count = set.locations();
        let start = self.first_location(set);
        let location = |number: usize| set.location((start + number) % count);
        let mut first = None;
        for number in 0..count {
            let Some(at) = self.location(owner, service, location(number)) else {
                self.full = true;
                return;
            };
            first.get_or_insert(at);
        }
        let Some(mut at) = first else { return };
        for number in 0..count {
            let srv = location(number);
            // Those of one target stand together.
            let seen = number > 0 && location(number - 1).host == srv.host;
            if !seen && !self.glue(Owner::At(at + 6), service.target(srv).1.addresses()) {
                return;
            }
            at = self.behind(at);
        }
    }

    /// The first location of some target.
    fn first_location(&self, set: RecordSet<'_>) -> usize {
        let turn = self.responder.turn(set.locations());
        let host = |number: usize| set.location(number).host;
        (1..=turn).rev().find(|&at| host(at) != host(at - 1)).unwrap_or(0)
    }

    /// One record; gives the offset of its data.
    fn location(&mut self, owner: Owner<'_>, service: &ServiceRecords, srv: Srv) -> Option<usize> {
        let apex = match self.realm {
            Realm::Cluster(_, apex) | Realm::Reverse(_, apex) => Header::LEN + apex,
        };
        let end = self.query.question().end() - 4;
        let ttl = self.responder.zone.ttl();
        self.writer.record(Section::Answer, owner, RecordType::SRV, ttl, |out| {
            out.extend_from_slice(&[0, 0]);
            out.extend_from_slice(&srv.weight.to_be_bytes());
            out.extend_from_slice(&srv.port.to_be_bytes());
            // Uncompressed (RFC 2782): lower case, then the zone as the client spells it.
            out.extend_from_slice(service.target(srv).0);
            out.extend_from_slice(service.labels());
            out.extend_from_slice(b"\x03svc");
            out.extend_from_within(apex..end);
        })
    }

    /// Offset of the data of the record behind the one whose data is at `at`; their owners are pointers.
    fn behind(&self, at: usize) -> usize {
        let length = match self.writer.bytes().get(at - 2..at) {
            Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
            _ => 0,
        };
        at + length + 12
    }
}
