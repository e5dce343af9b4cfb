//! Clusters of a given size for the benches.
//!
//! Every Service has three endpoints on its own addresses and an Ingress of its own host, so that each consumer has as
//! much to do for each of them.

pub mod dns;

use std::fmt::Write as _;

use svc_model::{ControlPlane, Object, ObjectName, Snapshot, yaml};

/// How many Services: what a test has, what a cluster has, what few clusters have.
pub const SIZES: [usize; 3] = [10, 1_000, 10_000];

/// The pods behind every Service.
const ENDPOINTS: usize = 3;

const CLASS: &str = "
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
";

/// The name of the Service with this number.
#[must_use]
pub fn name(number: usize) -> ObjectName {
    ObjectName::new("bench", format!("web-{number}"))
}

/// The host of its Ingress.
#[must_use]
pub fn host(number: usize) -> String {
    format!("web-{number}.example.com")
}

/// A cluster of `services` Services.
///
/// # Panics
///
/// If one of the manifests written here is refused.
#[must_use]
pub fn cluster(services: usize) -> Snapshot {
    let services = (0..services).flat_map(|number| objects(&manifest(number)));
    objects(CLASS).into_iter().chain(services).collect()
}

/// The manifests of such a cluster, as one text.
#[must_use]
pub fn manifests(services: usize) -> String {
    (0..services).map(manifest).collect()
}

/// The name of a pod of the Service with this number.
#[must_use]
pub fn pod_name(service: usize, pod: usize) -> ObjectName {
    ObjectName::new("bench", format!("web-{service}-{pod}"))
}

/// A control plane without objects, with room for as many Services as there are.
///
/// # Panics
///
/// If the CIDR written here is none.
#[must_use]
pub fn empty_control_plane() -> ControlPlane {
    ControlPlane::builder().service_cidr("10.96.0.0/12".parse().expect("a CIDR")).build()
}

/// A control plane of `services` Services, each with `pods` pods that are on the network.
///
/// # Panics
///
/// If one of the manifests written here is refused.
#[must_use]
pub fn control_plane(services: usize, pods: usize) -> ControlPlane {
    let service = |number: usize| {
        let name = name(number);
        let service = name.name();
        let cluster_ip = address(10, 96, number);
        format!(
            "---
{{apiVersion: v1, kind: Service, metadata: {{name: {service}, namespace: bench}}, spec: {{clusterIP: {cluster_ip}, \
             clusterIPs: [{cluster_ip}], selector: {{app: {service}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}}}\n"
        )
    };
    let pod = |number: usize, pod: usize| {
        format!(
            "---
{{apiVersion: v1, kind: Pod, metadata: {{name: {}, namespace: bench, labels: {{app: web-{number}}}}}, \
             status: {{podIP: {}}}}}\n",
            pod_name(number, pod).name(),
            address(10, 128, number * pods + pod)
        )
    };
    let mut control = empty_control_plane();
    for number in 0..services {
        let text: String =
            std::iter::once(service(number)).chain((0..pods).map(|index| pod(number, index))).collect();
        let outcome = control.adopt(objects(&text));
        assert!(outcome.problems().is_empty(), "{:?}", outcome.problems());
    }
    control
}

/// What changes when a Service gets another endpoint: the commonest change of all.
///
/// # Panics
///
/// If the manifest written here is refused.
#[must_use]
pub fn another_endpoint(number: usize) -> Vec<Object> {
    objects(&slice(number, ENDPOINTS + 1))
}

fn objects(manifests: &str) -> Vec<Object> {
    let (objects, problems) = yaml::read(manifests).stored();
    assert!(problems.is_empty(), "{problems:?}");
    objects
}

fn manifest(number: usize) -> String {
    let (name, host) = (name(number), host(number));
    let cluster_ip = address(10, 96, number);
    format!(
        "---
apiVersion: v1
kind: Service
metadata: {{name: {service}, namespace: bench}}
spec:
  clusterIP: {cluster_ip}
  clusterIPs: [{cluster_ip}]
  selector: {{app: {service}}}
  ports: [{{name: http, port: 80, targetPort: 8080}}]
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: {service}, namespace: bench}}
spec:
  ingressClassName: nginx
  rules:
  - host: {host}
    http:
      paths:
      - {{path: /, pathType: Prefix, backend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}
      - {{path: /exact, pathType: Exact, backend: {{service: {{name: {service}, port: {{name: http}}}}}}}}
{slice}",
        service = name.name(),
        slice = slice(number, ENDPOINTS),
    )
}

fn slice(number: usize, endpoints: usize) -> String {
    let mut slice = format!(
        "---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: web-{number}-a, namespace: bench, labels: {{kubernetes.io/service-name: web-{number}}}}}
addressType: IPv4
ports: [{{name: http, port: 8080, protocol: TCP}}]
endpoints:
"
    );
    for endpoint in 0..endpoints {
        let address = address(10, 128, number * 4 + endpoint);
        let node = endpoint % 2 + 2;
        let _ = writeln!(
            slice,
            "- {{addresses: [{address}], conditions: {{ready: true}}, nodeName: server{node}}}"
        );
    }
    slice
}

/// The address with this number in a network whose first two octets are given; 0 and 255 are left out everywhere.
fn address(first: usize, second: usize, number: usize) -> String {
    let (high, low) = (number / 250, number % 250 + 1);
    format!("{first}.{}.{}.{low}", second + high / 250, high % 250)
}
