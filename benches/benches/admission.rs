//! svc-model: a Service comes and goes in a control plane that has many.
#![allow(missing_docs, reason = "a program of measurements")]

use std::hint::black_box;

use benches::SIZES;
use criterion::{BenchmarkId, Criterion};
use svc_model::allocate::AddressPool;
use svc_model::yaml::{self, Manifests};
use svc_model::{ControlPlane, Kind, ObjectName, ObjectRef};

/// A LoadBalancer Service: an address, node ports and an outside address are allocated to it.
fn manifest(name: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {{type: LoadBalancer, \
          ports: [{{name: http, port: 80}}, {{name: https, port: 443}}]}}}}\n---\n"
    )
}

fn manifests(count: usize) -> Manifests {
    yaml::read(&(0..count).map(|number| manifest(&format!("web-{number}"))).collect::<String>())
}

fn control(services: usize) -> ControlPlane {
    let pool = AddressPool::builder().range("10.100.0.0-10.100.255.255".parse().expect("a range")).build();
    let mut control = ControlPlane::builder()
        .service_cidr("10.96.0.0/12".parse().expect("a network"))
        .node_ports(1024..=65535)
        .load_balancer(Box::new(pool))
        .build();
    let outcome = control.apply(&manifests(services));
    assert!(outcome.problems().is_empty(), "{:?}", outcome.problems());
    control
}

fn one_service_comes_and_goes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("model/one Service comes and goes");
    let late = yaml::read(&manifest("late"));
    let reference = ObjectRef::new(Kind::Service, ObjectName::new("default", "late"));
    for services in SIZES {
        let mut control = control(services);
        group.bench_function(BenchmarkId::from_parameter(services), |bencher| {
            bencher.iter(|| {
                assert_eq!(black_box(control.apply(&late)).set().len(), 1);
                black_box(control.delete(&reference))
            });
        });
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    one_service_comes_and_goes(&mut criterion);
    criterion.final_summary();
}
