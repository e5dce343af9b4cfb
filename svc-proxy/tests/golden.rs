//! A small cluster as plan and as rules, compared with what is in `tests/golden`; `BLESS=1` rewrites it.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs, reason = "a test")]

use std::collections::BTreeSet;
use std::path::PathBuf;

use svc_model::{Delta, ObjectName, Snapshot, yaml};
use svc_proxy::{Compiler as _, Node, Plan, iptables, ipvs, nftables};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/compile").join(name)
}

fn read(name: &str) -> Snapshot {
    let (objects, problems) = yaml::read(&std::fs::read_to_string(path(name)).unwrap()).stored();
    assert!(problems.is_empty(), "{problems:?}");
    objects.into_iter().collect()
}

fn compare(name: &str, text: &str) {
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path(name), text).unwrap();
    }
    let expected = std::fs::read_to_string(path(name)).unwrap_or_default();
    assert_eq!(text, expected, "{name}: run with BLESS=1 if the new text is meant");
}

fn node() -> Node {
    let node = Node::builder("server2").address("172.20.10.2").address("fd00:20::2");
    let node = node.cluster_cidr("10.244.0.0/16").cluster_cidr("fd00:244::/48").service_cidr("10.96.0.0/12");
    node.build().unwrap()
}

#[test]
fn golden_plan() {
    compare("cluster.plan", &Plan::new(&read("cluster.yaml"), &node()).to_string());
}

#[test]
fn golden_nftables() {
    let rules = nftables::Backend::default().compile(&Plan::new(&read("cluster.yaml"), &node()));
    compare("cluster.nft", &rules.to_string());
}

#[test]
fn golden_difference() {
    let backend = nftables::Backend::default();
    let (before, plan, changed) = edited(|plan| backend.compile(plan));
    let mut rules = before.clone();
    rules.update(&plan, &changed);
    compare("edit.nft", &rules.diff_of(&before, &changed).to_string());
}

fn iptables() -> iptables::Backend {
    iptables::Backend::default()
}

#[test]
fn golden_iptables() {
    let plan = Plan::new(&read("cluster.yaml"), &node());
    compare("cluster.iptables", &iptables().compile(&plan).to_string());
}

/// Where there are more Services than a chain asks for one after the other.
#[test]
fn golden_iptables_tree() {
    let service = |number: u8| {
        format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: s{number}}}, spec: {{type: NodePort, \
             clusterIP: 10.96.{}.{number}, ports: [{{port: 80, nodePort: {}}}]}}}}\n---\n\
             {{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, \
             metadata: {{name: s{number}-1, labels: {{kubernetes.io/service-name: s{number}}}}}, \
             ports: [{{port: 8080}}], endpoints: [{{addresses: [10.244.2.{number}]}}]}}\n---\n",
            number % 3,
            30_000 + 7 * u16::from(number)
        )
    };
    let manifests: String = (1..=18).map(service).collect();
    let (objects, problems) = yaml::read(&manifests).stored();
    assert!(problems.is_empty(), "{problems:?}");
    let node = Node::builder("server2").address("172.20.10.2").build().unwrap();
    let rules = iptables().compile(&Plan::new(&objects.into_iter().collect(), &node));
    compare("tree.iptables", &rules.to_string());
}

#[test]
fn golden_iptables_difference() {
    let backend = iptables();
    let (before, plan, changed) = edited(|plan| backend.compile(plan));
    let mut rules = before.clone();
    rules.update(&plan, &changed);
    let changes = rules.diff_of(&before, &changed);
    let text: String =
        changes.iter().map(|change| format!("# {}-restore --noflush\n{change}", change.program())).collect();
    compare("edit.iptables", &text);
}

fn ipvs() -> ipvs::Backend {
    ipvs::Backend::new(node().addresses().iter().copied())
}

#[test]
fn golden_ipvs() {
    compare("cluster.ipvs", &ipvs().compile(&Plan::new(&read("cluster.yaml"), &node())).to_string());
}

#[test]
fn golden_ipvs_difference() {
    let backend = ipvs();
    let (before, plan, changed) = edited(|plan| backend.compile(plan));
    let mut rules = before.clone();
    rules.update(&plan, &changed);
    compare("edit.ipvs", &rules.diff_of(&before, &changed).to_string());
}

/// The rules before an edit, and the plan and the Services that changed after it.
fn edited<R>(compile: impl Fn(&Plan) -> R) -> (R, Plan, BTreeSet<ObjectName>) {
    let mut plan = Plan::new(&read("cluster.yaml"), &node());
    let before = compile(&plan);
    let edit = read("edit.yaml");
    let objects = edit.services().cloned().map(svc_model::Object::Service);
    let objects = objects.chain(edit.slices().cloned().map(svc_model::Object::EndpointSlice));
    let (after, delta): (Snapshot, Delta) = read("cluster.yaml").with(objects, []);
    let changed = plan.update(&after, &delta);
    (before, plan, changed)
}
