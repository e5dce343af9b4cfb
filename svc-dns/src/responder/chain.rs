//! Aliases: ExternalName Services and what they lead to.

use super::answer::{Answer, Content};
use crate::{
    index::RECORD_HEAD,
    message::{Header, Owner, QuestionName, RecordType, Section},
    zone::Found,
};

/// More aliases in a row are taken for a loop.
const LONGEST_CHAIN: usize = 10;

impl<'r> Answer<'r, '_, '_> {
    /// Writes the alias (a whole record), and what is at its target as far as that is in the zones.
    pub(super) fn follow(&mut self, alias: &'r [u8]) -> Content<'r> {
        let mut target = &alias[RECORD_HEAD..];
        let mut owner = Header::LEN;
        for _ in 0..LONGEST_CHAIN {
            let ttl = self.responder.zone.ttl();
            let data = |out: &mut Vec<u8>| out.extend_from_slice(target);
            let written = self.writer.record(Section::Answer, Owner::At(owner), RecordType::CNAME, ttl, data);
            let Some(at) = written else {
                self.full = true;
                return Content::Records;
            };
            if self.query.question().kind() == RecordType::CNAME {
                return Content::Records;
            }
            match self.find(&QuestionName::lower(target)) {
                None => return Content::Alias(target),
                Some(Found::Alias(next)) => (target, owner) = (&next[RECORD_HEAD..], at),
                Some(Found::Nothing) if !self.responder.synced => return self.drop_chain(Content::NoName),
                // Not the apex and its kin: their names would be spelled by the zone's place in the question.
                Some(
                    found @ (Found::Service(..) | Found::Pod(_) | Found::Pointers(_) | Found::NameServer),
                ) => {
                    return match self.records(Owner::At(at), &found) {
                        Content::Records => Content::Records,
                        _ => self.drop_chain(Content::NoData),
                    };
                }
                Some(_) => break,
            }
        }
        self.drop_chain(Content::NoData)
    }

    /// An alias to nothing is left out altogether.
    fn drop_chain(&mut self, content: Content<'r>) -> Content<'r> {
        self.writer.clear_records(self.query.question().end());
        content
    }
}
