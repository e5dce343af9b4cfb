//! The `rules` program as others use it: tables of flows, written by hand from what Kubernetes says.
//!
//! `tests/golden/rules` has objects (`NAME.yaml`) and what becomes of flows (`NAME.flows`): a line that begins with `$` has
//! the options for the flows below it; a flow is followed by its outcome and endpoints, `*` marks those that are reached
//! with another source, and a fraction is their probability. Every back end is held to them; sections that take kube-proxy's
//! side are for the back end that they name, or for nftables.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "the test starts a program and feeds it files"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn golden(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rules").join(name);
    path.to_str().unwrap().to_owned()
}

fn rules(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rules"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that refuses its options does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// One `$` line and its flows with what is expected of them.
struct Section {
    arguments: Vec<String>,
    flows: Vec<(String, String)>,
}

fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(arguments) = line.strip_prefix('$') {
            let arguments = arguments.split_whitespace().map(str::to_owned).collect();
            sections.push(Section { arguments, flows: Vec::new() });
            continue;
        }
        let words: Vec<_> = line.split_whitespace().collect();
        let (flow, expected) = words.split_at(3);
        sections.last_mut().unwrap().flows.push((flow.join(" "), expected.join(" ")));
    }
    sections
}

/// A line of the program in the words of a table.
fn summary(line: &str) -> (String, String) {
    let line: Value = serde_json::from_str(line).unwrap();
    let mut summary = line["outcome"].as_str().unwrap().to_owned();
    for (index, endpoint) in line["endpoints"].as_array().unwrap().iter().enumerate() {
        let mark = if endpoint["masquerade"].as_bool().unwrap() { "*" } else { "" };
        let separator = if index == 0 { " " } else { ", " };
        write!(summary, "{separator}{}{mark}", endpoint["address"].as_str().unwrap()).unwrap();
        let probability = endpoint["probability"].as_f64().unwrap();
        let parts = (1.0 / probability).round();
        assert!((probability * parts - 1.0).abs() < 1e-9, "{line}");
        if parts > 1.0 {
            write!(summary, " 1/{parts}").unwrap();
        }
    }
    (line["flow"].as_str().unwrap().to_owned(), summary)
}

/// Every back end, in every layout.
const BACKENDS: [&[&str]; 4] = [
    &["--backend", "nftables"],
    &["--backend", "iptables"],
    &["--backend", "iptables", "--flat"],
    &["--backend", "ipvs"],
];

impl Section {
    fn is_for(&self, backend: &[&str]) -> bool {
        let named = self.arguments.iter().position(|argument| argument == "--backend");
        match named.map(|at| self.arguments[at + 1].as_str()) {
            Some(named) => named == backend[1],
            None => backend[1] == "nftables" || !self.arguments.iter().any(|argument| argument == "--compat"),
        }
    }

    /// Without the back end.
    fn others(&self) -> impl Iterator<Item = &str> {
        let arguments = self.arguments.iter().map(String::as_str);
        let named = self.arguments.iter().position(|argument| argument == "--backend");
        arguments
            .enumerate()
            .filter(move |(at, _)| named.is_none_or(|named| !(named..named + 2).contains(at)))
            .map(|(_, argument)| argument)
    }
}

fn holds(name: &str) {
    BACKENDS.iter().for_each(|backend| holds_with(name, backend));
}

