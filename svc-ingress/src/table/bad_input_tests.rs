//! Objects that cannot be served as they are written: each is named, and all else is served.

use super::PoolState;
use super::tests::{ingress, strict, table};
use crate::config::IngressConfig;

#[test]
fn what_is_wrong_is_reported_and_the_rest_is_served() {
    let auth =
        "nginx.ingress.kubernetes.io/auth-type: basic, nginx.ingress.kubernetes.io/auth-secret: absent";
    let text = [
        ingress("good", "good.example", "", &[("Prefix", "/")]),
        ingress("locked", "locked.example", auth, &[("Prefix", "/")]),
        ingress("regex", "regex.example", "", &[("Prefix", "/[a-z]"), ("Prefix", "/ok")]),
        ingress(
            "badre",
            "badre.example",
            "nginx.ingress.kubernetes.io/use-regex: \"true\"",
            &[("ImplementationSpecific", "/(?=x)"), ("ImplementationSpecific", "/ok")],
        ),
        ingress("gone", "gone.example", "", &[("Prefix", "/")]).replace("name: web", "name: gone"),
        ingress("port", "port.example", "", &[("Prefix", "/")]).replace("number: 80", "number: 81"),
        ingress(
            "snippet",
            "snippet.example",
            "nginx.ingress.kubernetes.io/server-snippet: x",
            &[("Prefix", "/")],
        ),
        ingress("tls", "tls.example", "", &[("Prefix", "/")])
            .replace("rules:", "tls: [{hosts: [tls.example], secretName: absent}], rules:"),
    ];
    let table = table(&IngressConfig::default(), &text.concat());
    let report = table.report();
    let found: Vec<_> = report.problems().iter().map(|p| (p.object(), p.field())).collect();
    let expected = [
        ("Ingress shop/gone", "spec.rules[0].http.paths[0].backend.service"),
        ("Ingress shop/locked", "metadata.annotations[nginx.ingress.kubernetes.io/auth-secret]"),
        ("Ingress shop/port", "spec.rules[0].http.paths[0].backend.service"),
        ("Ingress shop/regex", "spec.rules[0].http.paths[0].path"),
        ("Ingress shop/snippet", "metadata.annotations[nginx.ingress.kubernetes.io/server-snippet]"),
        ("Ingress shop/tls", "spec.tls[0].secretName"),
        ("Ingress shop/badre", "spec.rules[0].http.paths[0].path"),
    ];
    assert_eq!(found, expected);
    assert!(report.to_string().contains("Secret shop/absent does not exist"));
    for host in ["good", "regex", "badre", "snippet", "tls"] {
        let route = table.route(&format!("{host}.example"), "/ok").unwrap();
        assert!(route.location().denied().is_none() && !route.endpoints().is_empty(), "{host}");
    }
    assert!(table.route("locked.example", "/").unwrap().location().denied().is_some());
    let state = |host| table.route(host, "/").unwrap().location().pool().state();
    assert_eq!((state("gone.example"), state("port.example")), (PoolState::NoService, PoolState::NoPort));
}

#[test]
fn an_invalid_host_is_named_and_its_neighbours_are_served() {
    let hosts =
        ["foo_bar.example", "foo..example", "192.0.2.1", "foo.example:80", "a.*.example", "*", "-a.example"];
    for host in hosts {
        let text = ingress("bad", host, "", &[("Prefix", "/")])
            + &ingress("good", "good.example", "", &[("Prefix", "/")]);
        let table = table(&IngressConfig::default(), &text);
        let report = table.report();
        let found: Vec<_> =
            report.problems().iter().map(|problem| (problem.object(), problem.field())).collect();
        assert_eq!(found, [("Ingress shop/bad", "spec.rules[0].host")], "{host}");
        assert!(table.route("good.example", "/").is_some() && table.route(host, "/").is_none(), "{host}");
        assert_eq!(table.locations().count(), 1, "{host}");
    }
}

#[test]
fn an_invalid_path_is_named_and_its_neighbours_are_served() {
    let rows = [
        ("Exact", "x", true),
        ("Prefix", "a/b", true),
        ("ImplementationSpecific", "x", true),
        ("Prefix", "/a//b", true),
        ("Exact", "/a/./b", true),
        ("Prefix", "/a/../b", true),
        ("Prefix", "/a/..", true),
        ("Exact", "/a/.", true),
        ("Exact", "/a%2fb", true),
        ("Prefix", "/a%2Fb", true),
        // As the regular expression of a host that is one it may be anything.
        ("ImplementationSpecific", "/a//b", false),
        ("Exact", "/a..b", false),
        ("Prefix", "/.well-known/x", false),
    ];
    for config in [IngressConfig::default(), strict()] {
        for (path_type, path, wrong) in rows {
            let text = ingress("i", "foo.example", "", &[(path_type, path), ("Prefix", "/ok")]);
            let table = table(&config, &text);
            let report = table.report();
            let found: Vec<_> = report.problems().iter().map(|problem| problem.field()).collect();
            let expected = if wrong { &["spec.rules[0].http.paths[0].path"][..] } else { &[] };
            assert_eq!(found, expected, "{path_type} {path}");
            assert_eq!(table.locations().count(), 2 - expected.len(), "{path_type} {path}");
            assert!(table.route("foo.example", "/ok").is_some());
        }
    }
}

#[test]
fn a_key_of_another_certificate_is_named_and_the_host_is_served_without() {
    let issue = || rcgen::generate_simple_self_signed(["tls.example".to_owned()]).unwrap();
    let (certificate, key) = (issue().cert.pem(), issue().signing_key.serialize_pem());
    let indent = |pem: &str| pem.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let secret = format!(
        "---\nkind: Secret\napiVersion: v1\nmetadata: {{name: tls, namespace: shop}}\nstringData:\n  tls.crt: |\n{}  tls.key: |\n{}",
        indent(&certificate),
        indent(&key)
    );
    let text = ingress("tls", "tls.example", "", &[("Prefix", "/")])
        .replace("rules:", "tls: [{hosts: [tls.example], secretName: tls}], rules:")
        + &ingress("good", "good.example", "", &[("Prefix", "/")])
        + &secret;
    let table = table(&IngressConfig::default(), &text);
    let report = table.report();
    let found: Vec<_> = report.problems().iter().map(|problem| (problem.object(), problem.field())).collect();
    assert_eq!(found, [("Ingress shop/tls", "spec.tls[0].secretName")]);
    assert!(report.to_string().contains("`tls.key` does not belong to the certificate"), "{report}");
    assert!(table.certificate(Some("tls.example")).is_none());
    let location = |host| std::sync::Arc::clone(table.route(host, "/").unwrap().location());
    assert!(location("tls.example").has_tls() && !location("tls.example").has_certificate());
    assert!(location("good.example").denied().is_none());
}
