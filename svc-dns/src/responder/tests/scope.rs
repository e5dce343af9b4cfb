//! Several zones; namespaces and Services that are left out.

use super::*;

#[test]
fn several_zones_have_the_same_records() {
    let responder = responder_for(zone().also("example.org").also("k8s.example.com"));
    table(
        &responder,
        &[
            ("first", "svc1.S", A, "NoError | A 10.96.0.1"),
            ("second", "svc1.testns.svc.example.org", A, "NoError | A 10.96.0.1"),
            (
                "targets are in the zone that was asked",
                "_http._tcp.svc1.testns.svc.k8s.example.com",
                SRV,
                "NoError | SRV 0 100 80 svc1.testns.svc.k8s.example.com. | +A 10.96.0.1",
            ),
            ("names of addresses are in the first", "1.0.96.10.in-addr.arpa", PTR, "NoError | PTR svc1.S."),
            (
                "an alias into another zone",
                "inside.testns.svc.example.org",
                A,
                "NoError | A 10.96.0.1 | CNAME svc1.S.",
            ),
            ("negative", "svc0.testns.svc.example.org", A, NXDOMAIN),
            (
                "its own SOA",
                "example.org",
                SOA,
                "NoError | SOA ns.dns.example.org. hostmaster.example.org. 1700000000 7200 1800 86400 5",
            ),
        ],
    );
    let refused = ask(&responder, "svc1.testns.svc.example.com.", A);
    assert_eq!(refused.metadata.response_code, ResponseCode::Refused);
}

#[test]
fn the_zone_of_a_name_is_told() {
    let responder = responder_for(zone().also("example.org"));
    let zone_of = |name: &str| {
        let name: Name = name.parse().unwrap();
        responder.zone_of(&QuestionName::from(&name)).map(Name::to_string)
    };
    assert_eq!(zone_of("Web.Cluster.Local").as_deref(), Some("cluster.local."));
    assert_eq!(zone_of("example.org").as_deref(), Some("example.org."));
    assert_eq!(zone_of("1.0.96.10.in-addr.arpa").as_deref(), Some("96.10.in-addr.arpa."));
    assert_eq!(zone_of("xexample.org"), None);
}

const SCOPED: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: front}}}
---
{apiVersion: v1, kind: Namespace, metadata: {name: bank, labels: {team: back}}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop, labels: {tier: web}}, spec: {clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1]}}
---
{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {clusterIP: 10.96.0.2, clusterIPs: [10.96.0.2]}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: bank, labels: {tier: web}}, spec: {clusterIP: 10.96.0.3, clusterIPs: [10.96.0.3]}}
";

#[test]
fn namespaces_may_be_left_out() {
    for zone in [zone().namespaces(["shop"]), zone().namespace_labels("team in (front, side)")] {
        table(
            &responder_over(zone.pods(PodRecords::Insecure), SCOPED),
            &[
                ("a namespace that is answered for", "web.shop.svc.Z", A, "NoError | A 10.96.0.1"),
                ("outside the list or selector: NXDOMAIN", "web.bank.svc.Z", A, NXDOMAIN),
                ("outside the list or selector: NXDOMAIN for everything under it", "bank.svc.Z", A, NXDOMAIN),
                (
                    "outside the list or selector: NXDOMAIN for everything under it",
                    "10-0-0-1.bank.pod.Z",
                    A,
                    NXDOMAIN,
                ),
                ("a name of an address", "1.0.96.10.in-addr.arpa", PTR, "NoError | PTR web.shop.svc.Z."),
                ("no name of an address", "3.0.96.10.in-addr.arpa", PTR, NXDOMAIN),
            ],
        );
    }
}

#[test]
fn a_namespace_may_come_and_go() {
    let zone = zone().namespace_labels("team=front").build().unwrap();
    let before: Snapshot = objects(SCOPED).into_iter().collect();
    let mut responder = Responder::new(zone, &before);
    let relabelled =
        objects("{apiVersion: v1, kind: Namespace, metadata: {name: bank, labels: {team: front}}}");
    let (after, delta) = before.with(relabelled, []);
    table(&responder, &[("before", "web.bank.svc.Z", A, NXDOMAIN)]);
    responder.update(&after, &delta, 0);
    table(&responder, &[("after", "web.bank.svc.Z", A, "NoError | A 10.96.0.3")]);
}

#[test]
fn services_may_be_left_out() {
    table(
        &responder_over(zone().labels("tier"), SCOPED),
        &[
            ("labels match", "web.shop.svc.Z", A, "NoError | A 10.96.0.1"),
            ("labels do not match", "db.shop.svc.Z", A, NXDOMAIN),
            ("labels do not match", "2.0.96.10.in-addr.arpa", PTR, NXDOMAIN),
        ],
    );
}
