//! The way back: an answer to what was asked becomes an answer to what the client asked.

use super::{AnswerRule, Rewriting, TtlBounds, renamed};
use crate::message::{
    Header, Name, Owner, Rcode, Record, RecordType, Reply, Section, Writer, all_records, records,
};

/// How to undo a rewriting.
#[derive(Clone, Debug)]
pub(crate) struct Undo {
    id: u16,
    /// Of the client: name, type and class.
    question: Vec<u8>,
    asked_instead: Option<Name>,
    /// The client sees that name, as the target of an alias.
    alias: bool,
    answers: Vec<AnswerRule>,
    ttl: Option<TtlBounds>,
    needed: bool,
}

impl Undo {
    pub(super) fn new(question: &[u8], id: u16) -> Self {
        let question = question.to_vec();
        Self {
            id,
            question,
            asked_instead: None,
            alias: false,
            answers: Vec::new(),
            ttl: None,
            needed: false,
        }
    }

    /// The answer about `target` becomes one in which the name asked for is an alias of it. The alias lives as long as the answer.
    pub(crate) fn alias(question: &[u8], id: u16, target: &Name) -> Self {
        Self { asked_instead: Some(target.clone()), alias: true, ..Self::new(question, id) }
    }

    pub(super) fn is_needed(&self) -> bool {
        self.needed
    }

    pub(super) fn needed(&mut self) {
        self.needed = true;
    }

    pub(super) fn renamed(&mut self, answers: &[AnswerRule], auto: Option<Rewriting>) {
        self.needed = true;
        self.answers.extend_from_slice(answers);
        if let Some(rewriting) = auto {
            let both = [false, true].map(|in_data| AnswerRule { rewriting: rewriting.clone(), in_data });
            self.answers.extend(both);
        }
    }

    pub(super) fn bounded(&mut self, bounds: TtlBounds) {
        self.needed = true;
        self.ttl = Some(bounds);
    }

    pub(super) fn asked_instead(&mut self, name: &Name) {
        self.asked_instead = Some(name.clone());
    }

    /// Rewrites a whole answer in place. One that cannot be read becomes SERVFAIL.
    pub(crate) fn apply(&self, limit: usize, out: &mut Vec<u8>) {
        let answer = std::mem::take(out);
        let parsed = Reply::parse(&answer).ok().map(|reply| (*reply.header(), reply.question().end()));
        let taken = parsed.and_then(|(header, end)| Some((header, all_records(&answer, end).ok()?, end)));
        let Some((header, set, end)) = taken else {
            let header = Header { id: self.id, flags: Header::QR, counts: [1, 0, 0, 0] };
            self.write(header, &[], &[], limit, Rcode::SERVFAIL, out);
            return;
        };
        let opt = records(&answer, end).map_while(Result::ok).find(|record| record.kind == RecordType::OPT);
        let opt = opt.map_or(&[][..], |opt| &answer[opt.whole]);
        self.write(header, &set, opt, limit, header.rcode(), out);
    }

    fn write(
        &self,
        header: Header,
        set: &[(Section, Record)],
        opt: &[u8],
        limit: usize,
        rcode: Rcode,
        out: &mut Vec<u8>,
    ) {
        Header { id: self.id, flags: header.flags, counts: [1, 0, 0, 0] }.emit(out);
        out.extend_from_slice(&self.question);
        let Some(mut writer) = Writer::resume(out, None, limit.saturating_sub(opt.len())) else { return };
        let owner = self.write_alias(set, &mut writer);
        for (section, record) in set.iter().filter(|(_, record)| record.kind != RecordType::OPT) {
            if !self.put(*section, record, owner, &mut writer) {
                writer.set(Header::TC);
                break;
            }
        }
        writer.finish(rcode);
        if !opt.is_empty() {
            out.extend_from_slice(opt);
            let additionals = u16::from_be_bytes([out[10], out[11]]) + 1;
            out[10..12].copy_from_slice(&additionals.to_be_bytes());
        }
    }

    /// Gives the owner of the records at the name that was asked for instead.
    fn write_alias(&self, set: &[(Section, Record)], writer: &mut Writer<'_>) -> Owner<'static> {
        let Some(target) = self.asked_instead.as_ref().filter(|_| self.alias) else { return Owner::QUESTION };
        let answers = set.iter().filter(|(section, _)| *section == Section::Answer);
        let ttl = answers.map(|(_, record)| record.ttl).min().unwrap_or_default();
        let data = |out: &mut Vec<u8>| out.extend_from_slice(target.wire());
        let at = writer.record(Section::Answer, Owner::QUESTION, RecordType::CNAME, ttl, data);
        at.map_or(Owner::QUESTION, Owner::At)
    }

    fn put(&self, section: Section, record: &Record, own: Owner<'_>, writer: &mut Writer<'_>) -> bool {
        let ttl = self.ttl.map_or(record.ttl, |bounds| record.ttl.max(bounds.min).min(bounds.max));
        let data = |out: &mut Vec<u8>| self.emit_data(record, out);
        let mapped;
        let owner = if self.asked_instead.as_ref() == Some(&record.name) {
            own
        } else {
            mapped = renamed(&record.name, &self.answers, false);
            Owner::Wire(mapped.as_ref().unwrap_or(&record.name).wire())
        };
        writer.record(section, owner, record.kind, ttl, data).is_some()
    }

    /// The data, with the names in it rewritten.
    fn emit_data(&self, record: &Record, out: &mut Vec<u8>) {
        let wire = record.data.wire();
        let (fixed, names) = match record.kind {
            RecordType::NS | RecordType::CNAME | RecordType::PTR => (0, 1),
            RecordType::SOA => (0, 2),
            RecordType::MX => (2, 1),
            RecordType::SRV => (6, 1),
            _ => (0, 0),
        };
        let mut at = fixed.min(wire.len());
        out.extend_from_slice(&wire[..at]);
        for _ in 0..names {
            let Ok(name) = Name::parse(wire, &mut at) else { break };
            let mapped = renamed(&name, &self.answers, true);
            out.extend_from_slice(mapped.as_ref().unwrap_or(&name).wire());
        }
        out.extend_from_slice(&wire[at..]);
    }
}
