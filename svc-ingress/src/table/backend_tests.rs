//! Which endpoints a backend of an Ingress stands for.

use super::tests::{ingress, rule, service, snapshot, table};
use super::{PoolState, RouteTable};
use crate::config::IngressConfig;

#[test]
fn ports_are_those_of_the_service_by_number_or_name_and_target_ports_too() {
    let several = "---
kind: Service
apiVersion: v1
metadata: {name: web, namespace: shop}
spec:
  clusterIP: 10.96.0.1
  ports:
  - {name: web, port: 80, targetPort: 8080}
  - {name: admin, port: 81, targetPort: admin}
  - {name: dns, port: 53, protocol: UDP}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: web, port: 8080}, {name: admin, port: 9000}, {name: dns, port: 53, protocol: UDP}]
endpoints: [{addresses: [10.1.1.1]}]
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: web-2, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: web, port: 8080}, {name: admin, port: 9000}]
endpoints:
- {addresses: [10.1.1.1], conditions: {ready: true}}
- {addresses: [10.1.1.2]}
- {addresses: [10.1.1.3], conditions: {ready: false}}
";
    let rows = [
        // What the Ingress names, and the port that is asked. The slices know ports by the Service port's name.
        ("number: 80", Some(8080)),
        ("name: web", Some(8080)),
        ("number: 8080", Some(8080)),
        ("number: 81", Some(9000)),
        ("name: admin", Some(9000)),
        ("number: 53", None),
        ("name: dns", None),
        ("number: 82", None),
        ("name: other", None),
    ];
    for (port, asked) in rows {
        let text = ingress("i", "foo.example", "", &[("Prefix", "/")]).replace("number: 80", port) + several;
        let table = RouteTable::new(&snapshot(&text), &IngressConfig::default());
        let route = table.route("foo.example", "/").unwrap();
        // Ready ones, once each though two slices have one; no word about being ready is ready.
        let expected: Vec<std::net::SocketAddr> =
            asked.into_iter().flat_map(|port| [1, 2].map(|last| ([10, 1, 1, last], port).into())).collect();
        assert_eq!(route.endpoints(), expected, "{port}");
        let state = if asked.is_some() { PoolState::Ready } else { PoolState::NoPort };
        assert_eq!(route.location().pool().state(), state, "{port}");
        assert_eq!(table.report().is_clean(), asked.is_some(), "{port}");
    }
}

#[test]
fn backends_are_services_of_the_ingress_s_own_namespace() {
    let elsewhere = ingress("i", "foo.example", "", &[("Prefix", "/")])
        + &service("web", 1).replace("namespace: shop", "namespace: other");
    let table = RouteTable::new(&snapshot(&elsewhere), &IngressConfig::default());
    let state = table.route("foo.example", "/").unwrap().location().pool().state();
    assert_eq!(state, PoolState::NoService);
    // What is no Service is left out, and what is left for the path is the default backend.
    let resource = ingress("i", "foo.example", "", &[("Prefix", "/a"), ("Prefix", "/b")]).replacen(
        "service: {name: web, port: {number: 80}}",
        "resource: {apiGroup: k8s.example.com, kind: Bucket, name: icons}",
        1,
    );
    let config = IngressConfig::builder().default_backend("shop/web:80").build().unwrap();
    let table = super::tests::table(&config, &resource);
    assert_eq!(rule(&table, "foo.example", "/a").as_deref(), Some("Default /"));
    assert_eq!(rule(&table, "foo.example", "/b").as_deref(), Some("Prefix /b"));
    let report = table.report().to_string();
    assert!(report.contains("spec.rules[0].http.paths[0].backend.resource: is not supported"), "{report}");
}

#[test]
fn a_service_of_a_name_stands_for_a_server_elsewhere() {
    let external = |name: &str, ports: &str| {
        format!(
            "---\nkind: Service\napiVersion: v1\nmetadata: {{name: web, namespace: shop}}\n\
             spec: {{type: ExternalName, externalName: {name}, ports: [{ports}]}}\n"
        )
    };
    let rows = [
        // The port that the Ingress names, the Service, the server, problems.
        ("number: 80", external("db.example", ""), Some("db.example:80"), 0),
        ("number: 80", external("db.example", "{name: web, port: 8080}"), Some("db.example:80"), 0),
        ("name: web", external("db.example", "{name: web, port: 8080}"), Some("db.example:8080"), 0),
        ("name: web", external("db.example", ""), None, 1),
        ("number: 80", external("192.0.2.1", ""), Some("192.0.2.1:80"), 0),
        ("number: 80", external("localhost", ""), Some("localhost:80"), 1),
        ("number: 80", external("127.0.0.1", ""), Some("127.0.0.1:80"), 1),
    ];
    for (port, service, server, problems) in rows {
        let text = ingress("i", "foo.example", "", &[("Prefix", "/")]).replace("number: 80", port) + &service;
        let table = RouteTable::new(&snapshot(&text), &IngressConfig::default());
        let pool = std::sync::Arc::clone(table.route("foo.example", "/").unwrap().location().pool());
        assert_eq!(pool.external().map(ToString::to_string).as_deref(), server, "{service}");
        assert_eq!(table.report().problems().len(), problems, "{}", table.report());
        let config = IngressConfig::builder().allow_local_targets(true).build().unwrap();
        assert_eq!(RouteTable::new(&snapshot(&text), &config).report().is_clean(), server.is_some());
    }
}

#[test]
fn pools_are_ready_endpoints_never_the_virtual_ip() {
    let table = table(&IngressConfig::default(), &ingress("i", "foo.example", "", &[("Prefix", "/")]));
    let route = table.route("foo.example", "/").unwrap();
    assert_eq!(route.endpoints(), ["10.1.1.1:8080".parse().unwrap()]);
    assert_eq!(
        route.to_string(),
        "Ingress shop/i, foo.example, Prefix / -> Service shop/web:80, endpoints 10.1.1.1:8080"
    );
}

#[test]
fn the_address_of_a_service_stands_for_its_endpoints_where_that_is_asked_for() {
    let annotation = "nginx.ingress.kubernetes.io/service-upstream: \"true\"";
    let table =
        table(&IngressConfig::default(), &ingress("i", "foo.example", annotation, &[("Prefix", "/")]));
    let route = table.route("foo.example", "/").unwrap();
    assert_eq!(route.endpoints(), ["10.96.0.1:80".parse().unwrap()]);
}
