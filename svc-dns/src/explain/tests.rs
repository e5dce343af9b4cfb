use super::*;
use crate::{PodRecords, Zone};

const CLUSTER: &str = include_str!("../responder/cluster.yaml");

fn snapshot() -> Snapshot {
    svc_model::yaml::read(CLUSTER).stored().0.into_iter().collect()
}

fn responder() -> Responder {
    let zone = Zone::builder("cluster.local").reverse("10.96.0.0/16").reverse("172.0.0.0/8").zonal(true);
    let zone = zone.pods(PodRecords::Verified).addresses(["172.0.0.1".parse().unwrap()]);
    Responder::new(zone.build().unwrap(), &snapshot())
}

/// The code, the sources of each record, the reasons: one line each.
fn told(responder: &Responder, name: &str, kind: RecordType) -> Vec<String> {
    let name = name.replace(".S", ".testns.svc.cluster.local").parse().unwrap();
    let client = Client::udp("10.244.1.7:40000".parse().unwrap());
    let explanation = responder.explain(&snapshot(), &name, kind, client);
    let code = explanation.rcode().map_or("forwarded".to_owned(), |rcode| rcode.to_string());
    let record = |explained: &Explained| {
        let record = explained.record();
        let data = match (record.address(), record.target()) {
            (Some(address), _) => address.to_string(),
            (None, Some(target)) => target.to_string(),
            _ => String::new(),
        };
        let sources: Vec<String> = explained.sources().iter().map(ToString::to_string).collect();
        format!("{} {data} <- {}", record.kind, sources.join("; "))
    };
    let mut records: Vec<String> = explanation.records().iter().map(record).collect();
    records.sort();
    [code].into_iter().chain(records).chain(explanation.reasons().iter().cloned()).collect()
}

#[track_caller]
fn table(responder: &Responder, rows: &[(&str, RecordType, &[&str])]) {
    for (name, kind, expected) in rows {
        assert_eq!(told(responder, name, *kind), *expected, "{name} {kind}");
    }
}

const SOA: &str = "SOA  <- the zone itself";

#[test]
fn a_record_is_traced_to_its_object() {
    use RecordType as T;
    let endpoints = [
        "EndpointSlice testns/hdls1-a: endpoints[0] (Pod testns/web-0)",
        "EndpointSlice testns/hdls1-a: endpoints[1]",
        "EndpointSlice testns/hdls1-a: endpoints[2]",
        "EndpointSlice testns/hdls1-a: endpoints[3]",
    ];
    let left_out = "endpoints of Service testns/hdls1 that are not ready are left out: 1";
    let a = |address: &str, number: usize| format!("A {address} <- {}", endpoints[number]);
    table(
        &responder(),
        &[
            ("svc1.S", T::A, &["NOERROR", "A 10.96.0.1 <- Service testns/svc1: spec.clusterIPs[0]"]),
            (
                "hdls1.S",
                T::A,
                &[
                    "NOERROR",
                    &a("172.0.0.2", 0),
                    &a("172.0.0.3", 1),
                    &a("172.0.0.4", 2),
                    &a("172.0.0.5", 3),
                    left_out,
                ],
            ),
            ("dup-name.hdls1.S", T::A, &["NOERROR", &a("172.0.0.4", 2), &a("172.0.0.5", 3), left_out]),
            (
                "_http._tcp.svc1.S",
                T::SRV,
                &[
                    "NOERROR",
                    "A 10.96.0.1 <- Service testns/svc1: spec.clusterIPs[0]",
                    "SRV svc1.testns.svc.cluster.local. <- Service testns/svc1: spec.ports[0]",
                ],
            ),
            (
                "dup-name.hdls1.S",
                T::SRV,
                &[
                    "NOERROR",
                    &a("172.0.0.4", 2),
                    &a("172.0.0.5", 3),
                    &format!(
                        "SRV dup-name.hdls1.testns.svc.cluster.local. <- {}; {}",
                        endpoints[2], endpoints[3]
                    ),
                    left_out,
                ],
            ),
        ],
    );
}

