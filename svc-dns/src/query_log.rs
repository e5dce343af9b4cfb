//! The query log: which queries are told of, and what is told, in the form that CoreDNS gives its lines.
//!
//! Who answers queries never waits for who reads the log: what does not fit is counted and lost.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::sync::mpsc;

use crate::{
    Client, Transport,
    domains::Domains,
    message::{Class, Header, Name, Query, Rcode, RecordType},
};

/// Events that wait to be read.
const WAITING: usize = 4096;

/// What an answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogClass {
    /// Records.
    Success,
    /// That there is no such name, or no record of the type.
    Denial,
    /// Another code.
    Error,
}

impl LogClass {
    fn of(header: &Header) -> Self {
        match header.rcode() {
            Rcode::NOERROR if header.counts[1] > 0 => Self::Success,
            Rcode::NOERROR | Rcode::NXDOMAIN => Self::Denial,
            _ => Self::Error,
        }
    }
}

/// Which queries are logged. See [`QueryLog::channel`].
///
/// ```
/// use svc_dns::{LogClass, QueryLog};
///
/// // Errors, and one of a hundred denials below example.org.
/// let log = QueryLog::new().rule([], [LogClass::Error]).rule([&"example.org".parse()?], [LogClass::Denial]).sample(100);
/// let (log, mut events) = log.channel();
/// # drop(log);
/// while let Some(event) = events.blocking_next() {
///     println!("[INFO] {event}");
/// }
/// # Ok::<(), svc_dns::message::NameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct QueryLog {
    rules: Vec<Rule>,
    sample: u32,
}

#[derive(Clone, Debug)]
struct Rule {
    zones: Domains,
    classes: Vec<LogClass>,
}

/// The writing end: for [`ServerBuilder::query_log`](crate::ServerBuilder::query_log). A clone writes to the same events.
#[derive(Clone, Debug)]
pub struct LogSender {
    log: Arc<QueryLog>,
    sender: mpsc::Sender<LogEvent>,
    turn: Arc<AtomicU64>,
    lost: Arc<AtomicU64>,
}

/// The reading end.
#[derive(Debug)]
pub struct LogEvents {
    receiver: mpsc::Receiver<LogEvent>,
    lost: Arc<AtomicU64>,
}

/// A query and what became of it. It prints itself as CoreDNS does:
/// `10.244.1.7:40000 - 29008 "A IN web.shop.svc.cluster.local. udp 52 false 1232" NOERROR qr,aa,rd 83 0.000021s`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LogEvent {
    /// Who asked, and how.
    pub client: Client,
    /// The query's id.
    pub id: u16,
    /// The name, as it was spelled.
    pub name: Name,
    /// The type.
    pub kind: RecordType,
    /// The class.
    pub class: Class,
    /// Bytes of the query.
    pub query_size: usize,
    /// Whether DNSSEC records were wanted.
    pub dnssec_ok: bool,
    /// The largest answer that the client can take over UDP.
    pub udp_size: u16,
    /// The code of the answer.
    pub rcode: Rcode,
    /// The flag word of the answer.
    pub flags: u16,
    /// Bytes of the answer.
    pub answer_size: usize,
    /// From the query's arrival to its answer.
    pub took: Duration,
}

impl Default for QueryLog {
    fn default() -> Self {
        Self::new()
    }
}

impl QueryLog {
    /// Nothing is logged yet.
    #[must_use]
    pub fn new() -> Self {
        Self { rules: Vec::new(), sample: 1 }
    }

