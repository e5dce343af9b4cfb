//! `ingress explain URL`: what it is asked and what it says.

use std::fs;
use std::process::{Command, Output};

use super::program::{INGRESS, text};

const MANIFESTS: &str = "
kind: IngressClass
apiVersion: networking.k8s.io/v1
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {name: web, namespace: shop, annotations: {nginx.ingress.kubernetes.io/denylist-source-range: 192.0.2.0/24}}
spec:
  ingressClassName: nginx
  tls: [{hosts: [shop.example]}]
  rules: [{host: shop.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {name: other, namespace: shop}
spec: {ingressClassName: traefik, rules: [{host: other.example}]}
---
{kind: Service, apiVersion: v1, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: '', port: 8080}]
endpoints: [{addresses: [10.1.1.1]}]
";

fn explain(arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("all.yaml"), MANIFESTS).unwrap();
    let manifests = ["explain", "--manifests", text(directory.path())];
    Command::new(INGRESS).args(manifests).args(arguments).output().unwrap()
}

#[test]
fn a_request_is_explained_by_its_url_client_method_and_fields() {
    let rows = [
        (
            &["http://shop.example/a?b"][..],
            0,
            "answer    308: ssl-redirect or force-ssl-redirect, to https://shop.example/a?b\n",
        ),
        (
            &["https://shop.example/a?b"],
            0,
            "asks for  /a?b of host shop.example\nanswer    Service shop/web, by 10.1.1.1:8080\n",
        ),
        (
            &["https://shop.example/", "--client", "192.0.2.1"],
            1,
            "answer    403: client 192.0.2.1 is not let in",
        ),
        (
            &[
                "https://shop.example/",
                "--client",
                "192.0.2.1",
                "--use-forwarded-headers",
                "192.0.2.1/32",
                "-H",
                "X-Forwarded-For: 10.0.0.1",
            ],
            0,
            "answer    Service shop/web",
        ),
        (&["https://shop.example/", "--body", "2000000"], 1, "answer    413: "),
        (&["https://shop.example/", "-X", "TRACE"], 1, "answer    405: "),
        (
            &["https://other.example/"],
            1,
            "note      Ingress shop/other is not served: there is no IngressClass traefik\n",
        ),
    ];
    for (arguments, code, expected) in rows {
        let output = explain(arguments);
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{arguments:?} {output:?}");
        assert!(told.contains(expected), "{arguments:?} {told}");
    }
}

#[test]
fn what_is_no_url_is_refused_by_name() {
    let output = explain(&["/only/a/path"]);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("/only/a/path is no URL such as http://shop.example/cart"), "{complaint}");
}
