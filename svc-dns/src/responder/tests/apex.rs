//! SOA, NS.

use super::*;

fn with_addresses(addresses: &[&str]) -> Responder {
    responder_for(zone().addresses(addresses.iter().map(|address| address.parse().unwrap())))
}

#[test]
fn the_zone_says_who_it_is() {
    let responder = with_addresses(&["10.96.0.10"]);
    let soa = "ns.dns.Z. hostmaster.Z. 1700000000 7200 1800 86400 5";
    table(
        &responder,
        &[
            ("SOA Z: answer section", "Z", SOA, &format!("NoError | SOA {soa}")),
            ("no Service selects the server: ns.dns.Z", "Z", NS, "NoError | NS ns.dns.Z. | +A 10.96.0.10"),
            ("ns.dns.Z answers the same IPs", "ns.dns.Z", A, "NoError | A 10.96.0.10"),
            ("ns.dns.Z answers the same IPs", "ns.dns.Z", AAAA, NODATA),
            ("another type", "ns.dns.Z", TXT, NODATA),
            ("below it", "x.ns.dns.Z", A, NXDOMAIN),
            ("TXT at the apex", "Z", TXT, NODATA),
        ],
    );
}

#[test]
fn a_zone_has_a_name_server_with_no_address_one_or_two() {
    table(
        &with_addresses(&[]),
        &[("none", "Z", NS, "NoError | NS ns.dns.Z."), ("none", "ns.dns.Z", A, NODATA)],
    );
    table(
        &with_addresses(&["10.1.1.1", "fd00::1"]),
        &[
            ("two", "Z", NS, "NoError | NS ns.dns.Z. | +A 10.1.1.1 | +AAAA fd00::1"),
            ("two", "ns.dns.Z", A, "NoError | A 10.1.1.1"),
            ("two", "ns.dns.Z", AAAA, "NoError | AAAA fd00::1"),
        ],
    );
}

#[test]
fn services_that_select_the_server_are_the_name_servers() {
    table(
        &with_addresses(&["172.0.0.1"]),
        &[
            ("<svc>.<ns>.svc.Z, glue = clusterIPs", "Z", NS, "NoError | NS svc1.S. | +A 10.96.0.1"),
            ("ns.dns.Z answers the same IPs", "ns.dns.Z", A, "NoError | A 10.96.0.1"),
        ],
    );
    table(
        &with_addresses(&["172.0.0.2", "5678:abcd::1"]),
        &[(
            "headless: <ep>.<svc>…",
            "Z",
            NS,
            "NoError | NS 172-0-0-2.hdls1.S. | NS 5678-abcd--1.hdls1.S. | +A 172.0.0.2 | +AAAA 5678:abcd::1",
        )],
    );
    table(
        &with_addresses(&["172.0.0.4", "172.0.0.5"]),
        &[(
            "duplicate owner names collapse to one NS with all glue",
            "Z",
            NS,
            "NoError | NS dup-name.hdls1.S. | +A 172.0.0.4 | +A 172.0.0.5",
        )],
    );
}

#[test]
fn glue_is_owned_by_the_name_servers() {
    let message = ask(&with_addresses(&["172.0.0.2", "172.0.0.20"]), "CLUSTER.local.", NS);
    let target = |record: &PeerRecord| matches!(&record.data, RData::NS(name) if name.0 == message.additionals[0].name);
    assert_eq!(message.answers.len(), 3);
    assert_eq!(message.answers.iter().filter(|record| target(record)).count(), 1);
    let reverse = ask(&with_addresses(&["172.0.0.2"]), "96.10.in-addr.arpa.", NS);
    assert_eq!(told(&reverse), "NoError | NS 172-0-0-2.hdls1.testns.svc.cluster.local. | +A 172.0.0.2");
}

#[test]
fn a_name_server_may_come_and_go() {
    let store = svc_model::store::Store::new();
    store.apply(objects(CLUSTER));
    let zone = zone().addresses(["172.0.0.1".parse().unwrap()]).build().unwrap();
    let mut responder = Responder::new(zone, &store.snapshot());
    assert!(told(&ask(&responder, "cluster.local.", NS)).contains("svc1.testns"));
    let (snapshot, delta) = store.snapshot().with(
        [],
        [svc_model::ObjectRef::new(svc_model::Kind::Service, svc_model::ObjectName::new("testns", "svc1"))],
    );
    responder.update(&snapshot, &delta, 7);
    assert_eq!(
        told(&ask(&responder, "cluster.local.", NS)),
        "NoError | NS ns.dns.cluster.local. | +A 172.0.0.1"
    );
}

#[test]
fn the_serial_moves_with_what_clients_can_see() {
    let text = |ready: bool, label: &str, pod: &str| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: web, namespace: a, labels: {{x: {label}}}}}, spec: {{clusterIP: None}}}}\n---\n\
             {{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {{name: web-1, namespace: a, \
             labels: {{kubernetes.io/service-name: web}}}}, endpoints: [{{addresses: [10.1.2.3], targetRef: {{kind: Pod, name: {pod}, namespace: a}}}}, \
             {{addresses: [10.1.2.4], conditions: {{ready: {ready}}}}}]}}"
        )
    };
    let mut snapshot: Snapshot = objects(&text(true, "one", "p")).into_iter().collect();
    let mut responder = Responder::new(zone().build().unwrap(), &snapshot).serial(100);
    let mut change = |ready, label, pod, now| {
        let (next, delta) = snapshot.with(objects(&text(ready, label, pod)), []);
        responder.update(&next, &delta, now);
        assert_eq!(responder.revision(), next.revision());
        snapshot = next;
        match &ask(&responder, "cluster.local.", SOA).answers[0].data {
            RData::SOA(soa) => soa.serial,
            other => panic!("{other}"),
        }
    };
    assert_eq!(change(true, "two", "p", 200), 100, "a label");
    assert_eq!(change(true, "two", "q", 250), 100, "a targetRef");
    assert_eq!(change(false, "two", "q", 300), 300, "readiness");
    assert_eq!(change(true, "two", "q", 300), 301, "again in the same second");
}