    /// Also logs queries for names in these domains (none: all names) whose answer is of one of these classes (none: all).
    #[must_use]
    pub fn rule<'n>(
        mut self,
        zones: impl IntoIterator<Item = &'n Name>,
        classes: impl IntoIterator<Item = LogClass>,
    ) -> Self {
        let zones: Domains = zones.into_iter().collect();
        let zones = if zones.is_empty() { Domains::all() } else { zones };
        self.rules.push(Rule { zones, classes: classes.into_iter().collect() });
        self
    }

    /// Logs one of so many of those queries; 1, all of them, by default.
    #[must_use]
    pub fn sample(mut self, one_of: u32) -> Self {
        self.sample = one_of.max(1);
        self
    }

    /// Both ends of the log. 4096 events wait to be read; more are [lost](LogEvents::lost).
    #[must_use]
    pub fn channel(self) -> (LogSender, LogEvents) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let lost = Arc::<AtomicU64>::default();
        let sender = LogSender { log: Arc::new(self), sender, turn: Arc::default(), lost: Arc::clone(&lost) };
        (sender, LogEvents { receiver, lost })
    }

    fn wants(&self, name: &Name, class: LogClass) -> bool {
        let name = name.to_lowercase();
        let classes = |rule: &Rule| rule.classes.is_empty() || rule.classes.contains(&class);
        self.rules.iter().any(|rule| classes(rule) && rule.zones.hold(name.wire()))
    }

    /// Cheap: for those that no rule can want.
    fn may_want(&self, class: LogClass) -> bool {
        self.rules.iter().any(|rule| rule.classes.is_empty() || rule.classes.contains(&class))
    }
}

impl LogSender {
    /// Tells of a query, if it is one of those. Does not wait. `took` is asked for only then.
    pub(crate) fn note(&self, query: &[u8], client: Client, answer: &[u8], took: impl FnOnce() -> Duration) {
        let Ok(header) = Header::parse(answer) else { return };
        let class = LogClass::of(&header);
        if !self.log.may_want(class) {
            return;
        }
        let Ok(parsed) = Query::parse(query) else { return };
        let name = parsed.question().spelling();
        if !self.log.wants(&name, class) || !self.is_sampled() {
            return;
        }
        let edns = parsed.edns();
        let event = LogEvent {
            client,
            id: header.id,
            name,
            kind: parsed.question().kind(),
            class: parsed.question().class(),
            query_size: query.len(),
            dnssec_ok: edns.is_some_and(|edns| edns.dnssec_ok),
            udp_size: edns.map_or(512, |edns| edns.udp_size),
            rcode: header.rcode(),
            flags: header.flags,
            answer_size: answer.len(),
            took: took(),
        };
        if self.sender.try_send(event).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn is_sampled(&self) -> bool {
        let one_of = u64::from(self.log.sample);
        one_of == 1 || self.turn.fetch_add(1, Ordering::Relaxed).is_multiple_of(one_of)
    }
}

impl LogEvents {
    /// The next event; `None` when the server is gone. Cancel safe.
    pub async fn next(&mut self) -> Option<LogEvent> {
        self.receiver.recv().await
    }

    /// The same for a thread that does nothing else.
    ///
    /// # Panics
    /// Within an asynchronous task.
    pub fn blocking_next(&mut self) -> Option<LogEvent> {
        self.receiver.blocking_recv()
    }

    /// Events that were lost because they were not read in time.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

impl fmt::Display for LogEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, id, name, kind, class, query_size, dnssec_ok, udp_size, .. } = self;
        let protocol = if client.transport == Transport::Udp { "udp" } else { "tcp" };
        write!(f, "{} - {id} \"{kind} {class} {name} ", Remote(client.address))?;
        write!(f, "{protocol} {query_size} {dnssec_ok} {udp_size}\" {} {}", self.rcode, Flags(self.flags))?;
        write!(f, " {} {:.9}s", self.answer_size, self.took.as_secs_f64())
    }
}

/// The address of a client, without what a socket for both families puts in front.
struct Remote(SocketAddr);

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.0.ip().to_canonical(), self.0.port()).fmt(f)
    }
}

struct Flags(u16);

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (Header::QR, "qr"),
            (Header::AA, "aa"),
            (Header::TC, "tc"),
            (Header::RD, "rd"),
            (Header::RA, "ra"),
            (Header::AD, "ad"),
            (Header::CD, "cd"),
        ];
        let mut comma = "";
        for (_, name) in names.iter().filter(|(flag, _)| self.0 & flag != 0) {
            write!(f, "{comma}{name}")?;
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
