//! The catalog against the code that reads annotations, and the document against the catalog.

use std::collections::{BTreeMap, BTreeSet};

use super::catalog::protects;
use super::{CATALOG, PREFIX, Policies, SNIPPETS, Support, instead};
use crate::config::IngressConfig;

const BASIC: &[(&str, &str)] = &[("auth-type", "basic"), ("auth-secret", "users")];
const CERTIFICATES: &[(&str, &str)] = &[("auth-tls-secret", "authorities")];
const EXTERNAL: &[(&str, &str)] = &[("auth-url", "https://auth.example/")];
const KEPT: &[(&str, &str)] = &[("auth-url", "https://auth.example/"), ("auth-cache-key", "$remote_user")];
const MIRROR: &[(&str, &str)] = &[("mirror-target", "https://second.example")];
const SIGN_IN: &[(&str, &str)] =
    &[("auth-url", "https://auth.example/"), ("auth-signin", "https://auth.example/")];
const CANARY: &[(&str, &str)] = &[("canary", "true")];
const BY_HEADER: &[(&str, &str)] = &[("canary", "true"), ("canary-by-header", "X-Next")];
const CORS: &[(&str, &str)] = &[("enable-cors", "true")];
const LIMIT: &[(&str, &str)] = &[("limit-rps", "1")];
const HASH: &[(&str, &str)] = &[("upstream-hash-by", "$uri")];
const SUBSET: &[(&str, &str)] = &[("upstream-hash-by", "$uri"), ("upstream-hash-by-subset", "true")];
const SESSION: &[(&str, &str)] = &[("affinity", "cookie")];

