//! Answers, compared after hickory-proto has read them. One cluster for all; each test names a behaviour.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hickory_proto::{
    op::{Edns as PeerEdns, Message, MessageType, OpCode, Query as PeerQuery, ResponseCode},
    rr::{Name as PeerName, RData, RecordType as PeerType},
};
use svc_model::{Object, yaml};

use super::*;
use crate::PodRecords;

const CLUSTER: &str = include_str!("cluster.yaml");

/// The objects of a text, all of them valid.
pub(super) fn objects(text: &str) -> Vec<Object> {
    let (objects, problems) = yaml::read(text).stored();
    assert!(problems.is_empty(), "{problems:?}");
    objects
}

fn zone() -> crate::ZoneBuilder {
    Zone::builder("cluster.local").reverse("10.96.0.0/16").reverse("172.0.0.0/8").reverse("fd00:96::/32")
}

fn responder_for(zone: crate::ZoneBuilder) -> Responder {
    let snapshot: Snapshot = objects(CLUSTER).into_iter().collect();
    Responder::new(zone.build().unwrap(), &snapshot).serial(1_700_000_000)
}

fn responder() -> Responder {
    responder_for(zone().pods(PodRecords::Insecure))
}

pub(super) fn query(name: &str, kind: PeerType) -> Message {
    let mut message = Message::new(4711, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(PeerQuery::query(PeerName::from_ascii(name).unwrap(), kind));
    message
}

const CLIENT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 40_000);

/// The answer's bytes.
fn bytes(responder: &Responder, query: &[u8], client: Client) -> Vec<u8> {
    let mut out = Vec::new();
    let outcome = responder.respond(query, client, &mut out);
    assert!(matches!(outcome, Outcome::Answer), "{outcome:?}");
    out
}

fn exchange(responder: &Responder, message: &Message, client: Client) -> Message {
    let answer = Message::from_vec(&bytes(responder, &message.to_vec().unwrap(), client)).unwrap();
    assert_eq!(answer.metadata.id, message.metadata.id);
    assert_eq!(answer.queries, message.queries);
    answer
}

fn ask(responder: &Responder, name: &str, kind: PeerType) -> Message {
    exchange(responder, &query(name, kind), Client::tcp(CLIENT))
}

/// One line: the code, then the answer section sorted, `+` and the additional one sorted; `SOA` where the authority has one.
fn told(message: &Message) -> String {
    let lines = |records: &[hickory_proto::rr::Record]| {
        let mut lines: Vec<String> =
            records.iter().map(|record| format!("{} {}", record.record_type(), record.data)).collect();
        lines.sort();
        lines
    };
    let mut words = vec![format!("{:?}", message.metadata.response_code)];
    words.extend(lines(&message.answers));
    if message.authorities.iter().any(|record| matches!(record.data, RData::SOA(_))) {
        words.push("SOA".to_owned());
    }
    words.extend(lines(&message.additionals).into_iter().map(|line| format!("+{line}")));
    words.join(" | ")
}

#[track_caller]
fn table(responder: &Responder, rows: &[(&str, PeerType, &str)]) {
    for (name, kind, expected) in rows {
        let message = ask(responder, name, *kind);
        assert_eq!(told(&message), *expected, "{name} {kind}");
        assert!(message.metadata.authoritative, "{name} {kind}: AA");
    }
}

use PeerType::{A, AAAA, ANY, CNAME, HINFO, HTTPS, MX, NS, PTR, SOA, SRV, SVCB, TXT};

const NODATA: &str = "NoError | SOA";
const NXDOMAIN: &str = "NXDomain | SOA";

