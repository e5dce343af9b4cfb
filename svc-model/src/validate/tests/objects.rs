//! Everything but Services and Ingresses.

use super::*;

#[test]
fn secrets() {
    let secret = |json: serde_json::Value| {
        let mut all = serde_json::json!({"metadata": {"name": "cert"}});
        all.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
        said(validate::create(&Manifest::Secret(typed(all)), &ranges()))
    };
    let tls = "kubernetes.io/tls";
    assert_eq!(
        secret(serde_json::json!({"type": tls, "data": {"tls.crt": "YQ==", "tls.key": "YQ=="}})),
        Vec::<String>::new()
    );
    assert_eq!(
        secret(serde_json::json!({"type": tls, "stringData": {"tls.crt": "a", "tls.key": "b"}})),
        Vec::<String>::new()
    );
    assert_eq!(
        secret(serde_json::json!({"type": tls, "data": {"tls.crt": "YQ=="}})),
        ["data.tls.key: is required for type kubernetes.io/tls"]
    );
    let plain = secret(serde_json::json!({"data": {"auth": "hunter2!"}}));
    assert_eq!(
        plain,
        ["data.auth: is not base64 (plain text goes under stringData)"],
        "the value is not repeated"
    );
}

#[test]
fn slices_and_pods() {
    let slice = |labels: serde_json::Value, address: &str| {
        let wire = typed(serde_json::json!({
            "metadata": {"name": "web-1", "labels": labels}, "addressType": "IPv4",
            "endpoints": [{"addresses": [address]}], "ports": [{"port": 80}],
        }));
        said(validate::create(&Manifest::EndpointSlice(wire), &ranges()))
    };
    let named = serde_json::json!({"kubernetes.io/service-name": "web"});
    assert_eq!(slice(named.clone(), "192.0.2.1"), Vec::<String>::new());
    assert_eq!(slice(named.clone(), "127.0.0.1").len(), 1);
    assert_eq!(
        slice(named, "fd00::1"),
        ["endpoints[0].addresses[0]: fd00::1 is not of the slice's addressType"]
    );
    assert_eq!(slice(serde_json::json!({}), "192.0.2.1"), NOTHING, "it belongs to nobody");
    let pod = |spec: serde_json::Value| {
        let wire = typed(serde_json::json!({"metadata": {"name": "web-0"}, "spec": spec}));
        said(validate::create(&Manifest::Pod(wire), &ranges()))
    };
    assert_eq!(
        pod(serde_json::json!({"hostname": "a", "containers": [{"ports": [{"containerPort": 80}]}]})),
        Vec::<String>::new()
    );
    assert_eq!(pod(serde_json::json!({"hostname": "a.b"})).len(), 1);
    assert_eq!(
        pod(serde_json::json!({"containers": [{"ports": [{"containerPort": 70000}]}]})),
        ["spec.containers[0].ports[0].containerPort: 70000 is not in 1-65535"]
    );
}

fn of(text: &str) -> Vec<String> {
    let manifests = crate::yaml::read(text);
    assert_eq!(manifests.problems(), [], "{text}");
    said(validate::create(manifests.iter().next().unwrap(), &ranges()))
}

fn slice_of(rest: &str) -> Vec<String> {
    of(&format!(
        "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, \
          metadata: {{name: web-1, labels: {{kubernetes.io/service-name: web}}}}, {rest}}}"
    ))
}

