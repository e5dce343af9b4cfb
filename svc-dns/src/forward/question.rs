//! What an upstream server is asked.

use crate::{
    cache::Key,
    message::{Edns, Header, Name, Query, Rcode, RecordType, Section, records},
    responder::Transport,
};

/// A question for an upstream server, and how it came to us: a server is asked the same way unless configured otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    name: Name,
    /// The id in it is the client's.
    message: Vec<u8>,
    end: usize,
    transport: Transport,
    /// What the reply is remembered under; `None`: it is for this client only.
    key: Option<Key>,
}

/// EDNS options between two neighbours (cookies of RFC 7873, keepalive of RFC 7828, padding of RFC 7830): the client's are not for
/// the upstream server.
const HOP_BY_HOP: [u16; 3] = [10, 11, 12];

impl Question {
    /// The client's own message, unknown EDNS options included.
    pub(super) fn relayed(message: &[u8], query: &Query<'_>, transport: Transport) -> Self {
        let end = query.question().end();
        let (message, options) = without_hop_by_hop(message, end);
        let dnssec_ok = query.edns().is_some_and(|edns| edns.dnssec_ok);
        // An option that is left may ask for an answer of the client's own (a client subnet, RFC 7871).
        let key = (!options).then(|| Key::new(query, query.question().name().wire(), dnssec_ok));
        Self { name: query.question().spelling(), message, end, transport, key }
    }

    /// A question of our own, for the target of an alias.
    pub(super) fn of_target(query: &Query<'_>, target: &Name, transport: Transport, udp_size: u16) -> Self {
        let dnssec_ok = query.edns().is_some_and(|edns| edns.dnssec_ok);
        let flags = Header::RD | query.header().flags & Header::CD;
        let mut message = Vec::with_capacity(64);
        Header { id: query.header().id, flags, counts: [1, 0, 0, 1] }.emit(&mut message);
        message.extend_from_slice(target.wire());
        message.extend_from_slice(&query.question().kind().number().to_be_bytes());
        message.extend_from_slice(&query.question().class().number().to_be_bytes());
        let end = message.len();
        Edns::new(udp_size, dnssec_ok).emit(Rcode::NOERROR, &mut message);
        let key = Some(Key::new(query, target.to_lowercase().wire(), dnssec_ok));
        Self { name: target.clone(), message, end, transport, key }
    }

    /// The name as the client spells it.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// How the client asked.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The message to send, with an `id` that nobody can guess.
    #[must_use]
    pub fn message(&self, id: u16) -> Vec<u8> {
        let mut query = self.message.clone();
        query[..2].copy_from_slice(&id.to_be_bytes());
        query
    }

    /// Whether records of this type are asked for.
    pub(crate) fn is_of(&self, kind: RecordType) -> bool {
        let at = Header::LEN + self.name.wire().len();
        self.message[at..at + 2] == kind.number().to_be_bytes()
    }

    /// Name, type and class as they stand in the message.
    pub(crate) fn raw(&self) -> &[u8] {
        &self.message[Header::LEN..self.end]
    }

    pub(crate) fn id(&self) -> u16 {
        u16::from_be_bytes([self.message[0], self.message[1]])
    }

    pub(crate) fn key(&self) -> Option<&Key> {
        self.key.as_ref()
    }

    pub(super) fn keep_out_of_cache(&mut self) {
        self.key = None;
    }

    /// Questions with the same identity have the same reply, but for id and spelling: one of them is enough.
    pub(crate) fn identity(&self) -> Box<[u8]> {
        let mut identity = Vec::with_capacity(self.message.len());
        identity.push(u8::from(self.transport == Transport::Tcp));
        identity.push(u8::from(self.key.is_some()));
        identity.extend_from_slice(&self.message[2..Header::LEN]);
        identity.extend(self.message[Header::LEN..self.end].iter().map(u8::to_ascii_lowercase));
        identity.extend_from_slice(&self.message[self.end..]);
        identity.into()
    }
}

/// The message without options that are not for the next hop, and whether other options are left.
fn without_hop_by_hop(message: &[u8], end: usize) -> (Vec<u8>, bool) {
    let opt = records(message, end)
        .map_while(Result::ok)
        .find(|record| record.section == Section::Additional && record.kind == RecordType::OPT);
    let Some(opt) = opt.filter(|opt| !opt.data.is_empty()) else { return (message.to_vec(), false) };
    let options: Vec<u8> = options(&message[opt.data.clone()]).flatten().copied().collect();
    let mut out = message[..opt.data.start - 2].to_vec();
    // Never longer than what was there.
    out.extend_from_slice(&u16::try_from(options.len()).unwrap_or_default().to_be_bytes());
    out.extend_from_slice(&options);
    out.extend_from_slice(&message[opt.data.end..]);
    (out, !options.is_empty())
}

/// The options to keep, each whole. What breaks the format ends the list.
fn options(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let &[code_high, code_low, high, low] = data.get(..4)? else { return None };
        let length = 4 + usize::from(u16::from_be_bytes([high, low]));
        let (option, rest) = data.split_at_checked(length)?;
        data = rest;
        Some((u16::from_be_bytes([code_high, code_low]), option))
    })
    .filter(|(code, _)| !HOP_BY_HOP.contains(code))
    .map(|(_, option)| option)
}
