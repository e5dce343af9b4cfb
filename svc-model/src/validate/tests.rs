//! Every rule, kept and broken.

use crate::validate::{self, Ranges};
use crate::wire::{self, Manifest};
use crate::{Problems, Service, read};

fn from_json<T: serde::de::DeserializeOwned>(json: serde_json::Value) -> Box<T> {
    Box::new(serde_json::from_value(json).unwrap())
}

fn spec(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn service(text: &str) -> Box<wire::Service> {
    from_json(serde_json::json!({"metadata": {"name": "web"}, "spec": spec(text)}))
}

fn ranges() -> Ranges {
    Ranges::default()
}

fn dual_stack() -> Ranges {
    let cidrs = ["10.96.0.0/12", "fd00:10:96::/112"].iter().map(|cidr| cidr.parse().unwrap());
    Ranges::default().service_cidrs(cidrs.collect())
}

fn said(result: Result<(), Problems>) -> Vec<String> {
    let problems = result.err().map(Problems::into_vec).unwrap_or_default();
    problems.iter().map(|problem| format!("{}: {}", problem.field(), problem.message())).collect()
}

fn of_service(text: &str, ranges: &Ranges) -> Vec<String> {
    said(validate::create(&Manifest::Service(service(text)), ranges))
}

/// Each of these specs is accepted.
#[test]
fn services_that_are_fine() {
    for text in [
        r#"{"ports": [{"port": 80}]}"#,
        r#"{"ports": [{"port": 1, "targetPort": 65535}]}"#,
        r#"{"ports": [{"name": "a", "port": 53, "protocol": "UDP"}, {"name": "b", "port": 53}]}"#,
        r#"{"ports": [{"port": 80, "targetPort": "http-alt", "appProtocol": "kubernetes.io/h2c"}]}"#,
        r#"{"clusterIP": "None"}"#,
        r#"{"clusterIP": "None", "ipFamilies": ["IPv6"]}"#,
        r#"{"type": "ExternalName", "externalName": "example.com."}"#,
        r#"{"type": "NodePort", "ports": [{"port": 80, "nodePort": 32767}]}"#,
        r#"{"type": "LoadBalancer", "ports": [{"port": 80}], "externalTrafficPolicy": "Local", "healthCheckNodePort": 32000,
            "loadBalancerSourceRanges": [" 10.0.0.0/8 "], "loadBalancerClass": "example.com/lab",
            "allocateLoadBalancerNodePorts": false}"#,
        r#"{"ports": [{"port": 80}], "externalIPs": ["203.0.113.7"], "externalTrafficPolicy": "Local"}"#,
        r#"{"ports": [{"port": 80}], "clusterIP": "10.96.0.10", "clusterIPs": ["10.96.0.10"], "ipFamilies": ["IPv4"]}"#,
        r#"{"ports": [{"port": 80}], "sessionAffinity": "ClientIP",
            "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86400}}}"#,
        r#"{"ports": [{"port": 80}], "ipFamilyPolicy": "PreferDualStack", "trafficDistribution": "PreferClose"}"#,
    ] {
        assert_eq!(of_service(text, &ranges()), Vec::<String>::new(), "{text}");
    }
    let both = r#"{"ports": [{"port": 80}], "ipFamilyPolicy": "RequireDualStack", "ipFamilies": ["IPv6", "IPv4"],
        "clusterIPs": ["fd00:10:96::5", "10.96.0.5"]}"#;
    assert_eq!(of_service(both, &dual_stack()), Vec::<String>::new());
}

fn refused(rows: &[(&str, &str)], ranges: &Ranges) {
    for (text, expected) in rows {
        assert_eq!(of_service(text, ranges), [*expected], "{text}");
    }
}

