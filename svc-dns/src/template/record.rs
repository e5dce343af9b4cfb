//! Records as a zone file writes them (RFC 1035 section 5).

use crate::message::{Name, RecordType};

/// A record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) name: Name,
    pub(super) ttl: u32,
    pub(super) kind: RecordType,
    pub(super) data: Vec<u8>,
}

const SHORT: &str = "NAME [TTL] [IN] TYPE DATA is needed";

impl Line {
    pub(super) fn parse(line: &str) -> Result<Self, &'static str> {
        let words = words(line);
        let mut words = words.iter().map(String::as_str).peekable();
        let name = words.next().and_then(|word| word.parse().ok()).ok_or("it has no owner name")?;
        let mut ttl = 3600;
        while let Some(&word) = words.peek() {
            match word.parse() {
                Ok(seconds) => ttl = seconds,
                Err(_) if word.eq_ignore_ascii_case("IN") || word.eq_ignore_ascii_case("ANY") => {}
                Err(_) => break,
            }
            words.next();
        }
        let kind = RecordType::from_text(words.next().ok_or(SHORT)?).ok_or("its type is not known here")?;
        let rest: Vec<&str> = words.collect();
        Ok(Self { name, ttl, kind, data: data(kind, &rest)? })
    }
}

/// Words, with quotes taken off and the brackets of long records left out.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('"').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.replace(['(', ')'], " ").split_ascii_whitespace().map(str::to_owned));
        }
    }
    words
}

fn data(kind: RecordType, words: &[&str]) -> Result<Vec<u8>, &'static str> {
    const BAD: &str = "its data is not what its type needs";
    let mut out = Vec::new();
    match (kind, words) {
        (RecordType::A, [address]) => {
            out.extend(address.parse::<std::net::Ipv4Addr>().map_err(|_| BAD)?.octets());
        }
        (RecordType::AAAA, [address]) => {
            out.extend(address.parse::<std::net::Ipv6Addr>().map_err(|_| BAD)?.octets());
        }
        (RecordType::CNAME | RecordType::PTR | RecordType::NS, [target]) => push_name(target, &mut out)?,
        (RecordType::MX, [preference, exchange]) => {
            out.extend(preference.parse::<u16>().map_err(|_| BAD)?.to_be_bytes());
            push_name(exchange, &mut out)?;
        }
        (RecordType::SRV, [numbers @ .., target]) if numbers.len() == 3 => {
            for number in numbers {
                out.extend(number.parse::<u16>().map_err(|_| BAD)?.to_be_bytes());
            }
            push_name(target, &mut out)?;
        }
        (RecordType::SOA, [server, mailbox, numbers @ ..]) if numbers.len() == 5 => {
            push_name(server, &mut out)?;
            push_name(mailbox, &mut out)?;
            for number in numbers {
                out.extend(number.parse::<u32>().map_err(|_| BAD)?.to_be_bytes());
            }
        }
        (RecordType::TXT, [_, ..]) => {
            for word in words {
                out.push(u8::try_from(word.len()).map_err(|_| BAD)?);
                out.extend_from_slice(word.as_bytes());
            }
        }
        (RecordType::HINFO, [cpu, os]) => {
            for word in [cpu, os] {
                out.push(u8::try_from(word.len()).map_err(|_| BAD)?);
                out.extend_from_slice(word.as_bytes());
            }
        }
        _ => return Err(BAD),
    }
    Ok(out)
}

fn push_name(word: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let name: Name = word.parse().map_err(|_| "a name in it is none")?;
    out.extend_from_slice(name.wire());
    Ok(())
}
