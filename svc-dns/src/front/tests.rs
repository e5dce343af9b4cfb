use std::net::SocketAddr;

use svc_model::{Snapshot, yaml};

use super::*;
use crate::{
    Autopath, Cache, CacheConfig, Hosts, PodRecords, Zone,
    fake::FakeUpstream,
    message::{Name, RecordType, Reply},
    rewrite::{Matcher, Rule},
    template::Template,
};

const CLUSTER: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Namespace
metadata: {name: default}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1], ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: outside, namespace: shop}
spec: {type: ExternalName, externalName: www.example.com}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: default}
spec: {containers: [{name: c, image: i}]}
status: {phase: Running, podIP: 10.244.1.7, podIPs: [{ip: 10.244.1.7}]}
";

const POD: &str = "10.244.1.7:40000";

fn responder() -> Responder {
    let snapshot: Snapshot = yaml::read(CLUSTER).stored().0.into_iter().collect();
    let zone = Zone::builder("cluster.local").pods(PodRecords::Verified).build().unwrap();
    Responder::new(zone, &snapshot).forwarding(true)
}

#[expect(clippy::disallowed_methods, reason = "any time will do")]
fn now() -> Instant {
    Instant::now()
}

struct Seen {
    rcode: Rcode,
    question: String,
    records: Vec<String>,
}

async fn ask_from(front: &Front, client: &str, name: &str, kind: RecordType) -> Seen {
    let message = Query::emit(7, &name.parse().unwrap(), kind);
    let client = Client::udp(client.parse::<SocketAddr>().unwrap());
    let mut out = Vec::new();
    match front.respond(&responder(), &message, client, now(), &mut out) {
        Outcome::Answer => {}
        Outcome::Forward(forward) => out = front.resolve(&forward).await,
        other => panic!("{other:?}"),
    }
    hickory_proto::op::Message::from_vec(&out).unwrap();
    let reply = Reply::parse(&out).unwrap();
    assert_eq!(reply.header().id, 7);
    Seen {
        rcode: reply.rcode(),
        question: reply.question().spelling().to_string(),
        records: reply.answer_records().unwrap().iter().map(ToString::to_string).collect(),
    }
}

async fn ask(front: &Front, name: &str) -> Seen {
    ask_from(front, POD, name, RecordType::A).await
}

fn upstream() -> FakeUpstream {
    FakeUpstream::new()
        .address("www.example.com", [192, 0, 2, 80])
        .address("host.corp.example", [192, 0, 2, 81])
}

fn front(upstream: &FakeUpstream, site: SiteBuilder) -> Front {
    let cache = Cache::new(CacheConfig::default());
    let forwarder =
        Forwarder::builder().upstream("192.0.2.53").cache(cache).network(upstream.clone()).build().unwrap();
    Front::new().forward(forwarder).site(site.build().unwrap())
}

fn names(upstream: &FakeUpstream) -> Vec<String> {
    upstream.asked().iter().map(|asked| asked.name.to_string()).collect()
}

#[tokio::test]
async fn without_rules_it_is_the_responder_and_the_cache() {
    let upstream = upstream();
    let cache = Cache::new(CacheConfig::default());
    let forwarder =
        Forwarder::builder().upstream("192.0.2.53").cache(cache).network(upstream.clone()).build().unwrap();
    let front = Front::new().forward(forwarder);
    for _ in 0..3 {
        assert_eq!(ask(&front, "www.example.com").await.records, ["www.example.com. 60 IN A 192.0.2.80"]);
        assert_eq!(ask(&front, "web.shop.svc.cluster.local").await.records.len(), 1);
        assert_eq!(ask(&front, "outside.shop.svc.cluster.local").await.records.len(), 2);
    }
    assert_eq!(names(&upstream), ["www.example.com."]);
    // A hit does not wait.
    let message = Query::emit(7, &"www.example.com".parse().unwrap(), RecordType::A);
    let client = Client::udp(POD.parse().unwrap());
    let outcome = front.respond(&responder(), &message, client, now(), &mut Vec::new());
    assert!(matches!(outcome, Outcome::Answer));
}

#[tokio::test]
async fn a_name_of_the_zone_that_falls_through_is_never_kept() {
    let upstream = FakeUpstream::new().address("new.shop.svc.cluster.local", [192, 0, 2, 82]);
    let front = front(&upstream, Site::builder("."));
    let zone = || Zone::builder("cluster.local").fallthrough("cluster.local").build().unwrap();
    let snapshot: Snapshot = yaml::read(CLUSTER).stored().0.into_iter().collect();
    let responder = Responder::new(zone(), &snapshot).forwarding(true);
    let message = Query::emit(7, &"new.shop.svc.cluster.local".parse().unwrap(), RecordType::A);
    for _ in 0..2 {
        let client = Client::udp(POD.parse().unwrap());
        let outcome = front.respond(&responder, &message, client, now(), &mut Vec::new());
        let Outcome::Forward(forward) = outcome else { panic!("{outcome:?}: from the cache?") };
        let reply = front.resolve(&forward).await;
        assert_eq!(Reply::parse(&reply).unwrap().answer_records().unwrap().len(), 1);
    }
    assert_eq!(names(&upstream).len(), 2, "tomorrow the zone may know it");
}