#[test]
fn a_cluster_ip_service_has_its_addresses() {
    table(
        &responder(),
        &[
            ("svc1.testns.svc.cluster.local.", A, "NoError | A 10.96.0.1"),
            ("svc1.testns.svc.cluster.local.", AAAA, NODATA),
            ("dual.testns.svc.cluster.local.", A, "NoError | A 10.96.0.5"),
            ("dual.testns.svc.cluster.local.", AAAA, "NoError | AAAA fd00:96::5"),
            ("portless.testns.svc.cluster.local.", A, "NoError | A 10.96.0.9"),
            ("noendpoints.testns.svc.cluster.local.", A, "NoError | A 10.96.0.8"),
        ],
    );
}

#[test]
fn a_cluster_ip_service_has_locations_for_its_ports() {
    table(
        &responder(),
        &[
            (
                "_http._tcp.svc1.testns.svc.cluster.local.",
                SRV,
                "NoError | SRV 0 100 80 svc1.testns.svc.cluster.local. | +A 10.96.0.1",
            ),
            ("_http._tcp.svc1.testns.svc.cluster.local.", A, "NoError | A 10.96.0.1"),
            ("http.tcp.svc1.testns.svc.cluster.local.", A, "NoError | A 10.96.0.1"),
            (
                "svc1.testns.svc.cluster.local.",
                SRV,
                "NoError | SRV 0 100 80 svc1.testns.svc.cluster.local. | +A 10.96.0.1",
            ),
            ("_nope._tcp.svc1.testns.svc.cluster.local.", SRV, NXDOMAIN),
            ("_http._udp.svc1.testns.svc.cluster.local.", SRV, NXDOMAIN),
            ("_nope._tcp.svc1.testns.svc.cluster.local.", A, NXDOMAIN),
            ("_tcp.svc1.testns.svc.cluster.local.", SRV, NODATA),
            ("_udp.svc1.testns.svc.cluster.local.", SRV, NXDOMAIN),
            ("portless.testns.svc.cluster.local.", SRV, NODATA),
        ],
    );
}

#[test]
fn an_unnamed_port_is_a_location_of_the_service_only() {
    table(
        &responder(),
        &[
            (
                "unnamed.testns.svc.cluster.local.",
                SRV,
                "NoError | SRV 0 100 53 unnamed.testns.svc.cluster.local. | +A 10.96.0.7",
            ),
            ("_._tcp.unnamed.testns.svc.cluster.local.", SRV, NXDOMAIN),
        ],
    );
}

#[test]
fn the_weight_counts_addresses_that_give_the_same_location() {
    table(
        &responder(),
        &[(
            "_dns._udp.dual.testns.svc.cluster.local.",
            SRV,
            "NoError | SRV 0 50 53 dual.testns.svc.cluster.local. | +A 10.96.0.5 | +AAAA fd00:96::5",
        )],
    );
}

#[test]
fn endpoints_of_a_cluster_ip_service_have_names() {
    table(
        &responder(),
        &[
            ("ep1a.svc1.testns.svc.cluster.local.", A, "NoError | A 172.0.0.1"),
            ("172-0-0-9.svc1.testns.svc.cluster.local.", A, "NoError | A 172.0.0.9"),
            ("notready.svc1.testns.svc.cluster.local.", A, NXDOMAIN),
        ],
    );
}

#[test]
fn a_headless_service_has_the_addresses_of_its_ready_endpoints() {
    table(
        &responder(),
        &[
            (
                "hdls1.testns.svc.cluster.local.",
                A,
                "NoError | A 172.0.0.2 | A 172.0.0.3 | A 172.0.0.4 | A 172.0.0.5",
            ),
            ("hdls1.testns.svc.cluster.local.", AAAA, "NoError | AAAA 5678:abcd::1 | AAAA 5678:abcd::2"),
            ("dup-name.hdls1.testns.svc.cluster.local.", A, "NoError | A 172.0.0.4 | A 172.0.0.5"),
            ("172-0-0-2.hdls1.testns.svc.cluster.local.", A, "NoError | A 172.0.0.2"),
            ("172-0-0-2.hdls1.testns.svc.cluster.local.", AAAA, NODATA),
            ("5678-abcd--1.hdls1.testns.svc.cluster.local.", AAAA, "NoError | AAAA 5678:abcd::1"),
            ("bogus.hdls1.testns.svc.cluster.local.", A, NXDOMAIN),
            ("v6only.testns.svc.cluster.local.", A, NODATA),
            ("2001-db8--0.v6only.testns.svc.cluster.local.", AAAA, "NoError | AAAA 2001:db8::"),
            ("hdlsprtls.testns.svc.cluster.local.", A, "NoError | A 172.0.0.20"),
            ("hdlsprtls.testns.svc.cluster.local.", SRV, NODATA),
        ],
    );
}

