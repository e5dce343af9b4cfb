use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name as PeerName, RecordType as PeerType},
};

use super::*;
use crate::{Client, Outcome, Responder, Zone, fake::FakeUpstream};

/// The lookup that a question from a client becomes.
fn forward(name: &str) -> Forward {
    let mut message = Message::new(99, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(PeerName::from_ascii(name).unwrap(), PeerType::A));
    let zone = Zone::builder("cluster.local").build().unwrap();
    let responder = Responder::new(zone, &svc_model::Snapshot::default()).forwarding(true);
    let client = Client::tcp("127.0.0.1:4000".parse().unwrap());
    match responder.respond(&message.to_vec().unwrap(), client, &mut Vec::new()) {
        Outcome::Forward(forward) => *forward,
        other => panic!("{other:?}"),
    }
}

async fn resolve(forwarder: &Forwarder, name: &str) -> Message {
    let message = Message::from_vec(&forwarder.resolve(&forward(name)).await).unwrap();
    assert_eq!(message.metadata.id, 99);
    assert_eq!(message.metadata.message_type, MessageType::Response);
    message
}

#[test]
fn the_longest_stub_domain_counts() {
    let forwarder = Forwarder::builder()
        .upstream("192.0.2.1")
        .stub("example", ["192.0.2.2"])
        .stub("Corp.Example", ["192.0.2.3", "192.0.2.4:5353"])
        .build()
        .unwrap();
    let servers = |name: &str| {
        forwarder.servers(&name.parse().unwrap()).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(servers("www.example.com"), ["192.0.2.1:53"]);
    assert_eq!(servers("example"), ["192.0.2.2:53"]);
    assert_eq!(servers("www.EXAMPLE"), ["192.0.2.2:53"]);
    assert_eq!(servers("a.b.corp.example"), ["192.0.2.3:53", "192.0.2.4:5353"]);
    assert_eq!(servers("notcorp.example"), ["192.0.2.2:53"]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_followed_by_the_next() {
    let silent = "192.0.2.1:53".parse().unwrap();
    let network = FakeUpstream::new().address("www.example.com", [192, 0, 2, 80]).silent(silent);
    let forwarder = Forwarder::builder()
        .upstream("192.0.2.1")
        .upstream("192.0.2.2")
        .policy(Policy::Sequential)
        .network(network.clone())
        .build()
        .unwrap();
    let message = resolve(&forwarder, "www.example.com.").await;
    assert_eq!(message.answers.len(), 1);
    let asked: Vec<SocketAddr> = network.asked().iter().map(|asked| asked.server).collect();
    assert_eq!(asked, [silent, "192.0.2.2:53".parse().unwrap()]);
}

#[tokio::test(start_paused = true)]
async fn servers_that_stay_silent_are_a_failure_in_bounded_time() {
    let network = FakeUpstream::new().silent("192.0.2.1:53".parse().unwrap());
    let forwarder = Forwarder::builder().upstream("192.0.2.1").network(network).build().unwrap();
    let start = tokio::time::Instant::now();
    let message = resolve(&forwarder, "www.example.com.").await;
    assert_eq!(message.metadata.response_code, ResponseCode::ServFail);
    assert!(message.metadata.recursion_available);
    assert!(start.elapsed() <= Duration::from_secs(5));
}

#[tokio::test]
async fn what_a_server_says_is_relayed() {
    for rcode in [Rcode::SERVFAIL, Rcode::REFUSED, Rcode::NXDOMAIN, Rcode::NOTIMP] {
        let network = FakeUpstream::new().failing(rcode);
        let forwarder = Forwarder::builder().upstream("192.0.2.1").network(network).build().unwrap();
        let message = resolve(&forwarder, "www.example.com.").await;
        assert_eq!(u16::from(message.metadata.response_code), rcode.number());
    }
}

#[tokio::test]
async fn a_name_that_no_server_is_responsible_for_is_refused() {
    let forwarder = Forwarder::builder()
        .stub("corp.example", ["192.0.2.1"])
        .network(FakeUpstream::new())
        .build()
        .unwrap();
    let message = resolve(&forwarder, "www.example.com.").await;
    assert_eq!(message.metadata.response_code, ResponseCode::Refused);
}

#[tokio::test]
async fn more_open_questions_than_allowed_are_refused() {
    let network = FakeUpstream::new().silent("192.0.2.1:53".parse().unwrap());
    let forwarder =
        Forwarder::builder().upstream("192.0.2.1").max_concurrent(1).network(network).build().unwrap();
    let (open, refused) = (forward("www.example.com."), resolve(&forwarder, "www.example.com."));
    tokio::select! {
        biased;
        _ = forwarder.resolve(&open) => panic!("nobody answers this"),
        message = refused => assert_eq!(message.metadata.response_code, ResponseCode::Refused),
    }
}

#[test]
fn ids_differ() {
    let forwarder = Forwarder::builder().upstream("192.0.2.1").build().unwrap();
    let ids: std::collections::BTreeSet<u16> = (0..1000).map(|_| forwarder.random()).collect();
    assert!(ids.len() > 950, "{}", ids.len());
}

#[test]
fn a_forwarder_needs_servers_that_are_addresses() {
    let missing = Forwarder::builder().build().unwrap_err();
    assert_eq!(missing.to_string(), "upstream: name at least one server");
    let wrong = Forwarder::builder().upstream("dns.example.com").build().unwrap_err();
    assert!(wrong.to_string().contains("\"dns.example.com\""), "{wrong}");
}
