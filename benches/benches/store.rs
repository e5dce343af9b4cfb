//! svc-model's store: one change among many Services, and what a Service takes in memory.
#![allow(missing_docs, clippy::print_stdout, reason = "a program of measurements")]

use std::hint::black_box;

use benches::{SIZES, another_endpoint, cluster};
use criterion::{BenchmarkId, Criterion};
use peak_alloc::PeakAlloc;
use svc_model::store::Store;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

fn store_after_one_change(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("model/store after one change");
    for services in SIZES {
        let store = Store::new();
        store.apply(cluster(services).objects());
        let more = another_endpoint(services / 2);
        let reference = more[0].reference();
        let former: Vec<_> =
            store.snapshot().objects().into_iter().filter(|object| object.reference() == reference).collect();
        group.bench_function(BenchmarkId::from_parameter(services), |bencher| {
            let mut turn = false;
            bencher.iter(|| {
                turn = !turn;
                black_box(&store).apply(if turn { more.clone() } else { former.clone() })
            });
        });
    }
}

/// Printed rather than timed: bytes held for each Service (with its slice of three endpoints and its Ingress), and
/// bytes that one more revision holds.
fn bytes() {
    for services in SIZES {
        let before = MEMORY.current_usage();
        let snapshot = cluster(services);
        let held = MEMORY.current_usage() - before;
        let next = snapshot.with(another_endpoint(services / 2), []);
        let more = MEMORY.current_usage() - before - held;
        println!("model/bytes of {services} Services: {} each, {more} for one change", held / services);
        drop((snapshot, next));
    }
}

fn main() {
    bytes();
    let mut criterion = Criterion::default().configure_from_args();
    store_after_one_change(&mut criterion);
    criterion.final_summary();
}
