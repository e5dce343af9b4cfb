//! Scenarios of the control plane.

use std::net::IpAddr;

mod status;

use super::*;
use crate::allocate::AddressPool;
use crate::yaml::{self, Manifests};
use crate::{Kind, Service, Snapshot, wire, write};

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
        (2, 0),
        "the pod, and the empty slice written over: {outcome:?}"
    );
    assert_eq!(ready(&control), ["10.244.2.65"]);
    accept(&mut control, &pod_yaml("web-0", "nodeName: a, terminationGracePeriodSeconds: 5"));
    assert_eq!(ready(&control), ["10.244.2.65"], "a later apply keeps the reported address");
    _ = control.pod_ready(&name("web-0"), false);
    assert_eq!(ready(&control), Vec::<String>::new());
    _ = control.pod_ready(&name("web-0"), true);
    _ = control.pod_terminating(&name("web-0"));
    assert_eq!(ready(&control), Vec::<String>::new());
    assert_eq!(slice_names(&control).len(), 1, "it drains in the slice where it stands");
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

#[test]
fn two_services_never_share_a_node_port_or_an_address() {
    let mut control = control();
    accept(&mut control, &service_yaml("web", "type: NodePort, ports: [{port: 80, nodePort: 30080}]"));
    let outcome = control.apply(&service_yaml("api", "type: NodePort, ports: [{port: 80, nodePort: 30080}]"));
    assert_eq!(
        problems(&outcome),
        [
            "Service default/api: spec.ports[0].nodePort: 30080 is already allocated to Service default/web and cannot go to Service default/api"
        ]
    );
    assert!(outcome.set().is_empty());
    assert!(control.service(&name("api")).is_none());
    assert_eq!(control.cluster_ips[0].held(), 1, "the refused Service holds nothing");
    let taken = service(&control, "web").cluster_ips()[0];
    let outcome = control.apply(&service_yaml("api", &format!("clusterIP: {taken}, ports: [{{port: 80}}]")));
    let expected = format!(
        "Service default/api: spec.clusterIP: {taken} is already allocated to Service default/web and cannot go to Service default/api"
    );
    assert_eq!(problems(&outcome), [expected]);
}

#[test]
fn a_faulty_update_changes_nothing() {
    let mut control = control();
    accept(&mut control, &service_yaml("web", "type: NodePort, ports: [{port: 80, nodePort: 30080}]"));
    let before = service(&control, "web");
    for faulty in [
        "type: NodePort, ports: [{port: 70000}]",
        "type: NodePort, ports: [{port: 80, nodePort: 80}]",
        "clusterIP: 10.96.0.77, ports: [{port: 80}]",
        "type: Nodeport, ports: [{port: 80}]",
    ] {
        let outcome = control.apply(&service_yaml("web", faulty));
        assert_eq!((outcome.problems().len(), outcome.set().len()), (1, 0), "{faulty}: {outcome:?}");
        assert_eq!(service(&control, "web"), before);
    }
    assert_eq!(control.node_ports.owner(30080), Some(&name("web")));
    assert_eq!(control.node_ports.held(), 1);
}

#[test]
fn a_batch_may_hand_values_on() {
    let mut control = control();
    accept(&mut control, &service_yaml("a", "type: NodePort, ports: [{port: 80, nodePort: 30080}]"));
    let mut batch = service_yaml("b", "type: NodePort, ports: [{port: 80, nodePort: 30080}]");
    batch.extend(service_yaml("a", "type: NodePort, ports: [{port: 80, nodePort: 30081}]"));
    accept(&mut control, &batch);
    assert_eq!(control.node_ports.owner(30080), Some(&name("b")));
    // Who names a value gets it, wherever in the batch he stands.
    let mut batch = service_yaml("any", "ports: [{port: 80}]");
    batch.extend(service_yaml("dns", "clusterIP: 10.96.0.10, ports: [{port: 53}]"));
    accept(&mut control, &batch);
    assert_eq!(service(&control, "dns").cluster_ips(), [ip("10.96.0.10")]);
}

#[test]
fn one_door_for_both_protocols() {
    let mut control = control();
    let ports = "ports: [{name: a, port: 53, protocol: UDP}, {name: b, port: 53}, {name: c, port: 54}]";
    accept(&mut control, &service_yaml("dns", &format!("type: NodePort, {ports}")));
    let dns = service(&control, "dns");
    let doors: Vec<_> = dns.ports().iter().map(|port| port.node_port().unwrap()).collect();
    assert_eq!(doors[0], doors[1]);
    assert_ne!(doors[0], doors[2]);
    // One that is named serves the other too, whichever comes first.
    let named = "ports: [{name: a, port: 53, protocol: UDP}, {name: b, port: 53, nodePort: 30053}]";
    accept(&mut control, &service_yaml("named", &format!("type: NodePort, {named}")));
    let doors: Vec<_> = service(&control, "named").ports().iter().map(|port| port.node_port()).collect();
    assert_eq!(doors, [Some(30053), Some(30053)]);
}

