//! Questions for upstream servers, and what becomes of the replies. Sans-IO, like the responder.

use crate::message::{Edns, Header, Name, Owner, Query, Rcode, Record, Reply, Section, Writer};

/// A question that an upstream server has to answer before the client gets its own answer.
///
/// Send [`query`](Self::query) to a server that is responsible for [`name`](Self::name); give what comes back to
/// [`finish`](Self::finish).
#[derive(Clone, Debug)]
pub struct Forward {
    name: Name,
    /// For the upstream server; its id is the client's.
    query: Vec<u8>,
    question_end: usize,
    edns: Option<Edns>,
    limit: usize,
    /// The client's answer up to an alias whose target is asked for, and the offset of that target.
    partial: Option<Vec<u8>>,
    /// What becomes of the target is not told.
    alias_alone: bool,
}

/// EDNS size for questions of our own: what passes without fragments everywhere (DNS flag day 2020).
const OWN_UDP_SIZE: u16 = 1232;

impl Forward {
    /// The client's own question.
    pub(crate) fn plain(message: &[u8], query: &Query<'_>, limit: usize) -> Self {
        Self {
            name: query.question().spelling(),
            query: message.to_vec(),
            question_end: query.question().end(),
            edns: query.edns(),
            limit,
            partial: None,
            alias_alone: false,
        }
    }

    /// The target of an alias; `answer` holds the alias.
    pub(crate) fn chase(query: &Query<'_>, target: &Name, answer: Writer<'_>) -> Self {
        let (edns, limit) = (query.edns(), answer.limit());
        let dnssec_ok = edns.is_some_and(|edns| edns.dnssec_ok);
        let flags = Header::RD | query.header().flags & Header::CD;
        let mut own = Vec::with_capacity(64);
        Header { id: query.header().id, flags, counts: [1, 0, 0, 1] }.emit(&mut own);
        own.extend_from_slice(target.wire());
        own.extend_from_slice(&query.question().kind().number().to_be_bytes());
        own.extend_from_slice(&query.question().class().number().to_be_bytes());
        let question_end = own.len();
        Edns::new(OWN_UDP_SIZE, dnssec_ok).emit(Rcode::NOERROR, &mut own);
        let partial = Some(answer.pause(Rcode::NOERROR).clone());
        let name = target.clone();
        Self { name, query: own, question_end, edns, limit, partial, alias_alone: false }
    }

    /// The alias alone is an answer, whatever the code is for its target: as CoreDNS has it, against RFC 6604.
    pub(crate) fn keeping_alias(mut self, on: bool) -> Self {
        self.alias_alone = on && self.partial.is_some();
        self
    }

    fn code(&self, rcode: Rcode) -> Rcode {
        if self.alias_alone { Rcode::NOERROR } else { rcode }
    }

    /// The name asked for: it decides which server is responsible.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Whether it is the target of an alias of the zone.
    #[must_use]
    pub fn is_chase(&self) -> bool {
        self.partial.is_some()
    }

    /// The message to send, with an `id` that nobody can guess.
    #[must_use]
    pub fn query(&self, id: u16) -> Vec<u8> {
        let mut query = self.query.clone();
        query[..2].copy_from_slice(&id.to_be_bytes());
        query
    }

    /// Writes the client's answer to `out`.
    ///
    /// `reply` is the server's message, with any id, or what to say without one: SERVFAIL when nobody answered, REFUSED when
    /// nobody is responsible. An alias of the zone is part of the answer in any case; where nobody is responsible for its target
    /// it is the whole answer, else the server's code holds for the chain (RFC 6604).
    pub fn finish(&self, reply: Result<&[u8], Rcode>, out: &mut Vec<u8>) {
        let outcome = match (reply, &self.partial) {
            (Ok(reply), None) => self.relay(reply, out),
            (Ok(reply), Some(partial)) => self.append(reply, partial, out),
            (Err(Rcode::REFUSED), Some(_)) => Err(Rcode::NOERROR),
            (Err(rcode), _) => Err(rcode),
        };
        if let Err(rcode) = outcome {
            self.fail(rcode, out);
        }
    }

