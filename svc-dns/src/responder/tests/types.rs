//! Other types, and the order of records.

use super::*;

#[test]
fn types_that_a_service_does_not_have_are_no_data() {
    let rows = [TXT, MX, HINFO, CNAME, NS, SOA, PTR, HTTPS, SVCB]
        .map(|kind| ("existing name", "svc1.S", kind, NODATA));
    table(&responder(), &rows);
    let rows = [TXT, MX, HINFO, CNAME, NS, SOA, PTR, HTTPS, SVCB]
        .map(|kind| ("else NXDOMAIN", "svc0.S", kind, NXDOMAIN));
    table(&responder(), &rows);
}

#[test]
fn the_version_of_the_schema_is_told() {
    let responder = responder();
    table(
        &responder,
        &[
            ("TXT dns-version.Z", "dns-version.Z", TXT, "NoError | TXT 1.1.0"),
            ("another type", "dns-version.Z", A, NODATA),
        ],
    );
    assert_eq!(
        ask(&responder, "dns-version.cluster.local.", TXT).answers[0].ttl,
        28_800,
        "whatever the ttl option"
    );
}

#[test]
fn any_gets_the_smallest_answer() {
    for name in ["svc1.testns.svc.cluster.local.", "external.testns.svc.cluster.local.", "cluster.local."] {
        let message = ask(&responder(), name, ANY);
        assert_eq!(message.answers.len(), 1, "RFC 8482 section 4.2");
        assert_eq!(message.answers[0].record_type(), HINFO);
    }
    table(
        &responder(),
        &[
            ("a name that does not exist", "svc0.S", ANY, NXDOMAIN),
            ("a name that has nothing", "svc.Z", ANY, NODATA),
            ("a name that has nothing", "_tcp.svc1.S", ANY, NODATA),
        ],
    );
}

#[test]
fn aliases_come_first_then_other_records_then_addresses() {
    for _ in 0..20 {
        let message = ask(&responder(), "chain.testns.svc.cluster.local.", A);
        let kinds: Vec<PeerType> = message.answers.iter().map(PeerRecord::record_type).collect();
        assert_eq!(kinds, [CNAME, CNAME, A]);
    }
}

#[test]
fn every_endpoint_comes_first_at_times() {
    let responder = responder();
    let mut first = std::collections::BTreeSet::new();
    for _ in 0..200 {
        first.insert(ask(&responder, "large.testns.svc.cluster.local.", A).answers[0].data.to_string());
        // The other half of a pair of questions.
        ask(&responder, "hdls1.testns.svc.cluster.local.", AAAA);
    }
    assert!(first.len() > 40, "{} of 60", first.len());
}

#[test]
fn the_order_may_stay() {
    let responder = responder_for(zone().rotate(false));
    let order = || {
        let message = ask(&responder, "large.testns.svc.cluster.local.", A);
        message.answers.iter().map(|record| record.data.to_string()).collect::<Vec<_>>()
    };
    let first = order();
    assert!((0..10).all(|_| order() == first));
}

#[test]
fn a_rotated_answer_holds_every_record_once() {
    let responder = responder();
    for _ in 0..60 {
        let message = ask(&responder, "large.testns.svc.cluster.local.", A);
        let addresses: std::collections::BTreeSet<_> =
            message.answers.iter().map(|record| record.data.to_string()).collect();
        assert_eq!((message.answers.len(), addresses.len()), (60, 60));
    }
}