/// Protocol and number of two ports, the node ports they ask for, and which they get: `=` the same as the first.
#[test]
fn node_ports_of_new_services() {
    for (first, second, expected) in [
        ("{name: a, port: 53}", "{name: b, port: 54}", "any other"),
        ("{name: a, port: 53}", "{name: b, port: 53, protocol: UDP}", "any ="),
        ("{name: a, port: 53, nodePort: 30001}", "{name: b, port: 53, protocol: UDP}", "30001 ="),
        ("{name: a, port: 53}", "{name: b, port: 53, protocol: UDP, nodePort: 30002}", "30002 ="),
        (
            "{name: a, port: 53, nodePort: 30001}",
            "{name: b, port: 53, protocol: UDP, nodePort: 30001}",
            "30001 =",
        ),
        (
            "{name: a, port: 53, nodePort: 30001}",
            "{name: b, port: 53, protocol: UDP, nodePort: 30002}",
            "30001 30002",
        ),
        ("{name: a, port: 53, nodePort: 30001}", "{name: b, port: 54}", "30001 other"),
        (
            "{name: a, port: 53, nodePort: 30001}",
            "{name: b, port: 54, protocol: UDP, nodePort: 30001}",
            "30001 =",
        ),
    ] {
        for kind in ["NodePort", "LoadBalancer"] {
            let mut control = control();
            accept(&mut control, &service_yaml("web", &format!("type: {kind}, ports: [{first}, {second}]")));
            let web = service(&control, "web");
            let numbers: Vec<_> = web.ports().iter().map(|port| port.node_port().unwrap()).collect();
            assert!(numbers.iter().all(|number| (30000..=32767).contains(number)), "{numbers:?}");
            let word = |index: usize, any: &str| match numbers[index] {
                _ if index == 1 && numbers[0] == numbers[1] => "=".to_owned(),
                number @ 30001..=30002 => number.to_string(),
                _ => any.to_owned(),
            };
            assert_eq!(
                format!("{} {}", word(0, "any"), word(1, "other")),
                expected,
                "{kind}: {first} {second}"
            );
            assert_eq!(control.node_ports.held(), numbers.iter().collect::<BTreeSet<_>>().len());
        }
    }
    let mut control = control();
    let spec = "type: LoadBalancer, allocateLoadBalancerNodePorts: false, ports: [{name: a, port: 53, nodePort: 30001}, {name: b, port: 54}]";
    accept(&mut control, &service_yaml("web", spec));
    let numbers: Vec<_> = service(&control, "web").ports().iter().map(|port| port.node_port()).collect();
    assert_eq!(numbers, [Some(30001), None], "only what is asked for");
}

#[test]
fn several_ranges_of_one_family() {
    let cidrs = ["10.96.0.0/30", "10.97.0.0/29", "10.97.0.0/30"].map(|cidr| cidr.parse().unwrap());
    let mut control =
        cidrs.into_iter().fold(ControlPlane::builder(), ControlPlaneBuilder::service_cidr).build();
    let mut addresses = BTreeSet::new();
    for index in 0..8 {
        accept(&mut control, &service_yaml(&format!("s{index}"), "ports: [{port: 80}]"));
        addresses.insert(service(&control, &format!("s{index}")).cluster_ips()[0]);
    }
    assert_eq!(addresses.len(), 8, "2 of the first, 6 of the second, which holds the third: {addresses:?}");
    let outcome = control.apply(&service_yaml("late", "ports: [{port: 80}]"));
    assert_eq!(
        problems(&outcome),
        [
            "Service default/late: spec.clusterIP: nothing is free in 10.96.0.0/30, 10.97.0.0/29, 10.97.0.0/30: \
          delete a Service, or widen the range"
        ]
    );
    _ = control.delete(&reference(Kind::Service, "s3"));
    accept(&mut control, &service_yaml("late", "ports: [{port: 80}]"));
}

