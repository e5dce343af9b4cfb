use svc_model::{Kind, Object, ObjectName, ObjectRef, Snapshot, yaml};

use super::RouteTable;
use crate::config::{IngressConfig, Mode};

const CLASS: &str = "
kind: IngressClass
apiVersion: networking.k8s.io/v1
metadata: {name: nginx}
spec: {controller: k8s.io/ingress-nginx}
";

fn objects(text: &str) -> Vec<Object> {
    let (objects, problems) = yaml::read(text).stored();
    assert_eq!(problems, []);
    objects
}

/// A Service `name` of port 80 with one ready endpoint 10.1.1.`last`:8080.
pub(super) fn service(name: &str, last: u8) -> String {
    format!(
        "
---
kind: Service
apiVersion: v1
metadata: {{name: {name}, namespace: shop}}
spec: {{clusterIP: 10.96.0.{last}, ports: [{{name: web, port: 80, targetPort: 8080}}]}}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {{name: {name}-1, namespace: shop, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: web, port: 8080, protocol: TCP}}]
endpoints: [{{addresses: [10.1.1.{last}], conditions: {{ready: true}}}}]
"
    )
}

/// An Ingress with one rule; each path leads to a Service of its own name's letters.
pub(super) fn ingress(name: &str, host: &str, annotations: &str, paths: &[(&str, &str)]) -> String {
    let host = if host.is_empty() { String::new() } else { format!("host: \"{host}\", ") };
    let path = |(path_type, path): &(&str, &str)| {
        format!(
            "{{path: '{path}', pathType: {path_type}, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}"
        )
    };
    let paths: Vec<_> = paths.iter().map(path).collect();
    format!(
        "
---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {{name: {name}, namespace: shop, annotations: {{{annotations}}}}}
spec: {{ingressClassName: nginx, rules: [{{{host}http: {{paths: [{}]}}}}]}}
",
        paths.join(", ")
    )
}

pub(super) fn snapshot(text: &str) -> Snapshot {
    objects(&format!("{CLASS}{text}")).into_iter().collect()
}

pub(super) fn strict() -> IngressConfig {
    IngressConfig::builder().mode(Mode::Strict).build().unwrap()
}

pub(super) fn table(config: &IngressConfig, text: &str) -> RouteTable {
    RouteTable::new(&snapshot(&format!("{}{text}", service("web", 1))), config)
}

/// The path of the rule that takes a request.
pub(super) fn rule(table: &RouteTable, host: &str, path: &str) -> Option<String> {
    let route = table.route(host, path)?;
    Some(format!("{:?} {}", route.location().matching(), route.location().path()))
}

