//! A hosts file: addresses of names that nobody else knows, and the names of those addresses.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use crate::{
    config::ReverseName,
    domains::Domains,
    message::{Header, Labels, Name, Owner, Query, QuestionName, Rcode, RecordType, Section, Writer},
};

/// Names and addresses as `hosts(5)` writes them, and how they are answered.
///
/// ```
/// use svc_dns::Hosts;
///
/// let (hosts, problems) = Hosts::parse("192.0.2.7 printer.office printer # upstairs\n999.1.1.1 wrong");
/// assert_eq!(hosts.len(), 2);
/// assert_eq!(problems[0].to_string(), "line 2: \"999.1.1.1\" is no address");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts {
    /// By lower-case wire form.
    addresses: HashMap<Box<[u8]>, Vec<IpAddr>>,
    names: HashMap<IpAddr, Vec<Name>>,
    ttl: u32,
    reverse: bool,
    zones: Domains,
    fallthrough: Domains,
}

/// A line of a hosts file that says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostsProblem {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for HostsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

/// What hosts say to a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// The answer is written.
    Answer,
    /// Somebody else may know.
    Nothing,
}

impl Default for Hosts {
    fn default() -> Self {
        Self {
            addresses: HashMap::new(),
            names: HashMap::new(),
            ttl: 3600,
            reverse: true,
            zones: Domains::all(),
            fallthrough: Domains::all(),
        }
    }
}

impl Hosts {
    /// Reads a hosts file. Lines that say nothing are left out and told.
    #[must_use]
    pub fn parse(text: &str) -> (Self, Vec<HostsProblem>) {
        let mut hosts = Self::default();
        let mut problems = Vec::new();
        for (index, line) in text.lines().enumerate() {
            if let Err(problem) = hosts.add_line(line) {
                problems.push(HostsProblem { line: index + 1, problem });
            }
        }
        (hosts, problems)
    }

    /// Adds what one line says.
    pub(crate) fn add_line(&mut self, line: &str) -> Result<(), String> {
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let Some(address) = words.next() else { return Ok(()) };
        // A scope (`fe80::1%lo0`) has no place in a record.
        let bare = address.split('%').next().unwrap_or_default();
        let ip = bare.parse::<IpAddr>().map_err(|_| format!("{address:?} is no address"))?;
        let mut problem = Ok(());
        let mut names = 0;
        for word in words {
            match word.parse::<Name>() {
                Ok(name) => self.add(ip, &name),
                Err(error) => problem = Err(error.to_string()),
            }
            names += 1;
        }
        if names == 0 { Err(format!("{address} has no name")) } else { problem }
    }

    /// Adds one name.
    pub fn add(&mut self, address: IpAddr, name: &Name) {
        let addresses = self.addresses.entry(name.to_lowercase().wire().into()).or_default();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
        let names = self.names.entry(address).or_default();
        if !wildcard(name) && !names.contains(name) {
            names.push(name.clone());
        }
    }

