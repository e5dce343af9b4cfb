//! PTR.

use super::*;

#[test]
fn addresses_have_names() {
    table(
        &responder(),
        &[
            ("cluster IP", "1.0.96.10.in-addr.arpa", PTR, "NoError | PTR svc1.S."),
            ("ready endpoint", "2.0.0.172.in-addr.arpa", PTR, "NoError | PTR 172-0-0-2.hdls1.S."),
            ("several IPs of one hostname", "4.0.0.172.in-addr.arpa", PTR, "NoError | PTR dup-name.hdls1.S."),
            ("endpoint of a ClusterIP Service", "1.0.0.172.in-addr.arpa", PTR, "NoError | PTR ep1a.svc1.S."),
            ("not a ready endpoint", "8.0.0.172.in-addr.arpa", PTR, NXDOMAIN),
            (
                "one PTR per service selecting it",
                "20.0.0.172.in-addr.arpa",
                PTR,
                "NoError | PTR 172-0-0-20.also-selects.S. | PTR 172-0-0-20.hdlsprtls.S.",
            ),
            (
                "ip6.arpa nibbles",
                "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa",
                PTR,
                "NoError | PTR dual.S.",
            ),
            ("unknown IP", "99.0.96.10.in-addr.arpa", PTR, NXDOMAIN),
            ("no PTR for pods that no service selects", "7.0.240.172.in-addr.arpa", PTR, NXDOMAIN),
            ("forward name that exists", "svc1.S", PTR, NODATA),
            ("forward name that does not", "svc0.S", PTR, NXDOMAIN),
            ("no number", "x.96.10.in-addr.arpa", PTR, NXDOMAIN),
            ("more than an address", "5.1.0.96.10.in-addr.arpa", PTR, NXDOMAIN),
            ("another type at an address (RFC 2308)", "1.0.96.10.in-addr.arpa", A, NODATA),
            ("part of an address that has a name (RFC 8020)", "0.96.10.in-addr.arpa", PTR, NODATA),
            ("part of an address that has a name (RFC 8020)", "0.0.172.in-addr.arpa", A, NODATA),
            (
                "part of an address that has a name (RFC 8020)",
                "0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa",
                PTR,
                NODATA,
            ),
            ("part of an address, nothing below it", "5.96.10.in-addr.arpa", PTR, NXDOMAIN),
            ("part of an address, nothing below it", "9.172.in-addr.arpa", PTR, NXDOMAIN),
            ("part of an address, nothing below it", "1.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa", PTR, NXDOMAIN),
            ("apex", "96.10.in-addr.arpa", PTR, NODATA),
        ],
    );
}

#[test]
fn part_of_an_address_exists_as_long_as_something_is_below_it() {
    let zone = zone().build().unwrap();
    let mut snapshot: Snapshot = objects(CLUSTER).into_iter().collect();
    let mut responder = Responder::new(zone, &snapshot);
    let service = |name: &str, ip: &str| {
        objects(&format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: testns}}, spec: {{clusterIP: {ip}, clusterIPs: [{ip}]}}}}"
        ))
    };
    let gone = |name| {
        svc_model::ObjectRef::new(svc_model::Kind::Service, svc_model::ObjectName::new("testns", name))
    };
    let steps = [
        ("before", vec![], vec![], NXDOMAIN),
        ("an address", service("new", "10.96.5.1"), vec![], NODATA),
        ("another one", service("newer", "10.96.5.2"), vec![], NODATA),
        ("one moves away", service("new", "10.96.6.1"), vec![], NODATA),
        ("the other goes", vec![], vec![gone("newer")], NXDOMAIN),
    ];
    for (shows, changed, deleted, expected) in steps {
        let (next, delta) = snapshot.with(changed, deleted);
        responder.update(&next, &delta, 1);
        snapshot = next;
        table(&responder, &[(shows, "5.96.10.in-addr.arpa", PTR, expected)]);
    }
}

