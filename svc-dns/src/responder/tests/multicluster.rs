//! Zones of the cluster set (KEP-1645 and its DNS specification, version 1.0.0).

use super::*;

const IMPORTS: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: testns}}
---
{apiVersion: v1, kind: Service, metadata: {name: local, namespace: testns}, spec: {clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1]}}
---
apiVersion: multicluster.x-k8s.io/v1alpha1
kind: ServiceImport
metadata: {name: svc, namespace: testns}
spec: {type: ClusterSetIP, ips: [10.96.42.1, 'fd00:96::42'], ports: [{name: http, port: 80}, {port: 81}], sessionAffinity: None}
status: {clusters: [{cluster: alpha}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: imported-svc
  namespace: testns
  labels: {multicluster.kubernetes.io/service-name: svc, multicluster.kubernetes.io/source-cluster: alpha}
addressType: IPv4
ports: [{name: http, protocol: TCP, port: 8080}]
endpoints: [{addresses: [172.0.0.9], hostname: web}]
---
{apiVersion: multicluster.x-k8s.io/v1alpha1, kind: ServiceImport, metadata: {name: idle, namespace: testns},
 spec: {type: ClusterSetIP, ips: [10.96.42.2], ports: []}}
---
{apiVersion: multicluster.x-k8s.io/v1alpha1, kind: ServiceImport, metadata: {name: hdls, namespace: testns},
 spec: {type: Headless, ips: [10.96.42.3], ports: [{name: http, port: 80}]}}
---
{apiVersion: multicluster.x-k8s.io/v1alpha1, kind: ServiceImport, metadata: {name: none, namespace: testns}, spec: {type: Headless, ports: []}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: hdls-a
  namespace: testns
  labels: {kubernetes.io/service-name: derived, multicluster.kubernetes.io/service-name: hdls, multicluster.kubernetes.io/source-cluster: alpha}
addressType: IPv4
ports: [{name: http, protocol: TCP, port: 8080}]
endpoints: [{addresses: [172.0.0.1], hostname: web}, {addresses: [172.0.0.7], hostname: slow, conditions: {ready: false}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: hdls-b
  namespace: testns
  labels: {multicluster.kubernetes.io/service-name: hdls, multicluster.kubernetes.io/source-cluster: beta}
addressType: IPv4
ports: [{name: http, protocol: TCP, port: 8080}]
endpoints: [{addresses: [172.0.0.2], hostname: web}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: lost, namespace: testns, labels: {multicluster.kubernetes.io/service-name: lost, multicluster.kubernetes.io/source-cluster: beta}}
addressType: IPv4
endpoints: [{addresses: [172.0.0.3], hostname: web}]
";

fn imports() -> crate::ZoneBuilder {
    zone().multicluster("clusterset.local").addresses(["10.96.0.10".parse().unwrap()])
}

/// Rows with names of `testns.svc.clusterset.local` for `M`.
#[track_caller]
fn multicluster_table(responder: &Responder, rows: &[Row<'_>]) {
    for &(shows, name, kind, expected) in rows {
        let there = |text: &str| text.replace(".M", ".testns.svc.clusterset.local");
        table(responder, &[(shows, &there(name), kind, &there(expected))]);
    }
}

#[test]
fn a_service_with_a_clusterset_ip_is_known_by_it() {
    multicluster_table(
        &responder_over(imports(), IMPORTS),
        &[
            ("2.3.1 A", "svc.M", A, "NoError | A 10.96.42.1"),
            ("2.3.1 AAAA", "svc.M", AAAA, "NoError | AAAA fd00:96::42"),
            ("endpoints or not", "idle.M", A, "NoError | A 10.96.42.2"),
            (
                "2.3.2 the port of the import, not that of its endpoints",
                "_http._tcp.svc.M",
                SRV,
                "NoError | SRV 0 50 80 svc.M. | +A 10.96.42.1 | +AAAA fd00:96::42",
            ),
            ("2.3.2 unnamed ports have none", "_._tcp.svc.M", SRV, NXDOMAIN),
            ("2.3.4 nothing leads to one cluster", "alpha.svc.M", A, NXDOMAIN),
            ("2.3.4 nothing leads to one cluster", "web.alpha.svc.M", A, NXDOMAIN),
            ("no ServiceImport, no name", "lost.M", A, NXDOMAIN),
            ("a Service of the cluster is not one of the set", "local.M", A, NXDOMAIN),
            ("nor the other way round", "svc.S", A, NXDOMAIN),
            ("nor the other way round", "derived.S", A, NXDOMAIN),
            ("the namespace", "testns.svc.clusterset.local", A, NODATA),
        ],
    );
}

#[test]
fn endpoints_of_a_headless_one_are_named_by_their_clusters() {
    let both = "NoError | A 172.0.0.1 | A 172.0.0.2";
    multicluster_table(
        &responder_over(imports(), IMPORTS),
        &[
            ("2.4.1 ready endpoints of all clusters, no address of its own", "hdls.M", A, both),
            ("2.4.1 no ready endpoint: NXDOMAIN", "none.M", A, NXDOMAIN),
            ("<ep>.<clusterid>.<svc>", "web.alpha.hdls.M", A, "NoError | A 172.0.0.1"),
            ("<ep>.<clusterid>.<svc>", "web.BETA.hdls.M", A, "NoError | A 172.0.0.2"),
            ("not ready", "slow.alpha.hdls.M", A, NXDOMAIN),
            ("the one-label endpoint form is NXDOMAIN there", "web.hdls.M", A, NXDOMAIN),
            ("an empty non-terminal", "alpha.hdls.M", A, NODATA),
            ("with an underscore it is a port", "_http._tcp.hdls.M", A, both),
            ("with an underscore it is a port", "http._tcp.hdls.M", A, both),
            ("without one it is an endpoint", "http.tcp.hdls.M", A, NXDOMAIN),
            (
                "2.4.2 SRV: targets are named so too",
                "_http._tcp.hdls.M",
                SRV,
                "NoError | SRV 0 50 8080 web.alpha.hdls.M. | SRV 0 50 8080 web.beta.hdls.M. | +A 172.0.0.1 | +A 172.0.0.2",
            ),
        ],
    );
}

#[test]
fn a_slice_that_does_not_say_where_it_is_from_has_addresses_and_no_names() {
    let manifests = IMPORTS.replace(", multicluster.kubernetes.io/source-cluster: beta", "");
    multicluster_table(
        &responder_over(imports(), &manifests),
        &[
            ("addresses", "hdls.M", A, "NoError | A 172.0.0.1 | A 172.0.0.2"),
            ("names", "web.hdls.M", A, NXDOMAIN),
            (
                "the location is the Service",
                "_http._tcp.hdls.M",
                SRV,
                "NoError | SRV 0 50 8080 hdls.M. | SRV 0 50 8080 web.alpha.hdls.M. | +A 172.0.0.1 | +A 172.0.0.1 | +A 172.0.0.2",
            ),
        ],
    );
}

#[test]
fn an_address_of_the_cluster_set_has_a_name_if_it_has_no_other() {
    let here = "
---
{apiVersion: v1, kind: Service, metadata: {name: twin, namespace: testns}, spec: {clusterIP: 10.96.42.2, clusterIPs: [10.96.42.2]}}
";
    multicluster_table(
        &responder_over(imports(), &format!("{IMPORTS}{here}")),
        &[
            ("2.3.3", "1.42.96.10.in-addr.arpa", PTR, "NoError | PTR svc.M."),
            ("2.4.3", "2.0.0.172.in-addr.arpa", PTR, "NoError | PTR web.beta.hdls.M."),
            ("one that has no name", "9.0.0.172.in-addr.arpa", PTR, NXDOMAIN),
            ("the cluster's own name comes first", "2.42.96.10.in-addr.arpa", PTR, "NoError | PTR twin.S."),
        ],
    );
    let hidden = imports().namespaces(["other"]);
    table(
        &responder_over(hidden, IMPORTS),
        &[("a namespace that is left out", "1.42.96.10.in-addr.arpa", PTR, NXDOMAIN)],
    );
}

#[test]
fn the_zone_of_the_cluster_set_says_who_it_is() {
    table(
        &responder_over(imports().addresses(["172.0.0.1".parse().unwrap()]), IMPORTS),
        &[
            ("2.2", "dns-version.clusterset.local", TXT, "NoError | TXT 1.0.0"),
            ("the cluster's own", "dns-version.Z", TXT, "NoError | TXT 1.1.0"),
            (
                "no Service of the cluster has a name there",
                "clusterset.local",
                NS,
                "NoError | NS ns.dns.clusterset.local. | +A 172.0.0.1",
            ),
        ],
    );
}

#[test]
fn coredns_names_endpoints_of_all_imports_and_has_no_pointers_to_them() {
    multicluster_table(
        &responder_over(imports().compat(Compat::CoreDns), IMPORTS),
        &[
            ("endpoint of a ClusterSetIP", "web.alpha.svc.M", A, "NoError | A 172.0.0.9"),
            ("PTR", "1.42.96.10.in-addr.arpa", PTR, NXDOMAIN),
            ("version", "dns-version.clusterset.local", TXT, "NoError | TXT 1.1.0"),
        ],
    );
}

#[test]
fn labels_and_empty_services_are_left_out_as_set() {
    let labelled =
        IMPORTS.replace("name: idle, namespace: testns", "name: idle, namespace: testns, labels: {a: b}");
    multicluster_table(
        &responder_over(imports().labels("a=b"), &labelled),
        &[("with it", "idle.M", A, "NoError | A 10.96.42.2"), ("without", "svc.M", A, NXDOMAIN)],
    );
    multicluster_table(
        &responder_over(imports().ignore_empty_service(true), IMPORTS),
        &[("no endpoint", "idle.M", A, NXDOMAIN), ("one", "svc.M", A, "NoError | A 10.96.42.1")],
    );
}

#[test]
fn imports_come_and_go() {
    let mut snapshot: Snapshot = objects(IMPORTS).into_iter().collect();
    let mut responder = Responder::new(imports().build().unwrap(), &snapshot).serial(7);
    let mut step = |set: Vec<Object>, removed: Vec<svc_model::ObjectRef>| {
        let (next, delta) = snapshot.with(set, removed);
        responder.update(&next, &delta, 100);
        snapshot = next;
        (told(&ask(&responder, "hdls.testns.svc.clusterset.local", A)), responder.soa_serial())
    };
    let both = "NoError | A 172.0.0.1 | A 172.0.0.2".to_owned();
    let of = |kind, name| svc_model::ObjectRef::new(kind, svc_model::ObjectName::new("testns", name));
    let slice = objects(IMPORTS).into_iter().find(|it| it.meta().name().name() == "hdls-b").unwrap();
    let gone = of(svc_model::Kind::EndpointSlice, "hdls-b");
    assert_eq!(step(vec![], vec![gone]), ("NoError | A 172.0.0.1".to_owned(), 100));
    assert_eq!(step(vec![slice], vec![]), (both, 101));
    let gone = of(svc_model::Kind::ServiceImport, "hdls");
    assert_eq!(step(vec![], vec![gone]), (NXDOMAIN.to_owned(), 102));
}
