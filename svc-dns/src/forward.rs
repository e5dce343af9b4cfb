//! Questions for upstream servers, and what becomes of the replies. Sans-IO, like the responder.

mod question;

use crate::{
    cache::Hit,
    message::{Edns, Header, Name, Owner, Query, Rcode, Record, Reply, Section, Writer},
    responder::Transport,
    rewrite::Undo,
};

pub use self::question::Question;

/// A question that an upstream server has to answer before the client gets its own answer.
///
/// Send [`query`](Self::query) to a server that is responsible for [`name`](Self::name); give what comes back to
/// [`finish`](Self::finish).
#[derive(Clone, Debug)]
pub struct Forward {
    question: Question,
    edns: Option<Edns>,
    limit: usize,
    /// Flags of the client's query.
    asked: u16,
    /// The client's answer up to an alias whose target is asked for.
    partial: Option<Vec<u8>>,
    /// What becomes of the target is not told.
    alias_alone: bool,
    /// What else has to happen before the answer is the client's.
    after: After,
}

/// What [`Front`](crate::Front) does about the answer of a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct After {
    /// Makes it the answer to what the client asked for.
    pub(crate) undo: Option<Box<Undo>>,
    /// If the name does not exist: what to ask next, and what to say in the end.
    pub(crate) search: Option<Box<Search>>,
    /// In any case.
    pub(crate) finally: Option<Box<Undo>>,
    /// Which addresses come first.
    #[cfg(feature = "driver")]
    pub(crate) preferred: crate::front::Preferred,
}

/// The rest of a search path that the server walks for the client.
#[derive(Clone, Debug)]
pub(crate) struct Search {
    pub(crate) next: Vec<Forward>,
    /// The answer when none of them exists.
    pub(crate) nothing: Vec<u8>,
}

/// EDNS size for questions of our own: what passes without fragments everywhere (DNS flag day 2020).
const OWN_UDP_SIZE: u16 = 1232;

impl Forward {
    /// The client's own question.
    pub(crate) fn plain(message: &[u8], query: &Query<'_>, limit: usize) -> Self {
        Self {
            question: Question::relayed(message, query, transport(limit)),
            edns: query.edns(),
            limit,
            asked: query.header().flags,
            partial: None,
            alias_alone: false,
            after: After::default(),
        }
    }

    /// The target of an alias; `answer` holds the alias.
    pub(crate) fn chase(query: &Query<'_>, target: &Name, answer: Writer<'_>) -> Self {
        let (edns, limit) = (query.edns(), answer.limit());
        let partial = Some(answer.pause(Rcode::NOERROR).clone());
        Self {
            question: Question::of_target(query, target, transport(limit), OWN_UDP_SIZE),
            edns,
            limit,
            asked: query.header().flags,
            partial,
            alias_alone: false,
            after: After::default(),
        }
    }

    /// The alias alone is an answer, whatever the code is for its target: as CoreDNS has it, against RFC 6604.
    pub(crate) fn keeping_alias(mut self, on: bool) -> Self {
        self.alias_alone = on && self.partial.is_some();
        self
    }

    fn code(&self, rcode: Rcode) -> Rcode {
        if self.alias_alone { Rcode::NOERROR } else { rcode }
    }

    /// Keeps the reply out of the cache, and the cache out of the answer.
    pub(crate) fn uncached(mut self) -> Self {
        self.question.keep_out_of_cache();
        self
    }