#[test]
fn an_ingress_without_a_class_is_of_the_default_one() {
    let class = |name: &str, created: &str, default: bool| {
        yaml::read(&format!(
            "{{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {{name: {name}, creationTimestamp: '{created}', \
              annotations: {{ingressclass.kubernetes.io/is-default-class: '{default}'}}}}, spec: {{controller: a.example/b}}}}"
        ))
    };
    let ingress = |name: &str, host: &str, rest: &str| {
        yaml::read(&format!(
            "{{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {{name: {name}{rest}}}, spec: {{rules: [{{host: {host}}}]}}}}"
        ))
    };
    let of = |control: &ControlPlane, of: &str| match control.object(&reference(Kind::Ingress, of)) {
        Some(Object::Ingress(ingress)) => ingress.class().map(str::to_owned),
        other => panic!("{other:?}"),
    };
    let mut control = control();
    // In one batch, the class last: it counts all the same.
    let mut batch = ingress("a", "a.example", "");
    batch.extend(class("old", "2026-01-01T00:00:00Z", true));
    accept(&mut control, &batch);
    assert_eq!(of(&control, "a").as_deref(), Some("old"));
    for (name, created, default) in [
        ("young-b", "2026-01-02T00:00:00Z", true),
        ("young-a", "2026-01-02T00:00:00Z", true),
        ("none", "2026-01-03T00:00:00Z", false),
    ] {
        accept(&mut control, &class(name, created, default));
    }
    accept(&mut control, &ingress("b", "b.example", ""));
    assert_eq!(of(&control, "b").as_deref(), Some("young-a"), "the youngest, the first by name");
    accept(&mut control, &ingress("a", "www.a.example", ""));
    assert_eq!(of(&control, "a").as_deref(), Some("old"), "an edit leaves it");
    accept(&mut control, &ingress("c", "c.example", ", annotations: {kubernetes.io/ingress.class: mine}"));
    assert_eq!(of(&control, "c"), None, "the annotation names a class");
}

/// A provider that counts how often it is asked, and how many nodes it is shown.
#[derive(Clone, Default)]
struct Counting(std::sync::Arc<std::sync::Mutex<Vec<(String, usize)>>>);

impl crate::allocate::LoadBalancerProvider for Counting {
    fn ensure(
        &mut self,
        service: &Service,
        nodes: &[std::sync::Arc<crate::Node>],
    ) -> Result<Vec<crate::LoadBalancerIngress>, Box<dyn std::error::Error + Send + Sync>> {
        self.0.lock().unwrap().push((service.name().name().to_owned(), nodes.len()));
        Ok(Vec::new())
    }

    fn release(&mut self, _service: &ObjectName) {}
}

#[test]
fn a_provider_is_asked_about_who_changed_and_about_all_when_nodes_do() {
    let counting = Counting::default();
    let asked = || std::mem::take(&mut *counting.0.lock().unwrap());
    let mut control = ControlPlane::builder().load_balancer(Box::new(counting.clone())).build();
    for index in 0..100 {
        accept(&mut control, &service_yaml(&format!("s{index}"), "type: LoadBalancer, ports: [{port: 80}]"));
    }
    assert_eq!(asked().len(), 100, "each once");
    accept(&mut control, &service_yaml("s7", "type: LoadBalancer, ports: [{port: 81}]"));
    assert_eq!(asked(), [("s7".to_owned(), 0)]);
    accept(&mut control, &service_yaml("s8", "ports: [{port: 80}]"));
    accept(&mut control, &pod_yaml("web-0", ""));
    assert_eq!(asked(), []);
    accept(&mut control, &yaml::read("{apiVersion: v1, kind: Node, metadata: {name: n}}"));
    let all = asked();
    assert_eq!((all.len(), all[0].1), (99, 1));
}

#[test]
fn load_balancers() {
    let mut control = control();
    let local = "type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 80}]";
    accept(&mut control, &service_yaml("a", local));
    let a = service(&control, "a");
    assert_eq!(a.load_balancer_ingress()[0].ip(), Some(ip("172.20.10.70")));
    assert!(a.health_check_node_port().is_some());
    accept(
        &mut control,
        &service_yaml("b", "type: LoadBalancer, loadBalancerIP: 172.20.10.71, ports: [{port: 80}]"),
    );
    let outcome = control.apply(&service_yaml("c", "type: LoadBalancer, ports: [{port: 80}]"));
    assert_eq!(
        problems(&outcome),
        [
            "Service default/c: status.loadBalancer: no address is free in the load-balancer pool 172.20.10.70-172.20.10.71: release one, or widen the pool"
        ]
    );
    assert_eq!(service(&control, "c").cluster_ips().len(), 1, "it works inside the cluster");
    let outcome = control
        .apply(&service_yaml("d", "type: LoadBalancer, loadBalancerIP: 10.0.0.1, ports: [{port: 80}]"));
    assert!(
        problems(&outcome)[0]
            .ends_with("10.0.0.1 is not in the load-balancer pool 172.20.10.70-172.20.10.71")
    );
    // Another type gives the address back, and who waited gets it.
    accept(&mut control, &service_yaml("d", "ports: [{port: 80}]"));
    accept(&mut control, &service_yaml("a", "ports: [{port: 80}]"));
    assert!(service(&control, "a").load_balancer_ingress().is_empty());
    assert_eq!(service(&control, "c").load_balancer_ingress()[0].ip(), Some(ip("172.20.10.70")));
    assert_eq!(service(&control, "a").health_check_node_port(), None);
    // A class that nobody serves waits for somebody else.
    accept(
        &mut control,
        &service_yaml("e", "type: LoadBalancer, loadBalancerClass: a/b, ports: [{port: 80}]"),
    );
    assert!(service(&control, "e").load_balancer_ingress().is_empty());
    let given = crate::LoadBalancerIngress::address(ip("192.0.2.1"), crate::IpMode::Proxy);
    let outcome = control.balancer_ingress(&name("e"), std::slice::from_ref(&given));
    assert_eq!(outcome.set().len(), 1);
    accept(
        &mut control,
        &service_yaml("e", "type: LoadBalancer, loadBalancerClass: a/b, ports: [{port: 81}]"),
    );
    assert_eq!(service(&control, "e").load_balancer_ingress(), [given]);
}

