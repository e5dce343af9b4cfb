//! Sizes, EDNS, spelling, and messages that are no queries.

use super::*;

#[test]
fn names_are_spelled_as_the_client_spells_them() {
    let responder = responder();
    let raw = |name, kind| bytes(&responder, &query(name, kind).to_vec().unwrap(), Client::udp(CLIENT));
    let contains = |message: &[u8], text: &[u8]| message.windows(text.len()).any(|window| window == text);
    let answer = raw("_Http._TCP.Svc1.TESTNS.svc.ClusTer.LocaL.", SRV);
    assert!(contains(&answer, b"\x05_Http\x04_TCP\x04Svc1\x06TESTNS\x03svc\x07ClusTer\x05LocaL"));
    // A target: the objects' names in lower case, then the client's spelling of the zone.
    assert!(contains(&answer, b"\x04svc1\x06testns\x03svc\x07ClusTer\x05LocaL"));
    let answer = Message::from_vec(&raw("Svc1.Testns.SVC.ClusTer.LocaL.", A)).unwrap();
    assert_eq!(answer.answers[0].name.to_ascii(), "Svc1.Testns.SVC.ClusTer.LocaL.");
    let answer = Message::from_vec(&raw("Svc0.Testns.SVC.ClusTer.LocaL.", A)).unwrap();
    assert_eq!(answer.authorities[0].name.to_ascii(), "ClusTer.LocaL.");
    let RData::SOA(soa) = &answer.authorities[0].data else { panic!("{answer}") };
    assert_eq!(soa.mname.to_ascii(), "ns.dns.ClusTer.LocaL.");
    assert_eq!(soa.rname.to_ascii(), "hostmaster.ClusTer.LocaL.");
}

fn with_edns(name: &str, kind: PeerType, size: u16) -> Message {
    let mut message = query(name, kind);
    let mut edns = PeerEdns::new();
    edns.set_max_payload(size).set_dnssec_ok(true);
    message.edns = Some(edns);
    message
}

const LARGE: &str = "large.testns.svc.cluster.local.";

#[test]
fn a_datagram_is_as_long_as_the_client_can_take() {
    let responder = responder();
    let datagram = |message: &Message| exchange(&responder, message, Client::udp(CLIENT));
    let plain = datagram(&query(LARGE, A));
    assert!(plain.metadata.truncation, "no EDNS: 512");
    assert_eq!(plain.answers.len(), (512 - 12 - 35) / 16);
    let large = datagram(&with_edns(LARGE, A, 1232));
    assert!(!large.metadata.truncation);
    assert_eq!(large.answers.len(), 60);
    let echoed = large.edns.unwrap();
    assert_eq!((echoed.max_payload(), echoed.flags().dnssec_ok, echoed.version()), (1232, true, 0));
    let least = datagram(&with_edns(LARGE, A, 100));
    assert_eq!(least.answers.len(), (512 - 12 - 35 - 11) / 16, "less than 512 means 512");
    assert_eq!(ask(&responder, LARGE, A).answers.len(), 60, "TCP: 65535");
    assert!(plain.edns.is_none(), "reply OPT only if the request had one");
}

#[test]
fn a_datagram_has_no_other_limit_where_nothing_is_said() {
    let responder = responder_over(zone(), &super::services::many(200));
    for (size, answers) in [(4096, 200), (1232, (1232 - 12 - 34 - 11) / 16), (700, (700 - 12 - 34 - 11) / 16)]
    {
        let message = with_edns("many.testns.svc.cluster.local.", A, size);
        let answer = exchange(&responder, &message, Client::udp(CLIENT));
        assert_eq!((answer.answers.len(), answer.metadata.truncation), (answers, answers < 200), "{size}");
    }
    assert_eq!(ask(&responder, "many.testns.svc.cluster.local.", A).answers.len(), 200, "TCP");
}

#[test]
fn the_zone_may_limit_datagrams() {
    let responder = responder_for(zone().max_udp_size(600));
    let answer = exchange(&responder, &with_edns(LARGE, A, 4096), Client::udp(CLIENT));
    assert!(answer.metadata.truncation);
    assert_eq!(answer.answers.len(), (600 - 12 - 35 - 11) / 16);
}

#[test]
fn locations_are_cut_between_records() {
    let responder = responder();
    let name = "_http._tcp.hdls1.testns.svc.cluster.local.";
    for size in 512..900 {
        let answer = exchange(&responder, &with_edns(name, SRV, size), Client::udp(CLIENT));
        let whole = answer.answers.len() == 5;
        assert_eq!(answer.metadata.truncation, !whole, "{size}: TC for answers only (RFC 2181 section 9)");
        assert!(whole || answer.additionals.is_empty(), "{size}");
    }
}

