use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;

use super::{Labels, Metrics, Outcome, Verb, gauges};
use crate::config::IngressConfig;
use crate::table::RouteTable;

fn outcome(milliseconds: u64, sent: u64) -> Outcome {
    let took = Duration::from_millis(milliseconds);
    Outcome { took, connect: Some(took / 4), header: Some(took / 2), received: sent * 2, sent }
}

fn labels(path: &str) -> Labels {
    Labels::new("shop", "web", "cart", "", path)
}

const NAMED: &str = "canary=\"\",controller_class=\"c\",host=\"_\",ingress=\"web\",namespace=\"shop\",path=\"/a\",\
                     service=\"cart\",method=\"GET\",status=\"200\"";

#[test]
fn workers_count_apart_and_are_shown_together() {
    let metrics = Metrics::new("c", 2);
    let counters = metrics.counters(&labels("/a"));
    let get = Verb::of(&Method::GET);
    counters.record(0, get, 200, outcome(4, 10));
    counters.record(1, get, 200, outcome(40, 11));
    metrics.counters(&labels("/a")).record(1, get, 200, outcome(20_000, 100_000_000));
    let page = metrics.page();
    for line in [
        format!("requests{{{NAMED}}} 3"),
        format!("request_duration_seconds_bucket{{{NAMED},le=\"0.005\"}} 1"),
        format!("request_duration_seconds_bucket{{{NAMED},le=\"0.05\"}} 2"),
        format!("request_duration_seconds_bucket{{{NAMED},le=\"10\"}} 2"),
        format!("request_duration_seconds_bucket{{{NAMED},le=\"+Inf\"}} 3"),
        format!("request_duration_seconds_sum{{{NAMED}}} 20.044"),
        format!("request_duration_seconds_count{{{NAMED}}} 3"),
        format!("connect_duration_seconds_bucket{{{NAMED},le=\"0.005\"}} 1"),
        format!("connect_duration_seconds_bucket{{{NAMED},le=\"0.01\"}} 2"),
        format!("header_duration_seconds_bucket{{{NAMED},le=\"0.025\"}} 2"),
        format!("response_duration_seconds_count{{{NAMED}}} 3"),
        format!("request_size_bucket{{{NAMED},le=\"100\"}} 2"),
        format!("request_size_sum{{{NAMED}}} 200000042"),
        format!("response_size_bucket{{{NAMED},le=\"10\"}} 1"),
        format!("response_size_bucket{{{NAMED},le=\"100\"}} 2"),
        format!("response_size_bucket{{{NAMED},le=\"10000000\"}} 2"),
        format!("response_size_count{{{NAMED}}} 3"),
    ] {
        let line = format!("nginx_ingress_controller_{line}\n");
        assert!(page.contains(&line), "no {line} in {page}");
    }
}

#[test]
fn a_reply_of_the_router_itself_took_no_backend() {
    let metrics = Metrics::new("c", 1);
    let own = Outcome { connect: None, header: None, ..outcome(1, 5) };
    metrics.counters(&labels("/a")).record(0, Verb::of(&Method::GET), 200, own);
    let page = metrics.page();
    for name in ["connect", "header", "response"] {
        assert!(page.contains(&format!("{name}_duration_seconds_count{{{NAMED}}} 0\n")), "{name}");
    }
    assert!(page.contains(&format!("request_duration_seconds_count{{{NAMED}}} 1\n")));
}

#[test]
fn what_clients_make_up_is_one_series() {
    let metrics = Metrics::new("c", 1);
    let counters = metrics.counters(&labels("/a\"\\"));
    for method in ["BREW", "PROPFIND", "get"] {
        let verb = Verb::of(&Method::from_bytes(method.as_bytes()).unwrap());
        counters.record(0, verb, 200, outcome(1, 1));
    }
    let page = metrics.page();
    assert_eq!(page.lines().filter(|line| line.starts_with("nginx_ingress_controller_requests{")).count(), 1);
    assert!(page.contains(r#"path="/a\"\\",service="cart",method="OTHER",status="200"} 3"#), "{page}");
}

#[test]
fn rules_that_are_gone_are_forgotten() {
    let metrics = Metrics::new("c", 1);
    for path in ["/a", "/b"] {
        metrics.counters(&labels(path)).record(0, Verb::of(&Method::GET), 200, outcome(1, 1));
    }
    metrics.retain(&BTreeSet::from([labels("/b")]));
    let page = metrics.page();
    assert!(!page.contains("path=\"/a\"") && page.contains("path=\"/b\""));
}

#[test]
fn gauges_tell_orphans_and_the_end_of_certificates() {
    let mut params = rcgen::CertificateParams::new(["b.example".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2031, 3, 1);
    let end = params.not_after.unix_timestamp();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    let indent = |pem: &str| pem.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let ingress = |name: &str, service: &str, tls: &str| {
        format!(
            "---\nkind: Ingress\napiVersion: networking.k8s.io/v1\nmetadata: {{name: {name}, namespace: shop}}\n\
             spec: {{ingressClassName: nginx, {tls}rules: [{{host: {name}.example, http: {{paths: [{{path: /, pathType: Prefix,\n  \
             backend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}]}}}}]}}\n"
        )
    };
    let text = [
        "kind: IngressClass\napiVersion: networking.k8s.io/v1\nmetadata: {name: nginx}\nspec: {controller: k8s.io/ingress-nginx}\n",
        "---\nkind: Service\napiVersion: v1\nmetadata: {name: idle, namespace: shop}\nspec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}\n",
        &format!(
            "---\nkind: Secret\napiVersion: v1\nmetadata: {{name: b-tls, namespace: shop}}\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: |\n{}  tls.key: |\n{}",
            indent(&certificate),
            indent(&key.serialize_pem())
        ),
        &ingress("a", "absent", ""),
        &ingress("b", "idle", "tls: [{hosts: [b.example], secretName: b-tls}], "),
    ];
    let (objects, problems) = svc_model::yaml::read(&text.concat()).stored();
    assert_eq!(problems, []);
    let table = RouteTable::new(&objects.into_iter().collect(), &IngressConfig::default());
    let page = gauges("c", &table);
    let lines: Vec<_> = page.lines().filter(|line| !line.starts_with('#')).collect();
    let class = "controller_class=\"c\"";
    let orphan = |ingress: &str, kind: &str, is: u8| {
        format!(
            "nginx_ingress_controller_orphan_ingress{{{class},ingress=\"{ingress}\",namespace=\"shop\",type=\"{kind}\"}} {is}"
        )
    };
    assert_eq!(
        lines,
        [
            format!("nginx_ingress_controller_config_last_reload_successful{{{class}}} 1"),
            orphan("a", "no-service", 1),
            orphan("a", "no-endpoint", 0),
            orphan("b", "no-service", 0),
            orphan("b", "no-endpoint", 1),
            format!("nginx_ingress_controller_ssl_expire_time_seconds{{{class},host=\"b.example\"}} {end}"),
        ]
    );
}