#[test]
fn a_cluster_ip_of_two_services_has_one_name() {
    let service = |name: &str| {
        format!(
            "---\n{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: a}}, spec: {{clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1]}}}}\n"
        )
    };
    let responder = responder_over(zone(), &[service("web"), service("api")].concat());
    assert_eq!(
        told(&ask(&responder, "1.0.96.10.in-addr.arpa.", PTR)),
        "NoError | PTR api.a.svc.cluster.local."
    );
}

#[test]
fn a_cluster_ip_comes_before_endpoints_with_that_address() {
    let text = "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: a}, spec: {clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1]}}
---
{apiVersion: v1, kind: Service, metadata: {name: outside, namespace: a}, spec: {clusterIP: None, clusterIPs: [None]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {name: outside-a, namespace: a, \
 labels: {kubernetes.io/service-name: outside}}, endpoints: [{addresses: [10.96.0.1]}, {addresses: [10.96.0.2]}]}";
    table(
        &responder_over(zone(), text),
        &[
            ("cluster IP first", "1.0.96.10.in-addr.arpa", PTR, "NoError | PTR web.a.svc.Z."),
            ("if none, endpoints", "2.0.96.10.in-addr.arpa", PTR, "NoError | PTR 10-96-0-2.outside.a.svc.Z."),
        ],
    );
}

#[test]
fn the_soa_of_a_reverse_zone_is_its_own() {
    let message = ask(&responder(), "99.0.96.10.in-addr.arpa.", PTR);
    assert_eq!(message.authorities[0].name.to_string(), "96.10.in-addr.arpa.");
}

#[test]
fn reverse_names_may_fall_through() {
    let responder = responder_for(zone().reverse_fallthrough(true)).forwarding(true);
    table(&responder, &[("known", "1.0.96.10.in-addr.arpa", PTR, "NoError | PTR svc1.S.")]);
    for name in ["99.0.96.10.in-addr.arpa.", "0.96.10.in-addr.arpa.", "5.96.10.in-addr.arpa."] {
        let unknown = query(name, PTR).to_vec().unwrap();
        let outcome = responder.respond(&unknown, Client::udp(CLIENT), &mut Vec::new());
        assert!(matches!(outcome, Outcome::Forward(_)), "{name}");
    }
    // Nobody to ask.
    table(&responder.forwarding(false), &[("unknown", "99.0.96.10.in-addr.arpa", PTR, NXDOMAIN)]);
}

#[test]
fn names_of_the_zone_may_fall_through() {
    let responder = responder_for(zone().fallthrough("cluster.local")).forwarding(true);
    let outcome =
        |name| responder.respond(&query(name, A).to_vec().unwrap(), Client::udp(CLIENT), &mut Vec::new());
    assert!(matches!(outcome("svc0.testns.svc.cluster.local."), Outcome::Forward(_)), "NXDOMAIN");
    assert!(matches!(outcome("testns.svc.cluster.local."), Outcome::Answer), "NODATA");
    assert!(matches!(outcome("99.0.96.10.in-addr.arpa."), Outcome::Answer), "another domain");
}

#[test]
fn every_network_has_its_zone_down_to_part_of_a_label() {
    let responder = responder_over(
        Zone::builder("cluster.local")
            .reverse("10.96.0.0/12")
            .reverse("fd00:96::/30")
            .reverse_zone("172.in-addr.arpa"),
        CLUSTER,
    );
    table(
        &responder,
        &[
            ("in the network", "1.0.96.10.in-addr.arpa", PTR, "NoError | PTR svc1.S."),
            ("in a zone given by name", "2.0.0.172.in-addr.arpa", PTR, "NoError | PTR 172-0-0-2.hdls1.S."),
            (
                "in the network",
                "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa",
                PTR,
                "NoError | PTR dual.S.",
            ),
        ],
    );
    let beside = ask(&responder, "1.0.112.10.in-addr.arpa.", PTR);
    assert_eq!(beside.metadata.response_code, ResponseCode::Refused);
}
