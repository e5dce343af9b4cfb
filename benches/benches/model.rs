//! svc-model: a snapshot from objects, and the next one after one change.
#![allow(missing_docs, reason = "a program of measurements")]

use std::hint::black_box;

use benches::{SIZES, another_endpoint, cluster};
use criterion::{BenchmarkId, Criterion};

fn snapshot_from_manifests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("model/snapshot from manifests");
    group.sample_size(10);
    for services in SIZES {
        group.bench_function(BenchmarkId::from_parameter(services), |bencher| {
            bencher.iter(|| cluster(services))
        });
    }
}

fn snapshot_after_one_change(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("model/snapshot after one change");
    for services in SIZES {
        let before = cluster(services);
        let slice = another_endpoint(services / 2);
        group.bench_function(BenchmarkId::from_parameter(services), |bencher| {
            bencher.iter(|| black_box(&before).with(slice.clone(), []));
        });
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    snapshot_from_manifests(&mut criterion);
    snapshot_after_one_change(&mut criterion);
    criterion.final_summary();
}
