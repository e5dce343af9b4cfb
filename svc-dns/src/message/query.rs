//! Queries as they come from clients.

use std::fmt;

use super::{Class, Edns, Header, Name, Opcode, ParseError, RecordType, u16_at, u32_at};

/// A query with exactly one question.
#[derive(Clone, Debug)]
pub struct Query<'m> {
    header: Header,
    question: Question<'m>,
    edns: Option<Edns>,
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
        let edns = find_edns(message, &header, question.end()).map_err(QueryError::Malformed)?;
        Ok(Self { header, question, edns })
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

    /// What the OPT record says, if there is one.
    #[must_use]
    pub const fn edns(&self) -> Option<Edns> {
        self.edns
    }
}

/// Walks the records behind the question. Each takes eleven bytes or more, so the walk is as long as the message.
fn find_edns(message: &[u8], header: &Header, mut at: usize) -> Result<Option<Edns>, ParseError> {
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
            edns = Some(Edns::parse(message, at)?);
        }
        u32_at(message, at + 4)?;
        at += 10 + length;
        if at > message.len() {
            return Err(ParseError { at: message.len(), expected: "the whole record" });
        }
    }
    Ok(edns)
}

/// The question of a query.
#[derive(Clone, Debug)]
pub struct Question<'m> {
    /// Name, type and class as they are in the message.
    raw: &'m [u8],
    name: QuestionName,
    kind: RecordType,
    class: Class,
}

impl<'m> Question<'m> {
    /// Reads the question behind the header. A compressed name has nothing to point at: an error.
    pub(super) fn parse(message: &'m [u8]) -> Result<Self, ParseError> {
        let name = QuestionName::parse(message, Header::LEN)?;
        let at = Header::LEN + name.wire().len();
        let (kind, class) = (RecordType::new(u16_at(message, at)?), Class::new(u16_at(message, at + 2)?));
        Ok(Self { raw: &message[Header::LEN..at + 4], name, kind, class })
    }

    /// The name in lower case.
    #[must_use]
    pub const fn name(&self) -> &QuestionName {
        &self.name
    }

    /// The name as the client spells it.
    #[must_use]
    pub fn spelling(&self) -> Name {
        Name::from_wire(&self.raw[..self.name.len])
    }

    /// The type asked for.
    #[must_use]
    pub const fn kind(&self) -> RecordType {
        self.kind
    }

    /// The class asked for.
    #[must_use]
    pub const fn class(&self) -> Class {
        self.class
    }

    /// The bytes as they came: to be repeated in the answer.
    #[must_use]
    pub const fn raw(&self) -> &'m [u8] {
        self.raw
    }

    /// Offset in the message of what follows.
    #[must_use]
    pub const fn end(&self) -> usize {
        Header::LEN + self.raw.len()
    }
}

/// The name of a question in lower-case wire form, on the stack.
#[derive(Clone)]
pub struct QuestionName {
    bytes: [u8; Name::MAX_LEN],
    len: usize,
}

impl QuestionName {
    fn parse(message: &[u8], start: usize) -> Result<Self, ParseError> {
        let mut at = start;
        loop {
            let length = *message.get(at).ok_or(ParseError { at, expected: "a label" })?;
            if usize::from(length) > Name::MAX_LABEL {
                return Err(ParseError { at, expected: "an uncompressed name" });
            }
            at += usize::from(length) + 1;
            if length == 0 {
                break;
            }
        }
        let wire = message.get(start..at).filter(|wire| wire.len() <= Name::MAX_LEN);
        wire.map(Self::lower).ok_or(ParseError { at: start, expected: "a name of at most 255 bytes" })
    }

    /// Takes a valid wire form.
    pub(crate) fn lower(wire: &[u8]) -> Self {
        let mut bytes = [0; Name::MAX_LEN];
        bytes[..wire.len()].copy_from_slice(wire);
        bytes[..wire.len()].make_ascii_lowercase();
        Self { bytes, len: wire.len() }
    }

    /// The wire form, the root's zero byte included.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl From<&Name> for QuestionName {
    fn from(name: &Name) -> Self {
        Self::lower(name.wire())
    }
}

impl fmt::Debug for QuestionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "QuestionName({})", Name::from_wire(self.wire()))
    }
}
