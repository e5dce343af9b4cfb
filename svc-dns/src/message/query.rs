//! Queries as they come from clients.

use super::{Class, Edns, Header, Name, Opcode, ParseError, Question, RecordType, u16_at, u32_at};

/// A query with exactly one question.
#[derive(Clone, Debug)]
pub struct Query<'m> {
    /// Header and question.
    front: &'m [u8],
    header: Header,
    question: Question<'m>,
    edns: Option<Edns>,
    /// The data of the OPT record.
    options: &'m [u8],
}

/// Why a message is not a [`Query`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// Too short for a header, or itself a response: an answer could start a loop between two servers.
    #[error("not a query")]
    Silence,
    /// The header can be read and asks for something other than a query.
    #[error("opcode {} is not implemented", .0.number())]
    Opcode(Opcode),
    /// The header can be read and counts no question.
    #[error("no question")]
    NoQuestion,
    /// The header can be read; what follows breaks the format.
    #[error(transparent)]
    Malformed(ParseError),
}

impl<'m> Query<'m> {
    /// Reads a query. Answer and authority records are read over; of the additional ones only OPT counts.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn parse(message: &'m [u8]) -> Result<Self, QueryError> {
        let header = Header::parse(message).map_err(|_| QueryError::Silence)?;
        if header.has(Header::QR) {
            return Err(QueryError::Silence);
        }
        if header.opcode() != Opcode::QUERY {
            return Err(QueryError::Opcode(header.opcode()));
        }
        match header.counts[0] {
            0 => return Err(QueryError::NoQuestion),
            1 => {}
            _ => return Err(QueryError::Malformed(ParseError { at: 4, expected: "one question" })),
        }
        let question = Question::parse(message).map_err(QueryError::Malformed)?;
        let opt = find_edns(message, &header, question.end()).map_err(QueryError::Malformed)?;
        let (edns, options) = opt.map_or((None, &[][..]), |(edns, options)| (Some(edns), options));
        Ok(Self { front: &message[..question.end()], header, question, edns, options })
    }

    /// The message that asks for records of one type, recursion desired, without EDNS.
    #[must_use]
    pub fn emit(id: u16, name: &Name, kind: RecordType) -> Vec<u8> {
        let mut out = Vec::with_capacity(Header::LEN + name.wire().len() + 4);
        Header { id, flags: Header::RD, counts: [1, 0, 0, 0] }.emit(&mut out);
        out.extend_from_slice(name.wire());
        out.extend_from_slice(&kind.number().to_be_bytes());
        out.extend_from_slice(&Class::IN.number().to_be_bytes());
        out
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The question.
    #[must_use]
    pub const fn question(&self) -> &Question<'m> {
        &self.question
    }

    /// Header and question as they came.
    pub(crate) const fn front(&self) -> &'m [u8] {
        self.front
    }

    /// What the OPT record says, if there is one.
    #[must_use]
    pub const fn edns(&self) -> Option<Edns> {
        self.edns
    }

    /// The EDNS options in wire form (RFC 6891 section 6.1.2), whatever they are; empty where there are none.
    #[must_use]
    pub const fn options(&self) -> &'m [u8] {
        self.options
    }
}

/// The OPT record and its options. Walks the records behind the question. Each takes eleven bytes or more, so the walk is as long as the message.
fn find_edns<'m>(
    message: &'m [u8],
    header: &Header,
    mut at: usize,
) -> Result<Option<(Edns, &'m [u8])>, ParseError> {
    let [_, answers, authorities, additionals] = header.counts.map(u32::from);
    let mut edns = None;
    for index in 0..answers + authorities + additionals {
        let owner = at;
        Name::skip(message, &mut at)?;
        let kind = RecordType::new(u16_at(message, at)?);
        let length = usize::from(u16_at(message, at + 8)?);
        if kind == RecordType::OPT && index >= answers + authorities {
            // RFC 6891 section 6.1.1: one at most, owned by the root.
            if edns.is_some() || at != owner + 1 {
                return Err(ParseError { at: owner, expected: "one OPT record, owned by the root" });
            }
            edns = Some((Edns::parse(message, at)?, &[][..]));
        }
        u32_at(message, at + 4)?;
        let data = at + 10;
        at = data + length;
        let Some(data) = message.get(data..at) else {
            return Err(ParseError { at: message.len(), expected: "the whole record" });
        };
        if let Some((_, options)) = edns.as_mut().filter(|_| kind == RecordType::OPT) {
            *options = data;
        }
    }
    Ok(edns)
}

/// The serial that the client of an IXFR query has: in the SOA record of the authority section (RFC 1995 section 3).
pub(crate) fn serial_of_ixfr(message: &[u8], query: &Query<'_>) -> Option<u32> {
    let [_, answers, authorities, _] = query.header.counts;
    if answers != 0 || authorities == 0 {
        return None;
    }
    let mut at = query.question.end();
    Name::skip(message, &mut at).ok()?;
    if RecordType::new(u16_at(message, at).ok()?) != RecordType::SOA {
        return None;
    }
    at += 10;
    Name::skip(message, &mut at).ok()?;
    Name::skip(message, &mut at).ok()?;
    u32_at(message, at).ok()
}