fn holds_with(name: &str, backend: &[&str]) {
    let objects = golden(&format!("{name}.yaml"));
    let table = fs::read_to_string(golden(&format!("{name}.flows"))).unwrap();
    let mut wrong = String::new();
    for section in sections(&table).into_iter().filter(|section| section.is_for(backend)) {
        let mut arguments = vec!["trace", "--objects", &objects, "--format", "json", "--flows", "-"];
        arguments.extend(backend);
        arguments.extend(section.others());
        let input: String = section.flows.iter().map(|(flow, _)| format!("{flow}\n")).collect();
        let output = rules(&arguments, &input);
        assert!(output.status.success(), "{name} {:?}: {}", section.arguments, text(&output.stderr));
        let traced: Vec<_> = text(&output.stdout).lines().map(summary).collect();
        assert_eq!(traced.len(), section.flows.len());
        for (expected, traced) in
            section.flows.iter().zip(&traced).filter(|(expected, traced)| expected != traced)
        {
            let (flow, expected) = expected;
            writeln!(
                wrong,
                "{backend:?} {:?}\n  {flow}\n    expected {expected}\n    traced   {}",
                section.arguments, traced.1
            )
            .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{name}:\n{wrong}");
}

macro_rules! tables {
    ($($test:ident: $name:literal,)*) => {
        $(#[test]
        fn $test() {
            holds($name);
        })*

        #[test]
        fn every_table_is_held_to() {
            let tables = fs::read_dir(golden(".")).unwrap().map(|entry| entry.unwrap().file_name());
            let mut tables: Vec<_> = tables.filter_map(|name| Some(name.to_str()?.strip_suffix(".flows")?.to_owned())).collect();
            tables.sort();
            let mut held = vec![$($name),*];
            held.sort();
            assert_eq!(tables, held);
        }
    };
}

tables! {
    cluster_ips_lead_to_endpoints: "cluster-ip",
    services_without_endpoints_refuse: "no-endpoints",
    source_ranges_guard_load_balancers: "load-balancer",
    node_ports_are_served_where_asked: "node-ports",
    external_policy_local_keeps_the_source: "external-policy-local",
    external_policy_cluster_masquerades: "external-policy-cluster",
    internal_policy_local_stays_on_the_node: "internal-policy",
    terminating_endpoints_serve_when_nobody_else_does: "terminating",
    sources_are_masqueraded_as_set: "masquerade",
    addresses_of_mode_proxy_are_left_alone: "ip-mode",
    hints_keep_connections_in_the_zone: "topology",
    affinity_begins_with_a_draw: "affinity",
    whoever_has_an_address_of_the_node_decides: "own-address",
    upstreams_side_of_iptables_is_taken_on_request: "iptables-upstream",
    upstreams_side_of_ipvs_is_taken_on_request: "ipvs-upstream",
}

#[test]
fn what_is_wrong_is_named_and_the_rest_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let objects = fs::read_to_string(golden("cluster-ip.yaml")).unwrap();
    let bad = "---\n{apiVersion: v1, kind: Service, metadata: {name: bad}, spec: {clusterIP: ten, ports: [{port: 80}]}}\n";
    fs::write(path("all.yaml"), objects + bad).unwrap();
    let flows = "# two of four\nTCP 10.0.0.2 172.30.0.41:80\n\nnonsense\ntcp 10.0.0.2 fd00::1:80\nudp 10.0.0.2:4000 172.30.0.42:53\n";
    fs::write(path("flows"), flows).unwrap();
    let output = rules(
        &["trace", "--objects", &path(""), "--node", "n", "--flows", &path("flows"), "--format", "json"],
        "",
    );
    assert_eq!(output.status.code(), Some(1));
    let errors = text(&output.stderr);
    for part in ["all.yaml", "Service default/bad", "spec.clusterIP", "`nonsense`", "`fd00::1:80`"] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    let lines: Vec<Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        lines.iter().map(|line| &line["outcome"]).collect::<Vec<_>>(),
        ["forward", "", "", "forward"]
            .map(|outcome| if outcome.is_empty() { Value::Null } else { outcome.into() })
            .iter()
            .collect::<Vec<_>>()
    );
    assert!(lines[1]["error"].as_str().unwrap().contains("not a packet"));
}