#[test]
fn type_changes_drop_what_no_longer_applies() {
    let mut control = control();
    let balanced = "type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 32000, \
        allocateLoadBalancerNodePorts: true, ports: [{port: 80, nodePort: 30080}]";
    accept(&mut control, &service_yaml("web", balanced));
    let address = service(&control, "web").cluster_ips().to_vec();
    // The fields still stand in the manifest; only the type was edited.
    accept(&mut control, &service_yaml("web", &balanced.replace("LoadBalancer, ext", "ClusterIP, ext")));
    let web = service(&control, "web");
    assert_eq!((web.service_type(), web.cluster_ips()), (crate::ServiceType::ClusterIp, &address[..]));
    assert_eq!(control.node_ports.held(), 0);
    accept(&mut control, &service_yaml("web", "type: ExternalName, externalName: example.com"));
    assert_eq!(service(&control, "web").external_name(), Some("example.com"));
    assert_eq!(control.cluster_ips[0].held(), 0);
    accept(&mut control, &service_yaml("web", "type: ExternalName, externalName: www.example.com"));
    accept(&mut control, &service_yaml("web", "ports: [{port: 80}]"));
    assert_eq!(service(&control, "web").cluster_ips().len(), 1);
}

/// They are allocated and served by nobody, until the type uses them.
#[test]
fn what_a_type_does_not_use_is_kept() {
    let mut control = control();
    let words =
        "externalName: example.com, loadBalancerIP: 172.20.10.70, ports: [{port: 80, nodePort: 30080}]";
    let written = |control: &ControlPlane| match write::manifest(&Object::Service(service(control, "web"))) {
        wire::Manifest::Service(it) => {
            let number = it.spec.ports.unwrap()[0].node_port;
            (it.spec.external_name.unwrap(), it.spec.load_balancer_ip.unwrap(), number)
        }
        other => panic!("{other:?}"),
    };
    let all = |number| ("example.com".to_owned(), "172.20.10.70".to_owned(), number);
    let held = |control: &ControlPlane| control.node_ports.held();
    let mut turn = |kind: &str| {
        accept(&mut control, &service_yaml("web", &format!("type: {kind}, {words}")));
        let shown = service(&control, "web");
        let used = (shown.external_name().is_some(), shown.load_balancer_ip().is_some(), held(&control));
        (written(&control), used)
    };
    assert_eq!(turn("ExternalName"), (all(Some(30080)), (true, false, 0)));
    assert_eq!(turn("NodePort"), (all(Some(30080)), (false, false, 1)));
    assert_eq!(turn("LoadBalancer"), (all(Some(30080)), (false, true, 1)));
    assert_eq!(turn("ClusterIP"), (all(None), (false, false, 0)), "only the number goes back");
}

#[test]
fn headless_and_named_pods() {
    let mut control = control();
    accept(
        &mut control,
        &service_yaml("web", "clusterIP: None, selector: {app: web}, ports: [{port: 80, targetPort: http}]"),
    );
    accept(
        &mut control,
        &pod_yaml(
            "web-0",
            "hostname: web-0, subdomain: web, containers: [{ports: [{name: http, containerPort: 8080}]}]",
        ),
    );
    accept(&mut control, &pod_yaml("web-1", "containers: [{ports: [{name: other, containerPort: 8080}]}]"));
    _ = control.pod_network(&name("web-0"), &[ip("10.244.0.5")]);
    _ = control.pod_network(&name("web-1"), &[ip("10.244.0.6")]);
    let snapshot: Snapshot = control.objects().cloned().collect();
    let slices: Vec<_> = snapshot.slices_of(&name("web")).collect();
    assert_eq!(slices.len(), 2, "one for each list of ports");
    let with_port = slices.iter().find(|slice| !slice.ports().is_empty()).unwrap();
    assert_eq!(with_port.ports()[0].port(), Some(8080));
    assert_eq!(with_port.endpoints()[0].hostname(), Some("web-0"));
    assert!(with_port.meta().labels().contains_key(crate::endpoint_slices::HEADLESS_LABEL));
    assert_eq!(control.cluster_ips[0].held(), 0);
}