#[test]
fn aliases_and_addresses_are_traced_to_their_objects() {
    use RecordType as T;
    let endpoints = ["EndpointSlice testns/hdls1-a: endpoints[0] (Pod testns/web-0)"];
    table(
        &responder(),
        &[
            (
                "chain.S",
                T::A,
                &[
                    "NOERROR",
                    "A 10.96.0.1 <- Service testns/svc1: spec.clusterIPs[0]",
                    "CNAME inside.testns.svc.cluster.local. <- Service testns/chain: spec.externalName",
                    "CNAME svc1.testns.svc.cluster.local. <- Service testns/inside: spec.externalName",
                    "the alias goes on with inside.testns.svc.cluster.local.",
                ],
            ),
            (
                "1.0.96.10.in-addr.arpa",
                T::PTR,
                &["NOERROR", "PTR svc1.testns.svc.cluster.local. <- Service testns/svc1: spec.clusterIPs[0]"],
            ),
            (
                "2.0.0.172.in-addr.arpa",
                T::PTR,
                &["NOERROR", &format!("PTR 172-0-0-2.hdls1.testns.svc.cluster.local. <- {}", endpoints[0])],
            ),
            (
                "10-240-0-7.testns.pod.cluster.local",
                T::A,
                &["NOERROR", "A 10.240.0.7 <- Pod testns/web-7: status.podIPs"],
            ),
            (
                "cluster.local",
                T::NS,
                &[
                    "NOERROR",
                    "A 10.96.0.1 <- Service testns/svc1: spec.clusterIPs[0]",
                    "NS svc1.testns.svc.cluster.local. <- EndpointSlice testns/svc1-a: endpoints[0]",
                ],
            ),
            ("dns-version.cluster.local", T::TXT, &["NOERROR", "TXT  <- the naming schema"]),
        ],
    );
}

#[test]
fn what_is_not_there_has_a_reason() {
    use RecordType as T;
    table(
        &responder(),
        &[
            ("svc1.S", T::AAAA, &["NOERROR", SOA, "Service testns/svc1 has no IPv6 address"]),
            ("svc1.S", T::TXT, &["NOERROR", SOA, "Services have no TXT records"]),
            ("svc0.S", T::A, &["NXDOMAIN", SOA, "there is no Service testns/svc0"]),
            ("svc1.nosuch.svc.cluster.local", T::A, &["NXDOMAIN", SOA, "there is no namespace nosuch"]),
            (
                "_nope._tcp.svc1.S",
                T::SRV,
                &["NXDOMAIN", SOA, "Service testns/svc1 has no such port: its ports are http/tcp"],
            ),
            (
                "notready.svc1.S",
                T::A,
                &[
                    "NXDOMAIN",
                    SOA,
                    "Service testns/svc1 has no ready endpoint notready: its endpoints are 172-0-0-9, ep1a, notready (not ready)",
                ],
            ),
            ("empty.S", T::A, &["NXDOMAIN", SOA, "Service testns/empty has no endpoint that is ready"]),
            ("api.example.com.S", T::A, &["NXDOMAIN", SOA, "there is no Service testns/com"]),
            (
                "a.b.c.svc1.S",
                T::A,
                &["NXDOMAIN", SOA, "at most two labels stand in front of Service testns/svc1"],
            ),
        ],
    );
}

#[test]
fn an_alias_that_is_not_there_has_a_reason() {
    use RecordType as T;
    table(
        &responder(),
        &[
            (
                "external.S",
                T::SRV,
                &["NOERROR", SOA, "Service testns/external is an ExternalName: SRV takes no alias"],
            ),
            (
                "x.external.S",
                T::A,
                &["NXDOMAIN", SOA, "Service testns/external is an ExternalName: nothing is below it"],
            ),
            (
                "external.S",
                T::A,
                &[
                    "NOERROR",
                    "CNAME www.example.com. <- Service testns/external: spec.externalName",
                    "www.example.com. is in none of the zones, and nothing is forwarded here",
                ],
            ),
            ("dangling.S", T::A, &["NOERROR", SOA, "there is no Service testns/svc0"]),
            (
                "address.S",
                T::A,
                &[
                    "NXDOMAIN",
                    SOA,
                    "Service testns/address: spec.externalName 192.0.2.7 is an address, which is no alias",
                ],
            ),
        ],
    );
}

#[test]
fn an_address_or_a_name_elsewhere_that_is_not_there_has_a_reason() {
    use RecordType as T;
    table(
        &responder(),
        &[
            (
                "99.0.96.10.in-addr.arpa",
                T::PTR,
                &["NXDOMAIN", SOA, "no Service has 10.96.0.99, none has a ready endpoint there"],
            ),
            (
                "10-240-0-1.testns.pod.cluster.local",
                T::A,
                &["NXDOMAIN", SOA, "no pod that runs in namespace testns has the address 10.240.0.1"],
            ),
            (
                "www.example.com",
                T::A,
                &[
                    "REFUSED",
                    "the zones are cluster.local., 96.10.in-addr.arpa., 172.in-addr.arpa.: nothing is forwarded here",
                ],
            ),
            (
                "a.pin._zone.hdlsprtls.S",
                T::A,
                &["NOERROR", SOA, "Service testns/hdlsprtls has no ready endpoint in topology zone a"],
            ),
        ],
    );
}

