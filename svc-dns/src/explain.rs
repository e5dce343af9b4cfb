//! Why a question gets the answer that it gets: which object gave which record, or why there is none.

mod reading;
mod reasons;
mod sources;
mod subject;

use std::fmt;

use svc_model::{ObjectRef, Revision, Snapshot};

use self::reading::Reading;
use crate::{
    Client, Outcome, Responder, Transport,
    message::{Header, Name, Query, QuestionName, Rcode, Record, RecordType, Reply, Section, all_records},
};

/// The answer to one question, and where it comes from. It prints itself.
///
/// ```
/// use svc_dns::{Client, Responder, Zone, message::RecordType};
/// use svc_model::{Snapshot, yaml};
///
/// let snapshot: Snapshot = yaml::read("
///   apiVersion: v1
///   kind: Service
///   metadata: {name: web, namespace: shop}
///   spec: {clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1], ports: [{name: http, port: 80}]}
/// ").stored().0.into_iter().collect();
/// let responder = Responder::new(Zone::builder("cluster.local").build()?, &snapshot);
/// let client = Client::udp("10.244.1.7:40000".parse()?);
///
/// let found = responder.explain(&snapshot, &"web.shop.svc.cluster.local".parse()?, RecordType::A, client);
/// assert_eq!(found.records()[0].sources()[0].to_string(), "Service shop/web: spec.clusterIPs[0]");
///
/// let missing = responder.explain(&snapshot, &"_dns._udp.web.shop.svc.cluster.local".parse()?, RecordType::SRV, client);
/// println!("{missing}");
/// assert_eq!(missing.reasons(), ["Service shop/web has no such port: its ports are http/tcp"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    name: Name,
    kind: RecordType,
    client: Client,
    reading: String,
    outcome: Verdict,
    records: Vec<Explained>,
    reasons: Vec<String>,
    revision: Revision,
    serial: u32,
}

/// What becomes of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Answered {
        rcode: Rcode,
        cut: bool,
    },
    /// An upstream server decides.
    Forwarded,
    /// The zone is sent.
    Transferred,
}

/// A record of the answer, and the objects that it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    record: Record,
    additional: bool,
    sources: Vec<Source>,
}

/// An object, and what in it gave the record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// `None`: the server's own configuration.
    object: Option<ObjectRef>,
    place: String,
}

impl Responder {
    /// Answers a question as [`respond`](Self::respond) does, and says why. `snapshot` is the one that is answered from: it is
    /// only needed to name objects.
    #[must_use]
    pub fn explain(&self, snapshot: &Snapshot, name: &Name, kind: RecordType, client: Client) -> Explanation {
        let query = Query::emit(0, name, kind);
        let mut out = Vec::new();
        let outcome = match self.respond(&query, client, &mut out) {
            Outcome::Forward(forward) if forward.is_chase() => {
                // The alias alone.
                forward.finish(Err(Rcode::REFUSED), &mut out);
                Verdict::Forwarded
            }
            Outcome::Forward(_) => Verdict::Forwarded,
            Outcome::Transfer(_) => Verdict::Transferred,
            Outcome::Answer | Outcome::Drop => verdict(&out),
        };
        let question = QuestionName::from(name);
        let reading = Reading::of(self.zone(), &question);
        let why = reasons::Reasons { responder: self, snapshot, kind, outcome };
        Explanation {
            reading: reading.to_string(),
            records: self.explain_records(snapshot, &out),
            reasons: why.of(&reading),
            name: name.clone(),
            kind,
            client,
            outcome,
            revision: self.revision(),
            serial: self.soa_serial(),
        }
    }

    fn explain_records(&self, snapshot: &Snapshot, answer: &[u8]) -> Vec<Explained> {
        let Ok(reply) = Reply::parse(answer) else { return Vec::new() };
        let records = all_records(answer, reply.question().end()).unwrap_or_default();
        let told = records.into_iter().filter(|(_, record)| record.kind != RecordType::OPT);
        let explained = |(section, record): (Section, Record)| Explained {
            sources: sources::of(self, snapshot, &record),
            additional: section != Section::Answer,
            record,
        };
        told.map(explained).collect()
    }
}

fn verdict(answer: &[u8]) -> Verdict {
    let header = Header::parse(answer);
    let rcode = header.as_ref().map_or(Rcode::FORMERR, Header::rcode);
    Verdict::Answered { rcode, cut: header.is_ok_and(|header| header.has(Header::TC)) }
}

impl Explanation {
    /// The code of the answer; `None` if an upstream server decides.
    #[must_use]
    pub fn rcode(&self) -> Option<Rcode> {
        match self.outcome {
            Verdict::Answered { rcode, .. } => Some(rcode),
            Verdict::Forwarded | Verdict::Transferred => None,
        }
    }

    /// The records of the answer, those of the authority and additional sections behind the others.
    #[must_use]
    pub fn records(&self) -> &[Explained] {
        &self.records
    }

    /// Why there is no record, or not all one might look for; what else decided.
    #[must_use]
    pub fn reasons(&self) -> &[String] {
        &self.reasons
    }
}

impl Explained {
    /// The record.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What it comes from.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }
}

impl Source {
    fn object(object: ObjectRef, place: impl Into<String>) -> Self {
        Self { object: Some(object), place: place.into() }
    }

    fn configuration(place: impl Into<String>) -> Self {
        Self { object: None, place: place.into() }
    }

    /// The object; `None` for the server's own configuration.
    #[must_use]
    pub fn reference(&self) -> Option<&ObjectRef> {
        self.object.as_ref()
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.object {
            Some(object) => write!(f, "{object}: {}", self.place),
            None => f.write_str(&self.place),
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered { rcode, cut } => {
                write!(
                    f,
                    "{rcode}{}",
                    if *cut { ", cut short (TC): the client comes back over TCP" } else { "" }
                )
            }
            Self::Forwarded => f.write_str("forwarded: an upstream server decides"),
            Self::Transferred => f.write_str("the zone is transferred"),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = if self.client.transport == Transport::Udp { "UDP" } else { "TCP" };
        writeln!(f, "{} {} from {} over {transport}", self.name, self.kind, self.client.address)?;
        writeln!(f, "  is {}", self.reading)?;
        writeln!(f, "{} ({}, serial {})", self.outcome, self.revision, self.serial)?;
        for Explained { record, additional, sources } in &self.records {
            writeln!(f, "  {}{record}", if *additional { "+ " } else { "" })?;
            sources.iter().try_for_each(|source| writeln!(f, "      {source}"))?;
        }
        self.reasons.iter().try_for_each(|reason| writeln!(f, "  {reason}"))
    }
}

#[cfg(test)]
mod tests;
