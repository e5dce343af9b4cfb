//! svc-dns: a responder from a snapshot, the next one after one change, and an answer.
#![allow(missing_docs, reason = "a program of measurements")]

use std::hint::black_box;

use benches::{SIZES, another_endpoint, cluster, name};
use criterion::{BenchmarkId, Criterion, Throughput};
use svc_dns::{Client, Outcome, Responder, Zone};

fn zone() -> Zone {
    Zone::builder("cluster.local").build().expect("a valid zone")
}

/// A query for the A records of a Service, as it is on the wire (RFC 1035 section 4.1).
fn query(number: usize) -> Vec<u8> {
    let service = name(number);
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in [service.name(), service.namespace(), "svc", "cluster", "local"] {
        query.push(u8::try_from(label.len()).expect("a label of at most 63 bytes"));
        query.extend(label.as_bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    query
}

fn responder_from_snapshot(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dns/responder from snapshot");
    group.sample_size(10);
    for services in SIZES {
        let snapshot = cluster(services);
        group.bench_function(BenchmarkId::from_parameter(services), |bencher| {
            bencher.iter(|| Responder::new(zone(), black_box(&snapshot)));
        });
    }
}

fn responder_after_one_change(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dns/responder after one change");
    for services in SIZES {
        let before = cluster(services);
        let (after, delta) = before.with(another_endpoint(services / 2), []);
        let responder = Responder::new(zone(), &before);
        group.bench_function(BenchmarkId::from_parameter(services), |bencher| {
            bencher.iter(|| {
                let mut responder = responder.clone();
                responder.update(&after, &delta, 0);
                responder
            });
        });
    }
}

fn answer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dns/answer");
    group.throughput(Throughput::Elements(1));
    let client = Client::udp(([10, 128, 0, 1], 53_000).into());
    for services in SIZES {
        let responder = Responder::new(zone(), &cluster(services));
        let queries: Vec<_> = (0..services).map(query).collect();
        let mut queries = queries.iter().cycle();
        let mut out = Vec::new();
        group.bench_function(BenchmarkId::from_parameter(services), |bencher| {
            bencher.iter(|| {
                let query = queries.next().expect("it begins again");
                let outcome = responder.respond(query, client, &mut out);
                assert!(matches!(outcome, Outcome::Answer) && out[7] == 1, "one record");
            });
        });
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    responder_from_snapshot(&mut criterion);
    responder_after_one_change(&mut criterion);
    answer(&mut criterion);
    criterion.final_summary();
}
