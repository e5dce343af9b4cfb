use super::*;
use crate::forwarder::ForwardStats;
use crate::message::{Query, RecordType};

fn tallied(zone: &Zone, queries: &[(&str, RecordType, u8)]) -> Metrics {
    let metrics = Metrics::new(zone);
    let tally = metrics.tally();
    for &(name, kind, rcode) in queries {
        let query = Query::emit(1, &name.parse().unwrap(), kind);
        let mut answer = query.clone();
        answer[3] |= rcode;
        let counted = tally.answered(&query, None, Client::udp(([10, 0, 0, 1], 4000).into()), &answer);
        tally.took(counted, Duration::from_micros(300));
    }
    metrics
}

fn zone() -> Zone {
    Zone::builder("cluster.local").reverse("10.96.0.0/16").build().unwrap()
}

#[test]
fn queries_are_counted_by_zone_type_and_code() {
    let metrics = tallied(
        &zone(),
        &[
            ("web.default.svc.Cluster.LOCAL", RecordType::A, 0),
            ("cluster.local", RecordType::SOA, 0),
            ("nothing.default.svc.cluster.local", RecordType::A, 3),
            // Its end looks like the zone, and is part of a label.
            ("mycluster.local", RecordType::A, 5),
            ("1.0.96.10.in-addr.arpa", RecordType::PTR, 0),
            ("example.org", RecordType::new(4711), 0),
        ],
    );
    let text = Metrics::page(metrics.lines("dns://:53", &Default::default()));
    for line in [
        r#"coredns_dns_requests_total{server="dns://:53",zone="cluster.local.",view="",proto="udp",family="1",type="A"} 2"#,
        r#"coredns_dns_requests_total{server="dns://:53",zone="cluster.local.",view="",proto="udp",family="1",type="SOA"} 1"#,
        r#"coredns_dns_requests_total{server="dns://:53",zone="96.10.in-addr.arpa.",view="",proto="udp",family="1",type="PTR"} 1"#,
        r#"coredns_dns_requests_total{server="dns://:53",zone=".",view="",proto="udp",family="1",type="other"} 1"#,
        r#"coredns_dns_requests_total{server="dns://:53",zone="dropped",view="",proto="udp",family="1",type="A"} 1"#,
        r#"coredns_dns_responses_total{server="dns://:53",zone="cluster.local.",view="",rcode="NXDOMAIN",plugin="kubernetes"} 1"#,
        r#"coredns_dns_responses_total{server="dns://:53",zone="dropped",view="",rcode="REFUSED",plugin=""} 1"#,
        r#"coredns_dns_request_duration_seconds_bucket{server="dns://:53",zone="cluster.local.",view="",le="0.00025"} 0"#,
        r#"coredns_dns_request_duration_seconds_bucket{server="dns://:53",zone="cluster.local.",view="",le="0.0005"} 3"#,
        r#"coredns_dns_request_duration_seconds_count{server="dns://:53",zone="cluster.local.",view=""} 3"#,
        r#"coredns_dns_request_size_bytes_bucket{server="dns://:53",zone="cluster.local.",view="",proto="udp",le="100"} 3"#,
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\nis not in\n{text}");
    }
}

#[test]
fn each_metric_has_its_type_once_and_its_lines_together() {
    let metrics = tallied(&zone(), &[("cluster.local", RecordType::A, 0), ("a.b", RecordType::A, 0)]);
    let text = Metrics::page(metrics.lines("dns://:53", &Default::default()));
    let types: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    let mut once = types.clone();
    once.sort();
    once.dedup();
    assert_eq!(types.len(), once.len(), "{text}");
    assert!(types.contains(&"# TYPE coredns_dns_request_size_bytes histogram"), "{types:?}");
    assert!(types.contains(&"# TYPE coredns_dns_requests_total counter"), "{types:?}");
}

