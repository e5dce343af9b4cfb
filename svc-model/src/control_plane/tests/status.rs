//! What is reported of objects, what is written of them, and which of the two counts.

use super::*;
use crate::ObjectName;

#[test]
fn the_status_of_a_balancer_is_its_providers() {
    let web = |ip: &str| {
        yaml::read(&format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: web}}, spec: {{type: LoadBalancer, ports: [{{port: 80}}]}}, \
              status: {{loadBalancer: {{ingress: [{{ip: {ip}}}]}}}}}}"
        ))
    };
    let (written, mut served) = (web("203.0.113.7"), control());
    accept(&mut served, &written);
    assert_eq!(outside(&served, &["web"]), [Some(ip("172.20.10.70"))]);
    assert_eq!(served.update_status(written.iter()).problems(), []);
    assert_eq!(outside(&served, &["web"]), [Some(ip("172.20.10.70"))]);
    let mut alone = ControlPlane::builder().build();
    accept(&mut alone, &written);
    assert_eq!(outside(&alone, &["web"]), [None], "creation leaves it alone");
    assert_eq!(alone.update_status(written.iter()).problems(), []);
    assert_eq!(outside(&alone, &["web"]), [Some(ip("203.0.113.7"))]);
    accept(&mut alone, &web("203.0.113.8"));
    assert_eq!(outside(&alone, &["web"]), [Some(ip("203.0.113.7"))], "and so does an update");
}

/// One object of each kind that has a status, with one.
fn with_status(edition: &str) -> [(Kind, Manifests); 4] {
    let address = "loadBalancer: {ingress: [{ip: 203.0.113.7}]}";
    let backend = "spec: {defaultBackend: {service: {name: a, port: {number: 80}}}}";
    let running = "phase: Running, podIP: 10.1.0.7, conditions: [{type: Ready, status: 'True', reason: R}]";
    let registered = "addresses: [{type: InternalIP, address: 192.0.2.1}]";
    [
        (Kind::Ingress, backend, address),
        (Kind::Node, "spec: {podCIDR: 10.1.0.0/24}", registered),
        (Kind::Pod, "spec: {nodeName: x}", running),
        (Kind::Service, "spec: {type: LoadBalancer, clusterIP: 10.96.0.7, ports: [{port: 80}]}", address),
    ]
    .map(|(kind, spec, status)| {
        let version = kind.api_version();
        let metadata = format!("{{name: x, labels: {{edition: {edition}}}}}");
        let text = format!(
            "{{apiVersion: {version}, kind: {kind}, metadata: {metadata}, {spec}, status: {{{status}}}}}"
        );
        (kind, yaml::read(&text))
    })
}

fn without_status(manifests: &Manifests) -> Manifests {
    let mut json = serde_json::to_value(manifests.iter().next().unwrap()).unwrap();
    json.as_object_mut().unwrap().remove("status");
    yaml::read(&json.to_string())
}

/// The status that stands there, as the API writes it.
fn status(control: &ControlPlane, kind: Kind) -> String {
    let at = match kind {
        Kind::Node => ObjectRef::new(kind, ObjectName::cluster("x")),
        kind => reference(kind, "x"),
    };
    let written = serde_json::to_value(crate::write::manifest(control.object(&at).unwrap())).unwrap();
    written.get("status").map_or(String::new(), ToString::to_string)
}

