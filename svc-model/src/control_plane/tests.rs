//! Scenarios of the control plane.

use std::net::IpAddr;

use super::*;
use crate::allocate::AddressPool;
use crate::yaml::{self, Manifests};
use crate::{Kind, Service, Snapshot};

fn control() -> ControlPlane {
    let pool = AddressPool::builder().range("172.20.10.70-172.20.10.71".parse().unwrap()).build();
    ControlPlane::builder().load_balancer(Box::new(pool)).seed(1).build()
}

fn name(name: &str) -> ObjectName {
    ObjectName::new("default", name)
}

fn reference(kind: Kind, of: &str) -> ObjectRef {
    ObjectRef::new(kind, name(of))
}

fn service(control: &ControlPlane, of: &str) -> std::sync::Arc<Service> {
    control.service(&name(of)).unwrap()
}

fn service_yaml(of: &str, spec: &str) -> Manifests {
    yaml::read(&format!("{{apiVersion: v1, kind: Service, metadata: {{name: {of}}}, spec: {{{spec}}}}}"))
}

fn pod_yaml(of: &str, rest: &str) -> Manifests {
    yaml::read(&format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {of}, labels: {{app: web}}}}, spec: {{{rest}}}}}"
    ))
}

fn problems(outcome: &Outcome) -> Vec<String> {
    outcome.problems().iter().map(ToString::to_string).collect()
}

fn accept(control: &mut ControlPlane, manifests: &Manifests) {
    let outcome = control.apply(manifests);
    assert_eq!(problems(&outcome), Vec::<String>::new());
}

/// The addresses of all ready endpoints of `web`.
fn ready(control: &ControlPlane) -> Vec<String> {
    let snapshot: Snapshot = control.objects().cloned().collect();
    let endpoints: Vec<_> = snapshot
        .slices_of(&name("web"))
        .flat_map(|slice| slice.endpoints().to_vec())
        .filter(crate::Endpoint::ready)
        .map(|endpoint| endpoint.address().to_string())
        .collect();
    endpoints
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn endpoints_follow_pods() {
    let mut control = control();
    accept(&mut control, &service_yaml("web", "selector: {app: web}, ports: [{port: 80, targetPort: 9376}]"));
    accept(&mut control, &pod_yaml("web-0", "nodeName: a"));
    assert_eq!(ready(&control), Vec::<String>::new());
    let outcome = control.pod_network(&name("web-0"), &[ip("10.244.2.65")]);
    assert_eq!(
        (outcome.set().len(), outcome.removed().len()),
        (2, 1),
        "the pod, its slice, the empty one: {outcome:?}"
    );
    assert_eq!(ready(&control), ["10.244.2.65"]);
    accept(&mut control, &pod_yaml("web-0", "nodeName: b"));
    assert_eq!(ready(&control), ["10.244.2.65"], "a later apply keeps the reported address");
    _ = control.pod_ready(&name("web-0"), false);
    assert_eq!(ready(&control), Vec::<String>::new());
    _ = control.pod_ready(&name("web-0"), true);
    _ = control.pod_terminating(&name("web-0"));
    assert_eq!(ready(&control), Vec::<String>::new());
    let slice = reference(Kind::EndpointSlice, "web-ipv4");
    assert!(control.objects().any(|object| object.reference().name.name().starts_with(slice.name.name())));
    _ = control.delete(&reference(Kind::Pod, "web-0"));
    accept(&mut control, &pod_yaml("web-0", "nodeName: b"));
    assert!(control.pod(&name("web-0")).unwrap().ips().is_empty(), "a new pod of that name starts afresh");
}

#[test]
fn to_node_port_and_back_keeps_the_address() {
    let mut control = control();
    accept(&mut control, &service_yaml("web", "ports: [{port: 80}]"));
    let before = service(&control, "web");
    accept(&mut control, &service_yaml("web", "type: NodePort, ports: [{port: 80}]"));
    let as_node_port = service(&control, "web");
    let port = as_node_port.ports()[0].node_port().unwrap();
    assert_eq!(as_node_port.cluster_ips(), before.cluster_ips());
    accept(&mut control, &service_yaml("web", "type: NodePort, ports: [{port: 81}]"));
    assert_eq!(service(&control, "web").ports()[0].node_port(), Some(port), "kept");
    accept(&mut control, &service_yaml("web", "ports: [{port: 80}]"));
    assert_eq!(*service(&control, "web"), *before);
    assert_eq!(control.node_ports.held(), 0);
    assert_eq!(control.node_ports.owner(port), None);
}
