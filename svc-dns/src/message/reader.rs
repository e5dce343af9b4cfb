//! Replies of servers.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use super::{Class, Header, Labels, Name, ParseError, Question, Rcode, RecordType, u16_at, u32_at};

/// A response with its question; the records are read when asked for.
#[derive(Clone, Debug)]
pub struct Reply<'m> {
    message: &'m [u8],
    header: Header,
    question: Question<'m>,
}

/// A record of the Internet class.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Owner.
    pub name: Name,
    /// Type.
    pub kind: RecordType,
    /// Class, as it is on the wire.
    pub class: Class,
    /// Seconds that it may be kept.
    pub ttl: u32,
    /// What it says, names inside it uncompressed.
    pub data: RecordData,
}

/// The data of a record in wire form, free of compression pointers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordData(Vec<u8>);

impl RecordData {
    #[cfg(test)]
    pub(super) fn new(wire: &[u8]) -> Self {
        Self(wire.to_vec())
    }

    /// The bytes.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.0
    }
}

impl Record {
    /// The address in an A or AAAA record.
    #[must_use]
    pub fn address(&self) -> Option<IpAddr> {
        match self.kind {
            RecordType::A => {
                <[u8; 4]>::try_from(self.data.wire()).ok().map(|octets| Ipv4Addr::from(octets).into())
            }
            RecordType::AAAA => {
                <[u8; 16]>::try_from(self.data.wire()).ok().map(|octets| Ipv6Addr::from(octets).into())
            }
            _ => None,
        }
    }

    /// The name in a CNAME, PTR, NS or SRV record.
    #[must_use]
    pub fn target(&self) -> Option<Name> {
        let mut at = match self.kind {
            RecordType::CNAME | RecordType::PTR | RecordType::NS => 0,
            RecordType::SRV => 6,
            _ => return None,
        };
        Name::parse(self.data.wire(), &mut at).ok()
    }

    /// Priority, weight and port of an SRV record (RFC 2782).
    #[must_use]
    pub fn location(&self) -> Option<[u16; 3]> {
        let number = |at| u16_at(self.data.wire(), at).ok();
        (self.kind == RecordType::SRV).then(|| Some([number(0)?, number(2)?, number(4)?])).flatten()
    }
}

impl fmt::Display for Record {
    /// As in a zone file; types that are not read here as RFC 3597 writes them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} IN {} ", self.name, self.ttl, self.kind)?;
        if let Some(address) = self.address() {
            return write!(f, "{address}");
        }
        if let Some([priority, weight, port]) = self.location() {
            write!(f, "{priority} {weight} {port} ")?;
        }
        match (self.target(), self.kind) {
            (Some(target), _) => write!(f, "{target}"),
            (None, RecordType::TXT) => texts(self.data.wire(), f),
            (None, RecordType::SOA) => authority(self.data.wire(), f),
            (None, _) => hexadecimal(self.data.wire(), f),
        }
    }
}

/// As RFC 3597 section 5 writes data of types that are not known.
fn hexadecimal(data: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "\\# {} ", data.len())?;
    data.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Quoted, with spaces between them.
fn texts(data: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let texts: Vec<String> = Labels::of(data).map(|text| format!("\"{}\"", text.escape_ascii())).collect();
    f.write_str(&texts.join(" "))
}

/// Primary server, mailbox, serial, refresh, retry, expire, minimum.
fn authority(data: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut at = 0;
    let names = [Name::parse(data, &mut at), Name::parse(data, &mut at)];
    let numbers = data.get(at..).and_then(|rest| rest.first_chunk::<20>());
    let ([Ok(server), Ok(mailbox)], Some(numbers)) = (names, numbers) else { return hexadecimal(data, f) };
    write!(f, "{server} {mailbox}")?;
    let number = |word: &[u8]| word.iter().fold(0_u32, |number, &byte| number << 8 | u32::from(byte));
    numbers.chunks_exact(4).try_for_each(|word| write!(f, " {}", number(word)))
}

impl<'m> Reply<'m> {
    /// Reads header and question.
    ///
    /// # Errors
    /// When this is no response, or it does not hold exactly one question.
    pub fn parse(message: &'m [u8]) -> Result<Self, ParseError> {
        let header = Header::parse(message)?;
        if !header.has(Header::QR) || header.counts[0] != 1 {
            return Err(ParseError { at: 2, expected: "a response with one question" });
        }
        Ok(Self { message, header, question: Question::parse(message)? })
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Whether this answers the query with this id and question (letters may differ in case).
    #[must_use]
    pub fn answers(&self, id: u16, question: &[u8]) -> bool {
        self.header.id == id && self.question.raw().eq_ignore_ascii_case(question)
    }

    /// The response code without its EDNS extension.
    #[must_use]
    pub const fn rcode(&self) -> Rcode {
        self.header.rcode()
    }

    /// The question.
    #[must_use]
    pub const fn question(&self) -> &Question<'m> {
        &self.question
    }

    /// The records of the answer section.
    ///
    /// # Errors
    /// At the first record that breaks the format.
    pub fn answer_records(&self) -> Result<Vec<Record>, ParseError> {
        let mut at = self.question.end();
        (0..self.header.counts[1]).map(|_| record(self.message, &mut at)).collect()
    }
}

pub(super) fn record(message: &[u8], at: &mut usize) -> Result<Record, ParseError> {
    let name = Name::parse(message, at)?;
    let kind = RecordType::new(u16_at(message, *at)?);
    let class = Class::new(u16_at(message, *at + 2)?);
    let ttl = u32_at(message, *at + 4)?;
    let start = *at + 10;
    let end = start + usize::from(u16_at(message, *at + 8)?);
    if end > message.len() {
        return Err(ParseError { at: start, expected: "the whole record" });
    }
    *at = end;
    Ok(Record { name, kind, class, ttl, data: RecordData(data(message, kind, start, end)?) })
}

/// The data with its names uncompressed. Only the types of RFC 1035 may hold compressed names (RFC 3597 section 4), and SRV
/// from senders older than RFC 2782.
fn data(message: &[u8], kind: RecordType, start: usize, end: usize) -> Result<Vec<u8>, ParseError> {
    let (fixed, names) = match kind {
        RecordType::NS | RecordType::CNAME | RecordType::PTR => (0, 1),
        RecordType::SOA => (0, 2),
        RecordType::MX => (2, 1),
        RecordType::SRV => (6, 1),
        _ => (0, 0),
    };
    let mut at = start + fixed;
    let short = ParseError { at: start, expected: "data as long as its type needs" };
    let mut out = message.get(start..at).ok_or(short)?.to_vec();
    for _ in 0..names {
        out.extend_from_slice(Name::parse(message, &mut at)?.wire());
    }
    out.extend_from_slice(message.get(at..end).ok_or(short)?);
    Ok(out)
}
