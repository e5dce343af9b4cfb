use svc_model::{Object, yaml};

use super::*;

fn objects(manifests: &str) -> Vec<Object> {
    let (objects, problems) = yaml::read(manifests).stored();
    assert!(problems.is_empty(), "{problems:?}");
    objects
}

fn slice(name: &str, endpoint: &str, annotation: &str) -> String {
    format!(
        "---
{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4,
  metadata: {{name: {name}, namespace: default, labels: {{kubernetes.io/service-name: web}}, annotations: {{{annotation}}}}},
  ports: [{{port: 80}}], endpoints: [{{addresses: [{endpoint}]}}]}}
"
    )
}

const SERVICE: &str = "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default},
 spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}}
";

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn has(metrics: &Metrics, lines: &[&str]) {
    let text = metrics.text();
    lines.iter().for_each(|line| assert!(text.lines().any(|other| other == *line), "no `{line}` in\n{text}"));
}

#[test]
fn changes_are_counted_by_object_and_pending_until_they_are_in_force() {
    let metrics = Metrics::new(at(1000));
    let empty = Snapshot::default();
    let first = SERVICE.to_owned() + &slice("web-1", "10.0.0.1", "") + &slice("web-2", "10.0.0.2", "");
    let (one, delta) = empty.with(objects(&first), []);
    metrics.changed(&empty, &one, &delta, at(1001));
    has(
        &metrics,
        &[
            "kubeproxy_sync_proxy_rules_service_changes_total 1",
            "kubeproxy_sync_proxy_rules_service_changes_pending 1",
            "kubeproxy_sync_proxy_rules_endpoint_changes_total 2",
            "kubeproxy_sync_proxy_rules_endpoint_changes_pending 2",
            "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds 1001",
        ],
    );
    metrics.programmed(at(1002));
    let (two, delta) = one.with(objects(&slice("web-2", "10.0.0.3", "")), []);
    metrics.changed(&one, &two, &delta, at(1003));
    has(
        &metrics,
        &[
            "kubeproxy_sync_proxy_rules_service_changes_total 1",
            "kubeproxy_sync_proxy_rules_service_changes_pending 0",
            "kubeproxy_sync_proxy_rules_endpoint_changes_total 3",
            "kubeproxy_sync_proxy_rules_endpoint_changes_pending 1",
        ],
    );
}

#[test]
fn programming_is_timed_from_what_triggered_it_unless_that_was_before_the_start() {
    let metrics = Metrics::new(at(1000));
    let trigger = |time: &str| format!("endpoints.kubernetes.io/last-change-trigger-time: '{time}'");
    let (zero, delta) =
        Snapshot::default().with(objects(&slice("web-1", "10.0.0.1", &trigger("1970-01-01T00:10:00Z"))), []);
    metrics.changed(&Snapshot::default(), &zero, &delta, at(1001));
    metrics.programmed(at(1002));
    has(&metrics, &["kubeproxy_network_programming_duration_seconds_count 0"]);
    let (one, delta) =
        zero.with(objects(&slice("web-1", "10.0.0.2", &trigger("1970-01-01T00:16:50.5Z"))), []);
    metrics.changed(&zero, &one, &delta, at(1011));
    metrics.programmed(at(1012));
    has(
        &metrics,
        &[
            "kubeproxy_network_programming_duration_seconds_count 1",
            "kubeproxy_network_programming_duration_seconds_sum 1.5",
            "kubeproxy_network_programming_duration_seconds_bucket{le=\"1\"} 0",
            "kubeproxy_network_programming_duration_seconds_bucket{le=\"2\"} 1",
        ],
    );
}

#[test]
fn syncs_are_timed_and_failures_counted() {
    let metrics = Metrics::new(at(0));
    metrics.synced(Sync::Full, Duration::from_millis(1500), true, at(10));
    metrics.synced(Sync::Partial, Duration::from_micros(300), true, at(11));
    metrics.synced(Sync::Partial, Duration::from_micros(300), false, at(12));
    metrics.swept(Duration::from_millis(3), 7);
    metrics.asked(Probe::Healthz, true);
    metrics.asked(Probe::Livez, false);
    has(
        &metrics,
        &[
            "kubeproxy_sync_proxy_rules_duration_seconds_count 3",
            "kubeproxy_sync_full_proxy_rules_duration_seconds_bucket{le=\"1.024\"} 0",
            "kubeproxy_sync_full_proxy_rules_duration_seconds_bucket{le=\"2.048\"} 1",
            "kubeproxy_sync_partial_proxy_rules_duration_seconds_bucket{le=\"0.001\"} 2",
            "kubeproxy_sync_proxy_rules_nftables_sync_failures_total 1",
            "kubeproxy_sync_proxy_rules_last_timestamp_seconds 11",
            "kubeproxy_conntrack_reconciler_deleted_entries_total 7",
            "kubeproxy_proxy_healthz_total{code=\"200\"} 1",
            "kubeproxy_proxy_livez_total{code=\"503\"} 1",
        ],
    );
}

#[test]
fn every_line_is_of_a_metric_that_is_explained_above_it() {
    let text = Metrics::new(at(0)).text();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(about) = line.strip_prefix("# TYPE ") {
            about.split(' ').next().unwrap().clone_into(&mut current);
        } else if !line.starts_with('#') {
            assert!(line.starts_with(&current), "{line} under {current}");
        }
    }
}

/// The rows of the document that are not said to be absent: name, type and labels.
fn documented() -> Vec<[&'static str; 3]> {
    let rows = include_str!("../../docs/metrics.md").lines().filter(|line| line.starts_with("| `kubeproxy_"));
    let cells = rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')));
    let rows = cells.map(|cells| cells.collect::<Vec<_>>()).filter(|cells| !cells[3].starts_with("absent"));
    rows.map(|cells| [cells[0], cells[1], cells[2]]).collect()
}

#[test]
fn the_document_names_each_metric_with_its_type_and_labels_and_no_other() {
    let mut shown = std::collections::BTreeMap::new();
    for backend in [Backend::Nftables, Backend::Iptables] {
        let metrics = Metrics::new(at(0));
        metrics.begun(backend);
        let text = metrics.text();
        for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let (name, kind) = line.split_once(' ').unwrap();
            let sample = text.lines().find(|line| line.starts_with(name)).unwrap();
            let label = sample.split_once('{').and_then(|(_, rest)| rest.split('=').next());
            shown.insert(
                name.to_owned(),
                (kind.to_owned(), label.filter(|it| *it != "le").unwrap_or("").to_owned()),
            );
        }
    }
    let documented: std::collections::BTreeMap<_, _> = documented()
        .into_iter()
        .map(|[name, kind, label]| (name.to_owned(), (kind.to_owned(), label.to_owned())))
        .collect();
    assert_eq!(shown, documented);
}
