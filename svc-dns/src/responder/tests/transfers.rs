//! AXFR, IXFR.

use super::*;

const SMALL: &str = "
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: b}, spec: {clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1], ports: [{name: HTTP, port: 80}, {port: 90, protocol: UDP}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: db, namespace: c}, spec: {clusterIP: None, clusterIPs: [None]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: db-a, namespace: c, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{name: sql, protocol: TCP, port: 5432}]
endpoints: [{addresses: [172.0.0.1], hostname: db-0}, {addresses: [172.0.0.2], hostname: db-1}]
---
{apiVersion: v1, kind: Service, metadata: {name: ext, namespace: a}, spec: {type: ExternalName, externalName: www.example.com}}
---
{apiVersion: v1, kind: Service, metadata: {name: ip, namespace: a}, spec: {type: ExternalName, externalName: 192.0.2.1}}
---
{apiVersion: v1, kind: Service, metadata: {name: empty, namespace: a}, spec: {clusterIP: None, clusterIPs: [None]}}
";

fn allowed() -> crate::ZoneBuilder {
    zone().transfer_to("127.0.0.0/8")
}

/// All messages of a transfer.
fn transfer(responder: &Responder, message: &Message) -> Vec<Message> {
    let mut out = Vec::new();
    let outcome = responder.respond(&message.to_vec().unwrap(), Client::tcp(CLIENT), &mut out);
    let Outcome::Transfer(mut transfer) = outcome else { panic!("{outcome:?}: {out:?}") };
    let mut messages = Vec::new();
    while transfer.next_message(&mut out) {
        messages.push(Message::from_vec(&out).unwrap());
        assert_eq!(messages.last().unwrap().metadata.id, message.metadata.id);
    }
    assert!(out.is_empty());
    messages
}

fn lines(messages: &[Message]) -> Vec<String> {
    let record = |record: &PeerRecord| {
        let name = record.name.to_string();
        format!("{} {} {}", name.trim_end_matches("cluster.local."), record.record_type(), record.data)
    };
    messages.iter().flat_map(|message| message.answers.iter().map(record)).collect()
}

const SOA_LINE: &str = " SOA ns.dns.cluster.local. hostmaster.cluster.local. 1700000000 7200 1800 86400 5";

fn expected(front: &[&str]) -> Vec<String> {
    let services = [
        "db.c.svc. A 172.0.0.1",
        "db.c.svc. A 172.0.0.2",
        "db.c.svc. SRV 0 50 5432 db-0.db.c.svc.cluster.local.",
        "db.c.svc. SRV 0 50 5432 db-1.db.c.svc.cluster.local.",
        "_sql._tcp.db.c.svc. SRV 0 50 5432 db-0.db.c.svc.cluster.local.",
        "_sql._tcp.db.c.svc. SRV 0 50 5432 db-1.db.c.svc.cluster.local.",
        "db-0.db.c.svc. A 172.0.0.1",
        "db-1.db.c.svc. A 172.0.0.2",
        "ext.a.svc. CNAME www.example.com.",
        "web.b.svc. A 10.96.0.1",
        "web.b.svc. SRV 0 50 80 web.b.svc.cluster.local.",
        "web.b.svc. SRV 0 50 90 web.b.svc.cluster.local.",
        "_http._tcp.web.b.svc. SRV 0 100 80 web.b.svc.cluster.local.",
    ];
    let all = [SOA_LINE].into_iter().chain(front.iter().copied()).chain(services).chain([SOA_LINE]);
    all.map(str::to_owned).collect()
}

#[test]
fn a_zone_is_transferred_with_no_server_address_one_or_two() {
    let table: [(&[&str], &[&str]); 3] = [
        (&[], &[" NS ns.dns.cluster.local."]),
        (&["10.1.1.1"], &[" NS ns.dns.cluster.local.", "ns.dns. A 10.1.1.1"]),
        (
            &["10.1.1.1", "fd00::1"],
            &[" NS ns.dns.cluster.local.", "ns.dns. A 10.1.1.1", "ns.dns. AAAA fd00::1"],
        ),
    ];
    for (addresses, front) in table {
        let zone = allowed().addresses(addresses.iter().map(|address| address.parse().unwrap()));
        let messages = transfer(&responder_over(zone, SMALL), &query("cluster.local.", AXFR));
        assert_eq!(lines(&messages), expected(front), "{addresses:?}");
    }
}

#[test]
fn what_is_transferred_is_what_is_answered() {
    let responder = responder_for(allowed());
    for message in transfer(&responder, &query("cluster.local.", AXFR)) {
        for record in &message.answers {
            let answer = ask(&responder, &record.name.to_string(), record.record_type());
            assert!(
                answer.answers.iter().any(|other| other == record),
                "{record} is not in {}",
                told(&answer)
            );
        }
    }
}

#[test]
fn pods_topology_zones_and_the_version_are_not_transferred() {
    let zone = allowed().zonal(true).pods(PodRecords::Verified);
    let lines =
        lines(&transfer(&responder_over(zone, super::grammar::ZONES), &query("cluster.local.", AXFR)));
    assert!(lines.contains(&"hdls.testns.svc. A 172.0.0.1".to_owned()), "{lines:#?}");
    let left_out = ["_zone", "pod.", "dns-version", "PTR", "TXT"];
    assert!(lines.iter().all(|line| !left_out.iter().any(|part| line.contains(part))), "{lines:#?}");
}