#[test]
fn dual_stack() {
    let cidrs = ["10.96.0.0/12", "fd00:10:96::/112"].map(|cidr| cidr.parse().unwrap());
    let mut control =
        cidrs.into_iter().fold(ControlPlane::builder(), ControlPlaneBuilder::service_cidr).build();
    accept(&mut control, &service_yaml("web", "selector: {app: web}, ports: [{port: 80}]"));
    let first = service(&control, "web").cluster_ips().to_vec();
    assert_eq!(first.len(), 1);
    accept(
        &mut control,
        &service_yaml("web", "ipFamilyPolicy: PreferDualStack, selector: {app: web}, ports: [{port: 80}]"),
    );
    let both = service(&control, "web").cluster_ips().to_vec();
    assert_eq!((both.len(), both[0]), (2, first[0]));
    accept(&mut control, &service_yaml("web", "selector: {app: web}, ports: [{port: 81}]"));
    assert_eq!(service(&control, "web").cluster_ips(), both, "an update that says nothing keeps both");
    accept(&mut control, &pod_yaml("web-0", ""));
    _ = control.pod_network(&name("web-0"), &[ip("10.244.0.5"), ip("fd00::5")]);
    assert_eq!(ready(&control), ["10.244.0.5", "fd00::5"]);
    accept(
        &mut control,
        &service_yaml("web", "ipFamilyPolicy: SingleStack, selector: {app: web}, ports: [{port: 81}]"),
    );
    assert_eq!(service(&control, "web").cluster_ips(), first);
    assert_eq!(ready(&control), ["10.244.0.5"]);
    assert_eq!(control.cluster_ips[1].held(), 0);
}

#[test]
fn replace_removes_what_it_brought_and_nothing_else() {
    let mut control = control();
    accept(&mut control, &service_yaml("other", "ports: [{port: 80}]"));
    let mut files = service_yaml("a", "ports: [{port: 80}]").in_source("a.yaml");
    files.extend(service_yaml("b", "ports: [{port: 80}]").in_source("b.yaml"));
    assert_eq!(control.replace(&files).set().len(), 2);
    assert!(control.replace(&files).is_empty(), "twice is once");
    let outcome = control.replace(&service_yaml("a", "ports: [{port: 80}]").in_source("a.yaml"));
    assert_eq!(outcome.removed(), [reference(Kind::Service, "b")]);
    assert!(control.service(&name("other")).is_some());
    let outcome = control.replace(&Manifests::default());
    assert_eq!(outcome.removed(), [reference(Kind::Service, "a")]);
}

#[test]
fn a_mistake_takes_nothing_away() {
    let mut control = control();
    let read = |text: &str| yaml::read(text).in_source("shop.yaml");
    let good = "{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 80}]}}";
    let other = "{apiVersion: v1, kind: Service, metadata: {name: b}, spec: {ports: [{port: 80}]}}";
    assert!(control.replace(&read(&format!("{good}\n---\n{other}"))).problems().is_empty());
    let before = service(&control, "b");
    for faulty in [
        other.replace("80", "70000"),
        other.replace("80", "eighty"),
        other.replace("v1", "v2"),
        "{".to_owned(),
        "kind: ''".to_owned(),
    ] {
        let outcome = control.replace(&read(&format!("{good}\n---\n{faulty}")));
        assert_eq!((outcome.problems().len(), outcome.removed().len()), (1, 0), "{faulty}: {outcome:?}");
        assert_eq!(outcome.problems()[0].source(), Some("shop.yaml"));
        assert_eq!(service(&control, "b"), before);
    }
    assert_eq!(control.replace(&read(good)).removed(), [reference(Kind::Service, "b")], "this was meant");
}

#[test]
fn the_same_object_twice_is_reported() {
    let mut control = control();
    let mut files = service_yaml("a", "ports: [{port: 80}]").in_source("1.yaml");
    files.extend(service_yaml("a", "ports: [{port: 81}]").in_source("2.yaml"));
    let outcome = control.replace(&files);
    assert_eq!(
        problems(&outcome),
        ["2.yaml: Service default/a: metadata.name: is already defined in 1.yaml"]
    );
    assert_eq!(service(&control, "a").ports()[0].port(), 80);
}

