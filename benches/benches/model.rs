//! svc-model: manifests to a snapshot, a snapshot after a change, endpoints after a change of a pod, and which endpoints
//! serve.
#![allow(missing_docs, reason = "a program of measurements")]

use std::hint::black_box;

use benches::{SIZES, another_endpoint, cluster, control_plane, manifests, name, pod_name};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use svc_model::topology::{self, Place};
use svc_model::{AddressType, yaml};

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("model/parse");
    group.sample_size(10);
    for services in SIZES {
        let text = manifests(services);
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(BenchmarkId::from_parameter(services), |bencher| {
            bencher.iter(|| yaml::read(black_box(&text)).stored());
        });
    }
}

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

/// A pod's readiness flips: its Service's slice is written.
fn endpoints_after_one_pod(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("model/endpoints after one pod");
    for services in SIZES {
        let mut control = control_plane(services, 1);
        let pod = pod_name(services / 2, 0);
        let mut ready = true;
        group.bench_function(BenchmarkId::from_parameter(services), |bencher| {
            bencher.iter(|| {
                ready = !ready;
                let outcome = control.pod_ready(&pod, ready);
                assert_eq!(outcome.set().len(), 2, "the pod and its slice");
                outcome
            });
        });
    }
}

/// The same in a Service with so many pods, alone in its cluster.
fn endpoints_of_a_large_service(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("model/endpoints after one pod, pods behind the Service");
    for pods in SIZES {
        let mut control = control_plane(1, pods);
        let pod = pod_name(0, pods / 2);
        let mut ready = true;
        group.bench_function(BenchmarkId::from_parameter(pods), |bencher| {
            bencher.iter(|| {
                ready = !ready;
                control.pod_ready(&pod, ready)
            });
        });
    }
}

/// Every Service comes at once: as after a start.
fn endpoints_from_scratch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("model/endpoints from scratch");
    group.sample_size(10);
    for services in SIZES {
        let objects: Vec<_> = control_plane(services, 3).objects().cloned().collect();
        let without_slices =
            objects.into_iter().filter(|object| object.kind() != svc_model::Kind::EndpointSlice);
        let objects: Vec<_> = without_slices.collect();
        group.bench_function(BenchmarkId::from_parameter(services), |bencher| {
            bencher.iter_batched(
                || (benches::empty_control_plane(), objects.clone()),
                |(mut control, objects)| {
                    let outcome = control.adopt(objects);
                    (control, outcome)
                },
                BatchSize::PerIteration,
            );
        });
    }
}

/// Which endpoints one node forwards to, for one Service of so many.
fn topology_of_one_service(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("model/topology of one Service");
    for services in SIZES {
        let snapshot = cluster(services);
        let name = name(services / 2);
        let service = snapshot.service(&name).expect("it is there");
        let port = &service.ports()[0];
        group.bench_function(BenchmarkId::from_parameter(services), |bencher| {
            bencher.iter(|| {
                let backends = topology::backends(&snapshot, &name, port, AddressType::Ipv4);
                let selection = topology::select(service, port, &backends, Place::new("server2", None));
                selection.cluster.len()
            });
        });
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    parse(&mut criterion);
    snapshot_from_manifests(&mut criterion);
    snapshot_after_one_change(&mut criterion);
    endpoints_after_one_pod(&mut criterion);
    endpoints_of_a_large_service(&mut criterion);
    endpoints_from_scratch(&mut criterion);
    topology_of_one_service(&mut criterion);
    criterion.final_summary();
}
