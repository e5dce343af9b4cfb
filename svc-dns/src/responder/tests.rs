//! Answers, compared after hickory-proto has read them. One cluster for all; the tables quote what they hold to, row by row.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hickory_proto::{
    op::{Edns as PeerEdns, Message, MessageType, OpCode, Query as PeerQuery, ResponseCode},
    rr::{
        Name as PeerName, RData, Record as PeerRecord,
        RecordType::{
            self as PeerType, A, AAAA, ANY, AXFR, CNAME, HINFO, HTTPS, IXFR, MX, NS, PTR, SOA, SRV, SVCB, TXT,
        },
    },
};
use svc_model::{Object, yaml};

use super::*;
use crate::{Compat, PodRecords};

mod apex;
mod compat;
mod grammar;
mod multicluster;
mod negative;
mod pods;
mod pointers;
mod scope;
mod search;
mod services;
mod transfers;
mod types;
mod wire;

const CLUSTER: &str = include_str!("cluster.yaml");

/// The objects of a text, all of them valid.
pub(super) fn objects(text: &str) -> Vec<Object> {
    let (objects, problems) = yaml::read(text).stored();
    assert!(problems.is_empty(), "{problems:?}");
    objects
}

fn zone() -> crate::ZoneBuilder {
    Zone::builder("cluster.local").reverse("10.96.0.0/16").reverse("172.0.0.0/8").reverse("fd00:96::/32")
}

fn responder_for(zone: crate::ZoneBuilder) -> Responder {
    responder_over(zone, CLUSTER)
}

fn responder_over(zone: crate::ZoneBuilder, manifests: &str) -> Responder {
    let snapshot: Snapshot = objects(manifests).into_iter().collect();
    Responder::new(zone.build().unwrap(), &snapshot).serial(1_700_000_000)
}

fn responder() -> Responder {
    responder_for(zone().pods(PodRecords::Insecure))
}

fn query(name: &str, kind: PeerType) -> Message {
    let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    let labels = name.split('.').filter(|label| !label.is_empty()).map(str::as_bytes);
    message.add_query(PeerQuery::query(PeerName::from_labels(labels).unwrap(), kind));
    message
}

const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 40_000);

/// The answer's bytes.
fn bytes(responder: &Responder, query: &[u8], client: Client) -> Vec<u8> {
    let mut out = Vec::new();
    let outcome = responder.respond(query, client, &mut out);
    assert!(matches!(outcome, Outcome::Answer), "{outcome:?}");
    out
}

fn exchange(responder: &Responder, message: &Message, client: Client) -> Message {
    let answer = Message::from_vec(&bytes(responder, &message.to_vec().unwrap(), client)).unwrap();
    assert_eq!(answer.metadata.id, message.metadata.id);
    assert_eq!(answer.queries, message.queries);
    answer
}

fn ask(responder: &Responder, name: &str, kind: PeerType) -> Message {
    exchange(responder, &query(name, kind), Client::tcp(CLIENT))
}

/// One line: the code, then the answer section sorted, `+` and the additional one sorted; `SOA` where the authority has one.
fn told(message: &Message) -> String {
    let lines = |records: &[PeerRecord]| {
        let mut lines: Vec<String> =
            records.iter().map(|record| format!("{} {}", record.record_type(), record.data)).collect();
        lines.sort();
        lines
    };
    let mut words = vec![format!("{:?}", message.metadata.response_code)];
    words.extend(lines(&message.answers));
    if message.authorities.iter().any(|record| matches!(record.data, RData::SOA(_))) {
        words.push("SOA".to_owned());
    }
    words.extend(lines(&message.additionals).into_iter().map(|line| format!("+{line}")));
    words.join(" | ")
}

/// A row: what it shows, a name (`Z` stands for the zone, `S` for `testns.svc.Z`), a type, what [`told`] says.
type Row<'r> = (&'r str, &'r str, PeerType, &'r str);

fn spelled(text: &str) -> String {
    text.replace(".S.", ".testns.svc.Z.").replace(".Z.", ".cluster.local.")
}

#[track_caller]
fn table(responder: &Responder, rows: &[Row<'_>]) {
    for (shows, name, kind, expected) in rows {
        let name = spelled(&format!(".{name}."));
        let message = ask(responder, &name[1..], *kind);
        assert_eq!(told(&message), spelled(expected), "{shows}: {name} {kind}");
        assert!(message.metadata.authoritative, "{shows}: {name} {kind}: AA");
    }
}

const NODATA: &str = "NoError | SOA";
const NXDOMAIN: &str = "NXDomain | SOA";
