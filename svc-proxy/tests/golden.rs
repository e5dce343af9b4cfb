//! A small cluster as plan and as rules, compared with what is in `tests/golden`; `BLESS=1` rewrites it.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, missing_docs, reason = "a test")]

use std::path::PathBuf;

use svc_model::{Delta, Snapshot, yaml};
use svc_proxy::{Compiler as _, Node, Plan, nftables};

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
    let mut plan = Plan::new(&read("cluster.yaml"), &node());
    let before = nftables::Backend::default().compile(&plan);
    let edit = read("edit.yaml");
    let objects = edit.services().cloned().map(svc_model::Object::Service);
    let objects = objects.chain(edit.slices().cloned().map(svc_model::Object::EndpointSlice));
    let (after, delta): (Snapshot, Delta) = read("cluster.yaml").with(objects, []);
    let changed = plan.update(&after, &delta);
    let mut rules = before.clone();
    rules.update(&plan, &changed);
    compare("edit.nft", &rules.diff_of(&before, &changed).to_string());
}
