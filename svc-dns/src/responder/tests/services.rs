//! Records by kind of Service.

use super::*;

#[test]
fn a_cluster_ip_service_has_its_addresses() {
    table(
        &responder(),
        &[
            ("A for each IPv4 in spec.clusterIPs", "svc1.S", A, "NoError | A 10.96.0.1"),
            ("AAAA on an IPv4-only service is NODATA, never NXDOMAIN", "svc1.S", AAAA, NODATA),
            ("dual stack: both", "dual.S", A, "NoError | A 10.96.0.5"),
            ("dual stack: both", "dual.S", AAAA, "NoError | AAAA fd00:96::5"),
            ("answered even when there are 0 endpoints", "noendpoints.S", A, "NoError | A 10.96.0.8"),
            ("no ports at all: A still answers", "portless.S", A, "NoError | A 10.96.0.9"),
            ("no ports at all: SRV is NODATA", "portless.S", SRV, NODATA),
            ("no ports at all: AAAA is NODATA", "portless.S", AAAA, NODATA),
            ("several ports on one IP: one A", "two.S", A, "NoError | A 10.96.0.12"),
            ("also NodePort", "nodeport.S", A, "NoError | A 10.96.0.14"),
            (
                "also LoadBalancer; nothing of its external addresses",
                "balancer.S",
                A,
                "NoError | A 10.96.0.15",
            ),
            ("if clusterIPs is empty use clusterIP", "single.S", A, "NoError | A 10.96.0.16"),
        ],
    );
}

#[test]
fn a_cluster_ip_service_has_locations_for_its_ports() {
    let location = "NoError | SRV 0 100 80 svc1.S. | +A 10.96.0.1";
    let both = "NoError | SRV 0 50 53 dual.S. | +A 10.96.0.5 | +AAAA fd00:96::5";
    let two = "NoError | SRV 0 50 80 two.S. | SRV 0 50 90 two.S. | +A 10.96.0.12";
    table(
        &responder(),
        &[
            (
                "port = service port number, not targetPort; target the service",
                "_http._tcp.svc1.S",
                SRV,
                location,
            ),
            ("no matching port: NXDOMAIN", "_nope._tcp.svc1.S", SRV, NXDOMAIN),
            ("no matching protocol: NXDOMAIN", "_http._udp.svc1.S", SRV, NXDOMAIN),
            ("no matching port: NXDOMAIN, for A on that name too", "_nope._tcp.svc1.S", A, NXDOMAIN),
            ("another type at a port that exists", "_http._tcp.svc1.S", AAAA, NODATA),
            ("SRV on the bare name: one per port", "svc1.S", SRV, location),
            ("unnamed included", "unnamed.S", SRV, "NoError | SRV 0 100 53 unnamed.S. | +A 10.96.0.7"),
            ("unnamed ports: no _port._proto", "_._tcp.unnamed.S", SRV, NXDOMAIN),
            ("two distinct ports: weight floor(100/2)", "two.S", SRV, two),
            (
                "one of them by its name",
                "_b._tcp.two.S",
                SRV,
                "NoError | SRV 0 100 90 two.S. | +A 10.96.0.12",
            ),
            (
                "also NodePort: the Service's port, not the node's",
                "_http._tcp.nodeport.S",
                SRV,
                "NoError | SRV 0 100 80 nodeport.S. | +A 10.96.0.14",
            ),
            ("2 IPs, 1 port: one SRV with weight 50", "_dns._udp.dual.S", SRV, both),
        ],
    );
}

#[test]
fn endpoints_of_a_cluster_ip_service_have_names() {
    table(
        &responder(),
        &[
            ("endpoint names also work under ClusterIP services", "ep1a.svc1.S", A, "NoError | A 172.0.0.1"),
            (
                "endpoint names also work under ClusterIP services",
                "172-0-0-9.svc1.S",
                A,
                "NoError | A 172.0.0.9",
            ),
            ("readiness is conditions.ready", "notready.svc1.S", A, NXDOMAIN),
        ],
    );
}