    /// All that `other` has, too: its names and addresses, not its settings.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        // In an order that does not depend on chance.
        let mut entries: Vec<_> = other.addresses.iter().collect();
        entries.sort();
        for (wire, addresses) in entries {
            let name = Name::from_wire(wire);
            addresses.iter().for_each(|&address| self.add(address, &name));
        }
        self
    }

    /// How long records may be kept; one hour by default.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX);
        self
    }

    /// Whether the names of addresses are answered too (PTR); true by default.
    #[must_use]
    pub fn reverse(mut self, on: bool) -> Self {
        self.reverse = on;
        self
    }

    /// Answers for names in these domains only; all by default.
    #[must_use]
    pub fn zones<'n>(mut self, zones: impl IntoIterator<Item = &'n Name>) -> Self {
        self.zones = zones.into_iter().collect();
        self
    }

    /// Domains in which somebody else is asked about names that are not here; all by default. Elsewhere such a name gets
    /// SERVFAIL: there is no SOA record for an NXDOMAIN.
    #[must_use]
    pub fn fallthrough<'n>(mut self, zones: impl IntoIterator<Item = &'n Name>) -> Self {
        self.fallthrough = zones.into_iter().collect();
        self
    }

    /// Names in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Whether there is no name in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// Answers a query, if these names are asked for.
    pub(crate) fn respond(&self, query: &Query<'_>, limit: usize, out: &mut Vec<u8>) -> Said {
        let question = query.question();
        let name: &QuestionName = &question.name().clone();
        if !self.zones.hold(name.wire()) {
            return Said::Nothing;
        }
        if question.kind() == RecordType::PTR {
            return self.pointers(query, name, limit, out);
        }
        let Some(addresses) = self.addresses_of(name.wire()) else {
            return self.absent(query, name, limit, out);
        };
        let mut writer = Writer::reply(query, limit, out);
        writer.set(Header::AA);
        for address in addresses {
            let fits = match (address, question.kind()) {
                (IpAddr::V4(v4), RecordType::A) => self.put_v4(&mut writer, *v4),
                (IpAddr::V6(v6), RecordType::AAAA) => self.put_v6(&mut writer, *v6),
                _ => true,
            };
            if !fits {
                writer.set(Header::TC);
            }
        }
        writer.finish(Rcode::NOERROR);
        Said::Answer
    }

    /// The addresses of a name, or of `*` in its place.
    fn addresses_of(&self, name: &[u8]) -> Option<&[IpAddr]> {
        if let Some(addresses) = self.addresses.get(name) {
            return Some(addresses);
        }
        let first = usize::from(*name.first()?);
        let rest = name.get(first + 1..).filter(|_| first > 0)?;
        let wildcard: Vec<u8> = [b"\x01*", rest].concat();
        self.addresses.get(wildcard.as_slice()).map(Vec::as_slice)
    }

    fn absent(&self, query: &Query<'_>, name: &QuestionName, limit: usize, out: &mut Vec<u8>) -> Said {
        if self.fallthrough.hold(name.wire()) {
            return Said::Nothing;
        }
        Writer::reply(query, limit, out).finish(Rcode::SERVFAIL);
        Said::Answer
    }

    /// An address without a name here is somebody else's in any case.
    fn pointers(&self, query: &Query<'_>, name: &QuestionName, limit: usize, out: &mut Vec<u8>) -> Said {
        let names = match ReverseName::parse(name) {
            ReverseName::Address(address) if self.reverse => self.names.get(&address),
            _ => None,
        };
        let Some(names) = names.filter(|names| !names.is_empty()) else { return Said::Nothing };
        let mut writer = Writer::reply(query, limit, out);
        writer.set(Header::AA);
        for name in names {
            let data = |out: &mut Vec<u8>| out.extend_from_slice(name.wire());
            if writer.record(Section::Answer, Owner::QUESTION, RecordType::PTR, self.ttl, data).is_none() {
                writer.set(Header::TC);
            }
        }
        writer.finish(Rcode::NOERROR);
        Said::Answer
    }

    fn put_v4(&self, writer: &mut Writer<'_>, address: Ipv4Addr) -> bool {
        let data = |out: &mut Vec<u8>| out.extend_from_slice(&address.octets());
        writer.record(Section::Answer, Owner::QUESTION, RecordType::A, self.ttl, data).is_some()
    }

    fn put_v6(&self, writer: &mut Writer<'_>, address: Ipv6Addr) -> bool {
        let data = |out: &mut Vec<u8>| out.extend_from_slice(&address.octets());
        writer.record(Section::Answer, Owner::QUESTION, RecordType::AAAA, self.ttl, data).is_some()
    }
}

fn wildcard(name: &Name) -> bool {
    Labels::of(name.wire()).next() == Some(b"*")
}

#[cfg(test)]
mod tests;
