use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use super::{SessionKey, Setting, choose, cookie_time, endpoint_of, key_of, pool_digest, set_cookie};
use crate::annotation::{Affinity, AffinityMode, PREFIX, Policies};
use crate::config::IngressConfig;
use crate::table::{Pool, RouteTable};

/// A pool of so many endpoints: 10.0.0.1 and on.
fn pool(endpoints: usize) -> Arc<Pool> {
    let addresses: Vec<_> = (1..=endpoints).map(|last| format!("{{addresses: [10.0.0.{last}]}}")).collect();
    let text = format!(
        "
kind: Ingress
apiVersion: networking.k8s.io/v1
metadata: {{name: web, namespace: shop, annotations: {{kubernetes.io/ingress.class: nginx}}}}
spec: {{rules: [{{host: foo.example, http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: web, port: {{number: 80}}}}}}}}]}}}}]}}
---
kind: Service
apiVersion: v1
metadata: {{name: web, namespace: shop}}
spec: {{clusterIP: 10.96.0.1, ports: [{{port: 80}}]}}
---
kind: EndpointSlice
apiVersion: discovery.k8s.io/v1
metadata: {{name: web-1, namespace: shop, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
ports: [{{name: '', port: 8080}}]
endpoints: [{}]
",
        addresses.join(", ")
    );
    let (objects, problems) = svc_model::yaml::read(&text).stored();
    assert_eq!(problems, []);
    let table = RouteTable::new(&objects.into_iter().collect(), &IngressConfig::default());
    Arc::clone(table.route("foo.example", "/").unwrap().location().pool())
}

fn affinity(annotations: &[(&str, &str)]) -> Affinity {
    let all = [&[("affinity", "cookie")], annotations].concat();
    let map: BTreeMap<_, _> =
        all.iter().map(|(key, value)| (format!("{PREFIX}{key}"), (*value).to_owned())).collect();
    let (policies, problems) = Policies::parse(&map, "shop", &IngressConfig::default());
    assert!(problems.is_empty(), "{problems:?}");
    policies.affinity().unwrap().clone()
}

const MODES: [AffinityMode; 2] = [AffinityMode::Balanced, AffinityMode::Persistent];

#[test]
fn a_key_leads_back_to_its_endpoint() {
    let pool = pool(5);
    for mode in MODES {
        let mut seen = BTreeSet::new();
        for seed in 0..200_u64 {
            let endpoint = choose(&pool, mode, seed, &[]).unwrap();
            let key = key_of(&pool, mode, seed, endpoint).unwrap();
            assert_eq!(endpoint_of(&pool, mode, &key), Some(endpoint));
            seen.insert(endpoint);
        }
        assert_eq!(seen.len(), 5, "{mode:?}: every endpoint gets sessions");
    }
}

#[test]
fn an_endpoint_that_failed_is_not_chosen() {
    let pool = pool(2);
    let (first, second) = (pool.endpoints()[0], pool.endpoints()[1]);
    for mode in MODES {
        for seed in 0..50 {
            assert_eq!(choose(&pool, mode, seed, &[first]), Some(second));
            assert_eq!(choose(&pool, mode, seed, &[first, second]), None);
            assert!(key_of(&pool, mode, seed, second).is_some());
        }
    }
    assert_eq!(choose(&self::pool(0), AffinityMode::Balanced, 1, &[]), None);
}

#[test]
fn persistent_sessions_stay_and_balanced_ones_move_a_share() {
    let (small, large) = (pool(4), pool(5));
    let moved = |mode| {
        let keys = (0..1000_u64).map(|seed| {
            let endpoint = choose(&small, mode, seed, &[]).unwrap();
            (key_of(&small, mode, seed, endpoint).unwrap(), endpoint)
        });
        keys.filter(|(key, endpoint)| endpoint_of(&large, mode, key) != Some(*endpoint)).count()
    };
    assert_eq!(moved(AffinityMode::Persistent), 0);
    let share = moved(AffinityMode::Balanced);
    assert!((100..300).contains(&share), "a fifth, more or less: {share}");
    // A session whose endpoint is gone begins anew.
    let last: SocketAddr =
        *large.endpoints().iter().find(|endpoint| !small.endpoints().contains(endpoint)).unwrap();
    let key = key_of(&large, AffinityMode::Persistent, 0, last).unwrap();
    assert_eq!(endpoint_of(&small, AffinityMode::Persistent, &key), None);
    assert!(endpoint_of(&small, AffinityMode::Balanced, &key).is_some());
}