/// An annotation, a value of it, and what it has to stand beside.
type Sample = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// One for each annotation that is honoured.
const SAMPLES: &[Sample] = &[
    ("affinity", "cookie", &[]),
    ("affinity-canary-behavior", "legacy", CANARY),
    ("affinity-mode", "persistent", SESSION),
    ("allowlist-source-range", "10.0.0.0/8", &[]),
    ("app-root", "/app", &[]),
    ("auth-always-set-cookie", "true", EXTERNAL),
    ("auth-cache-duration", "200 1m", KEPT),
    ("auth-cache-key", "$remote_user", EXTERNAL),
    ("auth-method", "POST", EXTERNAL),
    ("auth-proxy-set-headers", "more", EXTERNAL),
    ("auth-realm", "Shop", BASIC),
    ("auth-request-redirect", "/home", EXTERNAL),
    ("auth-response-headers", "X-User", EXTERNAL),
    ("auth-secret", "users", &[("auth-type", "basic")]),
    ("auth-secret-type", "auth-map", BASIC),
    ("auth-signin", "https://auth.example/", EXTERNAL),
    ("auth-signin-redirect-param", "to", SIGN_IN),
    ("auth-tls-error-page", "https://shop.example/", CERTIFICATES),
    ("auth-tls-match-cn", "CN=shop", CERTIFICATES),
    ("auth-tls-pass-certificate-to-upstream", "true", CERTIFICATES),
    ("auth-tls-secret", "authorities", &[]),
    ("auth-tls-verify-client", "optional", CERTIFICATES),
    ("auth-tls-verify-depth", "2", CERTIFICATES),
    ("auth-type", "basic", &[("auth-secret", "users")]),
    ("auth-url", "https://auth.example/", &[]),
    ("backend-protocol", "GRPC", &[]),
    ("canary", "true", &[]),
    ("canary-by-cookie", "next", CANARY),
    ("canary-by-header", "X-Next", CANARY),
    ("canary-by-header-pattern", "a+", BY_HEADER),
    ("canary-by-header-value", "yes", BY_HEADER),
    ("canary-weight", "10", CANARY),
    ("canary-weight-total", "1000", CANARY),
    ("cors-allow-credentials", "false", CORS),
    ("cors-allow-headers", "X-One", CORS),
    ("cors-allow-methods", "PUT", CORS),
    ("cors-allow-origin", "https://foo.example", CORS),
    ("cors-expose-headers", "X-One", CORS),
    ("cors-max-age", "1", CORS),
    ("custom-headers", "more", &[]),
    ("custom-http-errors", "404,503", &[]),
    ("default-backend", "pages", &[]),
    ("denylist-source-range", "10.0.0.0/8", &[]),
    ("disable-proxy-intercept-errors", "true", &[("custom-http-errors", "404")]),
    ("enable-access-log", "false", &[]),
    ("enable-cors", "true", &[]),
    ("enable-global-auth", "false", &[]),
    ("force-ssl-redirect", "true", &[]),
    ("from-to-www-redirect", "true", &[]),
    ("limit-allowlist", "10.0.0.0/8", LIMIT),
    ("limit-burst-multiplier", "3", LIMIT),
    ("limit-connections", "1", &[]),
    ("limit-rate", "100", &[]),
    ("limit-rate-after", "100", &[("limit-rate", "100")]),
    ("limit-rpm", "1", &[]),
    ("limit-rps", "1", &[]),
    ("limit-whitelist", "10.0.0.0/8", LIMIT),
    ("load-balance", "ewma", &[]),
    ("mirror-host", "foo.example", MIRROR),
    ("mirror-request-body", "off", MIRROR),
    ("mirror-target", "https://second.example$request_uri", &[]),
    ("permanent-redirect", "https://foo.example", &[]),
    ("permanent-redirect-code", "308", &[("permanent-redirect", "https://foo.example")]),
    ("preserve-trailing-slash", "true", &[]),
    ("proxy-body-size", "8m", &[]),
    ("proxy-connect-timeout", "1", &[]),
    ("proxy-cookie-domain", "inner.example foo.example", &[]),
    ("proxy-cookie-path", "/inner /app", &[]),
    ("proxy-next-upstream", "off", &[]),
    ("proxy-next-upstream-timeout", "1", &[]),
    ("proxy-next-upstream-tries", "1", &[]),
    ("proxy-read-timeout", "1", &[]),
    ("proxy-redirect-from", "http://inner/", &[("proxy-redirect-to", "/")]),
    ("proxy-redirect-to", "/", &[("proxy-redirect-from", "http://inner/")]),
    ("proxy-send-timeout", "1", &[]),
    ("proxy-ssl-ciphers", "ECDHE-RSA-AES128-GCM-SHA256", &[]),
    ("proxy-ssl-name", "foo.example", &[]),
    ("proxy-ssl-protocols", "TLSv1.3", &[]),
    ("proxy-ssl-secret", "authorities", &[]),
    ("proxy-ssl-server-name", "on", &[]),
    ("proxy-ssl-verify", "on", &[("proxy-ssl-secret", "authorities")]),
    ("proxy-ssl-verify-depth", "2", &[]),
    ("relative-redirects", "true", &[]),
    ("rewrite-target", "/$1", &[]),
    ("satisfy", "any", &[]),
    ("server-alias", "foo.example", &[]),
    ("service-upstream", "true", &[]),
    ("session-cookie-change-on-failure", "true", SESSION),
    ("session-cookie-conditional-samesite-none", "true", SESSION),
    ("session-cookie-domain", "foo.example", SESSION),
    ("session-cookie-expires", "1", SESSION),
    ("session-cookie-max-age", "1", SESSION),
    ("session-cookie-name", "route", SESSION),
    ("session-cookie-path", "/app", SESSION),
    ("session-cookie-samesite", "Lax", SESSION),
    ("session-cookie-secure", "true", SESSION),
    ("ssl-passthrough", "true", &[]),
    ("ssl-redirect", "false", &[]),
    ("temporal-redirect", "https://foo.example", &[]),
    ("temporal-redirect-code", "307", &[("temporal-redirect", "https://foo.example")]),
    ("upstream-hash-by", "$uri", &[]),
    ("upstream-hash-by-subset", "true", HASH),
    ("upstream-hash-by-subset-size", "5", SUBSET),
    ("upstream-vhost", "foo.example", &[]),
    ("use-port-in-redirects", "true", &[]),
    ("use-regex", "true", &[]),
    ("whitelist-source-range", "10.0.0.0/8", &[]),
    ("x-forwarded-prefix", "/shop", &[]),
];

