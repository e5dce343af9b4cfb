//! What is asked for, and which rules allow it.

use super::*;

/// The rules of a manifest that is shipped; each with exactly the verbs list and watch. Those of a Role hold in its
/// namespace.
fn rules(manifest: &str) -> Vec<Rule> {
    let mut rules = Vec::new();
    for document in manifest.split("---\n") {
        let role: Value = yaml_serde::from_str(document).unwrap();
        let namespace = role["metadata"]["namespace"].as_str().map(str::to_owned);
        for rule in role["rules"].as_array().into_iter().flatten() {
            assert_eq!(rule["verbs"], json!(["list", "watch"]));
            let texts = |key: &str| {
                let texts = rule[key].as_array().into_iter().flatten();
                texts.map(|text| text.as_str().unwrap().to_owned()).collect::<Vec<_>>()
            };
            let [group] = &texts("apiGroups")[..] else { panic!("{rule}") };
            for resource in texts("resources") {
                rules.push(Rule {
                    group: group.clone(),
                    resource,
                    verbs: texts("verbs"),
                    namespace: namespace.clone(),
                    names: texts("resourceNames"),
                });
            }
        }
    }
    rules
}

/// Following all kinds needs every rule, and nothing beyond them.
fn exactly_these_are_needed(manifest: &'static str, configure: fn(Kube) -> Kube) {
    let all = |server: &Server| {
        server.set("secrets", "shop/one", json!({"data": {}}));
        server.set("ingresses", "shop/web", ingress("one"));
        server.set("namespaces", "shop", json!({}));
        server.allow(Some(rules(manifest)));
        configure(kube(server).kinds(Kube::DEFAULT_KINDS.into_iter().chain([Kind::Pod])))
    };
    following(all, async |cluster| {
        cluster.handle.ready().await.unwrap();
        for rule in rules(manifest) {
            cluster.server.asked_for(|asked| rule.allows(asked) && !asked.is_watch()).await;
            cluster.server.asked_for(|asked| rule.allows(asked) && asked.is_watch()).await;
        }
        assert_eq!(cluster.handle.problems(), []);
        assert!(cluster.store.snapshot().secret(&ObjectName::new("shop", "one")).is_some());
    });
}

#[test]
fn the_shipped_rules_are_what_is_needed_and_no_more() {
    exactly_these_are_needed(include_str!("../../../manifests/rbac.yaml"), |kube| kube);
}

#[test]
fn the_shipped_rules_for_one_namespace_are_enough_for_it() {
    let manifest = include_str!("../../../manifests/rbac-namespaced.yaml");
    exactly_these_are_needed(manifest, |kube| kube.namespaces(["shop"]));
}

#[test]
fn only_what_is_in_the_given_namespaces_is_asked_for() {
    let two = |server: &Server| {
        for name in ["ops/c", "lab/d"] {
            server.set("services", name, service("10.0.0.3"));
        }
        for name in ["shop", "ops", "lab"] {
            server.set("namespaces", name, json!({}));
        }
        kube(server).kinds([Kind::Service, Kind::Namespace]).namespaces(["shop", "ops"])
    };
    following(two, async |cluster| {
        cluster.handle.ready().await.unwrap();
        assert_eq!(names(&cluster.store.snapshot()), ["c", "a", "b"]);
        let known: Vec<_> =
            cluster.store.snapshot().namespaces().map(|namespace| namespace.name().to_owned()).collect();
        assert_eq!(known, ["ops", "shop"]);
        // Each is a collection of its own: what goes in one is no business of the other.
        cluster.server.delete("services", "ops/c");
        cluster.has(&["a", "b"]).await;
        cluster.server.set("services", "lab/e", service("10.0.0.4"));
        cluster.server.set("services", "ops/f", service("10.0.0.5"));
        cluster.has(&["f", "a", "b"]).await;
        let asked = cluster.server.asked();
        let places: BTreeSet<_> = asked
            .iter()
            .map(|asked| (asked.resource.as_str(), asked.namespace.as_deref(), asked.of("fieldSelector")))
            .collect();
        let expected = BTreeSet::from([
            ("services", Some("shop"), None),
            ("services", Some("ops"), None),
            ("namespaces", None, Some("metadata.name=shop")),
            ("namespaces", None, Some("metadata.name=ops")),
        ]);
        assert_eq!(places, expected);
    });
}

#[test]
fn a_right_that_is_missing_in_one_namespace_is_named_with_it() {
    let half = |server: &Server| {
        let rule =
            Rule { resource: "services".to_owned(), namespace: Some("shop".to_owned()), ..Rule::default() };
        server.allow(Some(vec![rule]));
        kube(server).namespaces(["shop", "ops"])
    };
    following(half, async |cluster| {
        cluster.has(&["a", "b"]).await;
        let problem = cluster.problem("403").await;
        let start = "services of namespace ops: may not be listed and watched (403): a Role of namespace ops needs the rule {";
        assert!(problem.starts_with(start), "{problem}");
        assert!(!cluster.handle.is_ready());
    });
}

#[test]
fn a_secret_of_a_namespace_that_is_not_followed_is_told_and_not_asked_for() {
    let with_secrets = |server: &Server| {
        let mut web = ingress("one");
        web["metadata"] = json!({"annotations": {"nginx.ingress.kubernetes.io/auth-tls-secret": "ops/ca"}});
        server.set("secrets", "ops/ca", json!({"data": {}}));
        server.set("secrets", "shop/one", json!({"data": {}}));
        server.set("ingresses", "shop/web", web);
        kube(server).kinds([Kind::Ingress, Kind::Secret]).namespaces(["shop"])
    };
    following(with_secrets, async |cluster| {
        cluster.handle.ready().await.unwrap();
        let problem = cluster.problem("Secret ops/ca").await;
        assert!(problem.contains("in no namespace that is followed"), "{problem}");
        let held: Vec<_> =
            cluster.store.snapshot().secrets().map(|secret| secret.name().to_string()).collect();
        assert_eq!(held, ["shop/one"]);
        let asked = cluster.server.asked();
        assert!(asked.iter().all(|asked| asked.namespace.as_deref() == Some("shop")), "{asked:?}");
        cluster.server.set("ingresses", "shop/web", ingress("one"));
        cluster.no_problem().await;
    });
}
