//! Ingress and IngressClass.

use super::*;

fn of_ingress(text: &str) -> Vec<String> {
    let wire = typed(serde_json::json!({"metadata": {"name": "front"}, "spec": json(text)}));
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
fn ingress_classes_by_field_and_annotation() {
    let ingress = |class: &str, annotation: &str| {
        let wire = typed(serde_json::json!({
            "metadata": {"name": "front", "annotations": {"kubernetes.io/ingress.class": annotation}},
            "spec": {"ingressClassName": class, "defaultBackend": {"resource": {"kind": "Bucket", "name": "b"}}},
        }));
        Manifest::Ingress(wire)
    };
    assert_eq!(said(validate::create(&ingress("nginx", "nginx"), &ranges())), NOTHING);
    let differing = ingress("nginx", "other");
    let fault =
        "metadata.annotations.kubernetes.io/ingress.class: `other` is not spec.ingressClassName (`nginx`)";
    assert_eq!(said(validate::create(&differing, &ranges())), [fault]);
    let old = read::object(&differing).unwrap();
    assert_eq!(said(validate::update(&differing, &ranges(), &old)), NOTHING, "what exists is left alone");
    let found = said(validate::create(&ingress("Nginx", "Nginx"), &ranges()));
    assert!(found[0].starts_with("spec.ingressClassName: `Nginx` is not a DNS name"), "{found:?}");
}

#[test]
fn resource_backends() {
    let resource = |text: &str| of_ingress(&format!(r#"{{"defaultBackend": {{"resource": {text}}}}}"#));
    let field = "spec.defaultBackend.resource";
    for (text, expected) in [
        (r#"{"apiGroup": "storage.example.com", "kind": "Bucket", "name": "b"}"#, None),
        (r#"{"kind": "Bucket", "name": "b"}"#, None),
        (r#"{"name": "b"}"#, Some("kind: is required")),
        (r#"{"kind": "Bucket"}"#, Some("name: is required")),
        (
            r#"{"kind": "Bucket", "name": "a/b"}"#,
            Some("name: `a/b` is not a name (no `/`, no `%`, not `.` or `..`)"),
        ),
    ] {
        let expected: Vec<_> = expected.map(|it| format!("{field}.{it}")).into_iter().collect();
        assert_eq!(resource(text), expected, "{text}");
    }
    assert!(
        resource(r#"{"apiGroup": "Storage", "kind": "Bucket", "name": "b"}"#)[0]
            .contains("is not a DNS name")
    );
    let both = r#"{"defaultBackend": {"resource": {"kind": "B", "name": "b"}, "service": {"name": "web", "port": {"number": 80}}}}"#;
    assert_eq!(of_ingress(both), ["spec.defaultBackend: exactly one of service and resource is required"]);
}

#[test]
fn hosts_and_secrets_of_certificates() {
    let tls = |text: &str| {
        of_ingress(&format!(
            r#"{{"defaultBackend": {{"resource": {{"kind": "B", "name": "b"}}}}, "tls": [{text}]}}"#
        ))
    };
    for text in [
        r#"{}"#,
        r#"{"hosts": ["shop.example", "*.shop.example", "192.0.2.1"], "secretName": "cert.v2"}"#,
        r#"{"secretName": ""}"#,
    ] {
        assert_eq!(tls(text), NOTHING, "{text}");
    }
    assert!(tls(r#"{"hosts": ["*.*.example"]}"#)[0].starts_with("spec.tls[0].hosts[0]: "));
    assert!(
        tls(r#"{"secretName": "Cert"}"#)[0].starts_with("spec.tls[0].secretName: `Cert` is not a DNS name")
    );
}

#[test]
fn service_backends() {
    let backend = |text: &str| of_ingress(&format!(r#"{{"defaultBackend": {{"service": {text}}}}}"#));
    let field = "spec.defaultBackend.service";
    for (text, expected) in [
        (r#"{"name": "1web", "port": {"number": 80}}"#, None),
        (r#"{"name": "web", "port": {"name": "http"}}"#, None),
        (r#"{"port": {"number": 80}}"#, Some("name: is required")),
        (r#"{"name": "web"}"#, Some("port: exactly one of name and number is required")),
        (r#"{"name": "web", "port": {"number": 70000}}"#, Some("port.number: 70000 is not in 1-65535")),
    ] {
        let expected: Vec<_> = expected.map(|it| format!("{field}.{it}")).into_iter().collect();
        assert_eq!(backend(text), expected, "{text}");
    }
    assert!(backend(r#"{"name": "Web", "port": {"number": 80}}"#)[0].contains("is not a DNS label"));
    assert!(backend(r#"{"name": "web", "port": {"name": "Http"}}"#)[0].contains("is not a port name"));
}

#[test]
fn ingress_status_and_class_parameters() {
    let status = |ingress: &str| {
        let wire = typed(json(&format!(
            r#"{{"metadata": {{"name": "front"}}, "spec": {{"rules": [{{"host": "a.example"}}]}},
                "status": {{"loadBalancer": {{"ingress": [{ingress}]}}}}}}"#
        )));
        said(validate::status(&Manifest::Ingress(wire)))
    };
    assert_eq!(status(r#"{"ip": "192.0.2.1"}, {"hostname": "lb.example"}"#), NOTHING);
    assert_eq!(status(r#"{"ip": "lb"}"#), ["status.loadBalancer.ingress[0].ip: `lb` is not an IP address"]);
    let class = |spec: &str| {
        let wire = typed(json(&format!(r#"{{"metadata": {{"name": "nginx"}}, "spec": {spec}}}"#)));
        said(validate::create(&Manifest::IngressClass(wire), &ranges()))
    };
    let parameters = |rest: &str| {
        class(&format!(
            r#"{{"controller": "a.example/b", "parameters": {{"kind": "K", "name": "n"{rest}}}}}"#
        ))
    };
    assert_eq!(class(r#"{"controller": "k8s.io/ingress-nginx"}"#), NOTHING);
    assert_eq!(parameters(""), NOTHING);
    assert_eq!(parameters(r#", "scope": "Namespace", "namespace": "shop""#), NOTHING);
    for (spec, expected) in [
        (class("{}"), "spec.controller: is required"),
        (
            class(r#"{"controller": "nginx"}"#),
            "spec.controller: `nginx` is not a domain and a path (`example.com/controller`; at most 250 bytes)",
        ),
        (
            parameters(r#", "scope": "Namespace""#),
            "spec.parameters.namespace: is required with scope Namespace",
        ),
        (
            parameters(r#", "namespace": "shop""#),
            "spec.parameters.namespace: may only be set with scope Namespace",
        ),
        (parameters(r#", "scope": "Any""#), "spec.parameters.scope: `Any` is not one of Cluster, Namespace"),
        (
            class(r#"{"controller": "a.example/b", "parameters": {"name": "n"}}"#),
            "spec.parameters.kind: is required",
        ),
    ] {
        assert_eq!(spec, [expected]);
    }
}
