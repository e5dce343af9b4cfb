//! EDNS options that are answered: the name of the server (NSID, RFC 5001), how long a zone is good without its primary (EXPIRE, RFC
//! 7314), cookies (RFC 7873, RFC 9018), how long a connection may be idle (RFC 7828), padding of what is encrypted (RFC 7830, RFC 8467). All others are passed over (RFC 6891 section 6.1.2).

mod cookie;

use std::time::Duration;

use self::cookie::Jar;
use crate::{
    Client, Transport,
    message::{Header, Query, Rcode, RecordType, Section, Writer, records},
};

const NSID: u16 = 3;
const EXPIRE: u16 = 9;
const COOKIE: u16 = 10;
const KEEPALIVE: u16 = 11;
const PADDING: u16 = 12;

/// Answers are padded to a multiple of this (RFC 8467 section 4.1).
const BLOCK: usize = 468;

/// What a server says in options.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    name: Vec<u8>,
    jar: Jar,
    idle: Duration,
}

/// What is known of a client by its cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Nothing: its address may be forged.
    None,
    /// It has had an answer of ours at its address.
    Known,
}

impl Options {
    /// `name`: none, if it is empty. Servers behind one address share the `secret`; `idle` is how long connections may be.
    pub(crate) fn new(name: Vec<u8>, secret: [u8; 16], idle: Duration) -> Self {
        Self { name, jar: Jar::new(secret), idle }
    }

    /// Adds to an answer what the query's options ask for, as far as there is room for it; `now` is seconds since 1970. A cookie that
    /// breaks the format makes it a format error (RFC 7873 section 5.2.2).
    pub(crate) fn add(
        &self,
        query: &Query<'_>,
        client: Client,
        limit: usize,
        now: u32,
        answer: &mut Vec<u8>,
    ) -> Trust {
        let mut asked = Asked::default();
        for (code, data) in each(query.options()) {
            asked.note(code, data);
        }
        let cookie = match asked.cookie.map(|cookie| self.jar.bake(cookie, client.address.ip(), now)) {
            Some(None) => {
                Writer::reply(query, limit, answer).finish(Rcode::FORMERR);
                return Trust::None;
            }
            cookie => cookie.flatten(),
        };
        let expire = asked.expire.then(|| expire(answer)).flatten();
        let Some(mut opt) = Opt::at_the_end_of(answer, limit) else { return Trust::None };
        if asked.name && !self.name.is_empty() {
            opt.push(NSID, &self.name);
        }
        if let Some(seconds) = expire {
            opt.push(EXPIRE, &seconds);
        }
        if let Some((cookie, _)) = &cookie {
            opt.push(COOKIE, cookie);
        }
        if asked.keepalive && client.transport == Transport::Tcp {
            let tenths = u16::try_from(self.idle.as_millis() / 100).unwrap_or(u16::MAX);
            opt.push(KEEPALIVE, &tenths.to_be_bytes());
        }
        if asked.padding && client.encrypted {
            opt.pad();
        }
        cookie.map_or(Trust::None, |(_, trust)| trust)
    }
}

/// The options of a query that mean something here.
#[derive(Default)]
struct Asked<'m> {
    name: bool,
    expire: bool,
    cookie: Option<&'m [u8]>,
    keepalive: bool,
    padding: bool,
}

impl<'m> Asked<'m> {
    fn note(&mut self, code: u16, data: &'m [u8]) {
        match code {
            NSID => self.name = true,
            EXPIRE => self.expire = true,
            // The first counts (RFC 7873 section 5.2).
            COOKIE => self.cookie = self.cookie.or(Some(data)),
            KEEPALIVE => self.keepalive = true,
            PADDING => self.padding = true,
            _ => {}
        }
    }
}

/// Codes and data. What breaks the format ends the list.
fn each(mut options: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let &[code_high, code_low, high, low] = options.get(..4)? else { return None };
        let (data, rest) = options[4..].split_at_checked(u16::from_be_bytes([high, low]).into())?;
        options = rest;
        Some((u16::from_be_bytes([code_high, code_low]), data))
    })
}

/// The expiry of a zone of ours, if the answer is its SOA record.
fn expire(answer: &[u8]) -> Option<[u8; 4]> {
    let reply = crate::message::Reply::parse(answer).ok().filter(|reply| reply.header().has(Header::AA))?;
    let mut all = records(answer, reply.question().end()).map_while(Result::ok);
    let soa = all.find(|record| record.section == Section::Answer && record.kind == RecordType::SOA)?;
    // In front of the minimum.
    answer[soa.data].last_chunk::<8>().and_then(|last| last.first_chunk()).copied()
}

/// The OPT record of an answer, as the last thing in it.
struct Opt<'a> {
    answer: &'a mut Vec<u8>,
    /// Where its data starts.
    start: usize,
    limit: usize,
}

impl<'a> Opt<'a> {
    fn at_the_end_of(answer: &'a mut Vec<u8>, limit: usize) -> Option<Self> {
        let end = crate::message::Reply::parse(answer).ok()?.question().end();
        let record = records(answer, end).map_while(Result::ok).last()?;
        let is_opt = record.section == Section::Additional && record.kind == RecordType::OPT;
        let start = record.data.start;
        (is_opt && record.data.end == answer.len()).then_some(Self { answer, start, limit })
    }

    /// False when there is no room.
    fn push(&mut self, code: u16, data: &[u8]) -> bool {
        let (head, length) = (self.start - 2, self.answer.len() - self.start + 4 + data.len());
        let (Ok(own), Ok(all)) = (u16::try_from(data.len()), u16::try_from(length)) else { return false };
        if self.start + length > self.limit {
            return false;
        }
        self.answer.extend_from_slice(&code.to_be_bytes());
        self.answer.extend_from_slice(&own.to_be_bytes());
        self.answer.extend_from_slice(data);
        self.answer[head..self.start].copy_from_slice(&all.to_be_bytes());
        true
    }

    fn pad(&mut self) {
        let zeros = [0; BLOCK];
        let length = self.answer.len() + 4;
        let wanted = length.next_multiple_of(BLOCK).min(self.limit).saturating_sub(length);
        self.push(PADDING, &zeros[..wanted]);
    }
}

#[cfg(test)]
mod tests;
