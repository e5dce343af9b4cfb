//! An upstream server in memory, for tests.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{
    Transport,
    forwarder::{Exchange, Exchanged},
    message::{Header, Name, Owner, Query, Rcode, RecordType, Section, Writer},
};

/// A name server that knows what it was told. Clones share what they were asked.
///
/// As an [`Exchange`] it stands for every upstream server of a [`Forwarder`](crate::Forwarder); its
/// [`answer`](Self::answer) can also be put behind a socket.
///
/// ```
/// use svc_dns::{Forwarder, fake::FakeUpstream};
///
/// let upstream = FakeUpstream::new()
///     .alias("www.example.com", "web.example.net")
///     .address("web.example.net", [192, 0, 2, 80]);
/// let forwarder = Forwarder::builder().upstream("192.0.2.53").network(upstream.clone()).build()?;
/// assert!(upstream.asked().is_empty());
/// # Ok::<(), svc_dns::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct FakeUpstream {
    records: Vec<(Name, Data)>,
    rcode: Option<Rcode>,
    silent: Vec<SocketAddr>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

/// A question that a [`FakeUpstream`] was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asked {
    /// The server it was meant for.
    pub server: SocketAddr,
    /// How.
    pub transport: Transport,
    /// The name as it was spelled.
    pub name: Name,
    /// The type.
    pub kind: RecordType,
}

#[derive(Clone, Debug)]
enum Data {
    Address(IpAddr),
    Alias(Name),
}

impl FakeUpstream {
    /// A server that knows nothing: every name is NXDOMAIN.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an address record.
    ///
    /// # Panics
    /// When `name` is no domain name.
    #[must_use]
    pub fn address(mut self, name: &str, address: impl Into<IpAddr>) -> Self {
        self.records.push((parse(name), Data::Address(address.into())));
        self
    }

    /// Adds a CNAME record.
    ///
    /// # Panics
    /// When one of the names is no domain name.
    #[must_use]
    pub fn alias(mut self, name: &str, target: &str) -> Self {
        self.records.push((parse(name), Data::Alias(parse(target))));
        self
    }

    /// Says `rcode` to everything.
    #[must_use]
    pub fn failing(mut self, rcode: Rcode) -> Self {
        self.rcode = Some(rcode);
        self
    }

    /// Never answers for this server.
    #[must_use]
    pub fn silent(mut self, server: SocketAddr) -> Self {
        self.silent.push(server);
        self
    }

    /// All questions so far.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The answer to a message, truncated to what the transport can take; `None` if it is no query.
    #[must_use]
    pub fn answer(&self, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let query = Query::parse(query).ok()?;
        let limit = match (transport, query.edns()) {
            (Transport::Tcp, _) => usize::from(u16::MAX),
            (Transport::Udp, edns) => edns.map_or(512, |edns| usize::from(edns.udp_size.max(512))),
        };
        let mut out = Vec::new();
        let mut writer = Writer::reply(&query, limit, &mut out);
        writer.set(Header::RA);
        let rcode = match self.rcode {
            Some(rcode) => rcode,
            None => self.write(&query, &mut writer),
        };
        writer.finish(rcode);
        Some(out)
    }

    fn write(&self, query: &Query<'_>, writer: &mut Writer<'_>) -> Rcode {
        let mut name = query.question().spelling();
        let mut chain = 0;
        while chain < 8 {
            let Some(target) = self.records_at(&name).find_map(Data::target).cloned() else { break };
            writer.record(Section::Answer, Owner::Wire(name.wire()), RecordType::CNAME, 60, |out| {
                out.extend_from_slice(target.wire());
            });
            (name, chain) = (target, chain + 1);
        }
        for address in self.records_at(&name).filter_map(Data::address) {
            let fits = match (address, query.question().kind()) {
                (IpAddr::V4(v4), RecordType::A) => put(writer, &name, RecordType::A, &v4.octets()),
                (IpAddr::V6(v6), RecordType::AAAA) => put(writer, &name, RecordType::AAAA, &v6.octets()),
                _ => true,
            };
            if !fits {
                writer.set(Header::TC);
            }
        }
        if self.records_at(&name).next().is_some() { Rcode::NOERROR } else { Rcode::NXDOMAIN }
    }

    fn records_at<'s>(&'s self, name: &Name) -> impl Iterator<Item = &'s Data> {
        self.records.iter().filter(move |(owner, _)| owner == name).map(|(_, data)| data)
    }
}

impl Data {
    fn target(&self) -> Option<&Name> {
        if let Self::Alias(target) = self { Some(target) } else { None }
    }

    fn address(&self) -> Option<IpAddr> {
        if let Self::Address(address) = self { Some(*address) } else { None }
    }
}

#[expect(
    clippy::expect_used,
    reason = "a fake is set up by a test, which wants to fail where the mistake is"
)]
fn parse(name: &str) -> Name {
    name.parse().expect("a domain name")
}

fn put(writer: &mut Writer<'_>, name: &Name, kind: RecordType, data: &[u8]) -> bool {
    writer
        .record(Section::Answer, Owner::Wire(name.wire()), kind, 60, |out| out.extend_from_slice(data))
        .is_some()
}

impl Exchange for FakeUpstream {
    fn exchange<'a>(&'a self, server: SocketAddr, transport: Transport, query: &'a [u8]) -> Exchanged<'a> {
        if let Ok(parsed) = Query::parse(query) {
            let question = parsed.question();
            let asked = Asked { server, transport, name: question.spelling(), kind: question.kind() };
            self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(asked);
        }
        let silent = self.silent.contains(&server);
        let answer = self.answer(query, transport).ok_or_else(|| io::ErrorKind::InvalidInput.into());
        Box::pin(async move { if silent { std::future::pending().await } else { answer } })
    }
}
