//! Names without records.

use super::*;

#[test]
fn negative_answers_are_as_listed() {
    table(
        &responder(),
        &[
            ("svc1 AAAA", "svc1.S", AAAA, NODATA),
            ("svc0 A/AAAA/TXT", "svc0.S", A, NXDOMAIN),
            ("svc0 A/AAAA/TXT", "svc0.S", AAAA, NXDOMAIN),
            ("svc0 A/AAAA/TXT", "svc0.S", TXT, NXDOMAIN),
            ("svc1.nosuchns A", "svc1.nosuchns.svc.Z", A, NXDOMAIN),
            ("testns.svc.Z A or NS", "testns.svc.Z", A, NODATA),
            ("testns.svc.Z A or NS", "testns.svc.Z", NS, NODATA),
            ("svc.Z A or NS", "svc.Z", A, NODATA),
            ("svc.Z A or NS", "svc.Z", NS, NODATA),
            ("pod.Z A or NS", "pod.Z", A, NODATA),
            ("pod.Z A or NS", "pod.Z", NS, NODATA),
            ("foo.svc.Z NS (foo not a namespace)", "foo.svc.Z", NS, NXDOMAIN),
            ("foo.Z NS", "foo.Z", NS, NXDOMAIN),
            ("bogus.hdls1 A", "bogus.hdls1.S", A, NXDOMAIN),
            ("endpoint.external CNAME", "endpoint.external.S", CNAME, NXDOMAIN),
            ("a.b.external CNAME", "a.b.external.S", CNAME, NXDOMAIN),
            ("_nope._tcp.svc1 SRV", "_nope._tcp.svc1.S", SRV, NXDOMAIN),
            ("hdls-with-0-ready A", "empty.S", A, NXDOMAIN),
        ],
    );
}

#[test]
fn before_everything_is_known_nothing_is_said_not_to_exist() {
    table(
        &responder().synced(false),
        &[
            ("a name that is already there is answered normally", "svc1.S", A, "NoError | A 10.96.0.1"),
            ("a name that is already there is answered normally", "svc1.S", AAAA, NODATA),
            ("anything unknown before sync", "svc0.S", A, "ServFail | SOA"),
            ("anything unknown before sync", "99.0.96.10.in-addr.arpa", PTR, "ServFail | SOA"),
            ("anything unknown before sync", "dangling.S", A, "ServFail | SOA"),
            ("anything unknown before sync", "svc0.S", SOA, "ServFail | SOA"),
        ],
    );
}

#[test]
fn a_negative_answer_may_be_kept_as_long_as_a_record() {
    for (ttl, soa) in [(5, 5), (30, 30), (3600, 300), (0, 0)] {
        let responder = responder_for(zone().ttl(std::time::Duration::from_secs(ttl)));
        assert_eq!(u64::from(ask(&responder, "svc1.testns.svc.cluster.local.", A).answers[0].ttl), ttl);
        let negative = ask(&responder, "svc0.testns.svc.cluster.local.", A);
        assert_eq!(negative.authorities[0].ttl, soa, "SOA record TTL = min(ttl, 300)");
        assert!(matches!(&negative.authorities[0].data, RData::SOA(soa) if u64::from(soa.minimum) == ttl));
    }
}