#[test]
fn limits_of_slices() {
    let endpoints = |count: usize| {
        let all: Vec<_> = (0..count)
            .map(|index| format!("{{addresses: [10.0.{}.{}]}}", index / 250, index % 250))
            .collect();
        slice_of(&format!("endpoints: [{}]", all.join(", ")))
    };
    assert_eq!(endpoints(1000), NOTHING);
    assert_eq!(endpoints(1001), ["endpoints: 1001 are more than 1000"]);
    let hints = |count: usize| {
        let zones: Vec<_> = (0..count).map(|index| format!("{{name: z{index}}}")).collect();
        slice_of(&format!(
            "endpoints: [{{addresses: [10.0.0.1], hints: {{forZones: [{}]}}}}]",
            zones.join(", ")
        ))
    };
    assert_eq!(hints(8), NOTHING);
    assert_eq!(hints(9), ["endpoints[0].hints.forZones: 9 are more than 8"]);
    for (rest, expected) in [
        ("endpoints: [{addresses: []}]", "endpoints[0].addresses: at least one address is required"),
        (
            "endpoints: [{addresses: [010.0.0.1]}]",
            "endpoints[0].addresses[0]: `010.0.0.1` is not canonical: write 10.0.0.1",
        ),
        ("ports: [{port: 70000}]", "ports[0].port: 70000 is not in 1-65535"),
        ("ports: [{port: 80}, {port: 81}]", "ports[1].name: `` is already the name of another port"),
        ("ports: [{port: 80, protocol: tcp}]", "ports[0].protocol: `tcp` is not one of TCP, UDP, SCTP"),
        (
            "endpoints: [{addresses: [10.0.0.1], hints: {forNodes: [{name: a}, {name: a}]}}]",
            "endpoints[0].hints.forNodes[1].name: `a` stands twice",
        ),
    ] {
        assert_eq!(slice_of(rest), [expected]);
    }
    for rest in [
        "ports: [{name: A, port: 80}]",
        "ports: [{port: 80, appProtocol: a b}]",
        "endpoints: [{addresses: [10.0.0.1], hostname: a.b}]",
        "endpoints: [{addresses: [10.0.0.1], nodeName: A}]",
    ] {
        assert_eq!(slice_of(rest).len(), 1, "{rest}");
    }
}

#[test]
fn endpoints() {
    let subsets = |text: &str| {
        of(&format!("{{apiVersion: v1, kind: Endpoints, metadata: {{name: web}}, subsets: {text}}}"))
    };
    for text in [
        "[]",
        "[{addresses: [{ip: 192.0.2.1, hostname: a, nodeName: n}], ports: [{port: 80}]}]",
        "[{notReadyAddresses: [{ip: 'fd00::1'}]}]",
    ] {
        assert_eq!(subsets(text), NOTHING, "{text}");
    }
    for (text, expected) in [
        ("[{ports: [{port: 80}]}]", "subsets[0]: addresses or notReadyAddresses are required"),
        (
            "[{addresses: [{ip: 127.0.0.1}]}]",
            "subsets[0].addresses[0].ip: 127.0.0.1 is a loopback address: every host has its own",
        ),
        ("[{addresses: [{}]}]", "subsets[0].addresses[0].ip: `` is not an IP address"),
        ("[{addresses: [{ip: 192.0.2.1}], ports: [{}]}]", "subsets[0].ports[0].port: is required"),
        (
            "[{addresses: [{ip: 192.0.2.1}], ports: [{port: 80}, {port: 81}]}]",
            "subsets[0].ports[1].name: `` is already the name of another port",
        ),
    ] {
        assert_eq!(subsets(text), [expected]);
    }
}