#[test]
fn a_headless_service_without_ready_endpoints_does_not_exist() {
    table(
        &responder(),
        &[
            ("empty.testns.svc.cluster.local.", A, NXDOMAIN),
            ("empty.testns.svc.cluster.local.", AAAA, NXDOMAIN),
            ("_http._tcp.empty.testns.svc.cluster.local.", SRV, NXDOMAIN),
        ],
    );
}

#[test]
fn a_headless_service_has_a_location_for_each_endpoint_name() {
    let message = ask(&responder(), "_http._tcp.hdls1.testns.svc.cluster.local.", SRV);
    // Six addresses, two of which share a name: five records whose weight counts six.
    assert_eq!(
        told(&message),
        "NoError | SRV 0 16 9376 172-0-0-2.hdls1.testns.svc.cluster.local. \
         | SRV 0 16 9376 172-0-0-3.hdls1.testns.svc.cluster.local. \
         | SRV 0 16 9376 5678-abcd--1.hdls1.testns.svc.cluster.local. \
         | SRV 0 16 9376 5678-abcd--2.hdls1.testns.svc.cluster.local. \
         | SRV 0 16 9376 dup-name.hdls1.testns.svc.cluster.local. \
         | +A 172.0.0.2 | +A 172.0.0.3 | +A 172.0.0.4 | +A 172.0.0.5 | +AAAA 5678:abcd::1 | +AAAA 5678:abcd::2"
    );
    for record in &message.additionals {
        let targets = message
            .answers
            .iter()
            .filter(|answer| matches!(&answer.data, RData::SRV(srv) if srv.target == record.name));
        assert_eq!(targets.count(), 1, "{record}");
    }
}

#[test]
fn an_endpoint_has_a_location() {
    table(
        &responder(),
        &[(
            "172-0-0-2.hdls1.testns.svc.cluster.local.",
            SRV,
            "NoError | SRV 0 100 9376 172-0-0-2.hdls1.testns.svc.cluster.local. | +A 172.0.0.2",
        )],
    );
}

#[test]
fn endpoints_may_be_named_after_their_pods() {
    let responder = responder_for(zone().endpoint_pod_names(true));
    table(
        &responder,
        &[
            ("web-0.hdls1.testns.svc.cluster.local.", A, "NoError | A 172.0.0.2"),
            ("172-0-0-2.hdls1.testns.svc.cluster.local.", A, NXDOMAIN),
            ("dup-name.hdls1.testns.svc.cluster.local.", A, "NoError | A 172.0.0.4 | A 172.0.0.5"),
        ],
    );
}

#[test]
fn an_external_name_inside_the_zone_is_followed() {
    table(
        &responder(),
        &[
            (
                "inside.testns.svc.cluster.local.",
                A,
                "NoError | A 10.96.0.1 | CNAME svc1.testns.svc.cluster.local.",
            ),
            ("inside.testns.svc.cluster.local.", CNAME, "NoError | CNAME svc1.testns.svc.cluster.local."),
            ("inside.testns.svc.cluster.local.", AAAA, NODATA),
            ("inside.testns.svc.cluster.local.", SRV, NODATA),
            (
                "chain.testns.svc.cluster.local.",
                A,
                "NoError | A 10.96.0.1 | CNAME inside.testns.svc.cluster.local. | CNAME svc1.testns.svc.cluster.local.",
            ),
            ("dangling.testns.svc.cluster.local.", A, NODATA),
            ("loop1.testns.svc.cluster.local.", A, NODATA),
            ("self.testns.svc.cluster.local.", A, NODATA),
        ],
    );
}

