//! The small programs, run as a person would: in a lab, against real clients.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the test starts programs and feeds them files"
)]

#[path = "programs/overlay_joins.rs"]
mod overlay_joins;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use examples::apps::echo;
use examples::client::http::Get;
use examples::client::{dns, resolver};
use hickory_proto::rr::RecordType;
use libtest_mimic::{Arguments, Failed, Trial};
use svc_lab::{Host, Lab, Process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};

const CLUSTER: &str = env!("CARGO_BIN_EXE_cluster");
const DNS: &str = env!("CARGO_BIN_EXE_dns");
const INGRESS: &str = env!("CARGO_BIN_EXE_ingress");
const NODE: &str = env!("CARGO_BIN_EXE_node");
const OVERLAY: &str = env!("CARGO_BIN_EXE_overlay");
const RULES: &str = env!("CARGO_BIN_EXE_rules");

/// A Service whose only endpoint is the echo server on host b, and an Ingress before it.
const MANIFESTS: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.80, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [172.20.10.3]}]
---
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec:
  ingressClassName: nginx
  rules: [{host: web.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
";

const LEASES: &str = r#"{
  "10.244.2.0-24": {"PublicIP": "172.20.10.2", "BackendType": "vxlan", "BackendData": {"VNI": 1, "VtepMAC": "2e:57:5f:4d:3f:d4"}},
  "10.244.5.0-24": {"PublicIP": "172.20.10.3", "BackendType": "vxlan", "BackendData": {"VNI": 1, "VtepMAC": "e6:33:f0:0a:6b:52"}}
}"#;

fn main() -> ExitCode {
    if let Some(code) = resolver::answer_if_asked() {
        return code;
    }
    svc_lab::enter();
    let trials = vec![
        Trial::test("every_program_has_help", every_program_has_help),
        Trial::test("rules_prints_plan_and_rules", rules_prints_plan_and_rules),
        Trial::test("overlay_prints_what_a_fresh_kernel_needs", overlay_prints_what_a_fresh_kernel_needs),
        lab("overlay_applies_says_what_differs_and_shows_packets", |lab| Box::pin(overlay_in_a_lab(lab))),
        lab("overlay_joins_by_kubernetes", |lab| Box::pin(overlay_joins::by_kubernetes(lab))),
        #[cfg(feature = "etcd")]
        lab("overlay_joins_by_etcd", |lab| Box::pin(overlay_joins::by_etcd(lab))),
        lab("dns_answers_from_manifests", |lab| Box::pin(dns_answers_from_manifests(lab))),
        lab("dns_starts_with_a_corefile", |lab| Box::pin(dns_starts_with_a_corefile(lab))),
        lab("dns_walks_search_paths", |lab| Box::pin(dns_walks_search_paths(lab))),
        lab("dns_forwards_to_unbound", |lab| Box::pin(dns_forwards_to_unbound(lab))),
        lab("ingress_routes_to_endpoints", |lab| Box::pin(ingress_routes_to_endpoints(lab))),
        lab("node_serves_all_and_cleans_up", |lab| Box::pin(node_serves_all_and_cleans_up(lab))),
        lab("node_follows_the_configuration_of_kube_proxy", |lab| Box::pin(node_follows_configuration(lab))),
        lab("node_switches_modes_as_its_configuration_is_edited", |lab| Box::pin(node_switches_modes(lab))),
        lab("node_says_why_there_is_no_ipvs", |lab| Box::pin(node_says_why_there_is_no_ipvs(lab))),
        Trial::test("cluster_says_why_there_is_no_ipvs", cluster_says_why_there_is_no_ipvs),
        lab("node_names_a_missing_underlay", |lab| Box::pin(node_names_a_missing_underlay(lab))),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

type Case = fn(Lab) -> std::pin::Pin<Box<dyn Future<Output = anyhow::Result<()>>>>;

fn lab(name: &str, case: Case) -> Trial {
    Trial::test(name, move || {
        svc_lab::run(|lab| async move { Ok(case(lab).await?) });
        Ok(())
    })
}

fn output(program: &str, arguments: &[&str]) -> Result<String, Failed> {
    let output = Command::new(program).args(arguments).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(text),
        false => Err(format!("{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into()),
    }
}

fn every_program_has_help() -> Result<(), Failed> {
    for program in [CLUSTER, DNS, INGRESS, NODE, OVERLAY, RULES] {
        let text = output(program, &["--help"])?;
        if !text.contains("Usage: ") {
            return Err(format!("{program}: {text}").into());
        }
    }
    Ok(())
}

fn cluster_says_why_there_is_no_ipvs() -> Result<(), Failed> {
    let errors = match output(CLUSTER, &["--backend", "ipvs", "--step", "2"]) {
        Ok(text) => return Err(format!("it did not fail: {text}").into()),
        Err(errors) => errors.message().unwrap_or_default().to_owned(),
    };
    let is_cured = errors.contains("modprobe ip_vs") || errors.contains("first user namespace");
    if errors.contains("ipvs: ") && is_cured { Ok(()) } else { Err(errors.into()) }
}

fn manifests() -> std::io::Result<TempDir> {
    let directory = tempfile::tempdir()?;
    fs::write(directory.path().join("web.yaml"), MANIFESTS)?;
    Ok(directory)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a temporary path is UTF-8")
}

fn rules_prints_plan_and_rules() -> Result<(), Failed> {
    let directory = manifests()?;
    let options = ["--objects", text(directory.path()), "--node", "server2", "--node-address", "172.20.10.2"];
    let plan = output(RULES, &[&["plan"], &options[..]].concat())?;
    let rules = output(RULES, &[&["compile"], &options[..]].concat())?;
    for (text, part) in [(&plan, "10.96.0.80:80"), (&plan, "172.20.10.3:8080"), (&rules, "10.96.0.80")] {
        if !text.contains(part) {
            return Err(format!("no {part} in {text}").into());
        }
    }
    Ok(())
}

fn overlay_prints_what_a_fresh_kernel_needs() -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let leases = directory.path().join("leases.json");
    fs::write(&leases, LEASES)?;
    let plan = output(OVERLAY, &["plan", "--fresh", "--leases", text(&leases)])?;
    for part in ["flannel.1", "10.244.5.0/24", "e6:33:f0:0a:6b:52", "172.20.10.3"] {
        if !plan.contains(part) {
            return Err(format!("no {part} in {plan}").into());
        }
    }
    Ok(())
}

async fn overlay_in_a_lab(lab: Lab) -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?;
    let leases = directory.path().join("leases.json");
    fs::write(&leases, LEASES)?;
    let (a, b) = hosts(&lab).await?;
    let overlay = |host: &Host, subnet: &str, args: &[&str]| {
        let mut command = Command::new(OVERLAY);
        command.args(args).args(["--leases", text(&leases), "--subnet", subnet]);
        host.command(command).output()
    };
    let fresh = overlay(&a, "10.244.2.0/24", &["status"]).await?;
    let said = String::from_utf8_lossy(&fresh.stdout).into_owned();
    ensure!(!fresh.status.success() && said.contains("10.244.5.0/24") && said.contains("differs"), "{said}");
    for (host, subnet) in [(&a, "10.244.2.0/24"), (&b, "10.244.5.0/24")] {
        let applied = overlay(host, subnet, &["apply"]).await?;
        ensure!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        ensure!(String::from_utf8_lossy(&applied.stdout).starts_with("1 peers are programmed"));
    }
    let status = overlay(&a, "10.244.2.0/24", &["status"]).await?;
    let said = String::from_utf8_lossy(&status.stdout).into_owned();
    ensure!(status.status.success() && said.contains("in step") && said.contains("172.20.10.3"), "{said}");
    // The applied overlay carries packets, although no process of ours runs any more.
    let mut command = Command::new(OVERLAY);
    command
        .args(["capture", "eth0", "--count", "2", "--vxlan"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut capture = a.command(command).spawn().await?;
    let mut begun = String::new();
    BufReader::new(capture.stderr.take().context("no stderr")?).read_line(&mut begun).await?;
    ensure!(begun.contains("capturing on eth0"), "{begun}");
    Get::new("10.244.5.0:8080".parse()?).send_from(&a).await?;
    let mut lines = BufReader::new(capture.stdout.take().context("no stdout")?).lines();
    let mut shown = Vec::new();
    while let Some(line) = lines.next_line().await? {
        shown.push(line);
    }
    ensure!(shown.len() == 2 && capture.wait().await?.success(), "{shown:?}");
    for part in ["172.20.10.2", "172.20.10.3", "8472", "10.244.5.0"] {
        ensure!(shown.iter().any(|line| line.contains(part)), "no {part} in {shown:?}");
    }
    Ok(())
}

/// Hosts a (172.20.10.2) and b (172.20.10.3), an echo server on b.
async fn hosts(lab: &Lab) -> anyhow::Result<(Host, Host)> {
    let a = lab.host("a").address("172.20.10.2/24").create().await?;
    let b = lab.host("b").address("172.20.10.3/24").create().await?;
    let (bound, is_bound) = tokio::sync::oneshot::channel();
    b.spawn(move || async move {
        match echo::http("b", 8080).await {
            Ok(serve) => {
                let _ = bound.send(());
                serve.await;
            }
            Err(error) => panic!("{error:#}"),
        }
    })
    .detach();
    is_bound.await?;
    Ok((a, b))
}

/// Starts a program and waits for the line by which it says that it is ready.
async fn start(host: &Host, program: &str, arguments: &[&str], ready: &str) -> anyhow::Result<Process> {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::piped());
    let mut process = host.command(command).spawn().await?;
    let mut lines = BufReader::new(process.stdout.take().context("output is piped")?).lines();
    loop {
        let line =
            lines.next_line().await?.with_context(|| format!("{program} ended before it was ready"))?;
        if line.contains(ready) {
            // Nobody reads on: what the program says later must not block it, nor end it.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok(process);
        }
    }
}

async fn dns_answers_from_manifests(lab: Lab) -> anyhow::Result<()> {
    let (a, b) = hosts(&lab).await?;
    let directory = manifests()?;
    let arguments = ["--manifests", text(directory.path()), "--listen", "172.20.10.2:53"];
    let _program = start(&a, DNS, &arguments, "answers at").await?;
    let server: SocketAddr = "172.20.10.2:53".parse()?;
    let answer = dns::query(&b, server, "web.default.svc.cluster.local.", RecordType::A).await?;
    ensure!(answer.records == ["web.default.svc.cluster.local. A 10.96.0.80"], "{answer:?}");
    Ok(())
}

/// kubeadm's, with hosts, a rule and a stub domain as people add them.
const COREFILE: &str = "
.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    bind 172.20.10.2
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    hosts hosts {
       fallthrough
    }
    rewrite name suffix .shop.example .default.svc.cluster.local
    prometheus :9153
    forward . 172.20.10.3 {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
import *.server
";

/// An outside name server on host b: the same program for another zone.
async fn outside(b: &Host) -> anyhow::Result<(TempDir, Process)> {
    let directory = manifests()?;
    let arguments =
        ["--manifests", text(directory.path()), "--zone", "example.com", "--listen", "172.20.10.3:53"];
    let process = start(b, DNS, &arguments, "answers at").await?;
    Ok((directory, process))
}

/// Asks until the answer is this one: files are looked at now and then.
async fn until_answer(host: &Host, server: &str, name: &str, expected: &[&str]) -> anyhow::Result<()> {
    let mut last = None;
    let mut again = tokio::time::interval(Duration::from_millis(20));
    let poll = async {
        loop {
            again.tick().await;
            // Nobody may listen for a moment.
            if let Ok(answer) = dns::query(host, server.parse()?, name, RecordType::A).await {
                if answer.records == expected {
                    return anyhow::Ok(());
                }
                last = Some(answer);
            }
        }
    };
    let polled = tokio::time::timeout(Duration::from_secs(30), poll).await;
    polled.map_err(|_| anyhow::anyhow!("{name}: {last:?} instead of {expected:?}"))?
}

async fn dns_starts_with_a_corefile(lab: Lab) -> anyhow::Result<()> {
    let (a, b) = hosts(&lab).await?;
    let (_served, _outside) = outside(&b).await?;
    let (directory, around) = (manifests()?, tempfile::tempdir()?);
    let at = |name: &str| around.path().join(name);
    fs::write(at("Corefile"), COREFILE)?;
    fs::write(at("hosts"), "192.0.2.7 printer.office\n")?;
    let corefile = at("Corefile");
    let arguments = ["--manifests", text(directory.path()), "--corefile", text(&corefile)];
    let _program = start(&a, DNS, &arguments, "answers at 172.20.10.2:53").await?;
    let server = "172.20.10.2:53";
    for (name, expected) in [
        ("web.default.svc.cluster.local.", vec!["web.default.svc.cluster.local. A 10.96.0.80"]),
        ("web.shop.example.", vec!["web.shop.example. A 10.96.0.80"]),
        ("printer.office.", vec!["printer.office. A 192.0.2.7"]),
        ("web.default.svc.example.com.", vec!["web.default.svc.example.com. A 10.96.0.80"]),
        ("nope.default.svc.example.com.", vec![]),
    ] {
        let answer = dns::query(&b, server.parse()?, name, RecordType::A).await?;
        ensure!(answer.records == expected, "{name}: {answer:?}");
    }
    fs::write(at("hosts"), "192.0.2.8 printer.office\n")?;
    until_answer(&b, server, "printer.office.", &["printer.office. A 192.0.2.8"]).await?;
    // A mistake changes nothing; what is put right does, also a new block in another file.
    fs::write(at("Corefile"), COREFILE.replace("loop", "lop"))?;
    fs::write(
        at("office.server"),
        "office:53 {\n bind 172.20.10.2\n hosts {\n  192.0.2.9 desk.office\n }\n}\n",
    )?;
    until_answer(&b, server, "printer.office.", &["printer.office. A 192.0.2.8"]).await?;
    fs::write(at("Corefile"), COREFILE)?;
    until_answer(&b, server, "desk.office.", &["desk.office. A 192.0.2.9"]).await?;
    // Other sockets: the program goes over to them.
    fs::write(at("Corefile"), COREFILE.replace(".:53 {", ".:5300 {"))?;
    until_answer(&b, "172.20.10.2:5300", "web.shop.example.", &["web.shop.example. A 10.96.0.80"]).await
}

async fn dns_walks_search_paths(lab: Lab) -> anyhow::Result<()> {
    let (a, b) = hosts(&lab).await?;
    let (_served, _outside) = outside(&b).await?;
    let directory = manifests()?;
    let pod = "{apiVersion: v1, kind: Pod, metadata: {name: client, namespace: default}, \
               spec: {containers: [{name: c, image: i}]}, status: {phase: Running, podIP: 172.20.10.3, \
               podIPs: [{ip: 172.20.10.3}]}}";
    fs::write(directory.path().join("pod.yaml"), pod)?;
    let hosts = directory.path().join("hosts.txt");
    fs::write(&hosts, "192.0.2.7 printer.office\n")?;
    let arguments = [
        &["--manifests", text(directory.path()), "--listen", "172.20.10.2:53", "--autopath"][..],
        &["--upstream", "172.20.10.3", "--hosts", text(&hosts), "--reverse", "10.96.0.0/16"],
    ]
    .concat();
    let _program = start(&a, DNS, &arguments, "answers at 172.20.10.2:53").await?;
    for (base, expected) in [
        ("web.default", "web.default.svc.cluster.local."),
        ("web.default.svc.example.com", "web.default.svc.example.com."),
        ("printer.office", "printer.office."),
    ] {
        let name = format!("{base}.default.svc.cluster.local.");
        let answer = dns::query(&b, "172.20.10.2:53".parse()?, &name, RecordType::A).await?;
        ensure!(answer.records.contains(&format!("{name} CNAME {expected}")), "{name}: {answer:?}");
        ensure!(answer.records.len() == 2, "{name}: {answer:?}");
    }
    let name = "80.0.96.10.in-addr.arpa.";
    let answer = dns::query(&b, "172.20.10.2:53".parse()?, name, RecordType::PTR).await?;
    ensure!(answer.records == [format!("{name} PTR web.default.svc.cluster.local.")], "{answer:?}");
    Ok(())
}

/// A name server of others, with records that we do not know the meaning of.
const UNBOUND: &str = r#"
server:
  interface: 172.20.10.3
  access-control: 172.20.10.0/24 allow
  do-daemonize: no
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  module-config: "iterator"
  local-zone: "example.com." static
  local-data: "example.com. 300 IN SOA ns.example.com. admin.example.com. 1 7200 1800 86400 60"
  local-data: "www.example.com. 300 IN A 192.0.2.80"
  local-data: "odd.example.com. 300 IN TYPE65280 \# 3 616263"
remote-control:
  control-enable: no
"#;

async fn dns_forwards_to_unbound(lab: Lab) -> anyhow::Result<()> {
    let Some(unbound) =
        ["/usr/sbin/unbound", "/usr/bin/unbound"].into_iter().find(|path| Path::new(path).exists())
    else {
        eprintln!("SKIP dns_forwards_to_unbound: no unbound program here");
        return Ok(());
    };
    let (a, b) = hosts(&lab).await?;
    let (directory, config) = (manifests()?, tempfile::tempdir()?);
    let path = config.path().join("unbound.conf");
    fs::write(&path, UNBOUND)?;
    let mut command = Command::new(unbound);
    command.args(["-d", "-c", text(&path)]).stderr(Stdio::null());
    let mut outside = b.command(command).spawn().await?;
    until_answer(&b, "172.20.10.3:53", "www.example.com.", &["www.example.com. A 192.0.2.80"]).await?;
    let arguments =
        ["--manifests", text(directory.path()), "--listen", "172.20.10.2:53", "--upstream", "172.20.10.3"];
    let _program = start(&a, DNS, &arguments, "answers at").await?;
    let server: SocketAddr = "172.20.10.2:53".parse()?;
    let ask = async |name: &str, kind: RecordType| dns::query(&b, server, name, kind).await;
    let www = ask("www.example.com.", RecordType::A).await?;
    ensure!(www.records == ["www.example.com. A 192.0.2.80"], "{www:?}");
    let odd = ask("odd.example.com.", RecordType::Unknown(65280)).await?;
    ensure!(odd.records.len() == 1, "{odd:?}");
    for kind in [RecordType::A, RecordType::TXT] {
        let absent = ask("nope.example.com.", kind).await?;
        ensure!(absent.code == "Non-Existent Domain", "{absent:?}");
    }
    // It is gone: what was asked before is known, what was not is a failure, and the cluster's own names go on.
    outside.kill().await?;
    ensure!(ask("www.example.com.", RecordType::A).await? == www);
    ensure!(ask("nope.example.com.", RecordType::A).await?.code == "Non-Existent Domain");
    ensure!(ask("new.example.com.", RecordType::A).await?.code == "Server Failure");
    let own = ask("web.default.svc.cluster.local.", RecordType::A).await?;
    ensure!(own.records == ["web.default.svc.cluster.local. A 10.96.0.80"], "{own:?}");
    Ok(())
}

async fn ingress_routes_to_endpoints(lab: Lab) -> anyhow::Result<()> {
    let (a, b) = hosts(&lab).await?;
    let directory = manifests()?;
    let arguments = ["--manifests", text(directory.path()), "--http", "172.20.10.2:80"];
    let _program = start(&a, INGRESS, &arguments, "serves http").await?;
    let reply = Get::new("172.20.10.2:80".parse()?).host("web.example").send_from(&b).await?;
    ensure!(reply.server()? == "b", "{}", reply.body());
    Ok(())
}

async fn node_serves_all_and_cleans_up(lab: Lab) -> anyhow::Result<()> {
    let (a, b) = hosts(&lab).await?;
    let client = lab.host("client").address("172.20.10.50/24").create().await?;
    let (directory, elsewhere) = (manifests()?, tempfile::tempdir()?);
    let peers = elsewhere.path().join("peers.json");
    fs::write(&peers, LEASES.replace("10.244.2.0-24", "10.244.9.0-24").replace("10.2\"", "10.9\""))?;
    let before = a.dump().await?;
    let arguments = [
        "--name",
        "a",
        "--address",
        "172.20.10.2",
        "--pod-cidr",
        "10.244.2.0/24",
        "--manifests",
        text(directory.path()),
        "--peers",
        text(&peers),
        "--dns",
        "172.20.10.2:53",
        "--http",
        "172.20.10.2:80",
    ];
    let mut program = start(&a, NODE, &arguments, "is in step").await?;
    client.add_route("10.96.0.0/12", "172.20.10.2").await?;
    let reply = Get::new("10.96.0.80:80".parse()?).send_from(&client).await?;
    ensure!(reply.server()? == "b", "the Service is not served: {}", reply.body());
    let answer =
        dns::query(&b, "172.20.10.2:53".parse()?, "web.default.svc.cluster.local.", RecordType::A).await?;
    ensure!(answer.records == ["web.default.svc.cluster.local. A 10.96.0.80"], "{answer:?}");
    let reply = Get::new("172.20.10.2:80".parse()?).host("web.example").send_from(&client).await?;
    ensure!(reply.server()? == "b", "the Ingress is not served: {}", reply.body());
    let during = a.dump().await?;
    ensure!(
        during.contains("10.244.5.0/24 via 10.244.5.0 dev flannel.1"),
        "no route to the peer in {during}"
    );
    program.signal(2)?;
    ensure!(program.wait().await?.success(), "it did not end well");
    let after = a.dump().await?;
    ensure!(before == after, "it left something:\nbefore {before}\nafter {after}");
    Ok(())
}

/// A Service at a node port, which load balancers ask after.
const BALANCED: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, clusterIP: 10.96.0.80, externalTrafficPolicy: Local, healthCheckNodePort: 32001,
       ports: [{port: 80, nodePort: 30080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [172.20.10.3], nodeName: a}]
";

async fn node_follows_configuration(lab: Lab) -> anyhow::Result<()> {
    let (a, b) = hosts(&lab).await?;
    a.add_address("eth0", "192.168.7.2/32").await?;
    b.add_route("192.168.7.2/32", "172.20.10.2").await?;
    let (directory, elsewhere) = (tempfile::tempdir()?, tempfile::tempdir()?);
    fs::write(directory.path().join("web.yaml"), BALANCED)?;
    let config = elsewhere.path().join("config.conf");
    let write = |fields: &str| {
        let head =
            "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nmode: nftables\n";
        fs::write(&config, format!("{head}oomScoreAdj: -999\n{fields}\n"))
    };
    write("metricsBindAddress: 0.0.0.0")?;
    let mut command = Command::new(NODE);
    command.args(["--name", "a", "--address", "172.20.10.2", "--pod-cidr", "10.244.2.0/24"]);
    command.args(["--manifests", text(directory.path()), "--proxy-config", text(&config)]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = a.command(command).spawn().await?;
    let mut said = BufReader::new(program.stdout.take().context("output is piped")?).lines();
    let mut errors = BufReader::new(program.stderr.take().context("errors are piped")?).lines();
    until_line(&mut errors, "config.conf: KubeProxyConfiguration: oomScoreAdj: has no effect").await?;
    until_line(&mut said, "is in step").await?;

    let get = async |to: &str, target: &str| -> anyhow::Result<_> {
        Get::new(to.parse()?).target(target).send_from(&b).await
    };
    let reply = get("172.20.10.2:10256", "/healthz").await?;
    ensure!(reply.body().contains("\"nodeEligible\": true"), "{}", reply.body());
    let reply = get("172.20.10.2:10249", "/metrics").await?;
    ensure!(reply.body().contains("kubeproxy_sync_proxy_rules_duration_seconds_count"), "{}", reply.body());
    let reply = get("172.20.10.2:32001", "/").await?;
    ensure!(reply.body().contains("\"localEndpoints\": 1"), "{}", reply.body());
    ensure!(get("192.168.7.2:32001", "/").await.is_err(), "that is not the primary address");

    write("nodePortAddresses: [somewhere]")?;
    until_line(&mut errors, "nodePortAddresses[0]: `somewhere` is not a range").await?;
    ensure!(get("172.20.10.2:32001", "/").await.is_ok(), "what was in force does not go on");
    write("nodePortAddresses: [192.168.7.0/24]\nmetricsBindAddress: 0.0.0.0")?;
    until_line(&mut said, "goes on with what the proxy's configuration says now").await?;
    while get("192.168.7.2:32001", "/").await.is_err() {}
    while get("172.20.10.2:32001", "/").await.is_ok() {}
    program.signal(2)?;
    ensure!(program.wait().await?.success(), "it did not end well");
    Ok(())
}

/// The file is replaced as a whole, as a ConfigMap that is mounted is.
async fn node_switches_modes(lab: Lab) -> anyhow::Result<()> {
    let (a, b) = hosts(&lab).await?;
    let (directory, elsewhere) = (tempfile::tempdir()?, tempfile::tempdir()?);
    fs::write(directory.path().join("web.yaml"), BALANCED)?;
    let config = elsewhere.path().join("config.conf");
    let write = |fields: &str| {
        let head = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";
        let newer = elsewhere.path().join("newer");
        fs::write(&newer, format!("{head}metricsBindAddress: 0.0.0.0\n{fields}\n"))?;
        fs::rename(newer, &config)
    };
    write("mode: nftables")?;
    let mut command = Command::new(NODE);
    command.args(["--name", "a", "--address", "172.20.10.2", "--pod-cidr", "10.244.2.0/24"]);
    command.args(["--manifests", text(directory.path()), "--proxy-config", text(&config)]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut program = a.command(command).spawn().await?;
    let mut said = BufReader::new(program.stdout.take().context("output is piped")?).lines();
    let mut errors = BufReader::new(program.stderr.take().context("errors are piped")?).lines();
    until_line(&mut said, "is in step").await?;
    let chains = async || -> anyhow::Result<usize> {
        let output = a.command(Command::new("iptables-save")).output().await?;
        Ok(String::from_utf8(output.stdout)?.lines().filter(|line| line.starts_with(":KUBE-")).count())
    };
    let metrics = async || Get::new("172.20.10.2:10249".parse()?).target("/metrics").send_from(&b).await;
    ensure!(chains().await? == 0, "there are chains of iptables in the mode nftables");
    ensure!(metrics().await?.body().contains("kubeproxy_sync_proxy_rules_nftables_sync_failures_total 0"));

    write("mode: iptables\niptables: {masqueradeAll: true, syncPeriod: 30s, minSyncPeriod: 1s}")?;
    until_line(&mut said, "in mode iptables").await?;
    ensure!(chains().await? > 10, "there are no chains of iptables");
    let body = metrics().await?.body().to_owned();
    ensure!(body.contains("kubeproxy_sync_proxy_rules_iptables_total{table=\"nat\"}"), "{body}");
    ensure!(!body.contains("kubeproxy_sync_proxy_rules_nftables"), "{body}");

    // Not every kernel has IPVS, and those that have it keep it for the first user namespace.
    write("mode: ipvs\nipvs: {scheduler: wlc, excludeCIDRs: [192.0.2.0/24]}")?;
    until_line(&mut errors, "what was in force goes on: ipvs: ").await?;
    ensure!(chains().await? > 10, "the mode in force did not stay");
    write("mode: ipvs\nipvs: {scheduler: best}")?;
    until_line(&mut errors, "ipvs.scheduler: `best` is not rr, wrr").await?;
    write("mode: iptable")?;
    until_line(&mut errors, "mode: `iptable` is not iptables").await?;
    ensure!(chains().await? > 10, "the mode in force did not stay");
    // Unless it says another, it is iptables.
    write("mode: nftables")?;
    until_line(&mut said, "in mode nftables").await?;
    ensure!(chains().await? == 0, "there are chains of iptables in the mode nftables");
    write("")?;
    until_line(&mut said, "in mode iptables").await?;
    program.signal(2)?;
    ensure!(program.wait().await?.success(), "it did not end well");
    ensure!(chains().await? == 0, "it left chains");
    Ok(())
}

/// It goes on to try, and says what to do about it.
async fn node_says_why_there_is_no_ipvs(lab: Lab) -> anyhow::Result<()> {
    let (a, _b) = hosts(&lab).await?;
    let directory = tempfile::tempdir()?;
    fs::write(directory.path().join("web.yaml"), BALANCED)?;
    let mut command = Command::new(NODE);
    command.args(["--name", "a", "--address", "172.20.10.2", "--pod-cidr", "10.244.2.0/24"]);
    command.args(["--backend", "ipvs", "--manifests", text(directory.path())]).stderr(Stdio::piped());
    let mut program = a.command(command).spawn().await?;
    let mut errors = BufReader::new(program.stderr.take().context("errors are piped")?).lines();
    let is_cured = |line: &str| line.contains("modprobe ip_vs") || line.contains("first user namespace");
    loop {
        let line = errors.next_line().await?.context("it ended without a word on IPVS")?;
        if line.starts_with("error: ipvs: ") && is_cured(&line) {
            break;
        }
    }
    program.signal(2)?;
    ensure!(program.wait().await?.success(), "it did not end well");
    Ok(())
}

/// Waits for a line with this text.
async fn until_line<R: tokio::io::AsyncBufRead + Unpin>(
    lines: &mut tokio::io::Lines<R>,
    text: &str,
) -> anyhow::Result<()> {
    loop {
        let line = lines.next_line().await?.with_context(|| format!("it ended without `{text}`"))?;
        if line.contains(text) {
            return Ok(());
        }
    }
}

async fn node_names_a_missing_underlay(lab: Lab) -> anyhow::Result<()> {
    let a = lab.host("a").address("172.20.10.2/24").create().await?;
    let directory = manifests()?;
    let mut command = Command::new(NODE);
    command.args(["--name", "a", "--address", "172.20.10.2", "--pod-cidr", "10.244.2.0/24"]);
    command.args(["--underlay", "nowhere0", "--manifests", text(directory.path())]).stderr(Stdio::piped());
    let mut process = a.command(command).spawn().await?;
    let mut lines = BufReader::new(process.stderr.take().context("errors are piped")?).lines();
    loop {
        let line = lines.next_line().await?.context("it ended without a word on the underlay")?;
        if line.contains("nowhere0") {
            return Ok(());
        }
    }
}
