use std::net::SocketAddr;

use hickory_proto::{
    op::{Edns as PeerEdns, Message, MessageType, OpCode, Query as PeerQuery, ResponseCode},
    rr::{Name as PeerName, RecordType as PeerType},
};
use svc_model::{Snapshot, yaml};

use super::*;
use crate::{Client, Outcome, Responder, Transport, Zone, fake::FakeUpstream};

const OUTSIDE: &str = "{apiVersion: v1, kind: Service, metadata: {name: outside, namespace: default}, \
                       spec: {type: ExternalName, externalName: www.example.com}}";

fn question(name: &str, kind: PeerType) -> Message {
    let mut message = Message::new(321, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(PeerQuery::query(PeerName::from_ascii(name).unwrap(), kind));
    message
}

fn forward(message: &Message, client: fn(SocketAddr) -> Client) -> Forward {
    let snapshot: Snapshot = yaml::read(OUTSIDE).stored().0.into_iter().collect();
    let responder =
        Responder::new(Zone::builder("cluster.local").build().unwrap(), &snapshot).forwarding(true);
    let client = client("192.0.2.9:4000".parse().unwrap());
    match responder.respond(&message.to_vec().unwrap(), client, &mut Vec::new()) {
        Outcome::Forward(forward) => *forward,
        other => panic!("{other:?}"),
    }
}

fn finish(forward: &Forward, reply: Result<&[u8], Rcode>) -> Message {
    let mut out = Vec::new();
    forward.finish(reply, &mut out);
    Message::from_vec(&out).unwrap()
}

fn chase() -> Forward {
    forward(&question("outside.default.svc.Cluster.Local.", PeerType::A), Client::udp)
}

#[test]
fn the_clients_own_question_goes_out_under_another_id() {
    let message = question("www.Example.com.", PeerType::HTTPS);
    let forward = forward(&message, Client::udp);
    let sent = Message::from_vec(&forward.query(7)).unwrap();
    assert_eq!((sent.metadata.id, &sent.queries), (7, &message.queries));
    assert!(!forward.is_chase());
}

#[test]
fn a_reply_is_relayed_under_the_clients_id_and_spelling() {
    let forward = forward(&question("wWw.example.com.", PeerType::A), Client::udp);
    let upstream = FakeUpstream::new().address("www.example.com", [192, 0, 2, 1]);
    let mut reply = upstream.answer(&forward.query(7), Transport::Udp).unwrap();
    reply[12..].make_ascii_lowercase();
    let answer = finish(&forward, Ok(&reply));
    assert_eq!(answer.metadata.id, 321);
    assert_eq!(answer.queries[0].name().to_ascii(), "wWw.example.com.");
    assert_eq!(answer.answers.len(), 1);
}

#[test]
fn a_target_is_asked_for_with_the_type_of_the_client() {
    let mut message = question("outside.default.svc.cluster.local.", PeerType::AAAA);
    message.edns = Some(PeerEdns::new().set_dnssec_ok(true).clone());
    let forward = forward(&message, Client::udp);
    assert!(forward.is_chase());
    let sent = Message::from_vec(&forward.query(7)).unwrap();
    assert_eq!(sent.queries[0].name().to_ascii(), "www.example.com.");
    assert_eq!(sent.queries[0].query_type(), PeerType::AAAA);
    assert!(sent.metadata.recursion_desired);
    let edns = sent.edns.unwrap();
    assert_eq!((edns.max_payload(), edns.flags().dnssec_ok), (1232, true));
}

#[test]
fn the_whole_answer_for_a_target_follows_the_alias() {
    let forward = chase();
    let upstream = FakeUpstream::new()
        .alias("www.example.com", "cdn.example.net")
        .address("cdn.example.net", [192, 0, 2, 1]);
    let reply = upstream.answer(&forward.query(7), Transport::Udp).unwrap();
    let answer = finish(&forward, Ok(&reply));
    let owners: Vec<String> = answer.answers.iter().map(|record| record.name.to_ascii()).collect();
    assert_eq!(owners, ["outside.default.svc.Cluster.Local.", "www.example.com.", "cdn.example.net."]);
    assert!(answer.metadata.authoritative && answer.metadata.recursion_available);
    assert!(answer.edns.is_none(), "the client had none");
}

#[test]
fn the_code_for_a_target_is_the_code_of_the_chain() {
    for (rcode, expected) in
        [(Rcode::NXDOMAIN, ResponseCode::NXDomain), (Rcode::SERVFAIL, ResponseCode::ServFail)]
    {
        let forward = chase();
        let reply = FakeUpstream::new().failing(rcode).answer(&forward.query(7), Transport::Udp).unwrap();
        let answer = finish(&forward, Ok(&reply));
        assert_eq!((answer.metadata.response_code, answer.answers.len()), (expected, 1));
    }
}

#[test]
fn an_alias_without_its_target_says_why() {
    let answer = finish(&chase(), Err(Rcode::SERVFAIL));
    assert_eq!((answer.metadata.response_code, answer.answers.len()), (ResponseCode::ServFail, 1));
    // Nobody is responsible for the target: the client has what there is.
    let answer = finish(&chase(), Err(Rcode::REFUSED));
    assert_eq!((answer.metadata.response_code, answer.answers.len()), (ResponseCode::NoError, 1));
    let answer = finish(&chase(), Ok(b"nonsense"));
    assert_eq!(answer.metadata.response_code, ResponseCode::ServFail);
}

#[test]
fn a_truncated_answer_for_a_target_is_truncated_for_the_client() {
    let forward = chase();
    let mut reply = FakeUpstream::new()
        .address("www.example.com", [192, 0, 2, 1])
        .answer(&forward.query(7), Transport::Udp)
        .unwrap();
    reply[2] |= 0x02;
    assert!(finish(&forward, Ok(&reply)).metadata.truncation);
}

#[test]
fn names_inside_records_are_uncompressed() {
    let forward = forward(&question("outside.default.svc.cluster.local.", PeerType::MX), Client::udp);
    // An MX record whose exchange is `mx.` and a pointer to the name of the question.
    let mut reply = forward.query(7)[..12 + forward.question().raw().len()].to_vec();
    reply[2] = 0x81;
    reply[4..12].copy_from_slice(&[0, 1, 0, 1, 0, 0, 0, 0]);
    reply.extend_from_slice(b"\xc0\x0c\x00\x0f\x00\x01\x00\x00\x00\x3c\x00\x07\x00\x0a\x02mx\xc0\x0c");
    let answer = finish(&forward, Ok(&reply));
    assert_eq!(answer.answers[1].data.to_string(), "10 mx.www.example.com.");
}

#[test]
fn a_reply_to_another_question_is_no_reply() {
    let forward = forward(&question("www.example.com.", PeerType::A), Client::udp);
    let other = question("a.example.net.", PeerType::A).to_vec().unwrap();
    let reply = FakeUpstream::new().answer(&other, Transport::Udp).unwrap();
    assert_eq!(finish(&forward, Ok(&reply)).metadata.response_code, ResponseCode::ServFail);
}

#[test]
fn only_the_same_id_and_question_is_an_answer() {
    let forward = forward(&question("www.example.com.", PeerType::A), Client::udp);
    let query = forward.query(7);
    let upstream = FakeUpstream::new();
    let reply = upstream.answer(&query, Transport::Udp).unwrap();
    assert!(answers(&query, &reply));
    assert!(!answers(&forward.query(8), &reply), "another id");
    assert!(!answers(&query, &query), "no response");
    let other = question("www.example.net.", PeerType::A).to_vec().unwrap();
    let mut other = upstream.answer(&other, Transport::Udp).unwrap();
    other[..2].copy_from_slice(&query[..2]);
    assert!(!answers(&query, &other), "another question");
    assert!(!answers(&query, b""));
}