#[test]
fn a_headless_service_has_the_addresses_of_its_ready_endpoints() {
    let four = "NoError | A 172.0.0.2 | A 172.0.0.3 | A 172.0.0.4 | A 172.0.0.5";
    let two = "NoError | AAAA 5678:abcd::1 | AAAA 5678:abcd::2";
    table(
        &responder(),
        &[
            ("A per ready IPv4 endpoint over all slices, once", "hdls1.S", A, four),
            ("AAAA per ready IPv6 endpoint", "hdls1.S", AAAA, two),
            (
                "several IPs may share a hostname",
                "dup-name.hdls1.S",
                A,
                "NoError | A 172.0.0.4 | A 172.0.0.5",
            ),
            ("<hostname>.<svc>: filtered", "172-0-0-2.hdls1.S", A, "NoError | A 172.0.0.2"),
            ("<hostname>.<svc>: another family", "172-0-0-2.hdls1.S", AAAA, NODATA),
            ("IPv6 with dashes as stored", "5678-abcd--1.hdls1.S", AAAA, "NoError | AAAA 5678:abcd::1"),
            ("no such endpoint", "bogus.hdls1.S", A, NXDOMAIN),
            ("A with only IPv6 endpoints: NODATA", "v6only.S", A, NODATA),
            (
                "a label may not end in a hyphen: append 0",
                "2001-db8--0.v6only.S",
                AAAA,
                "NoError | AAAA 2001:db8::",
            ),
            ("slice without ports: addresses answered", "hdlsprtls.S", A, "NoError | A 172.0.0.20"),
            ("slice without ports: no SRV", "hdlsprtls.S", SRV, NODATA),
        ],
    );
}

#[test]
fn a_headless_service_without_ready_endpoints_does_not_exist() {
    table(
        &responder(),
        &[
            ("0 ready endpoints: NXDOMAIN for A", "empty.S", A, NXDOMAIN),
            ("0 ready endpoints: NXDOMAIN for AAAA", "empty.S", AAAA, NXDOMAIN),
            ("0 ready endpoints: nothing below it", "_http._tcp.empty.S", SRV, NXDOMAIN),
        ],
    );
}

#[test]
fn a_headless_service_has_a_location_for_each_endpoint_name() {
    let responder = responder();
    let locations = "SRV 0 16 9376 172-0-0-2.hdls1.S. | SRV 0 16 9376 172-0-0-3.hdls1.S. | SRV 0 16 9376 5678-abcd--1.hdls1.S. | \
         SRV 0 16 9376 5678-abcd--2.hdls1.S. | SRV 0 16 9376 dup-name.hdls1.S.";
    let glue =
        "+A 172.0.0.2 | +A 172.0.0.3 | +A 172.0.0.4 | +A 172.0.0.5 | +AAAA 5678:abcd::1 | +AAAA 5678:abcd::2";
    let all = format!("NoError | {locations} | {glue}");
    table(
        &responder,
        &[
            (
                "6 endpoints, 2 sharing a hostname: 5 SRVs of weight 16, port from the slice",
                "_http._tcp.hdls1.S",
                SRV,
                &all,
            ),
            ("SRV on bare <svc> gives the same for all ports", "hdls1.S", SRV, &all),
            (
                "an endpoint has a location",
                "172-0-0-2.hdls1.S",
                SRV,
                "NoError | SRV 0 100 9376 172-0-0-2.hdls1.S. | +A 172.0.0.2",
            ),
        ],
    );
    let two = "+A 172.0.0.40 | +A 172.0.0.41";
    table(
        &responder,
        &[
            (
                "N endpoints x M named ports: of one port",
                "_sql._tcp.hdls2.S",
                SRV,
                &format!(
                    "NoError | SRV 0 50 5432 172-0-0-40.hdls2.S. | SRV 0 50 5432 172-0-0-41.hdls2.S. | {two}"
                ),
            ),
            (
                "N endpoints x M named ports: of all",
                "hdls2.S",
                SRV,
                &format!(
                    "NoError | SRV 0 25 5432 172-0-0-40.hdls2.S. | SRV 0 25 5432 172-0-0-41.hdls2.S. | \
                     SRV 0 25 8080 172-0-0-40.hdls2.S. | SRV 0 25 8080 172-0-0-41.hdls2.S. | {two}"
                ),
            ),
        ],
    );
    // Whatever the rotation: additional records belong to targets, each to one.
    for _ in 0..20 {
        let message = ask(&responder, "_http._tcp.hdls1.testns.svc.cluster.local.", SRV);
        for record in &message.additionals {
            let targets = message
                .answers
                .iter()
                .filter(|answer| matches!(&answer.data, RData::SRV(srv) if srv.target == record.name));
            assert_eq!(targets.count(), 1, "{record}");
        }
        assert_eq!(message.additionals.len(), 6);
    }
}