#[tokio::test]
async fn without_a_forwarder_foreign_names_are_refused() {
    let front = Front::new();
    assert_eq!(ask(&front, "www.example.com").await.rcode, Rcode::REFUSED);
}

#[tokio::test]
async fn hosts_and_templates_come_before_the_zone_and_the_servers() {
    let upstream = upstream();
    let (hosts, _) = Hosts::parse("192.0.2.7 printer.office web.shop.svc.cluster.local");
    let site = Site::builder(".").hosts(hosts).template(Template::new(Some(RecordType::AAAA)));
    let front = front(&upstream, site);
    assert_eq!(ask(&front, "printer.office").await.records, ["printer.office. 3600 IN A 192.0.2.7"]);
    assert_eq!(
        ask(&front, "web.shop.svc.cluster.local").await.records[0].split(' ').next_back(),
        Some("192.0.2.7")
    );
    let nodata = ask_from(&front, POD, "www.example.com", RecordType::AAAA).await;
    assert_eq!((nodata.rcode, nodata.records.len()), (Rcode::NOERROR, 0));
    assert_eq!(names(&upstream), [""; 0]);
    assert_eq!(ask(&front, "www.example.com").await.records.len(), 1);
}

#[tokio::test]
async fn the_target_of_an_alias_may_be_a_host() {
    let upstream = upstream();
    let (hosts, _) = Hosts::parse("192.0.2.9 www.example.com");
    let alias = "outside.shop.svc.cluster.local. 5 IN CNAME www.example.com.";
    let office = Rule::name(Matcher::exact("old.office"), "outside.shop.svc.cluster.local").unwrap();
    let front = front(&upstream, Site::builder(".").hosts(hosts).rewrite(office));
    let seen = ask(&front, "outside.shop.svc.cluster.local").await;
    assert_eq!(seen.records, [alias, "www.example.com. 3600 IN A 192.0.2.9"]);
    let seen = ask(&front, "old.office").await;
    assert_eq!(seen.question, "old.office.", "through a rule of its own, too");
    assert_eq!(seen.records.last().unwrap(), "www.example.com. 3600 IN A 192.0.2.9");
    assert_eq!(names(&upstream), [""; 0]);
    // What no rule knows is asked for elsewhere.
    let (other, _) = Hosts::parse("192.0.2.9 www.example.org");
    let front = self::front(&upstream, Site::builder(".").hosts(other));
    let seen = ask(&front, "outside.shop.svc.cluster.local").await;
    assert_eq!(seen.records, [alias, "www.example.com. 60 IN A 192.0.2.80"]);
    assert_eq!(names(&upstream), ["www.example.com."]);
}

#[tokio::test]
async fn preferred_addresses_come_first_whoever_answers() {
    let upstream = FakeUpstream::new()
        .address("www.example.com", [192, 0, 2, 80])
        .address("www.example.com", [198, 51, 100, 80])
        .address("www.example.com", [203, 0, 113, 80]);
    let networks = ["203.0.113.0/24".parse().unwrap(), "198.51.100.0/24".parse().unwrap()];
    let (hosts, _) = Hosts::parse("192.0.2.7 printer.office\n203.0.113.7 printer.office");
    let front = front(&upstream, Site::builder(".").hosts(hosts).prefer(networks));
    let addresses = |seen: Seen| -> Vec<String> {
        let last = |record: &String| record.rsplit(' ').next().unwrap().to_owned();
        seen.records.iter().filter(|record| record.contains(" A ")).map(last).collect()
    };
    assert_eq!(addresses(ask(&front, "printer.office").await), ["203.0.113.7", "192.0.2.7"]);
    for _ in 0..5 {
        let expected = ["203.0.113.80", "198.51.100.80", "192.0.2.80"];
        assert_eq!(
            addresses(ask(&front, "www.example.com").await),
            expected,
            "from a server and from the cache"
        );
        assert_eq!(addresses(ask(&front, "outside.shop.svc.cluster.local").await), expected);
    }
}

#[tokio::test]
async fn the_longest_domain_has_the_rules() {
    let (outer, _) = Hosts::parse("192.0.2.1 a.office b.office.example");
    let (inner, _) = Hosts::parse("192.0.2.2 b.office.example");
    let front = Front::new()
        .site(Site::builder(".").hosts(outer).build().unwrap())
        .site(Site::builder("Office.example").hosts(inner).build().unwrap());
    assert_eq!(ask(&front, "a.office").await.records, ["a.office. 3600 IN A 192.0.2.1"]);
    assert_eq!(ask(&front, "b.office.example").await.records, ["b.office.example. 3600 IN A 192.0.2.2"]);
}