#[test]
fn zones_follow_nodes() {
    let mut control = control();
    let node = |zone: &str| {
        yaml::read(&format!(
            "{{apiVersion: v1, kind: Node, metadata: {{name: n, labels: {{topology.kubernetes.io/zone: {zone}}}}}}}"
        ))
    };
    accept(&mut control, &node("east"));
    accept(&mut control, &service_yaml("web", "selector: {app: web}, ports: [{port: 80}]"));
    accept(&mut control, &pod_yaml("web-0", "nodeName: n"));
    _ = control.pod_network(&name("web-0"), &[ip("10.244.0.5")]);
    let outcome = control.apply(&node("west"));
    let slice = outcome.set().iter().find_map(|object| match object {
        Object::EndpointSlice(slice) => Some(slice),
        _ => None,
    });
    assert_eq!(slice.unwrap().endpoints()[0].zone(), Some("west"));
}

fn slice_names(control: &ControlPlane) -> Vec<String> {
    control.of_kind(Kind::EndpointSlice).map(|slice| slice.meta().name().name().to_owned()).collect()
}

#[test]
fn a_pod_waits_for_its_node_and_is_said_to_once() {
    let mut control = control();
    let node =
        |name: &str| yaml::read(&format!("{{apiVersion: v1, kind: Node, metadata: {{name: {name}}}}}"));
    accept(&mut control, &node("a"));
    accept(&mut control, &service_yaml("web", "selector: {app: web}, ports: [{port: 80}]"));
    accept(&mut control, &pod_yaml("web-0", "nodeName: b"));
    let said =
        "Pod default/web-0: spec.nodeName: there is no Node `b`: the pod is left out of Service default/web";
    let outcome = control.pod_network(&name("web-0"), &[ip("10.244.0.5")]);
    assert_eq!((problems(&outcome), ready(&control)), (vec![said.to_owned()], vec![]));
    assert_eq!(problems(&control.pod_ready(&name("web-0"), true)), Vec::<String>::new());
    assert_eq!(problems(&control.apply(&pod_yaml("web-0", "nodeName: b"))), [said], "who writes it is told");
    accept(&mut control, &node("b"));
    assert_eq!(ready(&control), ["10.244.0.5"]);
    assert_eq!(problems(&control.delete(&reference(Kind::Node, "b"))), Vec::<String>::new());
}

/// A restart writes nothing that is right already, and mends what is not.
#[test]
fn derived_slices_are_adopted_under_their_names() {
    let mut first = control();
    accept(&mut first, &service_yaml("web", "selector: {app: web}, ports: [{port: 80}]"));
    for index in 0..3 {
        accept(&mut first, &pod_yaml(&format!("web-{index}"), ""));
        _ = first.pod_network(&name(&format!("web-{index}")), &[ip(&format!("10.244.0.{}", index + 1))]);
    }
    let mut left: Vec<_> = first.objects().cloned().collect();
    // Renamed, so that a second derivation could not come to the same by chance.
    let named = |object: &Object, new: &str| match object {
        Object::EndpointSlice(slice) => {
            let mut slice = crate::EndpointSlice::clone(slice);
            slice.meta.name = name(new);
            slice.into()
        }
        other => other.clone(),
    };
    left.iter_mut().for_each(|object| *object = named(object, "web-mine"));
    let orphan = match left.iter().find(|object| object.kind() == Kind::EndpointSlice) {
        Some(Object::EndpointSlice(slice)) => {
            let mut slice = crate::EndpointSlice::clone(slice);
            slice.service = Some(name("gone"));
            slice.meta.name = name("gone-1");
            slice.meta.labels.insert(crate::SERVICE_NAME_LABEL.into(), "gone".into());
            slice
        }
        other => panic!("{other:?}"),
    };
    left.push(orphan.into());
    left.retain(|object| object.reference() != reference(Kind::Pod, "web-1"));

    let mut second = control();
    assert_eq!(problems(&second.adopt(left)), Vec::<String>::new());
    assert_eq!(slice_names(&second), ["web-mine"]);
    assert_eq!(ready(&second), ["10.244.0.1", "10.244.0.3"]);
}

#[test]
fn slices_made_by_hand_stay() {
    let mut control = control();
    accept(&mut control, &service_yaml("web", "ports: [{port: 80}]"));
    let text = "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, \
        metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}, \
        endpoints: [{addresses: [192.0.2.5]}], ports: [{port: 80}]}";
    accept(&mut control, &yaml::read(text));
    accept(&mut control, &service_yaml("web", "ports: [{port: 81}]"));
    assert_eq!(ready(&control), ["192.0.2.5"]);
}