/// Rules, a request, and the rule that takes it.
type PathRow = (&'static [(&'static str, &'static str)], &'static str, Option<&'static str>);

#[test]
fn paths_match_as_the_api_says_in_both_modes() {
    let rows: [PathRow; 28] = [
        (&[("Prefix", "/")], "/any/thing", Some("Prefix /")),
        (&[("Exact", "/foo")], "/foo", Some("Exact /foo")),
        (&[("Exact", "/foo")], "/bar", None),
        (&[("Exact", "/foo")], "/foo/", None),
        (&[("Exact", "/foo")], "/FOO", None),
        (&[("Prefix", "/foo")], "/foo", Some("Prefix /foo")),
        (&[("Prefix", "/foo")], "/foo/", Some("Prefix /foo")),
        (&[("Prefix", "/foo/")], "/foo/", Some("Prefix /foo/")),
        (&[("Prefix", "/aaa/bb")], "/aaa/bbb", None),
        (&[("Prefix", "/aaa/bbb")], "/aaa/bbb", Some("Prefix /aaa/bbb")),
        (&[("Prefix", "/aaa/bbb/")], "/aaa/bbb", Some("Prefix /aaa/bbb/")),
        (&[("Prefix", "/aaa/bbb")], "/aaa/bbb/", Some("Prefix /aaa/bbb")),
        (&[("Prefix", "/aaa/bbb")], "/aaa/bbb/ccc", Some("Prefix /aaa/bbb")),
        (&[("Prefix", "/aaa/bbb")], "/aaa/bbbxyz", None),
        (&[("Prefix", "/aaa/bbb")], "/Aaa/bbb", None),
        (&[("Prefix", "/"), ("Prefix", "/aaa")], "/aaa/ccc", Some("Prefix /aaa")),
        (&[("Prefix", "/"), ("Prefix", "/aaa"), ("Prefix", "/aaa/bbb")], "/aaa/bbb", Some("Prefix /aaa/bbb")),
        (&[("Prefix", "/"), ("Prefix", "/aaa"), ("Prefix", "/aaa/bbb")], "/ccc", Some("Prefix /")),
        (&[("Prefix", "/aaa")], "/ccc", None),
        (&[("Prefix", "/foo"), ("Exact", "/foo")], "/foo", Some("Exact /foo")),
        (&[("Prefix", "/foo"), ("Exact", "/foo")], "/foo/x", Some("Prefix /foo")),
        (&[("Prefix", "/foo/")], "/foo/", Some("Prefix /foo/")),
        (&[("Exact", "/foo/")], "/foo/", Some("Exact /foo/")),
        (&[("Prefix", "/a")], "/b/../a/x", Some("Prefix /a")),
        (&[("Prefix", "/a")], "/%61//x", Some("Prefix /a")),
        (&[("Prefix", "/a")], "/a?x=/b", Some("Prefix /a")),
        (&[("Prefix", "/")], "/../x", None),
        (&[("Exact", "/")], "/", Some("Exact /")),
    ];
    for config in [strict(), IngressConfig::default()] {
        for (paths, request, expected) in rows {
            let table = table(&config, &ingress("i", "foo.example", "", paths));
            assert!(table.report().is_clean());
            assert_eq!(rule(&table, "foo.example", request).as_deref(), expected, "{paths:?} {request}");
        }
    }
}

#[test]
fn hosts_match_exactly_then_by_wildcard_then_without_host() {
    let text = [
        ingress("exact", "foo.example", "", &[("Prefix", "/exact")]),
        ingress("wild", "*.example", "", &[("Prefix", "/wild")]),
        ingress("any", "", "", &[("Prefix", "/any")]),
    ]
    .concat();
    let table = table(&IngressConfig::default(), &text);
    let rows = [
        ("foo.example", "/exact", true),
        ("FOO.example.:8080", "/exact", true),
        ("foo.example", "/wild", false),
        ("foo.example", "/any", false),
        ("bar.example", "/wild", true),
        ("bar.example", "/any", false),
        ("a.bar.example", "/wild", false),
        ("a.bar.example", "/any", true),
        ("example", "/wild", false),
        ("example", "/any", true),
        ("10.1.2.3:80", "/any", true),
        ("a/x", "/any", false),
        ("", "/any", false),
    ];
    for (host, path, found) in rows {
        assert_eq!(table.route(host, path).is_some(), found, "{host} {path}");
    }
}

#[test]
fn one_regex_or_rewrite_turns_a_whole_host_under_nginx() {
    let text = [
        ingress("old", "foo.example", "", &[("Exact", "/exact"), ("Prefix", "/foo/bar/bar")]),
        ingress(
            "re",
            "foo.example",
            "nginx.ingress.kubernetes.io/use-regex: \"true\"",
            &[("ImplementationSpecific", "/foo/bar/[a-z]{3}"), ("ImplementationSpecific", "/id/[0-9]+$")],
        ),
        ingress("other", "bar.example", "", &[("Exact", "/exact")]),
    ]
    .concat();
    let nginx = table(&IngressConfig::default(), &text);
    let rows = [
        ("foo.example", "/foo/bar/bar", Some("Regex /foo/bar/[a-z]{3}")),
        ("foo.example", "/EXACT/and/more", Some("Regex /exact")),
        ("foo.example", "/id/12", Some("Regex /id/[0-9]+$")),
        ("foo.example", "/id/12a", None),
        ("bar.example", "/EXACT", None),
    ];
    for (host, path, expected) in rows {
        assert_eq!(rule(&nginx, host, path).as_deref(), expected, "{host} {path}");
    }
    let strict = table(&strict(), &text);
    assert_eq!(rule(&strict, "foo.example", "/EXACT/and/more"), None);
    assert_eq!(rule(&strict, "foo.example", "/exact").as_deref(), Some("Exact /exact"));
    assert_eq!(rule(&strict, "foo.example", "/id/12").as_deref(), Some("Regex /id/[0-9]+$"));
}

#[test]
fn rewritten_paths_reach_the_backend_and_others_go_on_raw() {
    let rewrite = "nginx.ingress.kubernetes.io/rewrite-target: /$2";
    let text = ingress("re", "foo.example", rewrite, &[("ImplementationSpecific", "/something(/|$)(.*)")])
        + &ingress("plain", "bar.example", "", &[("Prefix", "/")]);
    for config in [strict(), IngressConfig::default()] {
        let table = table(&config, &text);
        let target = |host, path| table.route(host, path).unwrap().target().map(str::to_owned);
        assert_eq!(target("foo.example", "/something/new?a=1").as_deref(), Some("/new?a=1"));
        assert_eq!(target("bar.example", "/ip/abc/../../%75uid"), None);
        assert!(table.route("foo.example", "/somethingnew").is_none());
    }
}

#[test]
fn implementation_specific_is_a_byte_prefix_under_nginx() {
    let text =
        ingress("i", "foo.example", "", &[("ImplementationSpecific", "/foo"), ("Prefix", "/foobar/x")]);
    let nginx = table(&IngressConfig::default(), &text);
    assert_eq!(rule(&nginx, "foo.example", "/foobar").as_deref(), Some("Bytes /foo"));
    assert_eq!(rule(&nginx, "foo.example", "/foobar/x/y").as_deref(), Some("Prefix /foobar/x"));
    assert_eq!(rule(&table(&strict(), &text), "foo.example", "/foobar"), None);
    // No path at all is all of them.
    let empty = ingress("i", "foo.example", "", &[("ImplementationSpecific", "")]);
    for config in [IngressConfig::default(), strict()] {
        assert!(table(&config, &empty).route("foo.example", "/any/thing").is_some());
    }
}

#[test]
fn default_backends_take_what_no_path_takes() {
    let backend = "backend: {service: {name: web, port: {name: web}}}";
    let text = format!(
        "
---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {{name: own, namespace: shop}}
spec:
  ingressClassName: nginx
  defaultBackend: {{service: {{name: web, port: {{number: 80}}}}}}
  rules: [{{host: foo.example, http: {{paths: [{{path: /a, pathType: Exact, {backend}}}]}}}}, {{host: empty.example}}]
{}",
        ingress("plain", "bar.example", "", &[("Exact", "/a")])
    );
    let own = table(&IngressConfig::default(), &text);
    assert_eq!(rule(&own, "foo.example", "/b").as_deref(), Some("Default /"));
    assert_eq!(rule(&own, "empty.example", "/b").as_deref(), Some("Default /"));
    assert_eq!(rule(&own, "bar.example", "/b"), None);
    assert_eq!(rule(&own, "other.example", "/b"), None);
    let config = IngressConfig::builder().default_backend("shop/web:80").build().unwrap();
    let configured = table(&config, &text);
    for host in ["bar.example", "other.example"] {
        assert_eq!(configured.route(host, "/b").unwrap().ingress(), None, "{host}");
    }
    let alone = "
---
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {name: all, namespace: shop}
spec: {ingressClassName: nginx, defaultBackend: {service: {name: web, port: {number: 80}}}}
";
    let alone = table(&IngressConfig::default(), alone);
    assert_eq!(rule(&alone, "other.example", "/b").as_deref(), Some("Default /"));
}

#[test]
fn only_ingresses_of_our_class_are_served() {
    let text = "
kind: IngressClass
apiVersion: networking.k8s.io/v1
metadata: {name: ours}
spec: {controller: example.com/ours}
---
kind: IngressClass
apiVersion: networking.k8s.io/v1
metadata: {name: theirs}
spec: {controller: example.com/theirs}
";
    let classed = |name: &str, class: &str, annotation: &str| {
        let text = ingress(name, &format!("{name}.example"), annotation, &[("Prefix", "/")]);
        text.replace("ingressClassName: nginx, ", class)
    };
    let all = [
        classed("a", "ingressClassName: nginx, ", ""),
        classed("b", "ingressClassName: ours, ", ""),
        classed("c", "ingressClassName: theirs, ", ""),
        classed("d", "ingressClassName: absent, ", ""),
        classed("e", "", ""),
        classed("f", "", "kubernetes.io/ingress.class: nginx"),
        classed("g", "", "kubernetes.io/ingress.class: haproxy"),
        // The field counts, whatever the annotation says.
        classed("h", "ingressClassName: theirs, ", "kubernetes.io/ingress.class: nginx"),
        classed("i", "ingressClassName: ours, ", "kubernetes.io/ingress.class: haproxy"),
    ];
    let config = IngressConfig::builder().controller("example.com/ours").build().unwrap();
    let table = table(&config, &format!("---{text}{}", all.concat()));
    let served = |table: &RouteTable| -> String {
        "abcdefghi".chars().filter(|name| table.route(&format!("{name}.example"), "/").is_some()).collect()
    };
    assert_eq!(served(&table), "bfi");
    assert_eq!(table.report().ignored().len(), 6);
    let config = IngressConfig::builder().watch_without_class(true).build().unwrap();
    assert_eq!(served(&self::table(&config, &format!("---{text}{}", all.concat()))), "aef");
}

#[test]
fn the_oldest_ingress_wins_a_path() {
    let dated = |name: &str, date: &str, path: (&str, &str)| {
        let text = ingress(name, "foo.example", "", &[path]);
        text.replace("annotations: {}", &format!("creationTimestamp: \"{date}\""))
    };
    let text = dated("young", "2026-02-01T00:00:00Z", ("Prefix", "/a"))
        + &dated("old", "2026-01-01T00:00:00Z", ("Prefix", "/a/"))
        + &dated("other", "2026-03-01T00:00:00Z", ("Exact", "/a"));
    let table = table(&IngressConfig::default(), &text);
    let owner = |path| table.route("foo.example", path).unwrap().ingress().unwrap().to_string();
    assert_eq!((owner("/a/x"), owner("/a")), ("shop/old".to_owned(), "shop/other".to_owned()));
    let report = table.report();
    assert_eq!(report.problems().len(), 1);
    assert_eq!(report.problems()[0].object(), "Ingress shop/young");
    assert_eq!(report.problems()[0].field(), "spec.rules[0].http.paths[0].path");
}

#[test]
fn a_host_can_be_left_to_the_namespace_of_its_oldest_ingress() {
    let dated = |namespace: &str, date: &str, path: &str| {
        let text = ingress(namespace, "foo.example", "", &[("Prefix", path)]);
        let created = format!("namespace: {namespace}, creationTimestamp: \"{date}\"");
        text.replace("namespace: shop, annotations: {}", &created)
    };
    let text = dated("shop", "2026-01-01T00:00:00Z", "/")
        + &dated("thief", "2026-02-01T00:00:00Z", "/login")
        + &ingress("any", "", "", &[("Prefix", "/any")]).replace("namespace: shop", "namespace: thief");
    let owner =
        |table: &RouteTable, host, path| table.route(host, path).unwrap().ingress().unwrap().to_string();
    let merged = table(&IngressConfig::default(), &text);
    assert_eq!(owner(&merged, "foo.example", "/login"), "thief/thief");
    let config = IngressConfig::builder().one_namespace_per_host(true).build().unwrap();
    let bound = table(&config, &text);
    assert_eq!(owner(&bound, "foo.example", "/login"), "shop/shop");
    assert_eq!(owner(&bound, "bar.example", "/any"), "thief/any");
    let report = bound.report().to_string();
    assert!(
        report.contains("Ingress thief/thief: spec.rules: foo.example belongs to namespace shop"),
        "{report}"
    );
}

#[test]
fn what_a_host_has_once_is_that_of_the_first_ingress_that_says_it() {
    let dated = |name: &str, date: &str, alias: &str| {
        let text = ingress(
            name,
            "foo.example",
            &format!("nginx.ingress.kubernetes.io/server-alias: {alias}"),
            &[("Prefix", &format!("/{name}"))],
        );
        text.replace("annotations", &format!("creationTimestamp: \"{date}\", annotations"))
    };
    let text = dated("young", "2026-02-01T00:00:00Z", "young.example")
        + &dated("old", "2026-01-01T00:00:00Z", "old.example");
    let table = table(&IngressConfig::default(), &text);
    // The paths are merged, under both names; the younger one's name is nobody's.
    for path in ["/old", "/young"] {
        assert!(table.route("old.example", path).is_some() && table.route("foo.example", path).is_some());
        assert!(table.route("young.example", path).is_none());
    }
}

#[test]
fn ingresses_of_one_second_are_ordered_by_name_as_the_mode_says() {
    let text = ingress("a", "foo.example", "", &[("Prefix", "/")])
        + &ingress("z", "foo.example", "", &[("Prefix", "/")]);
    let owner =
        |config| table(&config, &text).route("foo.example", "/").unwrap().ingress().unwrap().to_string();
    assert_eq!(
        (owner(IngressConfig::default()), owner(strict())),
        ("shop/z".to_owned(), "shop/a".to_owned())
    );
}

#[test]
fn further_names_have_the_host_s_certificate_if_it_is_for_them() {
    let names = ["foo.example", "alias.example", "www.foo.example"].map(str::to_owned);
    let issued = rcgen::generate_simple_self_signed(names).unwrap();
    let indent = |pem: &str| pem.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let secret = format!(
        "---\nkind: Secret\napiVersion: v1\nmetadata: {{name: tls, namespace: shop}}\nstringData:\n  tls.crt: |\n{}  tls.key: |\n{}",
        indent(&issued.cert.pem()),
        indent(&issued.signing_key.serialize_pem())
    );
    let notes = "nginx.ingress.kubernetes.io/server-alias: 'alias.example, other.example', nginx.ingress.kubernetes.io/from-to-www-redirect: 'true'";
    let text = ingress("foo", "foo.example", notes, &[("Prefix", "/")])
        .replace("rules:", "tls: [{hosts: [foo.example], secretName: tls}], rules:")
        + &secret;
    let table = table(&IngressConfig::default(), &text);
    assert!(table.report().is_clean(), "{}", table.report());
    let has = ["foo.example", "alias.example", "www.foo.example", "other.example", "absent.example"]
        .map(|name| table.certificate(Some(name)).is_some());
    assert_eq!(has, [true, true, true, false, false]);
}

#[test]
fn an_update_changes_only_what_it_names() {
    let text = service("web", 1)
        + &ingress("a", "a.example", "", &[("Prefix", "/")])
        + &ingress("b", "b.example", "", &[("Prefix", "/")]).replace("name: web", "name: other")
        + &service("other", 2);
    let before = snapshot(&text);
    let table = RouteTable::new(&before, &IngressConfig::default());
    let (after, delta) = before.with(objects(&service("web", 9)), []);
    let next = table.update(&after, &delta);
    let endpoint = |table: &RouteTable, host| table.route(host, "/").unwrap().endpoints()[0].to_string();
    assert_eq!(endpoint(&next, "a.example"), "10.1.1.9:8080");
    assert_eq!(endpoint(&table, "a.example"), "10.1.1.1:8080");
    let same = |host| {
        let locations =
            [&table, &next].map(|table| std::sync::Arc::clone(table.route(host, "/").unwrap().location()));
        std::sync::Arc::ptr_eq(&locations[0], &locations[1])
    };
    assert!(same("b.example") && !same("a.example"));
    let gone = ObjectRef::new(Kind::Ingress, ObjectName::new("shop", "a"));
    let (last, delta) = after.with([], [gone]);
    assert!(next.update(&last, &delta).route("a.example", "/").is_none());
}

/// Most of the time goes into making the objects.
#[test]
fn one_change_compiles_one_ingress_of_ten_thousand() {
    const ALL: usize = 10_000;
    let one =
        |number: usize| ingress(&format!("i{number}"), &format!("h{number}.example"), "", &[("Prefix", "/")]);
    let mut before = snapshot(&(service("web", 1) + &service("other", 2)));
    for first in (0..ALL).step_by(1000) {
        let text: String = (first..first + 1000).map(one).collect();
        before = before.with(objects(&text), []).0;
    }
    let table = RouteTable::new(&before, &IngressConfig::default());
    assert_eq!(table.locations().count(), ALL);
    let edits = [
        one(4321).replace("path: '/'", "path: '/new'"),
        one(4321).replace("name: web", "name: other"),
        one(4321).replace("h4321", "moved"),
    ];
    for edit in edits {
        let (after, delta) = before.with(objects(&edit), []);
        let next = table.update(&after, &delta);
        let kept = |number: &usize| {
            let host = format!("h{number}.example");
            let locations = [&table, &next]
                .map(|table| Some(std::sync::Arc::as_ptr(table.route(&host, "/")?.location())));
            locations[0] == locations[1]
        };
        let anew: Vec<usize> = (0..ALL).filter(|number| !kept(number)).collect();
        assert_eq!(anew, [4321], "{edit}");
    }
}