#[tokio::test]
async fn rewritten_names_are_answered_by_the_zone_and_by_servers() {
    let upstream = upstream();
    let shop = Rule::name(Matcher::suffix(".shop.example"), ".shop.svc.cluster.local").unwrap();
    let old = Rule::name(Matcher::exact("old.example"), "www.example.com").unwrap();
    let front = front(&upstream, Site::builder(".").rewrite(shop).rewrite(old));
    let seen = ask(&front, "Web.shop.example").await;
    assert_eq!(seen.question, "Web.shop.example.");
    assert_eq!(seen.records, ["Web.shop.example. 5 IN A 10.96.0.1"]);
    for _ in 0..2 {
        let seen = ask(&front, "old.example").await;
        assert_eq!(
            (seen.question.as_str(), seen.records),
            ("old.example.", vec!["old.example. 60 IN A 192.0.2.80".to_owned()])
        );
    }
    assert_eq!(names(&upstream), ["www.example.com."], "the second from the cache");
}

#[tokio::test]
async fn search_paths_are_walked_for_pods() {
    let upstream = upstream();
    let corp: Name = "corp.example".parse().unwrap();
    let front = front(&upstream, Site::builder(".").autopath(Autopath::new().node_search([corp])));
    // The name as it is: no alias.
    let seen = ask(&front, "web.default.svc.cluster.local").await;
    assert_eq!(seen.rcode, Rcode::NXDOMAIN, "web is not in default, and nowhere else");
    for _ in 0..2 {
        let seen = ask(&front, "web.shop.default.svc.cluster.local").await;
        assert_eq!(
            seen.records,
            [
                "web.shop.default.svc.cluster.local. 5 IN CNAME web.shop.svc.cluster.local.",
                "web.shop.svc.cluster.local. 5 IN A 10.96.0.1"
            ]
        );
    }
    let seen = ask(&front, "www.example.com.default.svc.cluster.local").await;
    assert_eq!(
        seen.records,
        [
            "www.example.com.default.svc.cluster.local. 60 IN CNAME www.example.com.",
            "www.example.com. 60 IN A 192.0.2.80"
        ]
    );
    let seen = ask(&front, "host.default.svc.cluster.local").await;
    assert_eq!(seen.records[0], "host.default.svc.cluster.local. 60 IN CNAME host.corp.example.");
    let asked = names(&upstream);
    assert!(asked.iter().all(|name| !name.contains("cluster.local")), "{asked:?}");
    // An alias of the zone at the end of the path.
    let seen = ask(&front, "outside.shop.default.svc.cluster.local").await;
    assert_eq!(seen.records.len(), 3, "{:?}", seen.records);
    // Nothing anywhere; the wrong namespace; nobody we know.
    let seen = ask(&front, "nope.example.org.default.svc.cluster.local").await;
    assert_eq!((seen.rcode, seen.records.len()), (Rcode::NXDOMAIN, 0));
    for (client, name) in [
        (POD, "www.example.com.shop.svc.cluster.local"),
        ("10.244.9.9:1", "www.example.com.default.svc.cluster.local"),
    ] {
        assert_eq!(
            ask_from(&front, client, name, RecordType::A).await.rcode,
            Rcode::NXDOMAIN,
            "{client} {name}"
        );
    }
}

#[tokio::test]
async fn small_answers_need_no_data() {
    let upstream = upstream();
    let site = Site::builder(".").minimal_any(true).local(true).whoami(true);
    let front = front(&upstream, site);
    let any = ask_from(&front, POD, "www.example.com", RecordType::ANY).await;
    assert_eq!(any.records.len(), 1);
    for (name, kind, expected) in [
        ("localhost", RecordType::A, "localhost. 3600 IN A 127.0.0.1"),
        ("a.localhost", RecordType::AAAA, "a.localhost. 3600 IN AAAA ::1"),
        ("1.0.0.127.in-addr.arpa", RecordType::PTR, "1.0.0.127.in-addr.arpa. 3600 IN PTR localhost."),
    ] {
        assert_eq!(ask_from(&front, POD, name, kind).await.records, [expected]);
    }
    assert_eq!(ask(&front, "localhost.default.svc.cluster.local").await.records.len(), 1);
    let whoami = ask(&front, "who.example").await;
    assert_eq!((whoami.rcode, whoami.records.len()), (Rcode::NOERROR, 0));
    assert_eq!(names(&upstream), [""; 0]);
}

#[tokio::test]
async fn messages_that_are_no_queries_are_the_responders() {
    let front = front(&upstream(), Site::builder(".").local(true));
    let client = Client::udp(POD.parse().unwrap());
    for message in [&[][..], &[0; 11], &[0xff; 40], &[0; 12]] {
        let mut out = Vec::new();
        let mut expected = Vec::new();
        let ours = front.respond(&responder(), message, client, now(), &mut out);
        let theirs = responder().respond(message, client, &mut expected);
        assert_eq!(format!("{ours:?}"), format!("{theirs:?}"));
        assert_eq!(out, expected);
    }
}