#[test]
fn an_external_name_outside_the_zone_is_an_alias() {
    table(
        &responder(),
        &[
            ("external.testns.svc.cluster.local.", CNAME, "NoError | CNAME www.example.com."),
            // Nobody to ask: the alias is all there is to say.
            ("external.testns.svc.cluster.local.", A, "NoError | CNAME www.example.com."),
            ("external.testns.svc.cluster.local.", AAAA, "NoError | CNAME www.example.com."),
            ("external.testns.svc.cluster.local.", SRV, NODATA),
            ("endpoint.external.testns.svc.cluster.local.", CNAME, NXDOMAIN),
            ("_http._tcp.external.testns.svc.cluster.local.", CNAME, NXDOMAIN),
        ],
    );
}

#[test]
fn an_external_name_that_is_an_address_does_not_exist() {
    table(&responder(), &[("address.testns.svc.cluster.local.", A, NXDOMAIN)]);
}

#[test]
fn pods_have_names_made_of_their_addresses() {
    table(
        &responder(),
        &[
            ("10-240-0-1.testns.pod.cluster.local.", A, "NoError | A 10.240.0.1"),
            ("10-240-0-1.testns.pod.cluster.local.", AAAA, NODATA),
            ("1234-abcd--1.testns.pod.cluster.local.", AAAA, "NoError | AAAA 1234:abcd::1"),
            ("10-240-0-1.nowhere.pod.cluster.local.", A, NXDOMAIN),
            ("blah.testns.pod.cluster.local.", A, NXDOMAIN),
            ("10-240-0-300.testns.pod.cluster.local.", A, NXDOMAIN),
            ("testns.pod.cluster.local.", A, NODATA),
            ("nowhere.pod.cluster.local.", A, NXDOMAIN),
            ("pod.cluster.local.", A, NODATA),
        ],
    );
}

#[test]
fn pod_records_may_be_off_or_verified() {
    let disabled = responder_for(zone());
    table(
        &disabled,
        &[("10-240-0-1.testns.pod.cluster.local.", A, NXDOMAIN), ("testns.pod.cluster.local.", A, NXDOMAIN)],
    );
    let verified = responder_for(zone().pods(PodRecords::Verified));
    table(
        &verified,
        &[
            ("10-240-0-7.testns.pod.cluster.local.", A, "NoError | A 10.240.0.7"),
            ("10-240-0-1.testns.pod.cluster.local.", A, NXDOMAIN),
            ("10-240-0-7.emptyns.pod.cluster.local.", A, NXDOMAIN),
        ],
    );
}

#[test]
fn addresses_have_names() {
    table(
        &responder(),
        &[
            ("1.0.96.10.in-addr.arpa.", PTR, "NoError | PTR svc1.testns.svc.cluster.local."),
            ("2.0.0.172.in-addr.arpa.", PTR, "NoError | PTR 172-0-0-2.hdls1.testns.svc.cluster.local."),
            ("4.0.0.172.in-addr.arpa.", PTR, "NoError | PTR dup-name.hdls1.testns.svc.cluster.local."),
            ("1.0.0.172.in-addr.arpa.", PTR, "NoError | PTR ep1a.svc1.testns.svc.cluster.local."),
            (
                "5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.0.d.f.ip6.arpa.",
                PTR,
                "NoError | PTR dual.testns.svc.cluster.local.",
            ),
            ("1.0.96.10.in-addr.arpa.", A, NODATA),
            ("99.0.96.10.in-addr.arpa.", PTR, NXDOMAIN),
            ("0.96.10.in-addr.arpa.", PTR, NODATA),
            ("96.10.in-addr.arpa.", PTR, NODATA),
            ("x.96.10.in-addr.arpa.", PTR, NXDOMAIN),
            ("svc1.testns.svc.cluster.local.", PTR, NODATA),
            ("svc0.testns.svc.cluster.local.", PTR, NXDOMAIN),
        ],
    );
}

