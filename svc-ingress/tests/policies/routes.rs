//! Hosts and paths, beside an nginx whose locations are those that ingress-nginx writes for them.

use std::fmt::Write as _;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use svc_ingress::IngressConfig;

use super::harness::{Backend, Nginx, Ours, curl, is_installed, service};

/// A rule: path, type, and which of the backends.
type Rule<'a> = (&'a str, &'a str, &'a str);

/// The annotations of an Ingress, its rules, nginx's locations for them (with `->a` for a backend), and what is asked.
struct Row<'a> {
    annotations: &'a [&'a str],
    rules: &'a [Rule<'a>],
    locations: &'a [&'a str],
    asked: &'a [&'a str],
}

const ROWS: [Row<'static>; 5] = [
    Row {
        annotations: &[],
        rules: &[
            ("/app", "Prefix", "a"),
            ("/app/deep", "Prefix", "b"),
            ("/exact", "Exact", "c"),
            ("/impl", "ImplementationSpecific", "a"),
            ("/", "Prefix", "b"),
        ],
        locations: &[
            "= /app ->a",
            "/app/ ->a",
            "= /app/deep ->b",
            "/app/deep/ ->b",
            "= /exact ->c",
            "/impl ->a",
            "/ ->b",
        ],
        asked: &[
            "/",
            "/app",
            "/app/",
            "/app/x",
            "/apple",
            "/app/deep",
            "/app/deep/x",
            "/app/deeper",
            "/exact",
            "/exact/",
            "/exactly",
            "/impl",
            "/impl/x",
            "/implant",
            "/%61pp",
            "/app//x",
            "/x/../app/y",
            "/APP",
            "/app?q=/exact",
            "/app/%2e%2e/exact",
            "//app",
            "/app/a%20b?c=%20d",
            "/../x",
        ],
    },
    Row {
        annotations: &[],
        rules: &[("/dir/", "Prefix", "a"), ("/x", "Prefix", "b")],
        locations: &["= /dir/ ->a", "/dir/ ->a", "= /x ->b", "/x/ ->b"],
        asked: &["/dir", "/dir/", "/dir/x", "/dirt", "/x", "/x/", "/other"],
    },
    Row {
        annotations: &["use-regex: 'true'"],
        rules: &[("/a/[0-9]+", "ImplementationSpecific", "a"), ("/a", "Prefix", "b"), ("/b", "Exact", "c")],
        locations: &["~* \"^/a/[0-9]+\" ->a", "~* \"^/a\" ->b", "~* \"^/b\" ->c"],
        asked: &["/a/12", "/a/x", "/A/12", "/apple", "/b", "/bc", "/B/x", "/c", "/x/a", "/a/1%32"],
    },
    Row {
        annotations: &["rewrite-target: /$2"],
        rules: &[("/s(/|$)(.*)", "ImplementationSpecific", "a")],
        locations: &["~* \"^/s(/|$)(.*)\" rewrite \"(?i)/s(/|$)(.*)\" /$2 break; ->a"],
        asked: &["/s", "/s/", "/s/x/y?q=1", "/S/x", "/sx", "/s/a%20b", "/s/%2e%2e/s/x", "/s//x", "/s?a=b"],
    },
    Row {
        annotations: &["rewrite-target: /new/$1"],
        rules: &[("/old/(.*)", "ImplementationSpecific", "a"), ("/kept", "Prefix", "b")],
        locations: &[
            "~* \"^/old/(.*)\" rewrite \"(?i)/old/(.*)\" /new/$1 break; ->a",
            "~* \"^/kept\" rewrite \"(?i)/kept\" /new/$1 break; ->b",
        ],
        asked: &["/old/x", "/old/", "/old", "/OLD/y?z", "/kept", "/other"],
    },
];

fn said(name: &str, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    Response::new(Full::new(Bytes::from(format!("{name} {}", request.uri()))))
}

