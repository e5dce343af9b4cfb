//! What `explain` says beside what the server does, for requests made at random.

use std::net::IpAddr;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;
use crate::explain::{Condition, Explanation, Outcome, Question};

const REQUESTS: usize = 2000;

/// Hosts with what their Ingresses say.
const HOSTS: &[(&str, &str)] = &[
    ("plain.example", ""),
    ("tls.example", ""),
    ("force.example", "force-ssl-redirect: 'true'"),
    ("list.example", "allowlist-source-range: '10.0.0.0/8', denylist-source-range: '10.1.0.0/16'"),
    ("login.example", "auth-type: basic, auth-secret: users"),
    ("nobody.example", "auth-type: basic, auth-secret: missing"),
    ("small.example", "proxy-body-size: '4'"),
    ("moved.example", "permanent-redirect: 'https://new.example$request_uri'"),
    ("root.example", "app-root: /start"),
    ("www.bare.example", "from-to-www-redirect: 'true'"),
    ("cors.example", "enable-cors: 'true', cors-allow-origin: 'https://*.friend.example'"),
    ("vhost.example", "upstream-vhost: inner.example"),
    ("limited.example", "limit-rps: '100000', allowlist-source-range: '10.0.0.0/8'"),
    ("rewrite.example", "rewrite-target: /new, use-regex: 'true'"),
    ("main.example", ""),
    ("sticky.example", "affinity: cookie"),
    ("empty.example", ""),
    (
        "any.example",
        "satisfy: any, allowlist-source-range: '10.0.0.0/8', denylist-source-range: '10.1.0.0/16', auth-type: basic, auth-secret: users",
    ),
    ("anyone.example", "satisfy: any, allowlist-source-range: '10.0.0.0/8'"),
    ("page.example", "default-backend: next"),
];

fn manifests(web: SocketAddr, next: SocketAddr) -> String {
    let mut text = service(&[web]);
    text += &service(&[next])
        .replace("name: web", "name: next")
        .replace("service-name: web", "service-name: next");
    text += &service(&[]).replace("name: web", "name: none");
    // jane:password
    text += "
---
kind: Secret
apiVersion: v1
metadata: {name: users, namespace: shop}
data: {auth: amFuZTp7U0hBfVc2cGg1TW01UHo4R2dpVUxiUGd6RzM3bWo5Zz0K}
";
    for (host, annotations) in HOSTS {
        let annotations: Vec<_> = annotations
            .split(", ")
            .filter(|annotation| !annotation.is_empty())
            .map(|annotation| format!("nginx.ingress.kubernetes.io/{annotation}"))
            .collect();
        let tls = if *host == "tls.example" { "tls: [{hosts: [tls.example]}]" } else { "" };
        let name = host.replace('.', "-");
        let ingress = ingress(host, &annotations.join(", "), tls);
        let first = host.split('.').next().unwrap();
        let ingress = ingress.replacen(&format!("name: {first},"), &format!("name: {name},"), 1);
        text += &if ["empty.example", "page.example"].contains(host) {
            ingress.replace("name: web", "name: none")
        } else {
            ingress
        };
    }
    let canary = "nginx.ingress.kubernetes.io/canary: 'true', nginx.ingress.kubernetes.io/canary-by-header: X-Next, nginx.ingress.kubernetes.io/canary-weight: '20'";
    text += &ingress("main.example", canary, "")
        .replace("name: main,", "name: canary,")
        .replace("service: {name: web", "service: {name: next");
    let deep = ingress("plain.example", "", "")
        .replace("name: plain,", "name: deep,")
        .replace("path: /,", "path: /deep/,");
    text + &deep
}

/// A request that a client may make of them.
fn request() -> impl Strategy<Value = Request<Full<Bytes>>> {
    let hosts: Vec<&str> =
        HOSTS.iter().map(|(host, _)| *host).chain(["bare.example", "nowhere.example"]).collect();
    let line = (
        select(&["GET", "GET", "POST", "POST", "OPTIONS", "OPTIONS", "TRACE"][..]),
        select(hosts),
        select(&["/", "/deep", "/deep/", "/x/y?z=1", "/..", "/%2e%2e/a", "/New"][..]),
        0..8_usize,
    );
    let fields = (
        select(&["", "10.2.0.1", "10.1.0.1", "192.0.2.1"][..]),
        select(&["", "https", "http"][..]),
        select(&["", "https://a.friend.example", "https://foe.example"][..]),
        select(&["", "Basic amFuZTpwYXNzd29yZA==", "Basic amFuZTp3cm9uZw==", "Bearer x"][..]),
        select(&["", "always", "never", "x"][..]),
        select(&["", "INGRESSCOOKIE=abc", "INGRESSCOOKIE=abc|def"][..]),
    );
    (line, fields).prop_map(|((method, host, path, body), fields)| {
        let (client, proto, origin, login, next, cookie) = fields;
        let named = [
            ("x-forwarded-for", client),
            ("x-forwarded-proto", proto),
            ("origin", origin),
            ("authorization", login),
            ("x-next", next),
            ("cookie", cookie),
        ];
        let mut request = Request::builder().method(method).uri(path).header("host", host);
        for (name, value) in named.into_iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(name, value);
        }
        request.body(Full::from(vec![b'x'; if method == "POST" { body } else { 0 }])).unwrap()
    })
}

