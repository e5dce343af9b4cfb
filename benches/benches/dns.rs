//! svc-dns: a responder from a snapshot, the next one after one change, answers of each kind.
//!
//! `cargo bench -p benches --bench dns -- --answers KIND COUNT` gives so many answers and nothing else: what
//! `valgrind --tool=callgrind --toggle-collect='dns::answers*'` counts instructions of.
#![allow(missing_docs, reason = "a program of measurements")]
#![allow(clippy::print_stdout, reason = "a program prints")]

use std::hint::black_box;

use benches::{
    SIZES,
    dns::{Kind, another_endpoint, cluster},
};
use criterion::{BenchmarkId, Criterion, Throughput};
use svc_dns::{Client, Outcome, Responder, Zone};

fn zone() -> Zone {
    Zone::builder("cluster.local").reverse("10.96.0.0/16").build().expect("a valid zone")
}

fn responder_from_snapshot(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dns/responder from snapshot");
    group.sample_size(10);
    for services in SIZES {
        let snapshot = cluster(services);
        let bytes = Responder::new(zone(), &snapshot).heap_bytes();
        println!("{services} Services and {} headless ones: {bytes} bytes", services.div_ceil(20));
        group.bench_function(BenchmarkId::from_parameter(services), |bencher| {
            bencher.iter(|| Responder::new(zone(), black_box(&snapshot)));
        });
    }
}

fn responder_after_one_change(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dns/responder after one change");
    for services in SIZES {
        let before = cluster(services);
        let (after, delta) = before.with(another_endpoint(services), []);
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
    let client = Client::udp(([10, 128, 0, 1], 53_000).into());
    for services in SIZES {
        let responder = Responder::new(zone(), &cluster(services));
        for kind in Kind::ALL {
            let mut group = criterion.benchmark_group(format!("dns/answer/{kind:?}"));
            group.throughput(Throughput::Elements(1));
            let queries: Vec<_> = (0..20_000).map(|number| kind.query(number, services)).collect();
            let mut queries = queries.iter().cycle();
            let mut out = Vec::with_capacity(512);
            group.bench_function(BenchmarkId::from_parameter(services), |bencher| {
                bencher.iter(|| {
                    let query = queries.next().expect("it begins again");
                    let outcome = responder.respond(query, client, &mut out);
                    assert!(matches!(outcome, Outcome::Answer));
                });
            });
        }
    }
}

/// Gives `count` answers of a kind, from the largest cluster.
#[inline(never)]
fn answers(responder: &Responder, queries: &[Vec<u8>], count: usize) {
    let client = Client::udp(([10, 128, 0, 1], 53_000).into());
    let mut out = Vec::with_capacity(512);
    for query in queries.iter().cycle().take(count) {
        black_box(responder.respond(black_box(query), client, &mut out));
    }
}

fn only_answers(kind: &str, count: &str) {
    let services = SIZES[SIZES.len() - 1];
    let kind = Kind::ALL.into_iter().find(|each| format!("{each:?}") == kind).expect("a kind of question");
    let responder = Responder::new(zone(), &cluster(services));
    let queries: Vec<_> = (0..20_000).map(|number| kind.query(number, services)).collect();
    answers(&responder, &queries, count.parse().expect("a number"));
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--answers") {
        return only_answers(&arguments[at + 1], &arguments[at + 2]);
    }
    let mut criterion = Criterion::default().configure_from_args();
    responder_from_snapshot(&mut criterion);
    responder_after_one_change(&mut criterion);
    answer(&mut criterion);
    criterion.final_summary();
}