#[test]
fn tallies_of_several_threads_are_added_up() {
    let metrics = Metrics::new(&zone());
    let query = Query::emit(1, &"cluster.local".parse().unwrap(), RecordType::A);
    for _ in 0..3 {
        let _counted =
            metrics.tally().answered(&query, None, Client::tcp(([0, 0, 0, 0, 0, 0, 0, 1], 1).into()), &query);
    }
    let text = Metrics::page(metrics.lines("dns://:53", &Default::default()));
    assert!(text.contains(r#"proto="tcp",family="2",type="A"} 3"#), "{text}");
}

#[test]
fn what_several_servers_count_is_one_page() {
    let one = || tallied(&zone(), &[("cluster.local", RecordType::A, 0)]);
    let forward = ForwardStats { rejected: 2, ..ForwardStats::default() };
    let lines = [one().lines("dns://:53", &forward), one().lines("tls://:853", &forward)].concat();
    let text = Metrics::page(lines);
    for line in [
        "coredns_forward_max_concurrent_rejects_total 4",
        r#"coredns_dns_requests_total{server="dns://:53",zone="cluster.local.",view="",proto="udp",family="1",type="A"} 1"#,
        r#"coredns_dns_requests_total{server="tls://:853",zone="cluster.local.",view="",proto="udp",family="1",type="A"} 1"#,
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\nis not in\n{text}");
    }
    let build: Vec<&str> = text.lines().filter(|line| line.starts_with("coredns_build_info")).collect();
    assert!(build.len() == 1 && build[0].ends_with(" 1"), "{build:?}");
}

#[test]
fn codes_of_edns_are_counted_as_what_they_are() {
    let edns = |version: u8| {
        let mut query = Query::emit(7, &"web.shop.svc.cluster.local".parse().unwrap(), RecordType::A);
        query[11] = 1;
        query.extend([0, 0, 41, 4, 208, 0, version, 0, 0, 0, 0]);
        query
    };
    let responder = crate::Responder::new(zone(), &svc_model::Snapshot::default());
    let metrics = Metrics::new(&zone());
    let tally = metrics.tally();
    for version in [0, 1, 1] {
        let (query, client) = (edns(version), Client::udp("10.0.0.1:4000".parse().unwrap()));
        let mut answer = Vec::new();
        responder.respond(&query, client, &mut answer);
        if version == 1 {
            // An option behind it: a cookie, say.
            let end = answer.len();
            answer[end - 1] = 5;
            answer.extend([0, 3, 0, 1, b'x']);
        }
        tally.answered(&query, None, client, &answer);
    }
    let text = Metrics::page(metrics.lines("dns://:53", &Default::default()));
    for line in [
        r#"coredns_dns_responses_total{server="dns://:53",zone="cluster.local.",view="",rcode="BADVERS",plugin="kubernetes"} 2"#,
        r#"coredns_dns_responses_total{server="dns://:53",zone="cluster.local.",view="",rcode="NXDOMAIN",plugin="kubernetes"} 1"#,
    ] {
        assert!(text.lines().any(|other| other == line), "{line}\nis not in\n{text}");
    }
}

#[test]
fn what_the_responder_tells_of_a_query_is_what_is_read_from_it() {
    let zone =
        Zone::builder("cluster.local").also("example.org").reverse("10.96.0.0/15").reverse("fd00::/16");
    let zone = zone.build().unwrap();
    let metrics = Metrics::new(&zone);
    let responder = crate::Responder::new(zone, &svc_model::Snapshot::default());
    for name in [
        "web.shop.svc.Cluster.LOCAL",
        "cluster.local",
        "mycluster.local",
        "a.example.org",
        "1.0.97.10.in-addr.arpa",
        "0.0.d.f.ip6.arpa",
        "1.2.3.4.in-addr.arpa",
        ".",
    ] {
        for kind in [RecordType::A, RecordType::SRV, RecordType::new(4711)] {
            let mut query = Query::emit(7, &name.parse().unwrap(), kind);
            query[11] = 1;
            query.extend([0, 0, 41, 4, 208, 0, 0, 0x80, 0, 0, 0]);
            let client = Client::udp("10.0.0.1:4000".parse().unwrap());
            let (_, told) = responder.respond_and_tell(&query, client, &mut Vec::new());
            assert_eq!(told, Some(question::read(&query, &metrics.zones)), "{name} {kind}");
        }
    }
}