/// A headless Service `many` with this many endpoints in one slice.
pub(super) fn many(endpoints: usize) -> String {
    let endpoints: Vec<String> =
        (0..endpoints).map(|n| format!("{{addresses: [10.8.{}.{}]}}", n / 250, n % 250 + 1)).collect();
    format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: many, namespace: testns}}, spec: {{clusterIP: None, clusterIPs: [None]}}}}\n---\n\
         {{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {{name: many-a, namespace: testns, \
         labels: {{kubernetes.io/service-name: many}}}}, ports: [{{name: http, port: 80}}], endpoints: [{}]}}\n",
        endpoints.join(", ")
    )
}

#[test]
fn a_weight_is_a_share_of_100_and_at_least_1() {
    for (endpoints, weight) in [(1, 100), (3, 33), (100, 1), (101, 1), (250, 1)] {
        let responder = responder_over(zone(), &many(endpoints));
        let message = ask(&responder, "_http._tcp.many.testns.svc.cluster.local.", SRV);
        assert_eq!(message.answers.len(), endpoints);
        let has_weight = |record: &PeerRecord| matches!(&record.data, RData::SRV(srv) if (srv.weight, srv.priority) == (weight, 0));
        assert!(message.answers.iter().all(has_weight), "{endpoints}");
    }
}

#[test]
fn an_endpoint_in_two_slices_is_one() {
    // As in the middle of a rolling update.
    let slice = |name: &str, more: &str| {
        format!(
            "---\n{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {{name: {name}, namespace: testns, \
             labels: {{kubernetes.io/service-name: twice}}}}, ports: [{{name: http, port: 80}}], \
             endpoints: [{{addresses: [172.0.0.50], hostname: a}}{more}]}}\n"
        )
    };
    let text = "{apiVersion: v1, kind: Service, metadata: {name: twice, namespace: testns}, spec: {clusterIP: None, clusterIPs: [None]}}\n"
        .to_owned()
        + &slice("twice-a", "")
        + &slice("twice-b", ", {addresses: [172.0.0.51], hostname: b}");
    table(
        &responder_over(zone(), &text),
        &[
            ("de-dup by IP", "twice.S", A, "NoError | A 172.0.0.50 | A 172.0.0.51"),
            ("de-dup by IP", "a.twice.S", A, "NoError | A 172.0.0.50"),
            (
                "de-dup by target and port; N counts records before",
                "_http._tcp.twice.S",
                SRV,
                "NoError | SRV 0 33 80 a.twice.S. | SRV 0 33 80 b.twice.S. | +A 172.0.0.50 | +A 172.0.0.51",
            ),
            ("once", "50.0.0.172.in-addr.arpa", PTR, "NoError | PTR a.twice.S."),
        ],
    );
}

#[test]
fn endpoints_may_be_named_after_their_pods() {
    table(
        &responder_for(zone().endpoint_pod_names(true)),
        &[
            ("endpoint_pod_names: pod name", "web-0.hdls1.S", A, "NoError | A 172.0.0.2"),
            ("then not after the address", "172-0-0-2.hdls1.S", A, NXDOMAIN),
            ("hostname comes first", "dup-name.hdls1.S", A, "NoError | A 172.0.0.4 | A 172.0.0.5"),
            ("without a pod the address", "172-0-0-3.hdls1.S", A, "NoError | A 172.0.0.3"),
            (
                "a pod's name of 63 bytes is a label",
                "a23456789-a23456789-a23456789-a23456789-a23456789-a23456789-abc.hdls2.S",
                A,
                "NoError | A 172.0.0.40",
            ),
            ("one of 64 is none: the address", "172-0-0-41.hdls2.S", A, "NoError | A 172.0.0.41"),
        ],
    );
}

