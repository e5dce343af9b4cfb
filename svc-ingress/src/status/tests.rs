use svc_model::{LoadBalancerIngress, ObjectName, Snapshot, yaml};

use super::{Published, StatusChange, changes, withdrawals};
use crate::config::IngressConfig;

const OBJECTS: &str = "
kind: IngressClass
apiVersion: networking.k8s.io/v1
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {name: fresh, namespace: shop}
spec: {ingressClassName: nginx, rules: [{host: a.example}]}
---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {name: moved, namespace: shop}
spec: {ingressClassName: nginx, rules: [{host: b.example}]}
status: {loadBalancer: {ingress: [{ip: 192.0.2.9}]}}
---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {name: done, namespace: shop}
spec: {ingressClassName: nginx, rules: [{host: c.example}]}
status: {loadBalancer: {ingress: [{hostname: edge.example}, {ip: 192.0.2.1}]}}
---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {name: other, namespace: shop}
spec: {ingressClassName: traefik, rules: [{host: d.example}]}
status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}
";

fn snapshot(more: &str) -> Snapshot {
    let (objects, problems) = yaml::read(&format!("{OBJECTS}---\n{more}")).stored();
    assert_eq!(problems, []);
    objects.into_iter().collect()
}

fn shown(addresses: &[LoadBalancerIngress]) -> String {
    let place = |entry: &LoadBalancerIngress| match entry.ip() {
        Some(ip) => ip.to_string(),
        None => entry.hostname().unwrap_or_default().to_owned(),
    };
    addresses.iter().map(place).collect::<Vec<_>>().join(" ")
}

fn told(changes: &[StatusChange]) -> Vec<String> {
    changes
        .iter()
        .map(|change| format!("{} {}", change.ingress().name(), shown(change.addresses())))
        .collect()
}

#[test]
fn what_differs_is_written_and_ingresses_of_others_are_left_alone() {
    let (config, snapshot) = (IngressConfig::default(), snapshot(""));
    let published = Published::at(["192.0.2.1", "edge.example", "192.0.2.1"]);
    let written = changes(&snapshot, &config, &published);
    assert_eq!(told(&written), ["fresh edge.example 192.0.2.1", "moved edge.example 192.0.2.1"]);
    let gone = withdrawals(&snapshot, &config, &Published::at(["192.0.2.1"]));
    assert_eq!(told(&gone), ["done edge.example"], "what others wrote stays");
    assert!(
        changes(&snapshot, &config, &Published::at([])).is_empty(),
        "nothing is known: nothing is taken back"
    );
}

#[test]
fn a_service_is_reached_as_its_type_says() {
    let rows = [
        ("clusterIP: 10.96.0.1", "", "10.96.0.1"),
        ("type: NodePort, clusterIP: 10.96.0.1", "", "10.96.0.1"),
        ("type: NodePort, clusterIP: 10.96.0.1, externalIPs: [192.0.2.2]", "", "192.0.2.2"),
        ("type: LoadBalancer, clusterIP: 10.96.0.1", "", ""),
        (
            "type: LoadBalancer, clusterIP: 10.96.0.1, externalIPs: [192.0.2.2]",
            "{hostname: lb.example}, {ip: 192.0.2.1}",
            "lb.example 192.0.2.1 192.0.2.2",
        ),
        ("type: ExternalName, externalName: edge.example", "", "edge.example"),
    ];
    for (spec, balancer, expected) in rows {
        let service = format!(
            "{{kind: Service, apiVersion: v1, metadata: {{name: edge, namespace: ops}}, spec: {{{spec}, ports: [{{port: 80}}]}}, status: {{loadBalancer: {{ingress: [{balancer}]}}}}}}"
        );
        let published = Published::service(ObjectName::new("ops", "edge"));
        assert_eq!(shown(&published.addresses(&snapshot(&service))), expected, "{spec}");
    }
    let missing = Published::service(ObjectName::new("ops", "none"));
    assert!(missing.addresses(&snapshot("")).is_empty());
}