/// What other programs read: nothing more, nothing less, and in this order.
#[test]
fn a_line_of_json_is_as_promised() {
    let directory = tempfile::tempdir().unwrap();
    let objects = directory.path().join("objects.yaml");
    let manifests = "
{apiVersion: v1, kind: Service, metadata: {name: web, namespace: ns}, spec: {clusterIP: 172.30.0.41, ports: [{port: 80}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
 metadata: {name: web-1, namespace: ns, labels: {kubernetes.io/service-name: web}}, ports: [{port: 8080}],
 endpoints: [{addresses: [10.180.0.9]}, {addresses: [10.180.0.10]}]}
---
{apiVersion: v1, kind: Node, metadata: {name: n}, spec: {podCIDR: 10.180.0.0/24}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: ns}}
";
    fs::write(&objects, manifests).unwrap();
    let flows = ["tCp 192.0.2.7 172.30.0.41:80", "UDP fd00::7 [fd00::8]:80", "TCP 10.180.0.9 172.30.0.41:80"];
    let path = objects.to_str().unwrap();
    let mut arguments =
        vec!["trace", "--objects", path, "--node", "n", "--backend", "nftables", "--format", "json"];
    flows.iter().for_each(|flow| arguments.extend(["--flow", flow]));
    let output = rules(&arguments, "");
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).starts_with("warning: "), "{}", text(&output.stderr));
    let lines: Vec<_> = text(&output.stdout).lines().collect();
    let endpoint = |address: &str, masquerade: bool| {
        format!("{{\"address\":\"{address}:8080\",\"probability\":0.5,\"masquerade\":{masquerade}}}")
    };
    // Nobody is a pod where no range of pods is given, whatever the Node says; only who talks to himself is masqueraded.
    let expected = [
        ("forward", [endpoint("10.180.0.10", false), endpoint("10.180.0.9", false)].join(",")),
        ("untouched", String::new()),
        ("forward", [endpoint("10.180.0.10", false), endpoint("10.180.0.9", true)].join(",")),
    ];
    assert_eq!(lines.len(), expected.len());
    for ((line, flow), (outcome, endpoints)) in lines.iter().zip(flows).zip(expected) {
        let begins =
            format!("{{\"flow\":\"{flow}\",\"outcome\":\"{outcome}\",\"endpoints\":[{endpoints}],\"path\":[");
        assert!(line.starts_with(&begins) && line.ends_with("]}"), "{line}\n{begins}");
    }
}

#[test]
fn a_path_names_the_service_at_every_rule() {
    let objects = golden("cluster-ip.yaml");
    let flow = ["--flow", "TCP 10.0.0.2 172.30.0.42:443"];
    let output = rules(
        &[&["trace", "--objects", &objects, "--node", "n", "--format", "json"][..], &flow].concat(),
        "",
    );
    let line: Value = serde_json::from_str(text(&output.stdout)).unwrap();
    let path = line["path"].as_array().unwrap();
    assert!(path.len() > 2, "{line}");
    assert!(path.iter().all(|step| step["object"] == "ns/svc2:https"), "{line}");
    let explained = rules(&[&["trace", "--objects", &objects, "--node", "n"][..], &flow].concat(), "");
    assert!(
        text(&explained.stdout)
            .starts_with("TCP 10.0.0.2 172.30.0.42:443: forwarded, for Service ns/svc2:https")
    );
}

#[test]
fn a_back_end_that_does_not_exist_is_refused_by_name() {
    let objects = golden("cluster-ip.yaml");
    let output = rules(&["compile", "--objects", &objects, "--node", "n", "--backend", "ebpf"], "");
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("there is no back end ebpf"), "{}", text(&output.stderr));
}

#[test]
fn an_address_is_missed_only_where_it_matters() {
    let run = |name: &str| rules(&["compile", "--objects", &golden(name), "--node", "n"], "");
    assert_eq!(text(&run("cluster-ip.yaml").stderr), "");
    assert!(text(&run("node-ports.yaml").stderr).contains("no IPv4 address is known"));
}

#[test]
fn a_difference_names_the_object_at_every_line() {
    let (before, after) = (golden("cluster-ip.yaml"), golden("internal-policy.yaml"));
    let directory = tempfile::tempdir().unwrap();
    let edited = directory.path().join("objects.json");
    let moved = fs::read_to_string(&before).unwrap().replacen("10.180.2.1", "10.180.2.9", 1);
    fs::write(&edited, moved).unwrap();
    for backend in BACKENDS {
        let diff = |from: &str, to: &str| {
            let output = rules(&[&["diff", "--from", from, "--to", to, "--node", "n"], backend].concat(), "");
            assert!(output.status.success(), "{}", text(&output.stderr));
            text(&output.stdout).to_owned()
        };
        assert_eq!(diff(&before, &before), "");
        let lines = diff(&before, edited.to_str().unwrap());
        let caused = |lines: &str| -> Vec<String> {
            let is_frame = |line: &&str| line.starts_with('*') || *line == "COMMIT" || line.starts_with('#');
            lines.lines().filter(|line| !is_frame(line)).map(str::to_owned).collect()
        };
        assert!(caused(&lines).len() > 3, "{lines}");
        for line in caused(&lines) {
            assert!(line.ends_with("# EndpointSlice ns/svc2-1"), "{line}");
        }
        assert!(lines.contains("10.180.2.9"), "{lines}");
        for line in caused(&diff(&before, &after)) {
            assert!(line.contains("# EndpointSlice ") || line.contains("# Service "), "{line}");
        }
    }
}

