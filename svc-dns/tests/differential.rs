//! The zone as knot and unbound serve it, transferred from us by kdig: every question gets the same code and the same records.
#![cfg(feature = "driver")]
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that asks other programs"
)]

use std::{
    fs,
    net::{SocketAddr, UdpSocket},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use svc_dns::{Server, Zone};
use svc_model::{store::Store, yaml};

const OBJECTS: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: shop}}
---
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop},
 spec: {clusterIPs: [10.96.0.1, 'fd00::1'], clusterIP: 10.96.0.1, ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: UDP}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: four, namespace: shop}, spec: {clusterIP: 10.96.0.2, clusterIPs: [10.96.0.2], ports: [{port: 81}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: db, namespace: shop}, spec: {clusterIP: None, ports: [{name: sql, port: 5432}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
 metadata: {name: db-a, namespace: shop, labels: {kubernetes.io/service-name: db}}, ports: [{name: sql, port: 5432, protocol: TCP}],
 endpoints: [{addresses: [10.7.0.1], hostname: db-0}, {addresses: [10.7.0.2], hostname: db-1}]}
---
{apiVersion: v1, kind: Service, metadata: {name: outside, namespace: shop}, spec: {type: ExternalName, externalName: www.example.com}}
---
{apiVersion: v1, kind: Service, metadata: {name: many, namespace: shop}, spec: {clusterIP: None, ports: [{name: sql, port: 5432}]}}
";

/// More endpoints than a datagram holds.
fn many() -> String {
    let endpoints: Vec<String> =
        (1..=100).map(|number| format!("{{addresses: [10.8.0.{number}], hostname: m-{number}}}")).collect();
    format!(
        "---\n{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {{name: many-a, namespace: shop, \
         labels: {{kubernetes.io/service-name: many}}}}, ports: [{{name: sql, port: 5432, protocol: TCP}}], endpoints: [{}]}}\n",
        endpoints.join(", ")
    )
}

/// Names left of `shop.svc.cluster.local`, and types.
const NAMES: &[&str] = &[
    "web",
    "four",
    "db",
    "db-0.db",
    "db-1.db",
    "_http._tcp.web",
    "_dns._udp.web",
    "_sql._tcp.db",
    "_tcp.web",
    "nothing",
    "nothing.web",
    "_nope._tcp.web",
    "a.b.c.web",
];
/// Names in front of `96.10.in-addr.arpa`: the zone, addresses, parts of addresses.
const ADDRESSES: &[&str] = &["", "1.0.", "2.0.", "9.0.", "0.", "5.", "x.", "1.1.0."];
const ZONES: [&str; 2] = ["cluster.local", "96.10.in-addr.arpa"];
const KINDS: &[&str] = &[
    "A", "AAAA", "SRV", "TXT", "MX", "CNAME", "NS", "HTTPS", "SVCB", "SOA", "PTR", "CAA", "HINFO", "TYPE4711",
];
/// The zone itself, names that all zones have, and names that none has.
const APEX: &[&str] = &["", "dns-version.", "ns.dns.", "dns.", "svc.", "shop.svc.", "nobody.svc.", "foo."];

fn installed(program: &str) -> bool {
    ["/usr/bin", "/usr/sbin"].iter().any(|directory| Path::new(directory).join(program).exists())
}

fn kdig(server: SocketAddr, arguments: &[&str]) -> String {
    let port = server.port().to_string();
    let Output { stdout, .. } = Command::new("kdig")
        .args([&format!("@{}", server.ip()), "-p", &port, "+retry=3", "+time=5"])
        .args(arguments)
        .output()
        .unwrap();
    String::from_utf8(stdout).unwrap()
}

/// Code and sorted answers; of a negative answer also whether the zone's SOA record comes with it.
fn answer(server: SocketAddr, name: &str, kind: &str) -> (String, Vec<String>, bool) {
    let text = kdig(server, &["+noidn", "+noall", "+header", "+answer", "+authority", name, kind]);
    let status = text.split("status: ").nth(1).and_then(|rest| rest.split(';').next()).unwrap_or(&text);
    let records = text.lines().filter(|line| !line.starts_with(';') && !line.is_empty());
    let records: Vec<String> =
        records.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    let is_question = |record: &&String| record.to_lowercase().starts_with(&name.to_lowercase());
    let mut answers: Vec<String> = records.iter().filter(is_question).cloned().collect();
    answers.sort();
    let negative = answers.is_empty() && records.iter().any(|record| record.contains(" SOA "));
    (status.to_owned(), answers, negative)
}

/// What CoreDNS answers beyond the specification, and so do we; transfers do not have it.
fn is_extension(label: &str, kind: &str) -> bool {
    match kind {
        // Where a port is: the addresses, too.
        "A" | "AAAA" => label.starts_with('_'),
        // At the name of an endpoint: its ports.
        "SRV" => label.starts_with("db-"),
        _ => false,
    }
}

struct Judge(Child);

impl Drop for Judge {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

fn knot(directory: &Path) -> (Judge, SocketAddr) {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let here = directory.display();
    let zones: String = ZONES
        .iter()
        .map(|zone| {
            format!(
                "  - domain: {zone}\n    file: \"{here}/{zone}\"\n    zonefile-load: whole\n    journal-content: none\n    \
                 semantic-checks: off\n"
            )
        })
        .collect();
    let text = format!(
        "server:\n    rundir: \"{here}\"\n    listen: 127.0.0.1@{port}\n    udp-max-payload: 4096\ndatabase:\n    storage: \"{here}\"\nzone:\n{zones}"
    );
    fs::write(directory.join("knot.conf"), text).unwrap();
    let mut command = Command::new("/usr/sbin/knotd");
    let child =
        command.arg("-c").arg(directory.join("knot.conf")).stdout(Stdio::null()).stderr(Stdio::null());
    let knot = Judge(child.spawn().unwrap());
    let server = SocketAddr::from(([127, 0, 0, 1], port));
    wait_for(server, "knot");
    (knot, server)
}

/// As a forwarder that has the zone as a file: unlike knot it is no authority, so it says SERVFAIL where it does not know.
fn unbound(directory: &Path) -> (Judge, SocketAddr) {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let here = directory.display();
    let zones: String = ZONES
        .iter()
        .map(|zone| {
            format!(
                "auth-zone:\n  name: \"{zone}\"\n  zonefile: \"{here}/{zone}\"\n  for-downstream: yes\n  for-upstream: yes\n"
            )
        })
        .collect();
    let text = format!(
        "server:\n  interface: 127.0.0.1@{port}\n  do-daemonize: no\n  chroot: \"\"\n  username: \"\"\n  pidfile: \"\"\n  use-syslog: no\n  \
         directory: \"{here}\"\n  module-config: \"iterator\"\n  minimal-responses: yes\n  rrset-roundrobin: no\n  max-udp-size: 4096\n  \
         local-zone: \"10.in-addr.arpa.\" nodefault\n{zones}remote-control:\n  control-enable: no\n"
    );
    fs::write(directory.join("unbound.conf"), text).unwrap();
    let mut command = Command::new("/usr/sbin/unbound");
    command.arg("-d").arg("-c").arg(directory.join("unbound.conf"));
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let server = SocketAddr::from(([127, 0, 0, 1], port));
    let unbound = Judge(child);
    wait_for(server, "unbound");
    (unbound, server)
}

fn wait_for(server: SocketAddr, name: &str) {
    let start = Instant::now();
    while !kdig(server, &["+short", "cluster.local", "SOA"]).contains("hostmaster") {
        assert!(start.elapsed() < Duration::from_secs(60), "{name} serves the zone");
    }
}

type Start = fn(&Path) -> (Judge, SocketAddr);

fn compare(ours: SocketAddr, name: &str, start: Start) {
    let directory = std::env::temp_dir().join(format!("svc-dns-differential-{name}-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    for zone in ZONES {
        let mut transferred = kdig(ours, &["+tcp", "+noall", "+answer", zone, "AXFR"]);
        assert!(transferred.contains("web.shop.svc.cluster.local."), "{transferred}");
        if zone == "cluster.local" {
            // What transfers leave out, as CoreDNS does.
            transferred += "dns-version.cluster.local. 28800 IN TXT \"1.1.0\"\n";
            transferred += "ns.dns.cluster.local. 5 IN A 192.0.2.53\n";
        }
        fs::write(directory.join(zone), transferred).unwrap();
    }
    let (judge, theirs) = start(&directory);
    let mut different = Vec::new();
    for (label, kind) in NAMES.iter().flat_map(|label| KINDS.iter().map(move |kind| (*label, *kind))) {
        let name = format!("{label}.shop.svc.cluster.local");
        let (ours, theirs) = (answer(ours, &name, kind), answer(theirs, &name, kind));
        if ours != theirs && !is_extension(label, kind) {
            different.push(format!("{label} {kind}\n  {ours:?}\n  {theirs:?}"));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    for (label, kind) in APEX.iter().flat_map(|label| KINDS.iter().map(move |kind| (*label, *kind))) {
        let name = format!("{label}cluster.local");
        assert_eq!(answer(ours, &name, kind), answer(theirs, &name, kind), "{name} {kind}");
    }
    the_same_in_other_words(ours, theirs);
    any_gets_no_more_than_there_is(ours, theirs);
    edns_is_understood_alike(ours, theirs, name);
    for (name, kind) in
        ADDRESSES.iter().flat_map(|name| ["PTR", "A", "TXT", "NS", "SOA"].map(|kind| (name, kind)))
    {
        let name = format!("{name}96.10.in-addr.arpa");
        assert_eq!(answer(ours, &name, kind), answer(theirs, &name, kind), "{name} {kind}");
    }
    drop(judge);
    fs::remove_dir_all(directory).unwrap();
}

/// Names are compared without case, and repeated as the client spells them.
fn the_same_in_other_words(ours: SocketAddr, theirs: SocketAddr) {
    for (name, kind) in [
        ("WeB.sHoP.SVC.cluster.LOCAL", "A"),
        ("wEb.shop.svc.CLUSTER.local", "TXT"),
        ("_HTTP._tCp.Web.Shop.svc.cluster.local", "SRV"),
        ("DB-0.db.shop.svc.cluster.local", "A"),
        ("nothing.SHOP.svc.Cluster.Local", "A"),
        ("Cluster.LOCAL", "SOA"),
    ] {
        let (our, their) = (answer(ours, name, kind), answer(theirs, name, kind));
        // A judge may spell the zone in its targets as its file does.
        let lower = |(code, records, negative): &(String, Vec<String>, bool)| {
            (code.clone(), records.iter().map(|record| record.to_lowercase()).collect::<Vec<_>>(), *negative)
        };
        assert_eq!(lower(&our), lower(&their), "{name} {kind}");
        let spelled = format!("{name}. ");
        assert!(our.1.iter().all(|record| record.starts_with(&spelled)), "{name} {kind}: {our:?}");
    }
}

/// RFC 8482 lets a server choose what it gives to ANY, not whether the name exists.
fn any_gets_no_more_than_there_is(ours: SocketAddr, theirs: SocketAddr) {
    for name in
        ["", "svc.", "web.shop.svc.", "_http._tcp.web.shop.svc.", "nothing.shop.svc.", "a.b.c.web.shop.svc."]
    {
        let name = format!("{name}cluster.local");
        let (our, their) = (answer(ours, &name, "ANY"), answer(theirs, &name, "ANY"));
        assert_eq!((our.0, our.2), (their.0, their.2), "{name}: {:?} {:?}", our.1, their.1);
        assert_eq!(our.1.is_empty(), their.1.is_empty(), "{name}");
    }
}

/// Versions, sizes, options that nobody knows.
fn edns_is_understood_alike(ours: SocketAddr, theirs: SocketAddr, judge: &str) {
    const MANY: &str = "many.shop.svc.cluster.local";
    let header = |server: SocketAddr, arguments: &[&str]| {
        let text = kdig(server, &[&["+noall", "+header", "+answer", "+ignore"], arguments].concat());
        let status = text.split("status: ").nth(1).and_then(|rest| rest.split(';').next()).unwrap_or(&text);
        let flags = text.split("Flags: ").nth(1).and_then(|rest| rest.split(';').next()).unwrap_or_default();
        let records = text.lines().filter(|line| line.starts_with(MANY)).count();
        (status.to_owned(), flags.split_whitespace().any(|flag| flag == "tc"), records)
    };
    for arguments in [
        vec!["+noedns", MANY, "A"],
        vec!["+bufsize=512", MANY, "A"],
        vec!["+bufsize=1232", MANY, "A"],
        vec!["+bufsize=4096", MANY, "A"],
        vec!["+tcp", MANY, "A"],
        vec!["+bufsize=4096", "+ednsopt=65001:01020304", MANY, "A"],
        vec!["+bufsize=4096", "+ednsopt=65001", "+dnssec", MANY, "A"],
        vec!["+edns=1", MANY, "A"],
        vec!["+edns=255", "nothing.shop.svc.cluster.local", "A"],
    ] {
        let (our, their) = (header(ours, &arguments), header(theirs, &arguments));
        assert_eq!((&our.0, our.1), (&their.0, their.1), "{arguments:?}");
        // Of what is cut short each server gives what it likes.
        assert!(our.1 || our.2 == their.2, "{arguments:?}: {} records, {judge} has {}", our.2, their.2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn knot_gives_the_same_answers_from_the_zone_that_kdig_transfers() {
    judged_by("knot_gives_the_same_answers_from_the_zone_that_kdig_transfers", "knotd", knot).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unbound_gives_the_same_answers_from_the_zone_that_kdig_transfers() {
    judged_by("unbound_gives_the_same_answers_from_the_zone_that_kdig_transfers", "unbound", unbound).await;
}

async fn judged_by(test: &str, program: &'static str, start: Start) {
    if !installed(program) || !installed("kdig") {
        println!("SKIP {test}: {program} and kdig are not installed");
        return;
    }
    let store = Store::new();
    let (objects, problems) = yaml::read(&(OBJECTS.to_owned() + &many())).stored();
    assert!(problems.is_empty(), "{problems:?}");
    store.apply(objects);
    let zone = Zone::builder("cluster.local")
        .reverse("10.96.0.0/16")
        .transfer_to("127.0.0.0/8")
        .addresses(["192.0.2.53".parse().unwrap()]);
    let zone = zone.build().unwrap();
    let (handle, run) =
        Server::builder(zone).threads(1).listen("127.0.0.1:0").build().unwrap().drive(store.watch());
    let test = async move {
        let ours = handle.ready().await.unwrap().udp[0];
        tokio::task::spawn_blocking(move || compare(ours, program, start)).await.unwrap();
        drop(handle);
    };
    tokio::join!(run, test).0.unwrap();
}