#[test]
fn unknown_options_are_dropped() {
    let mut message = with_edns("svc1.testns.svc.cluster.local.", A, 1232).to_vec().unwrap();
    let length = message.len();
    // An option of 65001, four bytes long.
    message[length - 1] = 8;
    message.extend([0xfd, 0xe9, 0, 4, 1, 2, 3, 4]);
    let answer = Message::from_vec(&bytes(&responder(), &message, Client::udp(CLIENT))).unwrap();
    assert_eq!(told(&answer), "NoError | A 10.96.0.1");
    assert!(answer.edns.unwrap().options().as_ref().is_empty());
}

#[test]
fn an_answer_that_no_message_can_hold_is_a_part_that_fits() {
    let mut text = String::from(
        "{apiVersion: v1, kind: Service, metadata: {name: huge, namespace: testns}, spec: {clusterIP: None}}\n",
    );
    for slice in 0..5 {
        let endpoints: Vec<String> =
            (0..1000).map(|n| format!("{{addresses: [10.{slice}.{}.{}]}}", n / 250, n % 250)).collect();
        text += &format!(
            "---\n{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {{name: huge-{slice}, \
             namespace: testns, labels: {{kubernetes.io/service-name: huge}}}}, ports: [{{name: http, port: 80}}], endpoints: [{}]}}\n",
            endpoints.join(", ")
        );
    }
    let responder = responder_over(zone(), &text);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..8 {
        let answer = ask(&responder, "huge.testns.svc.cluster.local.", A);
        assert!(!answer.metadata.truncation, "there is no larger answer to come back for");
        assert_eq!(answer.answers.len(), (65_535 - 12 - 34) / 16);
        seen.extend(answer.answers.iter().map(|record| record.data.to_string()));
    }
    assert_eq!(seen.len(), 5000, "another part each time");
    assert_eq!(responder.trimmed(), 8);
    let locations = ask(&responder, "_http._tcp.huge.testns.svc.cluster.local.", SRV);
    assert!(!locations.metadata.truncation && locations.answers.len() > 900);
    assert_eq!(responder.trimmed(), 9);
}

#[test]
fn names_outside_the_zones_are_refused_or_forwarded() {
    let refused = ask(&responder(), "www.example.com.", A);
    assert_eq!(refused.metadata.response_code, ResponseCode::Refused, "no zone matches");
    assert!(!refused.metadata.authoritative && !refused.metadata.recursion_available);
    let message = query("www.example.com.", A).to_vec().unwrap();
    let outcome = responder().forwarding(true).respond(&message, Client::udp(CLIENT), &mut Vec::new());
    let Outcome::Forward(forward) = outcome else { panic!("{outcome:?}") };
    assert_eq!(forward.name().to_string(), "www.example.com.");
}

#[test]
fn other_classes_are_refused() {
    let mut chaos = query("svc1.testns.svc.cluster.local.", A);
    chaos.queries[0].set_query_class(hickory_proto::rr::DNSClass::CH);
    let answer = exchange(&responder(), &chaos, Client::tcp(CLIENT));
    assert_eq!(answer.metadata.response_code, ResponseCode::Refused);
}

#[test]
fn an_unknown_edns_version_is_told_the_known_one() {
    let mut message = query("svc1.testns.svc.cluster.local.", A);
    message.edns = Some(PeerEdns::new().set_version(1).clone());
    let answer = exchange(&responder(), &message, Client::udp(CLIENT));
    // 16 has two names, the other one for TSIG.
    assert_eq!(u16::from(answer.metadata.response_code), Rcode::BADVERS.number());
    assert_eq!(answer.edns.unwrap().version(), 0);
    assert!(answer.answers.is_empty());
}

#[test]
fn messages_that_are_no_queries_get_a_code_or_silence() {
    let responder = responder();
    let good = query("svc1.testns.svc.cluster.local.", A).to_vec().unwrap();
    let code = |message: &[u8]| {
        let mut out = Vec::new();
        match responder.respond(message, Client::udp(CLIENT), &mut out) {
            Outcome::Answer => Some(out[3] & 0xf),
            _ => None,
        }
    };
    let changed = |at: usize, value: u8| {
        let mut message = good.clone();
        message[at] = value;
        code(&message)
    };
    assert_eq!(code(&good), Some(0));
    assert_eq!(code(&good[..11]), None, "no header");
    assert_eq!(changed(2, 0x81), None, "a response");
    assert_eq!(changed(2, 0x21), Some(4), "NOTIFY");
    assert_eq!(
        changed(17, 0),
        Some(5),
        "an empty label is the end of the name: what follows is type and class"
    );
    assert_eq!(changed(5, 0), Some(2), "no question: SERVFAIL");
    assert_eq!(changed(5, 2), Some(1), "two questions");
    assert_eq!(changed(12, 0xc0), Some(1), "a compressed question");
    assert_eq!(changed(12, 0x40), Some(1), "a label of a kind that never came to be");
    assert_eq!(code(&good[..good.len() - 1]), Some(1), "half a question");
    assert_eq!(changed(11, 1), Some(1), "a record that is not there");
}