#[test]
fn the_soa_of_a_reverse_zone_is_its_own() {
    let message = ask(&responder(), "99.0.96.10.in-addr.arpa.", PTR);
    assert_eq!(message.authorities[0].name.to_string(), "96.10.in-addr.arpa.");
}

#[test]
fn names_without_records_exist_and_others_do_not() {
    table(
        &responder(),
        &[
            ("svc0.testns.svc.cluster.local.", A, NXDOMAIN),
            ("svc0.testns.svc.cluster.local.", TXT, NXDOMAIN),
            ("svc1.nosuchns.svc.cluster.local.", A, NXDOMAIN),
            ("testns.svc.cluster.local.", A, NODATA),
            ("emptyns.svc.cluster.local.", NS, NODATA),
            ("foo.svc.cluster.local.", NS, NXDOMAIN),
            ("svc.cluster.local.", A, NODATA),
            ("svc.cluster.local.", NS, NODATA),
            ("foo.cluster.local.", NS, NXDOMAIN),
            ("x.pood.cluster.local.", A, NXDOMAIN),
            ("svc1.testns.cluster.local.", A, NXDOMAIN),
            ("a.b.c.svc1.testns.svc.cluster.local.", A, NXDOMAIN),
            ("*.testns.svc.cluster.local.", A, NXDOMAIN),
            ("svc1.*.svc.cluster.local.", A, NXDOMAIN),
            ("any.any.svc1.testns.svc.cluster.local.", SRV, NXDOMAIN),
        ],
    );
}

#[test]
fn types_that_a_service_does_not_have_are_no_data() {
    let rows = [TXT, MX, HINFO, CNAME, NS, SOA, HTTPS, SVCB]
        .map(|kind| ("svc1.testns.svc.cluster.local.", kind, NODATA));
    table(&responder(), &rows);
}

#[test]
fn any_gets_the_smallest_answer() {
    let message = ask(&responder(), "svc1.testns.svc.cluster.local.", ANY);
    assert_eq!(message.answers.len(), 1);
    assert_eq!(message.answers[0].record_type(), HINFO);
    table(&responder(), &[("svc0.testns.svc.cluster.local.", ANY, NXDOMAIN)]);
}

#[test]
fn the_zone_says_who_it_is() {
    let responder = responder_for(zone().addresses(["10.96.0.10".parse().unwrap()]));
    let soa = "ns.dns.cluster.local. hostmaster.cluster.local. 1700000000 7200 1800 86400 5";
    table(
        &responder,
        &[
            ("cluster.local.", SOA, &format!("NoError | SOA {soa}")),
            ("cluster.local.", NS, "NoError | NS ns.dns.cluster.local. | +A 10.96.0.10"),
            ("cluster.local.", A, NODATA),
            ("cluster.local.", AAAA, NODATA),
            ("cluster.local.", SRV, NODATA),
            ("cluster.local.", HINFO, NODATA),
            ("ns.dns.cluster.local.", A, "NoError | A 10.96.0.10"),
            ("ns.dns.cluster.local.", AAAA, NODATA),
            ("dns.cluster.local.", A, NODATA),
            ("dns-version.cluster.local.", TXT, "NoError | TXT 1.1.0"),
            ("dns-version.cluster.local.", A, NODATA),
        ],
    );
    assert_eq!(ask(&responder, "dns-version.cluster.local.", TXT).answers[0].ttl, 28_800);
}