#[test]
fn what_does_not_exist_is_named() {
    let mut control = control();
    let outcome = control.pod_network(&name("ghost"), &[]);
    assert_eq!(problems(&outcome), ["Pod default/ghost: does not exist: apply its manifest first"]);
    assert!(control.delete(&reference(Kind::Service, "ghost")).is_empty());
}

#[test]
fn the_same_seed_gives_the_same_values() {
    let run = || {
        let mut control = control();
        let mut all = Vec::new();
        for index in 0..20 {
            accept(&mut control, &service_yaml(&format!("s{index}"), "type: NodePort, ports: [{port: 80}]"));
            let service = service(&control, &format!("s{index}"));
            all.push((service.cluster_ips().to_vec(), service.ports()[0].node_port()));
        }
        all
    };
    assert_eq!(run(), run());
}

#[test]
fn a_restart_takes_over_what_was() {
    let mut first = control();
    accept(
        &mut first,
        &service_yaml("b", "type: LoadBalancer, selector: {app: web}, ports: [{port: 80, targetPort: 80}]"),
    );
    accept(
        &mut first,
        &service_yaml("a", "type: LoadBalancer, externalTrafficPolicy: Local, ports: [{port: 80}]"),
    );
    accept(&mut first, &pod_yaml("web-0", ""));
    _ = first.pod_network(&name("web-0"), &[ip("10.244.0.5")]);
    let text: String = first.objects().map(|object| format!("---\n{}", yaml::write(object))).collect();
    let (objects, found) = yaml::read(&text).stored();
    assert_eq!(found, []);

    let mut second = ControlPlane::builder()
        .load_balancer(Box::new(
            AddressPool::builder().range("172.20.10.70-172.20.10.71".parse().unwrap()).build(),
        ))
        .seed(99)
        .build();
    assert_eq!(problems(&second.adopt(objects)), Vec::<String>::new());
    assert_eq!(second.objects().collect::<Vec<_>>(), first.objects().collect::<Vec<_>>());
    // The same manifests again change nothing but what was edited meanwhile.
    let mut files =
        service_yaml("b", "type: LoadBalancer, selector: {app: web}, ports: [{port: 81, targetPort: 80}]");
    files.extend(pod_yaml("web-0", ""));
    let broken = {
        let mut files = files.clone();
        files.extend(yaml::read("{").in_source("c.yaml"));
        files
    };
    assert_eq!(second.replace(&broken).removed(), [], "the broken file may be where `a` stands");
    assert_eq!(second.replace(&files).removed(), [reference(Kind::Service, "a")]);
    assert_eq!(service(&second, "b").cluster_ips(), service(&first, "b").cluster_ips());
    assert_eq!(second.pod(&name("web-0")).unwrap().ips(), [ip("10.244.0.5")]);
}

#[test]
fn adopting_reports_what_was_allocated_twice() {
    let objects = |name: &str, port: u16| {
        let spec = format!("type: NodePort, clusterIP: 10.96.0.5, ports: [{{port: 80, nodePort: {port}}}]");
        service_yaml(name, &spec).stored().0
    };
    let mut control = control();
    assert!(control.adopt(objects("a", 30001)).problems().is_empty());
    let outcome = control.adopt(objects("b", 30002));
    assert_eq!(
        problems(&outcome),
        [
            "Service default/b: spec.clusterIPs[0]: 10.96.0.5 is already allocated to Service default/a and cannot go to Service default/b"
        ]
    );
    assert_eq!((control.cluster_ips[0].held(), control.node_ports.held()), (1, 1));
}

fn balanced(name: &str, ip: &str) -> Manifests {
    yaml::read(&format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {{type: LoadBalancer, clusterIP: {ip}, \
           allocateLoadBalancerNodePorts: false, ports: [{{port: 80}}]}}, \
           status: {{loadBalancer: {{ingress: [{{ip: 172.20.10.70}}]}}}}}}"
    ))
}

/// Which outside addresses the Services have.
fn outside(control: &ControlPlane, names: &[&str]) -> Vec<Option<IpAddr>> {
    let first = |of: &&str| service(control, of).load_balancer_ingress().first().and_then(|it| it.ip());
    names.iter().map(first).collect()
}

#[test]
fn adopting_an_outside_address_that_two_have_names_both_and_leaves_it_to_one() {
    let pool = AddressPool::builder().range("172.20.10.70-172.20.10.79".parse().unwrap()).build();
    let mut control = ControlPlane::builder().load_balancer(Box::new(pool)).build();
    // The order in which they come does not matter.
    let objects = [balanced("b", "10.96.0.6"), balanced("a", "10.96.0.5")].map(|it| it.stored().0).concat();
    let outcome = control.adopt(objects);
    assert_eq!(
        problems(&outcome),
        [
            "Service default/b: status.loadBalancer.ingress[0].ip: 172.20.10.70 is already allocated to Service default/a and cannot go to Service default/b"
        ]
    );
    assert_eq!(outside(&control, &["a", "b"]), [Some(ip("172.20.10.70")), Some(ip("172.20.10.71"))]);
}