fn backends() -> [(&'static str, Backend); 3] {
    [
        ("a", Backend::new(|request| said("a", request))),
        ("b", Backend::new(|request| said("b", request))),
        ("c", Backend::new(|request| said("c", request))),
    ]
}

fn ingress(name: &str, host: &str, annotations: &[&str], rules: &[Rule<'_>]) -> String {
    let mut text = format!(
        "\n---\nkind: Ingress\napiVersion: networking.k8s.io/v1\nmetadata:\n  name: {name}\n  namespace: shop\n  annotations:\n    a: b\n"
    );
    for annotation in annotations {
        let _ = writeln!(text, "    nginx.ingress.kubernetes.io/{annotation}");
    }
    let _ = write!(
        text,
        "spec:\n  ingressClassName: nginx\n  rules:\n  - host: '{host}'\n    http:\n      paths:\n"
    );
    for (path, kind, service) in rules {
        let _ = writeln!(
            text,
            "      - {{path: '{path}', pathType: {kind}, backend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}"
        );
    }
    text
}

/// One and the same: status, and what a backend was asked.
fn compare(ours: &Ours, nginx: &Nginx, path: &str, arguments: &[&str]) {
    let (mine, theirs) = (curl(ours.http, path, arguments), curl(nginx.http, path, arguments));
    assert_eq!(mine.status, theirs.status, "{path} {arguments:?}: {mine:?} {theirs:?}");
    if mine.status == 200 {
        assert_eq!(mine.body, theirs.body, "{path} {arguments:?}");
    }
}

#[test]
fn paths_lead_where_nginx_leads_them() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let backends = backends();
    let services: String = backends.iter().map(|(name, backend)| service(name, backend.address)).collect();
    for row in ROWS {
        let objects = ingress("foo", "foo.example", row.annotations, row.rules) + &services;
        let ours = Ours::with(IngressConfig::default(), &objects);
        let mut server = String::new();
        for location in row.locations {
            let (place, name) = location.split_once("->").unwrap();
            let backend = backends.iter().find(|(known, _)| *known == name).unwrap();
            // What is matched, then directives.
            let (place, directives) = match place.split_once(" rewrite ") {
                Some((place, rest)) => (place, format!("rewrite {rest}")),
                None => (place, String::new()),
            };
            let _ = writeln!(
                server,
                "location {place} {{ {directives} proxy_pass http://{}; }}",
                backend.1.address
            );
        }
        let nginx = Nginx::new("", &server, &[]);
        for path in row.asked {
            compare(&ours, &nginx, path, &[]);
        }
    }
}

#[test]
fn hosts_are_chosen_as_nginx_chooses_them() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let backends = backends();
    let services: String = backends.iter().map(|(name, backend)| service(name, backend.address)).collect();
    let objects = [
        ingress("foo", "foo.example", &[], &[("/", "Prefix", "a")]),
        ingress("wild", "*.bar.example", &[], &[("/", "Prefix", "b")]),
        ingress("own", "own.bar.example", &[], &[("/own", "Prefix", "c")]),
        services,
    ];
    let ours = Ours::with(IngressConfig::default(), &objects.concat());
    let [a, b, c] = backends.each_ref().map(|(_, backend)| format!("proxy_pass http://{};", backend.address));
    // ingress-nginx writes a wildcard as the regular expression of one label.
    let others = format!(
        "server {{ listen ADDRESS default_server; location / {{ return 404; }} }}
         server {{ listen ADDRESS; server_name own.bar.example;
             location = /own {{ {c} }} location /own/ {{ {c} }} location / {{ return 404; }} }}
         server {{ listen ADDRESS; server_name ~^[\\w-]+\\.bar\\.example$; location / {{ {b} }} }}"
    );
    let nginx = Nginx::new(&others, &format!("location / {{ {a} }}"), &[]);
    for host in [
        "foo.example",
        "FOO.Example",
        "foo.example:8080",
        "foo.example.",
        "x.bar.example",
        "X.BAR.example",
        "x.y.bar.example",
        "bar.example",
        "own.bar.example",
        "other.example",
        "xfoo.example",
    ] {
        for path in ["/", "/own", "/own/x", "/else"] {
            compare(&ours, &nginx, path, &["--header", &format!("Host: {host}")]);
        }
    }
}