#[test]
fn the_time_to_live_is_the_zones_and_the_soa_is_kept_five_minutes_at_most() {
    let responder = responder_for(zone().ttl(std::time::Duration::from_secs(3600)));
    assert_eq!(ask(&responder, "svc1.testns.svc.cluster.local.", A).answers[0].ttl, 3600);
    let negative = ask(&responder, "svc0.testns.svc.cluster.local.", A);
    assert_eq!(negative.authorities[0].ttl, 300);
    assert!(matches!(&negative.authorities[0].data, RData::SOA(soa) if soa.minimum == 3600));
}

#[test]
fn an_empty_cluster_ip_service_may_be_hidden() {
    let responder = responder_for(zone().ignore_empty_service(true));
    table(
        &responder,
        &[
            ("noendpoints.testns.svc.cluster.local.", A, NXDOMAIN),
            ("svc1.testns.svc.cluster.local.", A, "NoError | A 10.96.0.1"),
            ("external.testns.svc.cluster.local.", CNAME, "NoError | CNAME www.example.com."),
        ],
    );
}

#[test]
fn before_everything_is_known_nothing_is_said_not_to_exist() {
    table(
        &responder().synced(false),
        &[
            ("svc1.testns.svc.cluster.local.", A, "NoError | A 10.96.0.1"),
            ("svc0.testns.svc.cluster.local.", A, "ServFail | SOA"),
            ("99.0.96.10.in-addr.arpa.", PTR, "ServFail | SOA"),
            ("dangling.testns.svc.cluster.local.", A, "ServFail | SOA"),
        ],
    );
}

#[test]
fn names_are_spelled_as_the_client_spells_them() {
    let responder = responder();
    let raw = |name, kind| bytes(&responder, &query(name, kind).to_vec().unwrap(), Client::udp(CLIENT));
    let contains = |message: &[u8], text: &[u8]| message.windows(text.len()).any(|window| window == text);
    let answer = raw("_Http._TCP.Svc1.TESTNS.svc.ClusTer.LocaL.", SRV);
    assert!(contains(&answer, b"\x05_Http\x04_TCP\x04Svc1\x06TESTNS\x03svc\x07ClusTer\x05LocaL"));
    // A target: the objects' names in lower case, then the client's spelling of the zone.
    assert!(contains(&answer, b"\x04svc1\x06testns\x03svc\x07ClusTer\x05LocaL"));
    let answer = Message::from_vec(&raw("Svc0.Testns.SVC.ClusTer.LocaL.", A)).unwrap();
    assert_eq!(answer.authorities[0].name.to_ascii(), "ClusTer.LocaL.");
    assert!(
        matches!(&answer.authorities[0].data, RData::SOA(soa) if soa.mname.to_ascii() == "ns.dns.ClusTer.LocaL.")
    );
}

#[test]
fn a_datagram_is_as_long_as_the_client_can_take() {
    let responder = responder();
    let name = "large.testns.svc.cluster.local.";
    let plain = exchange(&responder, &query(name, A), Client::udp(CLIENT));
    assert!(plain.metadata.truncation);
    assert_eq!(plain.answers.len(), (512 - 12 - 35) / 16);
    let edns = |size| {
        let mut message = query(name, A);
        message.edns = Some({
            let mut edns = PeerEdns::new();
            edns.set_max_payload(size).set_dnssec_ok(true);
            edns
        });
        exchange(&responder, &message, Client::udp(CLIENT))
    };
    let large = edns(1232);
    assert!(!large.metadata.truncation);
    assert_eq!(large.answers.len(), 60);
    let echoed = large.edns.unwrap();
    assert_eq!((echoed.max_payload(), echoed.flags().dnssec_ok, echoed.version()), (1232, true, 0));
    // Less than 512 means 512.
    assert_eq!(edns(100).answers.len(), (512 - 12 - 35 - 11) / 16);
    assert_eq!(ask(&responder, name, A).answers.len(), 60);
}