#[test]
fn ports() {
    refused(
        &[
            (r#"{}"#, "spec.ports: at least one port is required"),
            (r#"{"ports": [{}]}"#, "spec.ports[0].port: is required"),
            (r#"{"ports": [{"port": 0}]}"#, "spec.ports[0].port: 0 is not in 1-65535"),
            (r#"{"ports": [{"port": 70000}]}"#, "spec.ports[0].port: 70000 is not in 1-65535"),
            (
                r#"{"ports": [{"port": 80, "protocol": "tcp"}]}"#,
                "spec.ports[0].protocol: `tcp` is not one of TCP, UDP, SCTP",
            ),
            (
                r#"{"ports": [{"port": 80, "targetPort": 65536}]}"#,
                "spec.ports[0].targetPort: 65536 is not in 1-65535",
            ),
            (
                r#"{"ports": [{"port": 80, "targetPort": "8080"}]}"#,
                "spec.ports[0].targetPort: `8080` is a text: write 8080 without quotes",
            ),
            (
                r#"{"ports": [{"name": "a", "port": 80}, {"port": 81}]}"#,
                "spec.ports[1].name: is required with more than one port",
            ),
            (
                r#"{"ports": [{"name": "a", "port": 80}, {"name": "a", "port": 81}]}"#,
                "spec.ports[1].name: `a` is already the name of another port",
            ),
            (
                r#"{"ports": [{"name": "a", "port": 80}, {"name": "b", "port": 80}]}"#,
                "spec.ports[1].port: TCP 80 is already used by spec.ports[0]",
            ),
            (
                r#"{"ports": [{"port": 80, "appProtocol": "a b"}]}"#,
                "spec.ports[0].appProtocol: `a b` is not a qualified name (`name` or `example.com/name`; at most 63 letters, digits, `-`, `_`, `.`)",
            ),
        ],
        &ranges(),
    );
}

#[test]
fn names_of_ports() {
    let long = "a".repeat(16);
    for name in ["a--b", "-a", "a-", "123", "A", "a_b", long.as_str()] {
        let text = format!(r#"{{"ports": [{{"port": 80, "targetPort": "{name}"}}]}}"#);
        let found = of_service(&text, &ranges());
        assert!(found.len() == 1 && found[0].starts_with("spec.ports[0].targetPort: `"), "{name}: {found:?}");
    }
    for name in ["A", "a_b", "-a", "a.b"] {
        let text = format!(r#"{{"ports": [{{"port": 80, "name": "{name}"}}]}}"#);
        let found = of_service(&text, &ranges());
        assert!(found.len() == 1 && found[0].starts_with("spec.ports[0].name: `"), "{name}: {found:?}");
    }
}

#[test]
fn node_ports() {
    refused(
        &[
            (
                r#"{"type": "NodePort", "ports": [{"port": 80, "nodePort": 80}]}"#,
                "spec.ports[0].nodePort: 80 is not in 30000-32767",
            ),
            (
                r#"{"type": "NodePort", "ports": [{"port": 80, "nodePort": 70000}]}"#,
                "spec.ports[0].nodePort: 70000 is not in 30000-32767",
            ),
            (
                r#"{"ports": [{"port": 80, "nodePort": 30080}]}"#,
                "spec.ports[0].nodePort: 30080 may only be set for type NodePort or LoadBalancer, not ClusterIP",
            ),
            (
                r#"{"type": "NodePort", "ports": [{"name": "a", "port": 80, "nodePort": 30080}, {"name": "b", "port": 81, "nodePort": 30080}]}"#,
                "spec.ports[1].nodePort: TCP 30080 is already used by spec.ports[0]",
            ),
            (
                r#"{"type": "NodePort", "clusterIP": "None", "ports": [{"port": 80}]}"#,
                "spec.clusterIP: None may not be used with type NodePort",
            ),
        ],
        &ranges(),
    );
}

const PORTS: &str = r#""ports": [{"port": 80}]"#;

#[test]
fn addresses() {
    for (fields, expected) in [
        (
            r#""clusterIP": "10.0.0.1""#,
            "spec.clusterIP: 10.0.0.1 is not an address that 10.96.0.0/12 has for Services",
        ),
        (
            r#""clusterIP": "10.96.0.0""#,
            "spec.clusterIP: 10.96.0.0 is not an address that 10.96.0.0/12 has for Services",
        ),
        (r#""clusterIP": "web""#, "spec.clusterIP: `web` is not an IP address"),
        (
            r#""clusterIP": "010.096.000.001""#,
            "spec.clusterIP: `010.096.000.001` is not canonical: write 10.96.0.1",
        ),
        (r#""clusterIPs": ["10.96.0.1", "None"]"#, "spec.clusterIPs[1]: None may not stand beside addresses"),
        (
            r#""clusterIP": "10.96.0.2", "clusterIPs": ["10.96.0.1"]"#,
            "spec.clusterIPs[0]: 10.96.0.1 is not clusterIP (10.96.0.2)",
        ),
        (
            r#""clusterIPs": ["10.96.0.1", "10.96.0.2"]"#,
            "spec.clusterIPs[1]: 10.96.0.2 is a second address of IPv4: one per family",
        ),
        (r#""ipFamilies": ["IPv6"]"#, "spec.ipFamilies[0]: IPv6 is not a family of this cluster"),
        (r#""ipFamilies": ["v4"]"#, "spec.ipFamilies[0]: `v4` is not one of IPv4, IPv6"),
        (
            r#""ipFamilyPolicy": "RequireDualStack""#,
            "spec.ipFamilyPolicy: RequireDualStack in a cluster with one family",
        ),
        (
            r#""ipFamilyPolicy": "Both""#,
            "spec.ipFamilyPolicy: `Both` is not one of SingleStack, PreferDualStack, RequireDualStack",
        ),
    ] {
        let text = format!("{{{PORTS}, {fields}}}");
        assert_eq!(of_service(&text, &ranges()), [expected], "{text}");
    }
    let swapped = r#"{"ports": [{"port": 80}], "ipFamilies": ["IPv4", "IPv6"], "clusterIPs": ["fd00:10:96::5", "10.96.0.5"]}"#;
    assert_eq!(of_service(swapped, &dual_stack()).len(), 2);
    let single =
        r#"{"ports": [{"port": 80}], "ipFamilyPolicy": "SingleStack", "ipFamilies": ["IPv4", "IPv6"]}"#;
    assert_eq!(of_service(single, &dual_stack()), ["spec.ipFamilyPolicy: SingleStack with two families"]);
}

#[test]
fn external_ips() {
    for (fields, expected) in [
        (
            r#""externalIPs": ["127.0.0.1"]"#,
            "spec.externalIPs[0]: 127.0.0.1 is a loopback address: every host has its own",
        ),
        (
            r#""externalIPs": ["0.0.0.0"]"#,
            "spec.externalIPs[0]: 0.0.0.0 is the unspecified address: it names no host",
        ),
        (
            r#""externalIPs": ["169.254.1.1"]"#,
            "spec.externalIPs[0]: 169.254.1.1 is link-local: it is not reached from elsewhere",
        ),
        (
            r#""externalIPs": ["fe80::1"]"#,
            "spec.externalIPs[0]: fe80::1 is link-local: it is not reached from elsewhere",
        ),
        (
            r#""externalIPs": ["224.0.0.1"]"#,
            "spec.externalIPs[0]: 224.0.0.1 is link-local: it is not reached from elsewhere",
        ),
        (
            r#""externalIPs": ["ff02::1"]"#,
            "spec.externalIPs[0]: ff02::1 is link-local: it is not reached from elsewhere",
        ),
        (r#""externalIPs": ["host"]"#, "spec.externalIPs[0]: `host` is not an IP address"),
    ] {
        let text = format!("{{{PORTS}, {fields}}}");
        assert_eq!(of_service(&text, &ranges()), [expected], "{text}");
    }
}

#[test]
fn external_names() {
    refused(
        &[
            (r#"{"type": "ExternalName"}"#, "spec.externalName: is required for type ExternalName"),
            (
                r#"{"type": "ExternalName", "externalName": "192.0.2.1"}"#,
                "spec.externalName: `192.0.2.1` is an address, not a name: use a Service without selector and an EndpointSlice",
            ),
            (
                r#"{"type": "ExternalName", "externalName": "Example.com"}"#,
                "spec.externalName: `Example.com` is not a DNS name (at most 253 of a-z, 0-9, `-` and `.`, a letter or digit first and last in each part)",
            ),
            (
                r#"{"type": "ExternalName", "externalName": "example.com", "clusterIP": "10.96.0.1"}"#,
                "spec.clusterIP: 10.96.0.1 may not be set for type ExternalName",
            ),
            (
                r#"{"type": "ExternalName", "externalName": "example.com", "ipFamilyPolicy": "SingleStack"}"#,
                "spec.ipFamilyPolicy: may not be set for type ExternalName",
            ),
        ],
        &ranges(),
    );
}

#[test]
fn policies_and_balancers() {
    for (fields, expected) in [
        (
            r#""type": "Clusterip""#,
            "spec.type: `Clusterip` is not one of ClusterIP, NodePort, LoadBalancer, ExternalName",
        ),
        (
            r#""externalTrafficPolicy": "Local""#,
            "spec.externalTrafficPolicy: `Local` may only be set for type NodePort or LoadBalancer, or with externalIPs",
        ),
        (
            r#""type": "NodePort", "externalTrafficPolicy": "local""#,
            "spec.externalTrafficPolicy: `local` is not one of Cluster, Local",
        ),
        (
            r#""internalTrafficPolicy": "Node""#,
            "spec.internalTrafficPolicy: `Node` is not one of Cluster, Local",
        ),
        (
            r#""clusterIP": "None", "internalTrafficPolicy": "Node""#,
            "spec.internalTrafficPolicy: `Node` is not one of Cluster, Local",
        ),
        (
            r#""healthCheckNodePort": 30000"#,
            "spec.healthCheckNodePort: 30000 may only be set for type LoadBalancer with externalTrafficPolicy Local",
        ),
        (
            r#""loadBalancerClass": "a/b""#,
            "spec.loadBalancerClass: `a/b` may only be set for type LoadBalancer",
        ),
        (
            r#""allocateLoadBalancerNodePorts": true"#,
            "spec.allocateLoadBalancerNodePorts: true may only be set for type LoadBalancer",
        ),
        (
            r#""type": "NodePort", "loadBalancerSourceRanges": ["10.0.0.0/8"]"#,
            "spec.loadBalancerSourceRanges: may only be set for type LoadBalancer",
        ),
        (
            r#""type": "LoadBalancer", "loadBalancerSourceRanges": ["10.0.0.1"]"#,
            "spec.loadBalancerSourceRanges[0]: `10.0.0.1` is not a CIDR such as 10.0.0.0/8",
        ),
        (r#""type": "LoadBalancer", "loadBalancerIP": "x""#, "spec.loadBalancerIP: `x` is not an IP address"),
    ] {
        let text = format!("{{{PORTS}, {fields}}}");
        assert_eq!(of_service(&text, &ranges()), [expected], "{text}");
    }
}

#[test]
fn affinity_and_distribution() {
    for (fields, expected) in [
        (r#""sessionAffinity": "ClientIp""#, "spec.sessionAffinity: `ClientIp` is not one of None, ClientIP"),
        (
            r#""sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 0}}"#,
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: 0 is not in 1-86400",
        ),
        (
            r#""sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 86401}}"#,
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: 86401 is not in 1-86400",
        ),
        (
            r#""sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 5}}"#,
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds: 5 may only be set for sessionAffinity ClientIP",
        ),
        (
            r#""trafficDistribution": "Near""#,
            "spec.trafficDistribution: `Near` is not one of PreferClose, PreferSameZone, PreferSameNode",
        ),
    ] {
        let text = format!("{{{PORTS}, {fields}}}");
        assert_eq!(of_service(&text, &ranges()), [expected], "{text}");
    }
}

#[test]
fn all_faults_at_once() {
    let text = r#"{"type": "NodePort", "ports": [{"port": 70000, "nodePort": 80}, {"name": "b", "port": 80, "protocol": "X"}],
        "externalIPs": ["127.0.0.1"], "selector": {"app": "a b"}}"#;
    let fields: Vec<_> = of_service(text, &ranges())
        .into_iter()
        .map(|line| line.split(": ").next().unwrap_or_default().to_owned())
        .collect();
    let expected = [
        "spec.selector.app",
        "spec.ports[0].name",
        "spec.ports[0].nodePort",
        "spec.externalIPs[0]",
        "spec.ports[0].port",
        "spec.ports[1].protocol",
    ];
    assert_eq!(fields, expected);
}

#[test]
fn names_of_objects() {
    let named = |metadata: serde_json::Value| -> Vec<String> {
        let wire = from_json(serde_json::json!({"metadata": metadata, "spec": {"ports": [{"port": 80}]}}));
        said(validate::create(&Manifest::Service(wire), &ranges()))
    };
    assert_eq!(
        named(serde_json::json!({"name": "1web"})),
        Vec::<String>::new(),
        "KEP-5311: a digit may be first"
    );
    assert_eq!(named(serde_json::json!({})), ["metadata.name: is required"]);
    for name in ["My_App", "web.shop", "-web", "web-", "wéb", &"a".repeat(64)] {
        let found = named(serde_json::json!({"name": name}));
        assert!(found.len() == 1 && found[0].contains("is not a DNS label"), "{name}: {found:?}");
    }
    let found = named(serde_json::json!({"name": "web", "namespace": "Shop"}));
    assert!(found[0].starts_with("metadata.namespace: `Shop` is not a DNS label"), "{found:?}");
    let found = named(serde_json::json!({"name": "web", "labels": {"a b": "c", "app": "-x"}}));
    assert_eq!(found.len(), 2, "{found:?}");
}

fn stored(text: &str) -> Service {
    match read::object(&Manifest::Service(service(text))).unwrap() {
        crate::Object::Service(service) => Service::clone(&service),
        other => panic!("{other:?}"),
    }
}

#[test]
fn updates() {
    let old = r#"{"clusterIP": "10.96.0.7", "ports": [{"port": 80}]}"#;
    let classed = r#"{"type": "LoadBalancer", "loadBalancerClass": "a/b", "clusterIP": "10.96.0.7", "ports": [{"port": 80}]}"#;
    let alias = r#"{"type": "ExternalName", "externalName": "example.com"}"#;
    for (old, new, expected) in [
        (old, r#"{"ports": [{"port": 81}]}"#, None),
        (old, r#"{"clusterIP": "10.96.0.7", "type": "NodePort", "ports": [{"port": 81}]}"#, None),
        (old, alias, None),
        (alias, r#"{"clusterIP": "10.96.0.9", "ports": [{"port": 80}]}"#, None),
        (
            old,
            r#"{"clusterIP": "10.96.0.8", "ports": [{"port": 80}]}"#,
            Some(
                "spec.clusterIP: is immutable: 10.96.0.7 cannot become 10.96.0.8; delete the Service and create it again",
            ),
        ),
        (
            old,
            r#"{"clusterIP": "None", "ports": [{"port": 80}]}"#,
            Some(
                "spec.clusterIP: is immutable: 10.96.0.7 cannot become None; delete the Service and create it again",
            ),
        ),
        (
            r#"{"clusterIP": "None"}"#,
            r#"{"clusterIP": "10.96.0.8", "ports": [{"port": 80}]}"#,
            Some(
                "spec.clusterIP: is immutable: None cannot become 10.96.0.8; delete the Service and create it again",
            ),
        ),
        (
            classed,
            r#"{"type": "LoadBalancer", "ports": [{"port": 80}]}"#,
            Some("spec.loadBalancerClass: is immutable: `a/b` cannot become ``"),
        ),
    ] {
        let wire = service(new);
        let at = Manifest::Service(wire.clone()).reference();
        let found = said(validate::service(&wire, &at, &ranges(), Some(&stored(old))));
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{old} -> {new}");
    }
}

fn of_ingress(text: &str) -> Vec<String> {
    let wire = from_json(serde_json::json!({"metadata": {"name": "front"}, "spec": spec(text)}));
    said(validate::create(&Manifest::Ingress(wire), &ranges()))
}

fn of_path(path: &str, path_type: &str) -> Vec<String> {
    of_ingress(&format!(
        r#"{{"rules": [{{"http": {{"paths": [{{"path": "{path}", "pathType": "{path_type}",
            "backend": {{"service": {{"name": "web", "port": {{"number": 80}}}}}}}}]}}}}]}}"#
    ))
}

#[test]
fn ingress_paths() {
    for (path, path_type) in [
        ("/", "Prefix"),
        ("/a/b", "Exact"),
        ("/a/", "Prefix"),
        ("", "ImplementationSpecific"),
        ("/a//b", "ImplementationSpecific"),
    ] {
        assert_eq!(of_path(path, path_type), Vec::<String>::new(), "{path}");
    }
    let field = "spec.rules[0].http.paths[0].path";
    for (path, message) in [
        ("a", "`a` must start with `/`"),
        ("/a//b", "`/a//b` must not contain `//`"),
        ("/a/./b", "`/a/./b` must not contain `/./`"),
        ("/a/../b", "`/a/../b` must not contain `/../`"),
        ("/a%2fb", "`/a%2fb` must not contain `%2f`"),
        ("/a%2Fb", "`/a%2Fb` must not contain `%2F`"),
        ("/a/..", "`/a/..` must not end with `/..`"),
        ("/a/.", "`/a/.` must not end with `/.`"),
        ("", "is required for pathType Exact and Prefix"),
    ] {
        assert_eq!(of_path(path, "Exact"), [format!("{field}: {message}")], "{path}");
    }
    let wrong = of_path("/", "prefix");
    assert_eq!(
        wrong,
        [
            "spec.rules[0].http.paths[0].pathType: `prefix` is not one of Exact, Prefix, ImplementationSpecific"
        ]
    );
}

#[test]
fn ingress_hosts() {
    let host = |host: &str| of_ingress(&format!(r#"{{"rules": [{{"host": "{host}"}}]}}"#));
    for good in ["shop.example", "*.shop.example", "localhost", "a-b.example"] {
        assert_eq!(host(good), Vec::<String>::new(), "{good}");
    }
    for (bad, message) in [
        ("192.0.2.1", "`192.0.2.1` is an address: a host is a DNS name"),
        ("shop.example:80", "`shop.example:80`: a host has no port; leave out `:80`"),
        ("*", "`*`: a wildcard stands only for the whole first label, as in `*.example.com`"),
        (
            "a.*.example",
            "`a.*.example`: a wildcard stands only for the whole first label, as in `*.example.com`",
        ),
        ("*.", "`*.` is not `*.` and a DNS name"),
    ] {
        assert_eq!(host(bad), [format!("spec.rules[0].host: {message}")]);
    }
    assert!(host("Shop_1")[0].contains("is not a DNS name"));
}

#[test]
fn ingress_backends() {
    assert_eq!(of_ingress("{}"), ["spec: either defaultBackend or rules are required"]);
    let both = r#"{"defaultBackend": {"service": {"name": "web", "port": {"number": 80, "name": "http"}}}}"#;
    assert_eq!(
        of_ingress(both),
        ["spec.defaultBackend.service.port: exactly one of name and number is required"]
    );
    let neither = r#"{"defaultBackend": {}}"#;
    assert_eq!(of_ingress(neither), ["spec.defaultBackend: exactly one of service and resource is required"]);
    let empty = r#"{"rules": [{"http": {"paths": []}}]}"#;
    assert_eq!(of_ingress(empty), ["spec.rules[0].http.paths: at least one path is required"]);
}

#[test]
fn secrets() {
    let secret = |json: serde_json::Value| {
        let mut all = serde_json::json!({"metadata": {"name": "cert"}});
        all.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
        said(validate::create(&Manifest::Secret(from_json(all)), &ranges()))
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
        let wire = from_json(serde_json::json!({
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
    assert_eq!(
        slice(serde_json::json!({}), "192.0.2.1"),
        [
            "metadata.labels: kubernetes.io/service-name is required: without it the slice belongs to no Service"
        ]
    );
    let pod = |spec: serde_json::Value| {
        let wire = from_json(serde_json::json!({"metadata": {"name": "web-0"}, "spec": spec}));
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