fn parse(annotations: &[(&str, &str)]) -> (Policies, Vec<String>) {
    let map: BTreeMap<_, _> =
        annotations.iter().map(|(key, value)| (format!("{PREFIX}{key}"), (*value).to_owned())).collect();
    let config = IngressConfig::builder()
        .ssl_passthrough(true)
        .global_auth([("auth-url", "https://all.example")])
        .build()
        .unwrap();
    let (policies, problems) = Policies::parse(&map, "shop", &config);
    (policies, problems.into_iter().map(|problem| problem.key).collect())
}

#[test]
fn annotations_are_in_order_and_named_once() {
    assert!(CATALOG.windows(2).all(|pair| pair[0].name < pair[1].name));
}

#[test]
fn what_is_honoured_changes_what_is_done() {
    let names: Vec<_> =
        CATALOG.iter().filter(|entry| entry.support == Support::Honoured).map(|entry| entry.name).collect();
    let samples: BTreeSet<_> = SAMPLES.iter().map(|(name, ..)| *name).collect();
    assert_eq!(samples, names.into_iter().collect(), "a sample for each");
    for (name, value, beside) in SAMPLES {
        let (without, _) = parse(beside);
        let (with, problems) = parse(&[*beside, &[(*name, *value)]].concat());
        assert!(problems.is_empty() && with.denied().is_none(), "{name}: {problems:?}");
        assert_ne!(with, without, "{name}");
    }
}

#[test]
fn a_wrong_value_is_reported_and_closes_what_it_protects() {
    // Texts that nothing of these could mean; anything is a value of a header or a key.
    let anything = ["canary-by-header-value"];
    for (name, _, beside) in SAMPLES.iter().filter(|(name, ..)| !anything.contains(name)) {
        let beside: Vec<_> = beside.iter().copied().filter(|(key, _)| key != name).collect();
        let (policies, problems) = parse(&[&beside[..], &[(*name, "\u{1}(;\"")]].concat());
        assert!(problems.contains(&(*name).to_owned()), "{name}: {problems:?}");
        assert_eq!(policies.denied().is_some(), protects(name), "{name}");
    }
}

#[test]
fn everything_else_does_nothing_but_close_what_it_protects() {
    let plain = parse(&[]).0;
    for entry in CATALOG.iter().filter(|entry| entry.support != Support::Honoured) {
        let (mut policies, problems) = parse(&[(entry.name, "1")]);
        let reported = entry.support != Support::NoEffect;
        assert_eq!(problems.len(), usize::from(reported), "{}", entry.name);
        assert_eq!(policies.denied().is_some(), reported && protects(entry.name), "{}", entry.name);
        policies.denied = None;
        assert_eq!(policies, plain, "{}", entry.name);
    }
}

#[test]
fn there_is_something_instead_of_all_that_is_not_obeyed() {
    for entry in CATALOG {
        let wanted = entry.support >= Support::Refused && !SNIPPETS.contains(&entry.name);
        assert_eq!(instead(entry.name).is_some(), wanted, "{}", entry.name);
    }
}

#[test]
fn the_document_says_what_the_catalog_does() {
    let row = |entry: &super::Entry| {
        let (is, says) = match entry.support {
            Support::Honoured => ("honoured", entry.about),
            Support::NoEffect => ("no effect", entry.about),
            Support::Refused => ("refused", "configuration text"),
            Support::NotYet if protects(entry.name) => ("not yet", "answered 503"),
            Support::NotYet => ("not yet", "ignored"),
        };
        format!("| `{}` | {is} | {says} |", entry.name)
    };
    let expected: Vec<_> = CATALOG.iter().map(row).collect();
    let document = include_str!("../../docs/annotations.md");
    let rows: Vec<_> = document.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(rows, expected, "docs/annotations.md");
    assert!(CATALOG.iter().all(|entry| !entry.about.is_empty() || entry.support >= Support::Refused));
}
