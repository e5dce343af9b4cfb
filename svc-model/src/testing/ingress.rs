//! Ingresses, their classes, Secrets and ConfigMaps.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::SERVICES;
use super::world::{in_namespace, labels, meta};
use crate::{
    BackendPort, ConfigMap, Ingress, IngressBackend, IngressClass, IngressPath, IngressRule, IngressTls,
    Kind, Meta, ObjectName, PathType, Secret,
};

const HOSTS: [&str; 4] = ["shop.example", "www.shop.example", "*.shop.example", "api.example"];
const SECRETS: [&str; 3] = ["cert", "cert-2", "users"];

/// An Ingress over the Services of its namespace: some hosts and paths twice, some backends missing.
pub fn ingress() -> impl Strategy<Value = Ingress> {
    let tls =
        (prop::sample::subsequence(&HOSTS[..], 0..=2), prop::option::of(prop::sample::select(&SECRETS[..])));
    let tls = tls.prop_map(|(hosts, secret)| IngressTls {
        hosts: hosts.into_iter().map(str::to_owned).collect(),
        secret_name: secret.map(str::to_owned),
    });
    let class = prop::option::of(prop::sample::select(&["nginx", "other"][..]).prop_map(str::to_owned));
    let created = prop::option::of((0..3_u8).prop_map(|day| format!("2026-01-0{}T00:00:00Z", day + 1)));
    let name = in_namespace(Kind::Ingress, &["front", "back", "admin"]);
    let default_backend = prop::option::weighted(0.3, backend());
    (name, class, default_backend, vec(tls, 0..2), vec(rule(), 0..3), created, annotations()).prop_map(
        |(name, class, default_backend, tls, rules, created, annotations)| Ingress {
            meta: Meta { created, annotations, ..meta(name) },
            class,
            // One without rules is nothing but its default backend.
            default_backend: default_backend.or(rules.is_empty().then(web)),
            tls,
            rules,
            load_balancer: Vec::new(),
        },
    )
}

fn web() -> IngressBackend {
    IngressBackend::Service { name: "web".to_owned(), port: BackendPort::Number(80) }
}

fn annotations() -> impl Strategy<Value = BTreeMap<String, String>> {
    let known = [
        ("ssl-redirect", "false"),
        ("rewrite-target", "/$1"),
        ("use-regex", "true"),
        ("whitelist-source-range", "10.0.0.0/8"),
    ];
    prop::sample::subsequence(known.to_vec(), 0..=2).prop_map(|chosen| {
        let pair =
            |(key, value): (&str, &str)| (format!("nginx.ingress.kubernetes.io/{key}"), value.to_owned());
        chosen.into_iter().map(pair).collect()
    })
}

fn rule() -> impl Strategy<Value = IngressRule> {
    let host = prop::option::weighted(0.8, prop::sample::select(&HOSTS[..]).prop_map(str::to_owned));
    (host, vec(path(), 0..4)).prop_map(|(host, paths)| IngressRule { host, paths })
}

fn path() -> impl Strategy<Value = IngressPath> {
    let text = prop::sample::select(&["/", "/a", "/a/", "/a/b", "/b(/|$)(.*)"][..]).prop_map(str::to_owned);
    let path_type =
        prop::sample::select(&[PathType::Exact, PathType::Prefix, PathType::ImplementationSpecific][..]);
    (text, path_type, backend()).prop_map(|(path, path_type, backend)| IngressPath {
        path,
        path_type,
        backend,
    })
}

fn backend() -> impl Strategy<Value = IngressBackend> {
    let port = prop_oneof![
        2 => prop::sample::select(&[80_u16, 443, 8080, 81][..]).prop_map(BackendPort::Number),
        1 => prop::sample::select(&["http", "https", "nothing"][..]).prop_map(|name| BackendPort::Name(name.to_owned())),
    ];
    let name = prop_oneof![8 => prop::sample::select(&SERVICES[..]), 1 => Just("missing")];
    let service =
        (name, port).prop_map(|(name, port)| IngressBackend::Service { name: name.to_owned(), port });
    let resource = Just(IngressBackend::Resource {
        api_group: Some("storage.example.com".to_owned()),
        kind: "Bucket".to_owned(),
        name: "pictures".to_owned(),
    });
    prop_oneof![12 => service, 1 => resource]
}

/// An IngressClass.
pub fn ingress_class() -> impl Strategy<Value = IngressClass> {
    let controller = prop::sample::select(&["k8s.io/ingress-nginx", "example.com/other"][..]);
    (prop::sample::select(&["nginx", "other"][..]), controller, any::<bool>()).prop_map(
        |(name, controller, default)| {
            let mark = ("ingressclass.kubernetes.io/is-default-class".to_owned(), "true".to_owned());
            let annotations = default.then_some(mark).into_iter().collect();
            IngressClass {
                meta: Meta { annotations, ..meta(ObjectName::cluster(name)) },
                controller: controller.to_owned(),
                parameters: None,
            }
        },
    )
}

/// A Secret under one of the names that Ingresses use. What it holds is no certificate.
pub fn secret() -> impl Strategy<Value = Secret> {
    let value = || vec(any::<u8>(), 0..24);
    (in_namespace(Kind::Secret, &SECRETS), any::<bool>(), value(), value(), labels()).prop_map(
        |(name, tls, first, second, labels)| {
            let (secret_type, keys) = if tls {
                ("kubernetes.io/tls", ["tls.crt", "tls.key"])
            } else {
                ("Opaque", ["auth", "other"])
            };
            let data = keys.into_iter().map(str::to_owned).zip([first, second]).collect();
            Secret {
                meta: Meta { labels, ..meta(name) },
                secret_type: secret_type.to_owned(),
                data,
                immutable: false,
            }
        },
    )
}

/// A ConfigMap: texts, bytes, either or neither.
pub fn config_map() -> impl Strategy<Value = ConfigMap> {
    let text = prop::sample::select(&["", "true", "60", "a: b\n# c\n", "\u{e9}\u{1f980}"][..]);
    let texts = prop::collection::btree_map(prop::sample::select(&["log-level", "Corefile"][..]), text, 0..3);
    let bytes = prop::collection::btree_map(
        prop::sample::select(&["blob", "ca.der"][..]),
        vec(any::<u8>(), 0..24),
        0..3,
    );
    (in_namespace(Kind::ConfigMap, &["settings", "more"]), texts, bytes, any::<bool>(), labels()).prop_map(
        |(name, texts, bytes, immutable, labels)| ConfigMap {
            meta: Meta { labels, ..meta(name) },
            data: texts.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            binary_data: bytes.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            immutable,
        },
    )
}
