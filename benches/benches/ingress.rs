//! svc-ingress: a route table from a snapshot, the next one after one change, and a route.
#![allow(missing_docs, reason = "a program of measurements")]

use std::hint::black_box;

use benches::{SIZES, another_endpoint, cluster, host};
use criterion::{BenchmarkId, Criterion, Throughput};
use svc_ingress::{IngressConfig, RouteTable};

fn table_from_snapshot(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ingress/table from snapshot");
    group.sample_size(10);
    for services in SIZES {
        let snapshot = cluster(services);
        group.bench_function(BenchmarkId::from_parameter(services), |bencher| {
            bencher.iter(|| RouteTable::new(black_box(&snapshot), &IngressConfig::default()));
        });
    }
}

fn table_after_one_change(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ingress/table after one change");
    for services in SIZES {
        let before = cluster(services);
        let (after, delta) = before.with(another_endpoint(services / 2), []);
        let table = RouteTable::new(&before, &IngressConfig::default());
        group.bench_function(BenchmarkId::from_parameter(services), |bencher| {
            bencher.iter(|| table.update(black_box(&after), &delta));
        });
    }
}

fn route(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("ingress/route");
    group.throughput(Throughput::Elements(1));
    for services in SIZES {
        let table = RouteTable::new(&cluster(services), &IngressConfig::default());
        let hosts: Vec<_> = (0..services).map(host).collect();
        let mut hosts = hosts.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(services), |bencher| {
            bencher.iter(|| {
                let host = hosts.next().expect("it begins again");
                table.route(host, "/cart/42?from=mail").expect("every host has a rule")
            });
        });
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    table_from_snapshot(&mut criterion);
    table_after_one_change(&mut criterion);
    route(&mut criterion);
    criterion.final_summary();
}