/// Nobody hands them out, and so nobody forbids it: who gets which port is the proxy's to say.
#[test]
fn outside_addresses_that_are_written_where_there_is_no_provider_stand_as_they_are() {
    let mut control = ControlPlane::builder().build();
    for written in [balanced("a", "10.96.0.5"), balanced("b", "10.96.0.6")] {
        accept(&mut control, &written);
        assert_eq!(control.update_status(written.iter()).problems(), []);
    }
    assert_eq!(outside(&control, &["a", "b"]), [Some(ip("172.20.10.70")); 2]);
}

#[test]
fn a_balancer_ip_that_is_no_address_is_kept_and_said_to_be_none() {
    let pool = AddressPool::builder().range("172.20.10.70-172.20.10.79".parse().unwrap()).build();
    let mut control = ControlPlane::builder().load_balancer(Box::new(pool)).build();
    let outcome = control
        .apply(&service_yaml("a", "type: LoadBalancer, loadBalancerIP: my-address, ports: [{port: 80}]"));
    assert_eq!(
        problems(&outcome),
        [
            "Service default/a: status.loadBalancer: `my-address` is not an IP address: ask for an address of the pool, or for none"
        ]
    );
    assert_eq!(service(&control, "a").load_balancer_ip(), Some("my-address"));
    assert_eq!(outside(&control, &["a"]), [None]);
}

#[test]
fn what_was_allocated_under_other_ranges_stays() {
    let spec = "type: NodePort, clusterIP: 192.168.0.5, ports: [{port: 80, nodePort: 80}]";
    let mut control = control();
    let outcome = control.adopt(service_yaml("a", spec).stored().0);
    assert_eq!(
        problems(&outcome),
        [
            "Service default/a: spec.clusterIPs[0]: 192.168.0.5 is not in 10.96.0.0/12",
            "Service default/a: spec.ports[0].nodePort: 80 is not in 30000-32767",
        ]
    );
    accept(&mut control, &service_yaml("a", "type: NodePort, ports: [{port: 81}]"));
    let a = service(&control, "a");
    assert_eq!((a.cluster_ips(), a.ports()[0].node_port()), (&[ip("192.168.0.5")][..], Some(80)));
    let outcome = control.apply(&service_yaml("b", &spec.replace("nodePort: 80", "nodePort: 30080")));
    assert_eq!(
        problems(&outcome),
        [
            "Service default/b: spec.clusterIP: 192.168.0.5 is not an address that 10.96.0.0/12 has for Services"
        ]
    );
}

#[test]
fn a_node_port_that_comes_back_is_the_same() {
    let mut control = control();
    accept(&mut control, &service_yaml("web", "type: NodePort, ports: [{port: 80}]"));
    let port = service(&control, "web").ports()[0].node_port();
    accept(&mut control, &service_yaml("web", "ports: [{port: 80}]"));
    accept(&mut control, &service_yaml("web", "type: NodePort, ports: [{port: 80}]"));
    assert_eq!(service(&control, "web").ports()[0].node_port(), port);
}

#[test]
fn a_derived_slice_is_not_written_by_hand() {
    let mut control = control();
    accept(&mut control, &service_yaml("web", "selector: {app: web}, ports: [{port: 80}]"));
    let slice = control.objects().find(|object| object.kind() == Kind::EndpointSlice).unwrap().clone();
    let outcome = control.apply(&yaml::read(&yaml::write(&slice)));
    assert!(problems(&outcome)[0].ends_with("is derived from a Service's selector: choose another name"));
}

#[test]
fn a_scheduled_pod_stays_on_its_node() {
    let mut control = control();
    accept(&mut control, &service_yaml("web", "selector: {app: web}, ports: [{port: 80}]"));
    accept(&mut control, &pod_yaml("web-0", ""));
    _ = control.pod_bound(&name("web-0"), "server2");
    _ = control.pod_network(&name("web-0"), &[ip("10.244.0.5")]);
    accept(&mut control, &pod_yaml("web-0", ""));
    assert_eq!(control.pod(&name("web-0")).unwrap().node_name(), Some("server2"));
    let slice = control.objects().find_map(|object| match object {
        crate::Object::EndpointSlice(slice) => Some(slice.clone()),
        _ => None,
    });
    assert_eq!(slice.unwrap().endpoints()[0].node_name(), Some("server2"));
}
