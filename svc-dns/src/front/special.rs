//! Answers that need no data.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    Client,
    config::ReverseName,
    hosts::Said,
    message::{Header, Labels, Owner, Query, Rcode, RecordType, Section, Writer},
    responder::Transport,
};

const TTL: u32 = 3600;

/// The smallest answer there is to ANY (RFC 8482 section 4.2).
pub(super) fn minimal_any(query: &Query<'_>, limit: usize, out: &mut Vec<u8>) {
    let mut writer = Writer::reply(query, limit, out);
    writer.record(Section::Answer, Owner::QUESTION, RecordType::HINFO, TTL, |out| {
        out.extend_from_slice(b"\x07RFC8482\x00");
    });
    writer.finish(Rcode::NOERROR);
}

/// `localhost`, names below it, and `localhost` with a domain of a search path.
pub(super) fn is_localhost(query: &Query<'_>) -> bool {
    let name = query.question().name().clone();
    let (mut first, mut last) = (None, None);
    for label in Labels::of(name.wire()) {
        first = first.or(Some(label));
        last = Some(label);
    }
    first == Some(b"localhost") || last == Some(b"localhost")
}

/// `localhost`, names below it, and `localhost` with a domain of a search path; the loopback addresses.
pub(super) fn local(query: &Query<'_>, limit: usize, out: &mut Vec<u8>) -> Said {
    let name = query.question().name().clone();
    if is_localhost(query) {
        answer_local(query, limit, out);
        return Said::Answer;
    }
    let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    match ReverseName::parse(&name) {
        ReverseName::Address(ip) if loopback.contains(&ip) && query.question().kind() == RecordType::PTR => {
            let mut writer = Writer::reply(query, limit, out);
            writer.set(Header::AA);
            writer.record(Section::Answer, Owner::QUESTION, RecordType::PTR, TTL, |out| {
                out.extend_from_slice(b"\x09localhost\x00");
            });
            writer.finish(Rcode::NOERROR);
            Said::Answer
        }
        _ => Said::Nothing,
    }
}

fn answer_local(query: &Query<'_>, limit: usize, out: &mut Vec<u8>) {
    let kind = query.question().kind();
    let mut writer = Writer::reply(query, limit, out);
    writer.set(Header::AA);
    match kind {
        RecordType::A => {
            writer.record(Section::Answer, Owner::QUESTION, kind, TTL, |out| out.extend([127, 0, 0, 1]));
        }
        RecordType::AAAA => {
            let octets = Ipv6Addr::LOCALHOST.octets();
            writer.record(Section::Answer, Owner::QUESTION, kind, TTL, |out| out.extend(octets));
        }
        _ => {}
    }
    writer.finish(Rcode::NOERROR);
}

/// The client's address and port, as additional records.
pub(super) fn whoami(query: &Query<'_>, client: Client, limit: usize, out: &mut Vec<u8>) {
    let protocol: &[u8] = if client.transport == Transport::Udp { b"\x04_udp" } else { b"\x04_tcp" };
    let name = query.question().spelling();
    let mut writer = Writer::reply(query, limit, out);
    writer.set(Header::AA);
    match client.address.ip().to_canonical() {
        IpAddr::V4(v4) => writer.record(Section::Additional, Owner::QUESTION, RecordType::A, 0, |out| {
            out.extend(v4.octets());
        }),
        IpAddr::V6(v6) => writer.record(Section::Additional, Owner::QUESTION, RecordType::AAAA, 0, |out| {
            out.extend(v6.octets());
        }),
    };
    let owner = [protocol, name.wire()].concat();
    writer.record(Section::Additional, Owner::Wire(&owner), RecordType::SRV, 0, |out| {
        out.extend_from_slice(&[0, 0, 0, 0]);
        out.extend_from_slice(&client.address.port().to_be_bytes());
        out.push(0);
    });
    writer.finish(Rcode::NOERROR);
}
