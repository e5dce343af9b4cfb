//! What names mean: `[x ...].<svc>.<ns>.{svc|pod}.Z`.

use super::*;

#[test]
fn a_name_is_read_label_by_label_from_the_right() {
    table(
        &responder(),
        &[
            ("apex: NODATA for A", "Z", A, NODATA),
            ("apex: NODATA for AAAA", "Z", AAAA, NODATA),
            ("apex: NODATA for SRV", "Z", SRV, NODATA),
            ("apex: NODATA for HINFO", "Z", HINFO, NODATA),
            ("svc: empty non-terminal", "svc.Z", A, NODATA),
            ("pod: empty non-terminal", "pod.Z", A, NODATA),
            ("first label not svc/pod: invalid", "foo.Z", A, NXDOMAIN),
            ("first label not svc/pod: invalid", "x.pood.Z", A, NXDOMAIN),
            ("first label not svc/pod: invalid", "svc1.testns.Z", A, NXDOMAIN),
            ("<ns>.svc: NODATA if ns exists", "testns.svc.Z", A, NODATA),
            ("<ns>.svc: NODATA if ns exists, without Services too", "emptyns.svc.Z", A, NODATA),
            ("<ns>.svc: else NXDOMAIN", "foo.svc.Z", A, NXDOMAIN),
            ("<ns>.pod: NODATA if ns exists", "testns.pod.Z", A, NODATA),
            ("<ns>.pod: else NXDOMAIN", "nowhere.pod.Z", A, NXDOMAIN),
            ("<svc>.<ns>.svc: service", "svc1.S", A, "NoError | A 10.96.0.1"),
            ("one label: endpoint hostname", "ep1a.svc1.S", A, "NoError | A 172.0.0.1"),
            ("two labels: port and protocol, for A too", "_http._tcp.svc1.S", A, "NoError | A 10.96.0.1"),
            ("one leading underscore is stripped if present", "http.tcp.svc1.S", A, "NoError | A 10.96.0.1"),
            ("one leading underscore is stripped if present", "_http.tcp.svc1.S", A, "NoError | A 10.96.0.1"),
            ("one leading underscore is stripped if present", "http._tcp.svc1.S", A, "NoError | A 10.96.0.1"),
            ("one leading underscore, not two", "__http._tcp.svc1.S", A, NXDOMAIN),
            ("three or more labels left of svc: too long", "a.b.c.svc1.S", A, NXDOMAIN),
            ("three or more labels left of svc: too long", "x._http._tcp.svc1.S", SRV, NXDOMAIN),
            ("pod names with sub-labels", "a.10-240-0-1.testns.pod.Z", A, NXDOMAIN),
            ("unknown namespace: NXDOMAIN for everything under it", "svc1.nosuchns.svc.Z", A, NXDOMAIN),
            (
                "unknown namespace: NXDOMAIN for everything under it",
                "_http._tcp.svc1.nosuchns.svc.Z",
                SRV,
                NXDOMAIN,
            ),
            ("names are compared without case", "SVC1.testNS.Svc.Z", A, "NoError | A 10.96.0.1"),
        ],
    );
}

#[test]
fn wildcards_are_ordinary_labels() {
    table(
        &responder(),
        &[
            ("`*` is an ordinary label", "*.S", A, NXDOMAIN),
            ("`*` is an ordinary label", "svc1.*.svc.Z", A, NXDOMAIN),
            ("`*` is an ordinary label", "*.hdls1.S", A, NXDOMAIN),
            ("`any` is an ordinary label", "any.any.svc1.S", SRV, NXDOMAIN),
            ("`*` is an ordinary label", "_*._*.svc1.S", SRV, NXDOMAIN),
        ],
    );
}