#[test]
fn pods_and_nodes() {
    let pod = |spec: &str, status: &str| {
        of(&format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: web-0}}, spec: {spec}, status: {status}}}"
        ))
    };
    let ports = "{containers: [{name: a, ports: [{containerPort: 80, hostPort: 80}]}, {name: b, ports: [{containerPort: 80, hostPort: 80";
    let status = |status: &str| {
        let text = format!("{{apiVersion: v1, kind: Pod, metadata: {{name: web-0}}, status: {status}}}");
        said(validate::status(crate::yaml::read(&text).iter().next().unwrap()))
    };
    assert_eq!(status("{podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}"), NOTHING);
    assert_eq!(
        pod("{}", "{podIPs: [{ip: 10.0.0.1}, {ip: 10.0.0.2}]}"),
        NOTHING,
        "creation does not look at it"
    );
    assert_eq!(pod(&format!("{ports}, protocol: UDP}}]}}]}}"), "{}"), NOTHING);
    assert_eq!(pod(&format!("{ports}, hostIP: 192.0.2.1}}]}}]}}"), "{}"), NOTHING);
    assert_eq!(
        pod(&format!("{ports}}}]}}]}}"), "{}"),
        ["spec.containers[1].ports[0].hostPort: TCP 80 is already used by another port of this pod"]
    );
    assert_eq!(
        status("{podIPs: [{ip: 10.0.0.1}, {ip: 10.0.0.2}]}"),
        ["status.podIPs[1]: 10.0.0.2 is a second one of IPv4: one per family"]
    );
    assert_eq!(
        pod("{containers: [{ports: [{name: a, containerPort: 1}, {name: a, containerPort: 2}]}]}", "{}"),
        ["spec.containers[0].ports[1].name: `a` is already the name of another port"]
    );
    assert_eq!(pod("{nodeName: A}", "{}").len(), 1);
    let node = |rest: &str| of(&format!("{{apiVersion: v1, kind: Node, metadata: {{name: n}}, {rest}}}"));
    assert_eq!(node("spec: {podCIDR: 10.1.0.0/24, podCIDRs: [10.1.0.0/24, 'fd00::/64']}"), NOTHING);
    for (rest, expected) in [
        (
            "spec: {podCIDR: 10.2.0.0/24, podCIDRs: [10.1.0.0/24]}",
            "spec.podCIDRs[0]: 10.1.0.0/24 is not podCIDR (10.2.0.0/24)",
        ),
        (
            "spec: {podCIDRs: [10.1.0.0/24, 10.2.0.0/24]}",
            "spec.podCIDRs[1]: 10.2.0.0 is a second one of IPv4: one per family",
        ),
        ("spec: {podCIDRs: [all]}", "spec.podCIDRs[0]: `all` is not a CIDR such as 10.0.0.0/8"),
        (
            "status: {addresses: [{type: InternalIP, address: 192.0.2.1}, {type: InternalIP, address: 192.0.2.1}]}",
            "status.addresses[1]: 192.0.2.1 stands twice",
        ),
        (
            "status: {allocatable: {cpu: many}}",
            "status.allocatable.cpu: `many` is not a quantity such as 4 or 3920m",
        ),
    ] {
        assert_eq!(node(rest), [expected]);
    }
}

#[test]
fn processors_of_a_node() {
    for (text, millis) in [
        ("4", Some(4000)),
        ("'4'", Some(4000)),
        ("3920m", Some(3920)),
        ("0.5", Some(500)),
        ("'1.0001'", Some(1001)),
        ("1500000u", Some(1500)),
        ("2k", Some(2_000_000)),
        ("4Gi", None),
        ("-1", None),
    ] {
        let text = format!(
            "{{apiVersion: v1, kind: Node, metadata: {{name: n}}, status: {{allocatable: {{cpu: {text}}}}}}}"
        );
        let found = crate::yaml::read(&text).stored().0.first().and_then(|object| match object {
            crate::Object::Node(node) => node.allocatable_cpu(),
            _ => None,
        });
        assert_eq!(found, millis, "{text}");
    }
}

#[test]
fn keys_and_sizes() {
    let map = |rest: &str| of(&format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: m}}, {rest}}}"));
    assert_eq!(map("data: {a.b_c-d: text}, binaryData: {e: YQ==}"), NOTHING);
    assert_eq!(map("data: {a: b}, binaryData: {a: YQ==}"), ["binaryData.a: is a key of data too"]);
    assert_eq!(map("data: {a/b: c}"), ["data.a/b: `a/b` is not a key (letters, digits, `-`, `_`, `.`)"]);
    assert_eq!(map(&format!("data: {{a: {}}}", "x".repeat(2 << 20))).len(), 1);
    let secret = |rest: &str| of(&format!("{{apiVersion: v1, kind: Secret, metadata: {{name: m}}, {rest}}}"));
    assert_eq!(secret("type: kubernetes.io/basic-auth, stringData: {username: a}"), NOTHING);
    assert_eq!(
        secret("type: kubernetes.io/basic-auth"),
        ["data: username or password is required for type kubernetes.io/basic-auth"]
    );
}