#[test]
fn what_the_configuration_leaves_out_has_a_reason() {
    use RecordType as T;
    let left_out = |zone: crate::ZoneBuilder| Responder::new(zone.build().unwrap(), &snapshot());
    table(
        &left_out(Zone::builder("cluster.local").namespaces(["emptyns"])),
        &[("svc1.S", T::A, &["NXDOMAIN", SOA, "namespace testns is left out by the server's configuration"])],
    );
    table(
        &left_out(Zone::builder("cluster.local").labels("app=web")),
        &[(
            "svc1.S",
            T::A,
            &["NXDOMAIN", SOA, "Service testns/svc1 is left out by its labels, as the server is configured"],
        )],
    );
    table(
        &left_out(Zone::builder("cluster.local")),
        &[("10-0-0-1.testns.pod.cluster.local", T::A, &["NXDOMAIN", SOA, "pod records are disabled"])],
    );
}

#[test]
fn an_alias_that_leaves_the_zones_is_explained_by_itself() {
    let forwarding = responder().forwarding(true);
    table(
        &forwarding,
        &[
            (
                "external.S",
                RecordType::A,
                &[
                    "forwarded",
                    "CNAME www.example.com. <- Service testns/external: spec.externalName",
                    "www.example.com. is in none of the zones: an upstream server is asked for it",
                ],
            ),
            (
                "www.example.com",
                RecordType::A,
                &[
                    "forwarded",
                    "the zones are cluster.local., 96.10.in-addr.arpa., 172.in-addr.arpa.: it is forwarded",
                ],
            ),
        ],
    );
}

#[test]
fn an_explanation_prints_itself() {
    let client = Client::udp("10.244.1.7:40000".parse().unwrap());
    let name = "_http._tcp.svc1.testns.svc.cluster.local".parse().unwrap();
    let explanation = responder().explain(&snapshot(), &name, RecordType::SRV, client);
    assert_eq!(
        explanation.to_string(),
        "_http._tcp.svc1.testns.svc.cluster.local. SRV from 10.244.1.7:40000 over UDP
  is port http/tcp of Service testns/svc1
NOERROR (r1, serial 1)
  _http._tcp.svc1.testns.svc.cluster.local. 5 IN SRV 0 100 80 svc1.testns.svc.cluster.local.
      Service testns/svc1: spec.ports[0]
  + svc1.testns.svc.cluster.local. 5 IN A 10.96.0.1
      Service testns/svc1: spec.clusterIPs[0]
"
    );
    let other = responder().explain(&Snapshot::default(), &name, RecordType::SRV, client);
    assert_eq!(other.reasons()[0], "the objects named here are those of r0, the answer is of r1");
}

#[test]
fn records_of_the_cluster_set_are_traced_to_their_imports() {
    use RecordType as T;
    const OBJECTS: &str = "
{apiVersion: multicluster.x-k8s.io/v1alpha1, kind: ServiceImport, metadata: {name: svc, namespace: testns},
 spec: {type: ClusterSetIP, ips: [10.96.42.1], ports: [{name: http, port: 80}]}}
";
    let snapshot: Snapshot =
        svc_model::yaml::read(&format!("{CLUSTER}\n---{OBJECTS}")).stored().0.into_iter().collect();
    let zone = Zone::builder("cluster.local").multicluster("clusterset.local").build().unwrap();
    let responder = Responder::new(zone, &snapshot);
    let client = Client::udp("10.244.1.7:40000".parse().unwrap());
    let explain = |name: &str, kind| {
        let name = format!("{name}.testns.svc.clusterset.local").parse().unwrap();
        let explanation = responder.explain(&snapshot, &name, kind, client);
        let sources = explanation.records().iter().flat_map(Explained::sources).map(ToString::to_string);
        sources.chain(explanation.reasons().iter().cloned()).collect::<Vec<_>>()
    };
    for (name, kind, expected) in [
        ("svc", T::A, &["ServiceImport testns/svc: spec.ips[0]"][..]),
        (
            "_http._tcp.svc",
            T::SRV,
            &["ServiceImport testns/svc: spec.ports[0]", "ServiceImport testns/svc: spec.ips[0]"],
        ),
        ("web.alpha.imported", T::A, &["EndpointSlice testns/imported-a: endpoints[0]"]),
        ("svc", T::AAAA, &["the zone itself", "ServiceImport testns/svc has no IPv6 address"]),
        ("svc1", T::A, &["the zone itself", "there is no ServiceImport testns/svc1"]),
        (
            "_dns._udp.svc",
            T::SRV,
            &["the zone itself", "ServiceImport testns/svc has no such port: its ports are http/tcp"],
        ),
        (
            "web.beta.imported",
            T::A,
            &[
                "the zone itself",
                "ServiceImport testns/imported has no endpoint web in cluster beta: its clusters are alpha",
            ],
        ),
        (
            "web.imported",
            T::A,
            &[
                "the zone itself",
                "endpoints of ServiceImport testns/imported are named ENDPOINT.CLUSTER, if it is headless",
            ],
        ),
        (
            "web.alpha.svc",
            T::A,
            &["the zone itself", "ServiceImport testns/svc is not headless: its endpoints have no names"],
        ),
    ] {
        assert_eq!(explain(name, kind), expected, "{name} {kind}");
    }
}
