//! Aliases: ExternalName Services and what they lead to.

use super::answer::{Answer, Content};
use crate::{
    message::{Header, Name, Owner, QuestionName, RecordType, Section},
    zone::{Found, find},
};

/// More aliases in a row are taken for a loop.
const LONGEST_CHAIN: usize = 10;

impl Answer<'_, '_, '_> {
    /// Writes the alias to `target`, and what is there, as far as it is in the zone.
    pub(super) fn follow(&mut self, target: &Name) -> Content {
        let mut target = target.clone();
        let mut owner = Header::LEN;
        for _ in 0..LONGEST_CHAIN {
            let ttl = self.responder.zone().ttl();
            let alias = |out: &mut Vec<u8>| out.extend_from_slice(target.wire());
            let written =
                self.writer.record(Section::Answer, Owner::At(owner), RecordType::CNAME, ttl, alias);
            let Some(at) = written else { return Content::Records };
            if self.query.question().kind() == RecordType::CNAME {
                return Content::Records;
            }
            let name = QuestionName::from(&target);
            let Some((realm, apex)) = self.responder.zone().realm_of(name.wire()) else {
                return Content::Alias(target);
            };
            match find(&self.responder.zone, &self.responder.index, name.wire(), realm, apex) {
                Found::Alias(next) => (target, owner) = (next.clone(), at),
                Found::Nothing if !self.responder.synced => return self.drop_chain(Content::NoName),
                // Not the apex and its kin: their names would be spelled by the zone's place in the question.
                found @ (Found::Service(..) | Found::Pod(_) | Found::Pointers(_) | Found::NameServer) => {
                    return match self.records(Owner::At(at), &found) {
                        Content::Records => Content::Records,
                        _ => self.drop_chain(Content::NoData),
                    };
                }
                _ => break,
            }
        }
        self.drop_chain(Content::NoData)
    }

    /// An alias to nothing is left out altogether.
    fn drop_chain(&mut self, content: Content) -> Content {
        self.writer.clear_records(self.query.question().end());
        content
    }
}