#[test]
fn iptables_are_printed_as_iptables_restore_reads_them() {
    let compile = |layout: &[&str]| {
        let objects = golden("cluster-ip.yaml");
        let arguments = ["compile", "--objects", &objects, "--node", "n", "--backend", "iptables"];
        let output = rules(&[&arguments, layout].concat(), "");
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).to_owned()
    };
    let (tree, flat) = (compile(&[]), compile(&["--flat"]));
    for rules in [&tree, &flat] {
        let heads: Vec<_> = rules.lines().filter(|line| line.starts_with('#')).collect();
        assert_eq!(heads, ["# iptables-restore", "# ip6tables-restore"]);
        assert!(rules.contains("--comment \"ns/svc2:http -> 10.180.2.1:8080\""), "{rules}");
    }
    assert!(!flat.contains("KUBE-DST-"), "{flat}");
}

#[test]
fn ipvs_is_printed_as_three_programs_read_it() {
    let compile = |more: &[&str]| {
        let objects = golden("node-ports.yaml");
        let arguments = ["compile", "--objects", &objects, "--node", "n", "--backend", "ipvs"];
        rules(&[&arguments, more].concat(), "")
    };
    let output = compile(&["--node-address", "172.20.10.2", "--scheduler", "wlc"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let printed = text(&output.stdout);
    let heads: Vec<_> = printed.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(heads, ["# ipvsadm --restore", "# ip -batch -", "# nft --file -"]);
    let (servers, rest) = printed.split_once("# ip -batch -\n").unwrap();
    let servers: Vec<_> = servers.lines().skip(1).collect();
    assert!(servers.iter().all(|line| line.starts_with("-A -") || line.starts_with("-a -")), "{servers:?}");
    assert!(servers.iter().any(|line| line.starts_with("-A -t 172.20.10.2:")), "{servers:?}");
    assert!(servers.iter().any(|line| line.ends_with(" -s wlc")), "{servers:?}");
    let (addresses, glue) = rest.split_once("# nft --file -\n").unwrap();
    assert!(addresses.lines().last().unwrap().ends_with(" dev kube-ipvs0"), "{addresses}");
    assert!(!addresses.contains("172.20.10.2"), "{addresses}");
    assert!(glue.starts_with("table ip svc-proxy-ipvs {"), "{glue}");
    let wrong = compile(&["--scheduler", "Round Robin"]);
    assert!(!wrong.status.success());
    assert!(
        text(&wrong.stderr).contains("\"Round Robin\" is no name of an IPVS scheduler"),
        "{}",
        text(&wrong.stderr)
    );
}

#[test]
fn a_cluster_is_read_from_everything_kubectl_writes() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("deeper")).unwrap();
    let list = r#"{"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "ns"},
         "spec": {"clusterIP": "172.30.0.41", "ports": [{"port": 80}]}}]}"#;
    fs::write(directory.path().join("services.json"), list).unwrap();
    let slices = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSliceList\nitems:\n- metadata: {name: web-1, namespace: ns, labels: {kubernetes.io/service-name: web}}\n  addressType: IPv4\n  ports: [{port: 8080}]\n  endpoints: [{addresses: [10.0.0.1]}]\n";
    fs::write(directory.path().join("deeper/slices.yml"), slices).unwrap();
    let objects = directory.path().to_str().unwrap();
    let flow = ["--flow", "TCP 10.0.0.2 172.30.0.41:80", "--format", "json"];
    let output = rules(&[&["trace", "--objects", objects, "--node", "n"][..], &flow].concat(), "");
    assert_eq!(summary(text(&output.stdout).trim()).1, "forward 10.0.0.1:8080", "{}", text(&output.stderr));
}