#[test]
fn creation_and_updates_leave_the_status_alone() {
    for ((kind, first), (_, second)) in with_status("first").into_iter().zip(with_status("second")) {
        let mut control = ControlPlane::builder().build();
        accept(&mut control, &first);
        let created = status(&control, kind);
        match kind {
            Kind::Node => assert!(created.contains("192.0.2.1"), "who registers a Node says what it is like"),
            Kind::Pod => assert_eq!(created, r#"{"phase":"Pending"}"#),
            _ => assert_eq!(created, "", "{kind}"),
        }
        assert_eq!(control.update_status(first.iter()).problems(), []);
        let reported = status(&control, kind);
        assert!(
            ["203.0.113.7", "192.0.2.1", "10.1.0.7"].iter().any(|ip| reported.contains(ip)),
            "{reported}"
        );
        accept(&mut control, &second);
        assert_eq!(status(&control, kind), reported, "{kind}: an update");
        let bare = without_status(&second);
        accept(&mut control, &bare);
        assert_eq!(status(&control, kind), reported, "{kind}: an update that says none");
        let object = control.objects().find(|object| object.kind() == kind).unwrap();
        assert_eq!(object.meta().labels()["edition"], "second", "the rest is updated");
        assert_eq!(control.update_status(bare.iter()).problems(), []);
        assert_ne!(status(&control, kind), reported, "{kind}: a status that is not written is empty");
    }
}

#[test]
fn a_status_is_judged_and_needs_its_object() {
    let mut control = ControlPlane::builder().build();
    let [_, _, (_, pod), (_, service)] = with_status("first");
    let outcome = control.update_status(pod.iter());
    assert_eq!(problems(&outcome), ["Pod default/x: does not exist: create it first"]);
    accept(&mut control, &service);
    let wrong = yaml::read(
        "{apiVersion: v1, kind: Service, metadata: {name: x}, status: {loadBalancer: {ingress: [{ip: lb}]}}}",
    );
    let outcome = control.update_status(wrong.iter());
    let expected = "Service default/x: status.loadBalancer.ingress[0].ip: `lb` is not an IP address";
    assert_eq!(problems(&outcome), [expected]);
    assert!(outcome.set().is_empty());
    let space = yaml::read("{apiVersion: v1, kind: Namespace, metadata: {name: x}}");
    accept(&mut control, &space);
    assert_eq!(problems(&control.update_status(space.iter())), ["Namespace x: has no status"]);
}

#[test]
fn a_declared_status_stands_until_something_else_is_reported() {
    let ips = |control: &ControlPlane| match control.object(&reference(Kind::Pod, "web-0")) {
        Some(Object::Pod(pod)) => pod.ips().to_vec(),
        other => panic!("{other:?}"),
    };
    let pod = |label: &str, ip: &str| {
        let metadata = format!("{{name: web-0, labels: {{app: {label}}}}}");
        yaml::read(&format!("{{apiVersion: v1, kind: Pod, metadata: {metadata}, status: {{podIP: {ip}}}}}"))
    };
    let mut control = ControlPlane::builder().build();
    assert_eq!(control.replace(&pod("a", "10.1.0.7")).problems(), []);
    assert_eq!(ips(&control), [ip("10.1.0.7")]);
    assert_eq!(control.pod_network(&name("web-0"), &[ip("10.1.0.8")]).problems(), []);
    assert_eq!(control.replace(&pod("b", "10.1.0.7")).problems(), []);
    assert_eq!(ips(&control), [ip("10.1.0.8")], "it says nothing new");
    assert_eq!(control.replace(&pod("b", "10.1.0.9")).problems(), []);
    assert_eq!(ips(&control), [ip("10.1.0.9")]);
    for _ in 0..2 {
        let outcome = control.replace(&pod("c", "here"));
        let expected = "Pod default/web-0: status.podIPs[0].ip: `here` is not an IP address";
        assert_eq!(problems(&outcome), [expected]);
        assert_eq!(ips(&control), [ip("10.1.0.9")], "what worked stays");
    }
    assert_eq!(control.replace(&pod("c", "10.1.0.10")).problems(), []);
    assert_eq!(ips(&control), [ip("10.1.0.10")]);
}

#[test]
fn what_an_api_server_writes_down_is_not_for_a_manifest_to_say() {
    let pod = |metadata: &str| {
        yaml::read(&format!("{{apiVersion: v1, kind: Pod, metadata: {{name: x, {metadata}}}}}"))
    };
    let meta = |control: &ControlPlane| control.object(&reference(Kind::Pod, "x")).unwrap().meta().clone();
    let mut control = ControlPlane::builder().build();
    let books = "resourceVersion: '7', generation: 3, selfLink: /x, managedFields: [{manager: m}]";
    let times = "creationTimestamp: '2026-01-01T00:00:00Z', deletionTimestamp: '2026-01-02T00:00:00Z'";
    accept(&mut control, &pod(&format!("uid: u, {books}, {times}, finalizers: [a/b]")));
    let first = meta(&control);
    assert_eq!((first.resource_version(), first.generation(), first.self_link()), (None, None, None));
    assert_eq!((first.managed_fields().len(), first.deletion()), (0, None));
    assert_eq!((first.uid(), first.created()), ("u", Some("2026-01-01T00:00:00Z")), "nobody else says");
    _ = control.pod_terminating(&name("x"));
    accept(
        &mut control,
        &pod("finalizers: [a/b], creationTimestamp: '2026-02-02T00:00:00Z', labels: {a: b}"),
    );
    let second = meta(&control);
    assert_eq!((second.uid(), second.created()), (first.uid(), first.created()));
    assert!(second.deletion().is_some(), "who is on the way out cannot be edited back");
    let outcome = control.apply(&pod("uid: v, finalizers: [a/b, c/d]"));
    assert_eq!(
        problems(&outcome),
        [
            "Pod default/x: metadata.uid: is immutable: `u` cannot become `v`",
            "Pod default/x: metadata.finalizers[1]: `c/d` comes too late: the object is being deleted",
        ]
    );
}
