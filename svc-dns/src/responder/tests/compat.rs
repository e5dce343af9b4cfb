//! CoreDNS's side, where it differs.

use super::*;

#[test]
fn where_coredns_and_the_rfcs_differ_one_may_choose() {
    let coredns = responder_for(zone().pods(PodRecords::Insecure).compat(Compat::CoreDns));
    table(
        &coredns,
        &[
            ("empty non-terminals of ours", "_tcp.svc1.S", SRV, NXDOMAIN),
            ("empty non-terminals of ours", "dns.Z", A, NXDOMAIN),
            ("a partial reverse name", "0.96.10.in-addr.arpa", PTR, NXDOMAIN),
            ("dns-version.cluster.local A => NXDOMAIN", "dns-version.Z", A, NXDOMAIN),
            ("A/other qtypes under a reverse zone => NXDOMAIN", "1.0.96.10.in-addr.arpa", A, NXDOMAIN),
            ("SOA qtype, without an existence check: NODATA", "svc0.S", SOA, NODATA),
            ("ANY without the `any` plugin: the NODATA rule", "svc1.S", ANY, NODATA),
            ("ANY without the `any` plugin: the NXDOMAIN rule", "svc0.S", ANY, NXDOMAIN),
            ("no local address: NS is NODATA", "Z", NS, NODATA),
            ("what does not differ", "svc1.S", A, "NoError | A 10.96.0.1"),
            ("what does not differ", "svc.Z", A, NODATA),
            ("what does not differ", "svc0.S", A, NXDOMAIN),
        ],
    );
}

#[test]
fn an_alias_stands_alone_where_coredns_would_leave_it_so() {
    for (compat, expected) in [(Compat::Rfc, Rcode::NXDOMAIN), (Compat::CoreDns, Rcode::NOERROR)] {
        let responder = responder_for(zone().compat(compat)).forwarding(true);
        let message = query("external.testns.svc.cluster.local.", A).to_vec().unwrap();
        let mut out = Vec::new();
        let outcome = responder.respond(&message, Client::udp(CLIENT), &mut out);
        let Outcome::Forward(forward) = outcome else { panic!("{outcome:?}") };
        // The server knows of no such name.
        let mut reply = forward.query(7);
        reply[2] |= 0x80;
        reply[3] |= 3;
        forward.finish(Ok(&reply), &mut out);
        let answer = Message::from_vec(&out).unwrap();
        assert_eq!(u16::from(answer.metadata.response_code), expected.number(), "{compat:?}");
        assert_eq!(answer.answers.len(), 1);
    }
}
