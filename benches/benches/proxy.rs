//! svc-proxy: all rules from a snapshot, and the batch that follows one change.
#![allow(missing_docs, reason = "a program of measurements")]

use std::hint::black_box;

use benches::{another_endpoint, cluster};
use criterion::{BenchmarkId, Criterion};
use svc_proxy::nftables::Backend;
use svc_proxy::{Node, Plan};

const SIZES: [usize; 4] = [10, 1_000, 10_000, 30_000];

fn node() -> Node {
    let node = Node::builder("server2").address("172.20.10.2").pod_cidr("10.128.0.0/24");
    node.cluster_cidr("10.128.0.0/9").build().expect("a valid node")
}

fn rules_from_snapshot(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("proxy/rules from snapshot");
    group.sample_size(10);
    for services in SIZES {
        let snapshot = cluster(services);
        let node = node();
        group.bench_function(BenchmarkId::from_parameter(services), |bencher| {
            bencher.iter(|| Plan::new(black_box(&snapshot), &node).compile(&Backend::default()));
        });
    }
}

fn batch_after_one_change(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("proxy/batch after one change");
    for services in SIZES {
        let before = cluster(services);
        let (after, delta) = before.with(another_endpoint(services / 2), []);
        let plan = Plan::new(&before, &node());
        let rules = plan.compile(&Backend::default());
        group.bench_function(BenchmarkId::from_parameter(services), |bencher| {
            bencher.iter(|| {
                let (mut plan, mut wanted) = (plan.clone(), rules.clone());
                let changed = plan.update(&after, &delta);
                wanted.update(&plan, &changed);
                wanted.diff_of(&rules, &changed)
            });
        });
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    rules_from_snapshot(&mut criterion);
    batch_after_one_change(&mut criterion);
    criterion.final_summary();
}
