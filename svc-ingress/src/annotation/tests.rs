use std::collections::BTreeMap;
use std::time::Duration;

use super::{AuthSecretType, PREFIX, Policies};
use crate::config::{IngressConfig, Mode};

fn parse(annotations: &[(&str, &str)]) -> (Policies, Vec<String>) {
    let map: BTreeMap<_, _> =
        annotations.iter().map(|(key, value)| (format!("{PREFIX}{key}"), (*value).to_owned())).collect();
    let (policies, problems) = Policies::parse(&map, "shop", &IngressConfig::default());
    (policies, problems.into_iter().map(|problem| problem.key).collect())
}

#[test]
fn no_annotation_means_the_mode_s_defaults() {
    let (policies, problems) = parse(&[]);
    assert!(policies.ssl_redirect() && !policies.force_ssl_redirect() && problems.is_empty());
    let strict = IngressConfig::builder().mode(Mode::Strict).build().unwrap();
    assert!(!Policies::new(&strict).ssl_redirect());
}

#[test]
fn annotations_become_types() {
    let (policies, problems) = parse(&[
        ("ssl-redirect", "false"),
        ("force-ssl-redirect", "true"),
        ("use-regex", "true"),
        ("rewrite-target", "/$2"),
        ("proxy-body-size", "8M"),
        ("proxy-read-timeout", "3600"),
        ("auth-type", "basic"),
        ("auth-secret", "shop/users"),
        ("auth-realm", "Shop"),
        ("auth-secret-type", "auth-map"),
        ("whitelist-source-range", "10.0.0.0/8, 192.168.1.1"),
        ("denylist-source-range", "10.9.0.0/16"),
        ("proxy-buffering", "off"),
    ]);
    assert!(problems.is_empty(), "{problems:?}");
    assert!(!policies.ssl_redirect() && policies.force_ssl_redirect() && policies.use_regex());
    assert_eq!(policies.rewrite_target().unwrap().as_str(), "/$2");
    assert_eq!((policies.body_size(), policies.read_timeout()), (8 << 20, Duration::from_secs(3600)));
    let auth = policies.auth().unwrap();
    assert_eq!((auth.secret().to_string().as_str(), auth.realm()), ("shop/users", "Shop"));
    assert_eq!(auth.secret_type(), AuthSecretType::Map);
    let admitted =
        ["10.1.1.1", "192.168.1.1", "::ffff:10.1.1.1"].map(|ip| policies.admits(ip.parse().unwrap()));
    assert_eq!(admitted, [true; 3]);
    let refused = ["10.9.1.1", "192.168.1.2", "fd00::1"].map(|ip| policies.admits(ip.parse().unwrap()));
    assert_eq!(refused, [false; 3]);
}

#[test]
fn what_protects_a_backend_fails_closed() {
    let rows: [&[(&str, &str)]; 15] = [
        &[("auth-type", "digest"), ("auth-secret", "users")],
        &[("auth-type", "basic")],
        &[("auth-type", "basic"), ("auth-secret", "other/users")],
        &[("auth-type", "basic"), ("auth-secret", "a/b/c")],
        &[("auth-type", "basic"), ("auth-secret", "users"), ("auth-realm", "a\"b")],
        &[("auth-type", "basic"), ("auth-secret", "users"), ("auth-secret-type", "x")],
        &[("auth-url", "auth.example")],
        &[("auth-tls-secret", "other/ca")],
        &[("proxy-ssl-verify", "on")],
        &[("proxy-ssl-secret", "other/ca")],
        &[("ssl-passthrough", "true")],
        &[("whitelist-source-range", "10.0.0.0/8, nonsense")],
        &[("satisfy", "some")],
        &[("backend-protocol", "FCGI")],
        &[("rewrite-target", "no path")],
    ];
    for annotations in rows {
        let (policies, problems) = parse(annotations);
        assert!(policies.denied().is_some() && problems.len() == 1, "{annotations:?} {problems:?}");
    }
}

#[test]
fn everything_else_that_is_wrong_is_reported_and_ignored() {
    let rows = [
        ("ssl-redirect", "maybe"),
        ("proxy-read-timeout", "0"),
        ("proxy-body-size", "1x"),
        ("proxy-body-size", "99999999999g"),
        ("configuration-snippet", "return 200;"),
        ("server-snippet", "x"),
        ("auth-snippet", "x"),
        ("no-such-thing", "x"),
    ];
    for (key, value) in rows {
        let (policies, problems) = parse(&[(key, value)]);
        assert_eq!(problems, [key]);
        assert_eq!(policies, Policies::new(&IngressConfig::default()), "{key}");
    }
}

#[test]
fn limits_are_read() {
    let (policies, problems) = parse(&[
        ("limit-rps", "5"),
        ("limit-rpm", "-1"),
        ("limit-connections", "3"),
        ("limit-allowlist", "10.0.0.0/8"),
        ("limit-whitelist", "nonsense"),
    ]);
    assert!(problems.is_empty(), "{problems:?}");
    let limits = policies.limits().unwrap();
    let numbers = [limits.per_second(), limits.per_minute(), limits.connections(), limits.burst_multiplier()];
    assert_eq!(numbers, [5, 0, 3, 5]);
    assert!(limits.exempts("10.1.1.1".parse().unwrap()) && !limits.exempts("192.0.2.1".parse().unwrap()));
    let (policies, problems) = parse(&[("limit-rps", "many"), ("limit-rpm", "60"), ("limit-whitelist", "x")]);
    assert_eq!(problems, ["limit-rps", "limit-whitelist"]);
    assert_eq!(policies.limits().unwrap().per_minute(), 60);
    assert!(parse(&[("limit-rps", "0"), ("limit-whitelist", "10.0.0.0/8")]).0.limits().is_none());
}

#[test]
fn secrets_of_other_namespaces_need_a_setting() {
    let annotations = [("auth-type", "basic"), ("auth-secret", "other/users")];
    let map =
        annotations.iter().map(|(key, value)| (format!("{PREFIX}{key}"), (*value).to_owned())).collect();
    let config = IngressConfig::builder().allow_cross_namespace(true).build().unwrap();
    let (policies, problems) = Policies::parse(&map, "shop", &config);
    assert!(problems.is_empty() && policies.denied().is_none());
    assert_eq!(policies.auth().unwrap().secret().to_string(), "other/users");
}