#[test]
fn the_weight_in_a_transfer_may_be_coredns_s() {
    let responder = responder_over(allowed().compat(Compat::CoreDns), SMALL);
    let lines = lines(&transfer(&responder, &query("cluster.local.", AXFR)));
    assert!(lines.contains(&"web.b.svc. SRV 0 100 80 web.b.svc.cluster.local.".to_owned()), "{lines:#?}");
}

#[test]
fn every_zone_is_transferred() {
    let responder = responder_over(allowed().also("example.org"), SMALL);
    let messages = transfer(&responder, &query("EXAMPLE.org.", AXFR));
    assert_eq!(messages[0].answers.len(), expected(&[" NS"]).len());
    assert!(messages[0].answers.iter().all(|record| record.name.to_ascii().ends_with("EXAMPLE.org.")));
    let reverse = lines(&transfer(&responder, &query("172.in-addr.arpa.", AXFR)));
    assert_eq!(
        reverse[1..4],
        [
            "172.in-addr.arpa. NS ns.dns.cluster.local.",
            "1.0.0.172.in-addr.arpa. PTR db-0.db.c.svc.cluster.local.",
            "2.0.0.172.in-addr.arpa. PTR db-1.db.c.svc.cluster.local.",
        ]
    );
    assert_eq!(reverse.len(), 5);
}

#[test]
fn a_large_zone_takes_several_messages() {
    let text: String = (0..3000)
        .map(|n| {
            let (high, low) = (n / 250, n % 250);
            format!("---\n{{apiVersion: v1, kind: Service, metadata: {{name: s{n}, namespace: a}}, spec: {{clusterIP: 10.96.{high}.{low}, clusterIPs: [10.96.{high}.{low}], ports: [{{name: http, port: 80}}]}}}}\n")
        })
        .collect();
    let messages = transfer(&responder_over(allowed(), &text), &query("cluster.local.", AXFR));
    assert!(messages.len() > 3);
    let lines = lines(&messages);
    assert_eq!(lines.len(), 3000 * 3 + 3);
    assert_eq!((lines[0].as_str(), lines[lines.len() - 1].as_str()), (SOA_LINE, SOA_LINE));
}

#[test]
fn a_transfer_is_of_one_moment() {
    let mut responder = responder_over(allowed(), SMALL);
    let message = query("cluster.local.", AXFR).to_vec().unwrap();
    let mut out = Vec::new();
    let Outcome::Transfer(mut transfer) = responder.respond(&message, Client::tcp(CLIENT), &mut out) else {
        panic!("no transfer")
    };
    responder.update(&Snapshot::default(), &svc_model::Delta::default(), 1);
    assert!(transfer.next_message(&mut out));
    assert_eq!(lines(&[Message::from_vec(&out).unwrap()]), expected(&[" NS ns.dns.cluster.local."]));
}

#[test]
fn an_incremental_transfer_is_nothing_or_everything() {
    let responder = responder_over(allowed(), SMALL);
    let ixfr = |serial: u32| {
        let mut message = query("cluster.local.", IXFR);
        let name = PeerName::from_ascii("cluster.local.").unwrap();
        let soa = hickory_proto::rr::rdata::SOA::new(name.clone(), name.clone(), serial, 1, 1, 1, 1);
        message.authorities.push(PeerRecord::from_rdata(name, 5, RData::SOA(soa)));
        message
    };
    let current = exchange(&responder, &ixfr(1_700_000_000), Client::tcp(CLIENT));
    assert_eq!(lines(&[current]), [SOA_LINE], "same serial: single SOA");
    assert_eq!(
        lines(&transfer(&responder, &ixfr(7))),
        expected(&[" NS ns.dns.cluster.local."]),
        "else full AXFR"
    );
    assert_eq!(transfer(&responder, &query("cluster.local.", IXFR)).len(), 1, "it says no serial");
    let datagram = exchange(&responder, &ixfr(7), Client::udp(CLIENT));
    assert_eq!(lines(&[datagram]), [SOA_LINE], "RFC 1995 section 2: come back over TCP");
}

#[test]
fn a_transfer_may_be_refused() {
    let code = |responder: &Responder, name, client| {
        exchange(responder, &query(name, AXFR), client).metadata.response_code
    };
    let nobody = responder_over(zone(), SMALL);
    assert_eq!(code(&nobody, "cluster.local.", Client::tcp(CLIENT)), ResponseCode::Refused, "nobody may");
    let others = responder_over(zone().transfer_to("10.0.0.1"), SMALL);
    assert_eq!(code(&others, "cluster.local.", Client::tcp(CLIENT)), ResponseCode::Refused, "others may");
    let responder = responder_over(allowed(), SMALL);
    assert_eq!(code(&responder, "cluster.local.", Client::udp(CLIENT)), ResponseCode::Refused, "a datagram");
    assert_eq!(
        code(&responder, "web.b.svc.cluster.local.", Client::tcp(CLIENT)),
        ResponseCode::NotAuth,
        "no zone"
    );
    assert_eq!(code(&responder, "example.org.", Client::tcp(CLIENT)), ResponseCode::Refused, "not ours");
    let mapped = Client::tcp("[::ffff:127.0.0.1]:53".parse().unwrap());
    let message = query("cluster.local.", AXFR).to_vec().unwrap();
    assert!(matches!(responder.respond(&message, mapped, &mut Vec::new()), Outcome::Transfer(_)));
    let early = responder.synced(false);
    assert_eq!(code(&early, "cluster.local.", Client::tcp(CLIENT)), ResponseCode::ServFail, "half a zone");
}
