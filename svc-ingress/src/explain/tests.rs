use http::Request;
use svc_model::{Snapshot, yaml};

use super::{Explanation, Question};
use crate::config::IngressConfig;
use crate::table::RouteTable;

const OBJECTS: &str = "
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {name: web, namespace: shop, annotations: {nginx.ingress.kubernetes.io/limit-rps: '5',
  nginx.ingress.kubernetes.io/enable-cors: 'true', nginx.ingress.kubernetes.io/proxy-body-size: '100',
  nginx.ingress.kubernetes.io/auth-url: 'https://auth.example/ask?from=$host'}}
spec:
  tls: [{hosts: [shop.example]}]
  rules: [{host: shop.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]
---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {name: next, namespace: shop, annotations: {nginx.ingress.kubernetes.io/canary: 'true',
  nginx.ingress.kubernetes.io/canary-by-header: X-Next, nginx.ingress.kubernetes.io/canary-weight: '20'}}
spec:
  rules: [{host: shop.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: next, port: {number: 80}}}}]}}]
---
{kind: Service, apiVersion: v1, metadata: {name: web, namespace: shop}, spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}}
---
{kind: Service, apiVersion: v1, metadata: {name: next, namespace: shop}, spec: {clusterIP: 10.96.0.2, ports: [{port: 80}]}}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: '', port: 8080}]
endpoints: [{addresses: [10.1.1.1]}, {addresses: [10.1.1.2]}]
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {name: next-1, namespace: shop, labels: {kubernetes.io/service-name: next}}
addressType: IPv4
ports: [{name: '', port: 8080}]
endpoints: [{addresses: [10.1.1.3]}]
";

/// What is explained of a request, without the line of its rule.
fn explained(request: http::request::Builder, ask: impl FnOnce(Question) -> Question) -> String {
    let (objects, problems) = yaml::read(OBJECTS).stored();
    assert_eq!(problems, []);
    let snapshot: Snapshot = objects.into_iter().collect();
    let config = IngressConfig::builder().watch_without_class(true).build().unwrap();
    let question = Question::new(&request.body(()).unwrap(), "192.0.2.1".parse().unwrap());
    let text = Explanation::new(&RouteTable::new(&snapshot, &config), &ask(question)).to_string();
    text.lines().filter(|line| !line.starts_with("rule ")).fold(String::new(), |all, line| all + line + "\n")
}

#[test]
fn conditions_come_before_what_is_asked_of_whom() {
    let request = Request::get("https://shop.example/a?b").header("origin", "https://foe.example");
    let expected = "\
if        it is none of the 20 of 100 requests for canary Ingress shop/next
if        the client is within limit-rps, limit-rpm and limit-connections, else 503
if        auth-url lets it pass: https://auth.example/ask?from=shop.example
CORS      pages of * may read the reply
asks for  /a?b of host shop.example
answer    Service shop/web, by 10.1.1.1:8080 or 10.1.1.2:8080
";
    assert_eq!(explained(request, Question::over_tls), expected);
    let request = Request::get("https://shop.example/").header("x-next", "always");
    let answer = explained(request, Question::over_tls);
    assert!(
        answer.ends_with("answer    canary Ingress shop/next, Service shop/next, by 10.1.1.3:8080\n"),
        "{answer}"
    );
}

#[test]
fn refusals_say_what_refuses() {
    let plain = explained(Request::get("http://shop.example/a/"), |question| question);
    assert_eq!(
        plain,
        "CORS      pages of * may read the reply\nanswer    308: ssl-redirect or force-ssl-redirect, to https://shop.example/a\n"
    );
    let large = explained(Request::post("http://shop.example/"), |question| question.body(101));
    assert_eq!(large, "answer    413: its body is larger than proxy-body-size, 100 bytes\n");
    let other = explained(Request::get("http://other.example/"), |question| question);
    assert_eq!(
        other,
        "answer    404: no rule of a served Ingress takes it, and there is no default backend\n"
    );
    let up = explained(Request::get("http://shop.example/../a"), |question| question);
    assert_eq!(up, "answer    400: Bad Request\n");
    let trace =
        explained(Request::builder().method("TRACE").uri("http://shop.example/"), |question| question);
    assert_eq!(trace, "answer    405: Method Not Allowed\n");
}