#[test]
fn an_external_name_inside_the_zone_is_followed() {
    table(
        &responder(),
        &[
            ("target inside Z: resolved", "inside.S", A, "NoError | A 10.96.0.1 | CNAME svc1.S."),
            ("CNAME asked for: not followed", "inside.S", CNAME, "NoError | CNAME svc1.S."),
            ("target without that type: whole chain omitted", "inside.S", AAAA, NODATA),
            ("no CNAME for SRV", "inside.S", SRV, NODATA),
            ("a chain", "chain.S", A, "NoError | A 10.96.0.1 | CNAME inside.S. | CNAME svc1.S."),
            ("target that does not exist: NODATA, not a dangling CNAME", "dangling.S", A, NODATA),
            ("a loop: NODATA", "loop1.S", A, NODATA),
            ("more than ten aliases in a row: NODATA", "chain10.S", A, NODATA),
            ("x CNAME x is dropped", "self.S", A, NODATA),
            ("the target's own endpoint", "to-endpoint.S", A, "NoError | A 172.0.0.1 | CNAME ep1a.svc1.S."),
            ("another namespace's name", "to-namespace.S", A, NODATA),
        ],
    );
}

#[test]
fn up_to_ten_aliases_in_a_row_are_followed_each_in_front_of_its_target() {
    let message = ask(&responder(), "chain9.testns.svc.cluster.local.", A);
    let owners: Vec<String> = message.answers.iter().map(|record| record.name.to_string()).collect();
    let expected = (0..10).rev().map(|n| format!("chain{n}.testns.svc.cluster.local."));
    assert_eq!(owners, expected.chain(["svc1.testns.svc.cluster.local.".to_owned()]).collect::<Vec<_>>());
}

#[test]
fn an_external_name_outside_the_zone_is_an_alias() {
    table(
        &responder(),
        &[
            ("CNAME to spec.externalName", "external.S", CNAME, "NoError | CNAME www.example.com."),
            ("any type; nobody to ask: the alias alone", "external.S", A, "NoError | CNAME www.example.com."),
            (
                "any type; nobody to ask: the alias alone",
                "external.S",
                AAAA,
                "NoError | CNAME www.example.com.",
            ),
            (
                "any type; nobody to ask: the alias alone",
                "external.S",
                TXT,
                "NoError | CNAME www.example.com.",
            ),
            (
                "made whole, with a dot at its end or not",
                "dotted.S",
                CNAME,
                "NoError | CNAME www.example.com.",
            ),
            ("SRV: NODATA", "external.S", SRV, NODATA),
            ("endpoint sub-labels: NXDOMAIN", "endpoint.external.S", CNAME, NXDOMAIN),
            (
                "port sub-labels, spec.ports do not create SRV: NXDOMAIN",
                "_http._tcp.external.S",
                SRV,
                NXDOMAIN,
            ),
            ("an IP address is not a CNAME and is not served", "address.S", A, NXDOMAIN),
            ("an IP address is not a CNAME and is not served", "address.S", CNAME, NXDOMAIN),
        ],
    );
}

#[test]
fn a_target_outside_the_zone_is_asked_for_where_somebody_can_be_asked() {
    let forwarding = responder().forwarding(true);
    let outcome = |name, kind| {
        let message = query(name, kind).to_vec().unwrap();
        forwarding.respond(&message, Client::udp(CLIENT), &mut Vec::new())
    };
    let Outcome::Forward(chase) = outcome("external.testns.svc.cluster.local.", A) else {
        panic!("no chase")
    };
    assert!(chase.is_chase());
    assert_eq!(chase.name().to_string(), "www.example.com.");
    assert!(matches!(outcome("external.testns.svc.cluster.local.", CNAME), Outcome::Answer));
    assert!(matches!(outcome("external.testns.svc.cluster.local.", SRV), Outcome::Answer));
}

#[test]
fn an_empty_cluster_ip_service_may_be_hidden() {
    table(
        &responder_for(zone().ignore_empty_service(true)),
        &[
            ("ignore empty_service: NXDOMAIN", "noendpoints.S", A, NXDOMAIN),
            ("with endpoints", "svc1.S", A, "NoError | A 10.96.0.1"),
            ("never affects ExternalName", "external.S", CNAME, "NoError | CNAME www.example.com."),
            ("never affects headless", "hdlsprtls.S", A, "NoError | A 172.0.0.20"),
        ],
    );
}