    /// The longest answer that the client takes.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn after(&self) -> &After {
        &self.after
    }

    pub(crate) fn after_mut(&mut self) -> &mut After {
        &mut self.after
    }

    /// The name asked for: it decides which server is responsible.
    #[must_use]
    pub fn name(&self) -> &Name {
        self.question.name()
    }

    /// What a server is asked.
    #[must_use]
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// Whether it is the target of an alias of the zone.
    #[must_use]
    pub fn is_chase(&self) -> bool {
        self.partial.is_some()
    }

    /// The message to send, with an `id` that nobody can guess.
    #[must_use]
    pub fn query(&self, id: u16) -> Vec<u8> {
        self.question.message(id)
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

    /// Writes the client's answer from the cache.
    pub(crate) fn finish_hit(&self, hit: &Hit, out: &mut Vec<u8>) {
        let outcome = match &self.partial {
            None => self.repeat(hit, out),
            Some(partial) => {
                let mut reply = Vec::with_capacity(hit.message().len());
                hit.emit(&mut reply);
                self.append(&reply, partial, out)
            }
        };
        if let Err(rcode) = outcome {
            self.fail(rcode, out);
        }
    }

    /// A reply to another question is no help.
    fn parse<'m>(&self, reply: &'m [u8]) -> Result<Reply<'m>, Rcode> {
        let question = self.question.raw();
        let parsed =
            Reply::parse(reply).ok().filter(|reply| reply.question().raw().eq_ignore_ascii_case(question));
        parsed.ok_or(Rcode::SERVFAIL)
    }

    /// The server's message under the client's id, if the client can take it.
    fn relay(&self, reply: &[u8], out: &mut Vec<u8>) -> Result<(), Rcode> {
        let parsed = self.parse(reply)?;
        out.clear();
        if reply.len() > self.limit {
            return self.cut(parsed.header().flags, parsed.rcode(), out);
        }
        out.extend_from_slice(reply);
        self.restore_question(out);
        Ok(())
    }

    /// A remembered message: flags that depend on who asks, OPT of our own.
    fn repeat(&self, hit: &Hit, out: &mut Vec<u8>) -> Result<(), Rcode> {
        out.clear();
        hit.emit(out);
        self.restore_question(out);
        let header = Header::parse(out).map_err(|_| Rcode::SERVFAIL)?;
        let asked = self.asked & (Header::RD | Header::CD);
        let wants_ad = self.asked & Header::AD != 0 || self.edns.is_some_and(|edns| edns.dnssec_ok);
        let kept = if wants_ad { 0 } else { Header::AD };
        let flags = header.flags & !(Header::RD | Header::CD | kept) | asked | Header::AA;
        let size = out.len() + self.edns.map_or(0, |_| Edns::LEN);
        if size > self.limit {
            out.clear();
            return self.cut(flags, header.rcode(), out);
        }
        let mut writer = Writer::resume(out, self.edns, self.limit).ok_or(Rcode::SERVFAIL)?;
        writer.replace_flags(flags);
        writer.finish(header.rcode());
        Ok(())
    }

    /// The client's id, and its spelling of the name also if the server changed it.
    fn restore_question(&self, out: &mut [u8]) {
        let end = Header::LEN + self.question.raw().len();
        out[Header::LEN..end].copy_from_slice(self.question.raw());
        out[..2].copy_from_slice(&self.question.id().to_be_bytes());
    }

    /// Too long for the client: it has to come back over TCP.
    fn cut(&self, flags: u16, rcode: Rcode, out: &mut Vec<u8>) -> Result<(), Rcode> {
        self.start(flags | Header::TC, out).ok_or(Rcode::SERVFAIL)?.finish(rcode);
        Ok(())
    }

    /// The alias, followed by the server's answer section.
    fn append(&self, reply: &[u8], partial: &[u8], out: &mut Vec<u8>) -> Result<(), Rcode> {
        let reply = self.parse(reply)?;
        let records = reply.answer_records().map_err(|_| Rcode::SERVFAIL)?;
        out.clear();
        out.extend_from_slice(partial);
        // The alias is the last record: its target ends the message.
        let target = out.len() - self.name().wire().len();
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
            if record.name == *self.name() { Owner::At(target) } else { Owner::Wire(record.name.wire()) };
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
            None => self.start(Header::QR | Header::RA | self.asked & (Header::RD | Header::CD), out),
        };
        if let Some(writer) = writer {
            writer.finish(self.code(rcode));
        }
    }

    /// A response with the client's id and question.
    fn start<'o>(&self, flags: u16, out: &'o mut Vec<u8>) -> Option<Writer<'o>> {
        Header { id: self.question.id(), flags, counts: [1, 0, 0, 0] }.emit(out);
        out.extend_from_slice(self.question.raw());
        Writer::resume(out, self.edns, self.limit)
    }
}

/// Only a stream takes this much.
fn transport(limit: usize) -> Transport {
    if limit == usize::from(u16::MAX) { Transport::Tcp } else { Transport::Udp }
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