#[test]
fn names_that_have_names_below_them_exist() {
    table(
        &responder(),
        &[
            ("RFC 8020: never NXDOMAIN for an empty non-terminal", "_tcp.svc1.S", SRV, NODATA),
            ("RFC 8020: never NXDOMAIN for an empty non-terminal", "_tcp.hdls1.S", A, NODATA),
            ("a protocol without ports", "_udp.svc1.S", SRV, NXDOMAIN),
            ("RFC 8020: never NXDOMAIN for an empty non-terminal", "dns.Z", A, NODATA),
        ],
    );
}

pub(super) const ZONES: &str = "
{apiVersion: v1, kind: Service, metadata: {name: hdls, namespace: testns}, spec: {clusterIP: None, clusterIPs: [None]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: hdls-a, namespace: testns, labels: {kubernetes.io/service-name: hdls}}
addressType: IPv4
ports: [{name: http, protocol: TCP, port: 80}]
endpoints:
- {addresses: [172.0.0.1], zone: US-west-2a}
- {addresses: [172.0.0.2], zone: us-west-2b}
- {addresses: [172.0.0.3], zone: us-west-2b}
- {addresses: [172.0.0.4], zone: eu.north.1}
- {addresses: [172.0.0.5]}
---
{apiVersion: v1, kind: Service, metadata: {name: svc, namespace: testns}, spec: {clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1]}}
---
{apiVersion: v1, kind: Service, metadata: {name: ext, namespace: testns}, spec: {type: ExternalName, externalName: www.example.com}}
";

#[test]
fn zonal_names_give_the_endpoints_of_a_topology_zone() {
    let zonal = responder_over(zone().zonal(true), ZONES);
    let all = "NoError | A 172.0.0.1 | A 172.0.0.2 | A 172.0.0.3 | A 172.0.0.4 | A 172.0.0.5";
    table(
        &zonal,
        &[
            (
                "filter on endpoint.zone, lower-cased",
                "us-west-2a.pin._zone.hdls.S",
                A,
                "NoError | A 172.0.0.1",
            ),
            (
                "filter on endpoint.zone",
                "us-west-2b.pin._zone.hdls.S",
                A,
                "NoError | A 172.0.0.2 | A 172.0.0.3",
            ),
            ("prefer with endpoints there", "us-west-2a.prefer._zone.hdls.S", A, "NoError | A 172.0.0.1"),
            ("pin: NODATA if that zone has no endpoints", "us-west-2c.pin._zone.hdls.S", A, NODATA),
            ("prefer: falls back to all", "us-west-2c.prefer._zone.hdls.S", A, all),
            ("topozone may hold dots", "eu.north.1.pin._zone.hdls.S", A, "NoError | A 172.0.0.4"),
            ("ClusterIP: NXDOMAIN", "us-west-2a.pin._zone.svc.S", A, NXDOMAIN),
            ("ExternalName: NXDOMAIN", "us-west-2a.pin._zone.ext.S", A, NXDOMAIN),
            ("unknown directive: NXDOMAIN", "us-west-2a.near._zone.hdls.S", A, NXDOMAIN),
            ("TXT: NODATA", "us-west-2a.pin._zone.hdls.S", TXT, NODATA),
            ("TXT: NODATA", "us-west-2c.pin._zone.hdls.S", TXT, NODATA),
            (
                "SRV is filtered too",
                "us-west-2b.pin._zone.hdls.S",
                SRV,
                "NoError | SRV 0 50 80 172-0-0-2.hdls.S. | SRV 0 50 80 172-0-0-3.hdls.S. | +A 172.0.0.2 | +A 172.0.0.3",
            ),
            ("an empty non-terminal", "pin._zone.hdls.S", A, NODATA),
            ("an empty non-terminal", "_zone.hdls.S", A, NODATA),
        ],
    );
    let off = responder_over(zone(), ZONES);
    table(
        &off,
        &[("opt-in", "us-west-2a.pin._zone.hdls.S", A, NXDOMAIN), ("opt-in", "_zone.hdls.S", A, NXDOMAIN)],
    );
}