    /// A reply to another question is no help.
    fn parse<'m>(&self, reply: &'m [u8]) -> Result<Reply<'m>, Rcode> {
        let question = &self.query[Header::LEN..self.question_end];
        let parsed =
            Reply::parse(reply).ok().filter(|reply| reply.question().raw().eq_ignore_ascii_case(question));
        parsed.ok_or(Rcode::SERVFAIL)
    }

    /// The server's message under the client's id, if the client can take it.
    fn relay(&self, reply: &[u8], out: &mut Vec<u8>) -> Result<(), Rcode> {
        let parsed = self.parse(reply)?;
        out.clear();
        if reply.len() <= self.limit {
            out.extend_from_slice(reply);
            // The client's spelling of the name, also if the server changed it.
            out[Header::LEN..self.question_end].copy_from_slice(&self.query[Header::LEN..self.question_end]);
            out[..2].copy_from_slice(&self.query[..2]);
            return Ok(());
        }
        let flags = parsed.header().flags | Header::TC;
        self.start(flags, out).ok_or(Rcode::SERVFAIL)?.finish(parsed.rcode());
        Ok(())
    }

    /// The alias, followed by the server's answer section.
    fn append(&self, reply: &[u8], partial: &[u8], out: &mut Vec<u8>) -> Result<(), Rcode> {
        let reply = self.parse(reply)?;
        let records = reply.answer_records().map_err(|_| Rcode::SERVFAIL)?;
        out.clear();
        out.extend_from_slice(partial);
        // The alias is the last record: its target ends the message.
        let target = partial.len() - self.name.wire().len();
        let mut writer = Writer::resume(out, self.edns, self.limit).ok_or(Rcode::SERVFAIL)?;
        writer.set(reply.header().flags & Header::TC);
        if !records.iter().all(|record| self.append_record(record, target, &mut writer)) {
            writer.set(Header::TC);
        }
        writer.finish(self.code(reply.rcode()));
        Ok(())
    }

    fn append_record(&self, record: &Record, target: usize, writer: &mut Writer<'_>) -> bool {
        let owner =
            if record.name == self.name { Owner::At(target) } else { Owner::Wire(record.name.wire()) };
        let data = |out: &mut Vec<u8>| out.extend_from_slice(record.data.wire());
        writer.record(Section::Answer, owner, record.kind, record.ttl, data).is_some()
    }

    /// An answer without the server's help.
    fn fail(&self, rcode: Rcode, out: &mut Vec<u8>) {
        out.clear();
        let writer = match &self.partial {
            Some(partial) => {
                out.extend_from_slice(partial);
                Writer::resume(out, self.edns, self.limit)
            }
            None => {
                let asked = u16::from_be_bytes([self.query[2], self.query[3]]);
                self.start(Header::QR | Header::RA | asked & (Header::RD | Header::CD), out)
            }
        };
        if let Some(writer) = writer {
            writer.finish(self.code(rcode));
        }
    }

    /// A response with the client's id and question.
    fn start<'o>(&self, flags: u16, out: &'o mut Vec<u8>) -> Option<Writer<'o>> {
        let id = u16::from_be_bytes([self.query[0], self.query[1]]);
        Header { id, flags, counts: [1, 0, 0, 0] }.emit(out);
        out.extend_from_slice(&self.query[Header::LEN..self.question_end]);
        Writer::resume(out, self.edns, self.limit)
    }
}

/// Whether `reply` answers `query`: the same id and question. Anything else on the socket is not ours, or forged.
#[must_use]
pub fn answers(query: &[u8], reply: &[u8]) -> bool {
    let Ok(sent) = Query::parse(query) else { return false };
    Reply::parse(reply).is_ok_and(|reply| reply.answers(sent.header().id, sent.question().raw()))
}

#[cfg(test)]
#[cfg(feature = "driver")]
mod tests;
