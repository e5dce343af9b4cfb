use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use svc_model::{Kind, Object, ObjectName, ObjectRef, Snapshot, yaml};

use super::RouteTable;
use super::tests::{ingress, service, snapshot};
use crate::config::{IngressConfig, Mode};

const HOSTS: [&str; 4] = ["a.example", "b.example", "*.example", ""];
const PATHS: [&str; 7] = ["/", "/a", "/a/", "/a/b", "/a/b/", "/ab", "/(x|y)"];
const TYPES: [&str; 3] = ["Exact", "Prefix", "ImplementationSpecific"];
const ANNOTATIONS: [&str; 10] = [
    "",
    "nginx.ingress.kubernetes.io/use-regex: 'true'",
    "nginx.ingress.kubernetes.io/rewrite-target: /$1",
    "nginx.ingress.kubernetes.io/auth-type: basic, nginx.ingress.kubernetes.io/auth-secret: users",
    "nginx.ingress.kubernetes.io/auth-url: x",
    "nginx.ingress.kubernetes.io/auth-url: 'http://auth.example', nginx.ingress.kubernetes.io/auth-proxy-set-headers: more",
    "nginx.ingress.kubernetes.io/canary: 'true', nginx.ingress.kubernetes.io/canary-weight: '10'",
    "nginx.ingress.kubernetes.io/server-alias: 'x.example, b.example, *.y.example, ~^z[0-9]'",
    "nginx.ingress.kubernetes.io/from-to-www-redirect: 'true'",
    "nginx.ingress.kubernetes.io/app-root: /a",
];
const NAMES: [&str; 8] =
    ["a.example", "www.a.example", "www.b.example", "c.example", "x.example", "q.y.example", "z1", "other"];

#[derive(Clone, Debug)]
enum Change {
    Set(String),
    Remove(ObjectRef),
}

fn change() -> impl Strategy<Value = Change> {
    let named = |kind, name: &str| ObjectRef::new(kind, ObjectName::new("shop", name));
    let path = (select(&TYPES[..]), select(&PATHS[..]));
    let ingresses =
        (select(&["i1", "i2", "i3"][..]), select(&HOSTS[..]), select(&ANNOTATIONS[..]), vec(path, 1..4));
    let more =
        "---\nkind: ConfigMap\napiVersion: v1\nmetadata: {name: more, namespace: shop}\ndata: {X-A: $host}\n";
    let other = service("other", 7);
    let users = "---\nkind: Secret\napiVersion: v1\nmetadata: {name: users, namespace: shop}\nstringData: {auth: 'u:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g='}\n";
    prop_oneof![
        4 => ingresses.prop_map(|(name, host, notes, paths)| Change::Set(of_service(&ingress(name, host, notes, &paths), notes))),
        2 => (1..9_u8).prop_map(|last| Change::Set(service("web", last))),
        1 => select(vec![users.to_owned(), more.to_owned(), other]).prop_map(Change::Set),
        1 => select(vec![
            named(Kind::Ingress, "i1"),
            named(Kind::Ingress, "i2"),
            named(Kind::Service, "web"),
            named(Kind::EndpointSlice, "web-1"),
            named(Kind::Secret, "users"),
            named(Kind::ConfigMap, "more"),
            ObjectRef::new(Kind::IngressClass, ObjectName::cluster("nginx")),
        ]).prop_map(Change::Remove),
    ]
}

/// A canary of another Service, so that there is something to choose.
fn of_service(text: &str, annotations: &str) -> String {
    if annotations.contains("canary") {
        text.replace("service: {name: web", "service: {name: other")
    } else {
        text.to_owned()
    }
}

fn apply(snapshot: &Snapshot, change: &Change) -> (Snapshot, svc_model::Delta) {
    match change {
        Change::Set(text) => {
            let objects: Vec<Object> = yaml::read(text).stored().0;
            snapshot.with(objects, [])
        }
        Change::Remove(reference) => snapshot.with([], [reference.clone()]),
    }
}

/// All that a table says, and what it does with names of all kinds.
fn shown(table: &RouteTable) -> (Vec<String>, Vec<String>, String) {
    let answer = |name: &&str| {
        let route = table.route(name, "/a/b").map(|route| route.to_string());
        format!("{name} {route:?} {:?}", table.host_redirect(name, "/"))
    };
    let location = |location: &std::sync::Arc<super::Location>| {
        format!("{location} {:?} {:?}", location.users(), location.auth_fields())
    };
    (
        table.locations().map(location).collect(),
        NAMES.iter().map(answer).collect(),
        table.report().to_string(),
    )
}

proptest! {
    #[test]
    fn updates_and_a_new_table_say_the_same(changes in vec(change(), 1..12), strict in any::<bool>()) {
        let mode = if strict { Mode::Strict } else { Mode::Nginx };
        let config = IngressConfig::builder().mode(mode).default_backend("shop/web:80").build().unwrap();
        let mut current = snapshot("");
        let mut table = RouteTable::new(&current, &config);
        for change in &changes {
            let (next, delta) = apply(&current, change);
            table = table.update(&next, &delta);
            current = next;
            prop_assert_eq!(shown(&table), shown(&RouteTable::new(&current, &config)));
        }
    }

    #[test]
    fn strict_matching_is_the_longest_prefix_by_elements(
        paths in vec((any::<bool>(), vec(select(&["a", "b", "ab"][..]), 0..4)), 1..6),
        request in vec(select(&["a", "b", "ab", "c"][..]), 0..5),
    ) {
        let rules: Vec<(bool, String)> = paths.iter().map(|(exact, parts)| (*exact, format!("/{}", parts.join("/")))).collect();
        let yaml: Vec<(&str, &str)> =
            rules.iter().map(|(exact, path)| (if *exact { "Exact" } else { "Prefix" }, path.as_str())).collect();
        let config = IngressConfig::builder().mode(Mode::Strict).build().unwrap();
        let table = RouteTable::new(&snapshot(&ingress("i", "a.example", "", &yaml)), &config);
        let path = format!("/{}", request.join("/"));
        let found = table.route("a.example", &path).map(|route| route.location().path().to_owned());
        prop_assert_eq!(found, reference(&rules, &path));
    }

    #[test]
    fn no_host_or_path_panics(host in ".{0,40}", path in ".{0,60}") {
        let text = ingress("i", "", ANNOTATIONS[2], &[("ImplementationSpecific", "/(.*)")]);
        let table = RouteTable::new(&snapshot(&text), &IngressConfig::default());
        let _ = table.route(&host, &path);
        if let Some(target) = table.route("a.example", &format!("/{path}")).and_then(|r| r.target().map(str::to_owned)) {
            prop_assert!(target.starts_with('/') && target.bytes().all(|b| b.is_ascii_graphic() || b >= 0x80), "{}", target);
        }
    }
}

/// The API's text, read naively: an exact rule, else the longest prefix.
fn reference(rules: &[(bool, String)], path: &str) -> Option<String> {
    let elements =
        |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Vec<_>>();
    let exact = rules.iter().find(|(exact, rule)| *exact && rule == path);
    let prefixes = rules.iter().filter(|(exact, rule)| !exact && elements(path).starts_with(&elements(rule)));
    let longest = prefixes.max_by_key(|(_, rule)| rule.len());
    exact.or(longest).map(|(_, rule)| rule.clone())
}