#[test]
fn owners_and_finalizers() {
    let map = |rest: &str| of(&format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: m, {rest}}}}}"));
    let owner = |rest: &str| format!("{{apiVersion: apps/v1, kind: ReplicaSet, name: a, uid: u{rest}}}");
    let controller = owner(", controller: true");
    let both = format!("ownerReferences: [{controller}, {}]", owner(""));
    assert_eq!(map(&format!("{both}, finalizers: [a.example/b]")), NOTHING);
    assert_eq!(
        map("ownerReferences: [{kind: ReplicaSet, name: a}]"),
        [
            "metadata.ownerReferences[0].apiVersion: is required",
            "metadata.ownerReferences[0].uid: is required"
        ]
    );
    assert_eq!(
        map(&format!("ownerReferences: [{controller}, {controller}]")),
        ["metadata.ownerReferences[1].controller: true may only be said of one owner"]
    );
    assert_eq!(map("finalizers: [a b]").len(), 1);
}

#[test]
fn of_a_pod_only_metadata_is_updated() {
    let pod = |spec: &str| {
        let text = format!("{{apiVersion: v1, kind: Pod, metadata: {{name: web-0}}, spec: {{{spec}}}}}");
        crate::yaml::read(&text).iter().next().unwrap().clone()
    };
    let all = "nodeName: n, hostname: h, subdomain: s, containers: [{name: c, ports: [{containerPort: 80}]}]";
    let old = read::object(&pod(all)).unwrap();
    let update = |spec: &str| said(validate::update(&pod(spec), &ranges(), &old));
    assert_eq!(update(all), NOTHING);
    assert_eq!(update(&all.replace("name: c,", "name: c, image: other,")), NOTHING, "an image may change");
    for (from, to, expected) in [
        ("nodeName: n", "nodeName: m", "spec.nodeName: is immutable: `n` cannot become `m`"),
        ("nodeName: n, ", "", "spec.nodeName: is immutable: `n` cannot become ``"),
        ("hostname: h", "hostname: g", "spec.hostname: is immutable: `h` cannot become `g`"),
        ("subdomain: s, ", "", "spec.subdomain: is immutable: `s` cannot become ``"),
        (
            "nodeName",
            "hostNetwork: true, nodeName",
            "spec.hostNetwork: is immutable: false cannot become true",
        ),
        ("containerPort: 80", "containerPort: 81", "spec.containers: are immutable with their ports"),
        ("name: c", "name: d", "spec.containers: are immutable with their ports"),
    ] {
        let mut found = update(&all.replace(from, to));
        found.truncate(1);
        assert_eq!(found, [format!("{expected}; delete the Pod and create it again")], "{to}");
    }
}

#[test]
fn service_imports() {
    let import = |spec: serde_json::Value| {
        let wire = typed(serde_json::json!({"metadata": {"name": "web"}, "spec": spec}));
        said(validate::create(&Manifest::ServiceImport(wire), &ranges()))
    };
    let port = serde_json::json!({"port": 80});
    assert_eq!(
        import(serde_json::json!({"type": "ClusterSetIP", "ips": ["10.42.0.1"], "ports": [port]})),
        NOTHING
    );
    assert_eq!(import(serde_json::json!({"type": "Headless", "ports": [], "status": 1})), NOTHING);
    assert_eq!(
        import(serde_json::json!({"ports": []})),
        ["spec.type: is required: ClusterSetIP or Headless"]
    );
    assert_eq!(
        import(serde_json::json!({"type": "ClusterIP", "ports": []})),
        ["spec.type: `ClusterIP` is not one of ClusterSetIP, Headless"]
    );
    assert_eq!(
        import(serde_json::json!({"type": "Headless", "ips": ["10.42.0.1", "fd00::1", "10.42.0.2"]})),
        [
            "spec.ips: 3 addresses are more than the 2 that there may be",
            "spec.ports: is required; it may be empty"
        ]
    );
    assert_eq!(
        import(
            serde_json::json!({"type": "ClusterSetIP", "ips": ["10.42.0.256"], "ports": [{"port": 0}, {}]})
        ),
        [
            "spec.ips[0]: `10.42.0.256` is not an IP address",
            "spec.ports[0].port: 0 is not in 1-65535",
            "spec.ports[1].port: is required"
        ]
    );
}