#[test]
fn the_zone_may_limit_datagrams() {
    let responder = responder_for(zone().max_udp_size(600));
    let mut message = query("large.testns.svc.cluster.local.", A);
    message.edns = Some(PeerEdns::new().set_max_payload(4096).clone());
    let answer = exchange(&responder, &message, Client::udp(CLIENT));
    assert!(answer.metadata.truncation);
    assert_eq!(answer.answers.len(), (600 - 12 - 35 - 11) / 16);
}

#[test]
fn an_answer_that_no_message_can_hold_is_a_part_that_fits() {
    let mut text = String::from(
        "{apiVersion: v1, kind: Service, metadata: {name: huge, namespace: testns}, spec: {clusterIP: None}}\n",
    );
    for slice in 0..5 {
        let endpoints: Vec<String> =
            (0..1000).map(|n| format!("{{addresses: [10.{slice}.{}.{}]}}", n / 250, n % 250)).collect();
        text += &format!(
            "---\n{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {{name: huge-{slice}, \
             namespace: testns, labels: {{kubernetes.io/service-name: huge}}}}, endpoints: [{}]}}\n",
            endpoints.join(", ")
        );
    }
    let snapshot: Snapshot = objects(&text).into_iter().collect();
    let responder = Responder::new(zone().build().unwrap(), &snapshot);
    let answer = ask(&responder, "huge.testns.svc.cluster.local.", A);
    assert!(!answer.metadata.truncation);
    assert_eq!(answer.answers.len(), (65_535 - 12 - 34) / 16);
    assert_eq!(responder.trimmed(), 1);
}

#[test]
fn every_endpoint_comes_first_at_times() {
    let responder = responder();
    let mut first = std::collections::BTreeSet::new();
    for _ in 0..200 {
        first.insert(ask(&responder, "large.testns.svc.cluster.local.", A).answers[0].data.to_string());
        // The other half of a pair of questions.
        ask(&responder, "large.testns.svc.cluster.local.", AAAA);
    }
    assert!(first.len() > 40, "{} of 60", first.len());
}

#[test]
fn names_outside_the_zone_are_refused_or_forwarded() {
    let refused = ask(&responder(), "www.example.com.", A);
    assert_eq!(refused.metadata.response_code, ResponseCode::Refused);
    assert!(!refused.metadata.authoritative && !refused.metadata.recursion_available);
    let mut out = Vec::new();
    let forwarding = responder().forwarding(true);
    let outcome =
        forwarding.respond(&query("www.example.com.", A).to_vec().unwrap(), Client::udp(CLIENT), &mut out);
    let Outcome::Forward(forward) = outcome else { panic!("{outcome:?}") };
    assert_eq!(forward.name().to_string(), "www.example.com.");
    // Names of the zone stay here.
    table(
        &forwarding,
        &[("svc0.testns.svc.cluster.local.", A, NXDOMAIN), ("99.0.96.10.in-addr.arpa.", PTR, NXDOMAIN)],
    );
    assert!(ask(&forwarding, "svc1.testns.svc.cluster.local.", A).metadata.recursion_available);
}

#[test]
fn reverse_names_may_fall_through() {
    let responder = responder_for(zone().reverse_fallthrough(true)).forwarding(true);
    table(&responder, &[("1.0.96.10.in-addr.arpa.", PTR, "NoError | PTR svc1.testns.svc.cluster.local.")]);
    let unknown = query("99.0.96.10.in-addr.arpa.", PTR).to_vec().unwrap();
    let outcome = responder.respond(&unknown, Client::udp(CLIENT), &mut Vec::new());
    assert!(matches!(outcome, Outcome::Forward(_)));
}

#[test]
fn transfers_and_other_classes_are_refused() {
    let code =
        |message: &Message| exchange(&responder(), message, Client::tcp(CLIENT)).metadata.response_code;
    assert_eq!(code(&query("cluster.local.", PeerType::AXFR)), ResponseCode::Refused);
    assert_eq!(code(&query("cluster.local.", PeerType::IXFR)), ResponseCode::Refused);
    let mut chaos = query("svc1.testns.svc.cluster.local.", A);
    chaos.queries[0].set_query_class(hickory_proto::rr::DNSClass::CH);
    assert_eq!(code(&chaos), ResponseCode::Refused);
}