#[test]
fn the_digests_are_those_of_ingress_nginx() {
    // md5sum of `shop-web-80`, and of that text with `shop-web-80` after it.
    assert_eq!(pool_digest("shop-web-80"), "ad0f3520c2b4ae4ad7cae6da8d3345ed");
    let pool = pool(1);
    assert_eq!(pool.digest(), pool_digest("shop-web-80"));
    assert_eq!(
        key_of(&pool, AffinityMode::Persistent, 0, pool.endpoints()[0]).unwrap(),
        "d6f09bcae656a7f9aea060e3d855df9f"
    );
}

#[test]
fn cookies_are_taken_apart() {
    let pool = pool(1);
    let value = format!("key|{}", pool.digest());
    let key = SessionKey::parse(&value).unwrap();
    assert!(key.key == "key" && key.is_of(&pool));
    let bare = SessionKey::parse("key").unwrap();
    assert!(bare.key == "key" && !bare.is_of(&pool));
    assert!(SessionKey::parse("").is_none() && SessionKey::parse("|x").is_none());
}

#[test]
fn the_cookie_says_what_annotations_ask_for() {
    let pool = pool(1);
    let value = format!("k|{}", pool.digest());
    let old = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/51.0.2704.103 Safari/537.36";
    let plain = Setting { path: "/app", user_agent: Some(old), https: false, now: 0 };
    let text = |affinity: &Affinity, setting| {
        set_cookie(affinity, "k", &pool, setting).unwrap().to_str().unwrap().to_owned()
    };
    assert_eq!(text(&affinity(&[]), plain), format!("INGRESSCOOKIE={value}; Path=/app; HttpOnly"));
    assert_eq!(
        text(&affinity(&[]), Setting { https: true, ..plain }),
        format!("INGRESSCOOKIE={value}; Path=/app; Secure; HttpOnly")
    );
    let full = [
        ("session-cookie-name", "route"),
        ("session-cookie-path", "/"),
        ("session-cookie-domain", "foo.example"),
        ("session-cookie-expires", "172800"),
        ("session-cookie-max-age", "3600"),
        ("session-cookie-samesite", "none"),
        ("session-cookie-secure", "true"),
    ];
    let expected = format!(
        "route={value}; Expires=Sat, 03-Jan-70 00:00:00 GMT; Max-Age=3600; Domain=foo.example; Path=/; Secure; HttpOnly"
    );
    assert_eq!(text(&affinity(&full), plain), format!("{expected}; SameSite=None"));
    let conditional = [&full[..], &[("session-cookie-conditional-samesite-none", "true")]].concat();
    assert_eq!(text(&affinity(&conditional), plain), expected);
    let new = Setting { user_agent: Some("Mozilla/5.0 Chrome/120.0 Safari/537.36"), ..plain };
    assert_eq!(text(&affinity(&conditional), new), format!("{expected}; SameSite=None"));
    assert_eq!(
        text(&affinity(&conditional), Setting { user_agent: None, ..plain }),
        format!("{expected}; SameSite=None")
    );
}

#[test]
fn times_are_written_as_nginx_does() {
    let rows = [
        (0, "Thu, 01-Jan-70 00:00:00 GMT"),
        (1_290_079_655, "Thu, 18-Nov-10 11:27:35 GMT"),
        (951_782_399, "Mon, 28-Feb-00 23:59:59 GMT"),
        (951_782_400, "Tue, 29-Feb-00 00:00:00 GMT"),
        (2_145_916_800, "Fri, 01-Jan-2038 00:00:00 GMT"),
        (4_107_542_400, "Mon, 01-Mar-2100 00:00:00 GMT"),
        (-5, "Thu, 01-Jan-70 00:00:00 GMT"),
        (i64::MAX, "Fri, 31-Dec-9999 23:59:59 GMT"),
    ];
    for (seconds, text) in rows {
        assert_eq!(cookie_time(seconds), text);
    }
}