/// A backend that says its name, and what it was asked for.
async fn named(name: &'static str) -> SocketAddr {
    backend(move |_, mut stream| async move {
        while let Some(head) = read_head(&mut stream).await {
            let _ = read_body(&mut stream, &head).await;
            let target = head.split(' ').nth(1).unwrap_or_default();
            let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
            let text = format!("{name} {target} {host}");
            let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
            let _ = stream.write_all(reply.as_bytes()).await;
        }
    })
    .await
}

/// What the server is to do, by the explanation: the status, where it redirects to, and what the body says.
fn expected(outcome: &Outcome) -> (StatusCode, Option<String>, Option<String>) {
    match outcome {
        Outcome::Redirect { status, location, .. } => (*status, Some(location.clone()), None),
        Outcome::Forwarded(to) => {
            let text = format!("{} {} {}", to.service.name(), to.target, to.host);
            (StatusCode::OK, None, Some(text))
        }
        refused => (refused.status().unwrap(), None, None),
    }
}

#[test]
fn the_server_does_what_is_explained() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (web, next) = runtime.block_on(async { (named("web").await, named("next").await) });
    let clients = Clients::default().with_trusted("127.0.0.0/8".parse().unwrap()).with_keep_alive_requests(0);
    let config = IngressConfig::builder().clients(clients).build().unwrap();
    runtime.block_on(async {
        let store = Store::new();
        store.apply(objects(&format!("{CLASS}{}", manifests(web, next))));
        let server = Server::builder().http("127.0.0.1:0").config(config).build().unwrap();
        let (handle, run) = server.drive(store.watch());
        tokio::select! {
            ended = run => panic!("the server ended: {ended:?}"),
            () = compare(&handle) => {}
        }
    });
}

async fn compare(handle: &Handle) {
    let address = handle.ready().await.unwrap().http()[0];
    let peer: IpAddr = "127.0.0.1".parse().unwrap();
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeMap::new();
    for _ in 0..REQUESTS {
        let request = request().new_tree(&mut runner).unwrap().current();
        let body = http_body::Body::size_hint(request.body()).lower();
        let question = Question::new(&request, peer).port(address.port()).body(body);
        let explained = Explanation::new(&handle.table(), &question);
        let shown = format!("{request:?}\n{explained}");
        let reply = client(address).await.send_request(request).await.unwrap();
        let location = reply.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        let origin = reply.headers().get("access-control-allow-origin").cloned();
        let (status, body) = text(reply).await;
        let by_lot =
            explained.conditions().iter().any(|condition| matches!(condition, Condition::Lot { .. }));
        let (wanted, to, said) = expected(explained.outcome());
        assert_eq!((status, &location), (wanted, &to), "{shown}");
        let said =
            said.map(
                |said| if by_lot { said.replacen("web", &body[..body.find(' ').unwrap()], 1) } else { said },
            );
        assert!(said.as_ref().is_none_or(|said| *said == body), "{said:?} {body:?} {shown}");
        assert_eq!(origin.as_ref(), explained.allowed_origin(), "{shown}");
        *seen.entry(outcome(explained.outcome())).or_insert(0) += 1;
    }
    // Every kind of outcome was compared, and none by an accident.
    assert!(seen.len() == 10 && seen.values().all(|times| *times > 2), "{seen:?}");
}

fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Malformed(_) => "malformed",
        Outcome::NoRule => "no rule",
        Outcome::Redirect { .. } => "redirect",
        Outcome::BodyTooLarge(_) => "too large",
        Outcome::Denied(_) => "denied",
        Outcome::Preflight => "preflight",
        Outcome::Forbidden => "forbidden",
        Outcome::NoCertificate(_) => "no certificate",
        Outcome::NoLogin(_) => "no login",
        Outcome::PassedThrough(..) => "passed through",
        Outcome::Unserved(_) => "unserved",
        Outcome::Forwarded(_) => "forwarded",
    }
}