#[test]
fn an_unknown_edns_version_is_told_the_known_one() {
    let mut message = query("svc1.testns.svc.cluster.local.", A);
    message.edns = Some(PeerEdns::new().set_version(1).clone());
    let answer = exchange(&responder(), &message, Client::udp(CLIENT));
    // 16 has two names, the other one for TSIG.
    assert_eq!(u16::from(answer.metadata.response_code), Rcode::BADVERS.number());
    assert_eq!(answer.edns.unwrap().version(), 0);
    assert!(answer.answers.is_empty());
}

#[test]
fn messages_that_are_no_queries_get_a_code_or_silence() {
    let responder = responder();
    let good = query("svc1.testns.svc.cluster.local.", A).to_vec().unwrap();
    let code = |message: &[u8]| {
        let mut out = Vec::new();
        match responder.respond(message, Client::udp(CLIENT), &mut out) {
            Outcome::Answer => Some(out[3] & 0xf),
            _ => None,
        }
    };
    let changed = |at: usize, value: u8| {
        let mut message = good.clone();
        message[at] = value;
        code(&message)
    };
    assert_eq!(code(&good), Some(0));
    assert_eq!(code(&good[..11]), None, "no header");
    assert_eq!(changed(2, 0x81), None, "a response");
    assert_eq!(changed(2, 0x21), Some(4), "NOTIFY");
    assert_eq!(changed(5, 0), Some(2), "no question");
    assert_eq!(changed(5, 2), Some(1), "two questions");
    assert_eq!(changed(12, 0xc0), Some(1), "a compressed question");
    assert_eq!(changed(12, 0x40), Some(1), "a label of a kind that never came to be");
    assert_eq!(code(&good[..good.len() - 1]), Some(1), "half a question");
    assert_eq!(changed(11, 1), Some(1), "a record that is not there");
}

#[test]
fn search_path_names_that_are_longer_than_any_of_ours_do_not_exist() {
    table(
        &responder(),
        &[
            ("api.example.com.testns.svc.cluster.local.", A, NXDOMAIN),
            ("www.example.com.svc.cluster.local.", A, NXDOMAIN),
            ("www.example.com.cluster.local.", A, NXDOMAIN),
            ("svc1.testns.testns.svc.cluster.local.", A, NXDOMAIN),
        ],
    );
}

#[test]
fn the_serial_moves_with_what_clients_can_see() {
    let text = |ready: bool, label: &str| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: web, namespace: a, labels: {{x: {label}}}}}, spec: {{clusterIP: None}}}}\n---\n\
             {{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {{name: web-1, namespace: a, \
             labels: {{kubernetes.io/service-name: web}}}}, endpoints: [{{addresses: [10.1.2.3]}}, \
             {{addresses: [10.1.2.4], conditions: {{ready: {ready}}}}}]}}"
        )
    };
    let store = svc_model::store::Store::new();
    store.apply(objects(&text(true, "one")));
    let mut watch = store.watch();
    let mut responder = Responder::new(zone().build().unwrap(), &store.snapshot()).serial(100);
    let serial = |responder: &Responder| match &ask(responder, "cluster.local.", SOA).answers[0].data {
        RData::SOA(soa) => soa.serial,
        other => panic!("{other}"),
    };
    let mut change = |ready, label, now| {
        store.apply(objects(&text(ready, label)));
        let (snapshot, delta) =
            tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(watch.changed()).unwrap();
        responder.update(&snapshot, &delta, now);
        assert_eq!(responder.revision(), snapshot.revision());
        serial(&responder)
    };
    assert_eq!(change(true, "two", 200), 100, "a label");
    assert_eq!(change(false, "two", 300), 300, "readiness");
    assert_eq!(change(true, "two", 300), 301, "again in the same second");
}
