//! The text that Prometheus reads.

use std::fmt::{Display, Write as _};
use std::time::SystemTime;

use super::{Histogram, Numbers, no_local};
use crate::Backend;
use crate::iptables::TableName;

/// All numbers, each under kube-proxy's name and with what it means.
pub(super) fn page(numbers: &Numbers) -> String {
    let mut page = Page(String::new());
    page.rules(numbers);
    page.changes(numbers);
    page.flows(numbers);
    page.health(numbers);
    page.0
}

struct Page(String);

impl Page {
    fn rules(&mut self, numbers: &Numbers) {
        let all = numbers.full.and(&numbers.partial);
        for (name, help, histogram) in [
            ("sync_proxy_rules_duration_seconds", "How long it took to bring rules up to date", &all),
            (
                "sync_full_proxy_rules_duration_seconds",
                "The same, where all rules were looked at",
                &numbers.full,
            ),
            (
                "sync_partial_proxy_rules_duration_seconds",
                "The same, where the change alone was sent",
                &numbers.partial,
            ),
        ] {
            self.histogram(name, help, histogram);
        }
        match numbers.backend {
            Backend::Nftables => self.nftables(numbers),
            Backend::Iptables => self.iptables(numbers),
            // kube-proxy has no figures of this mode but those of the iptables rules that it sets beside it.
            Backend::Ipvs => {}
        }
        self.no_local_endpoints(numbers);
        let help = "When rules were last brought up to date";
        self.single("sync_proxy_rules_last_timestamp_seconds", "gauge", help, seconds(numbers.last_synced));
        let help = "When a change was last seen that asks for other rules";
        self.single(
            "sync_proxy_rules_last_queued_timestamp_seconds",
            "gauge",
            help,
            seconds(numbers.last_queued),
        );
    }

    fn nftables(&mut self, numbers: &Numbers) {
        let name = "sync_proxy_rules_nftables_sync_failures_total";
        self.single(name, "counter", "How often rules could not be brought up to date", numbers.failures);
        let name = "sync_proxy_rules_nftables_cleanup_failures_total";
        let help = "How often what another mode left could not be removed";
        self.single(name, "counter", help, numbers.cleanup_failures);
    }

    fn iptables(&mut self, numbers: &Numbers) {
        let name = "sync_proxy_rules_iptables_restore_failures_total";
        self.single(name, "counter", "How often rules could not be brought up to date", numbers.failures);
        let name = "sync_proxy_rules_iptables_partial_restore_failures_total";
        let help = "The same, where the change alone was sent";
        self.single(name, "counter", help, numbers.partial_failures);
        for (name, help, rules) in [
            ("sync_proxy_rules_iptables_total", "Rules of ours", &numbers.rules.total),
            ("sync_proxy_rules_iptables_last", "Rules that the last change wrote", &numbers.rules.last),
        ] {
            self.about(name, "gauge", help);
            for table in [TableName::Filter, TableName::Nat] {
                let count = rules.get(&table).copied().unwrap_or(0);
                self.line(name, &format!("{{table=\"{table}\"}}"), count);
            }
        }
    }

    fn no_local_endpoints(&mut self, numbers: &Numbers) {
        let name = "sync_proxy_rules_no_local_endpoints_total";
        self.about(name, "gauge", "Service ports whose policy is Local, and whose endpoints are elsewhere");
        let counts = numbers.plan.as_ref().map(no_local::count).unwrap_or_default();
        for (policy, count) in ["internal", "external"].into_iter().zip(counts) {
            self.line(name, &format!("{{traffic_policy=\"{policy}\"}}"), count);
        }
    }

    fn changes(&mut self, numbers: &Numbers) {
        let (pending, changes) = (&numbers.pending, &numbers.changes);
        for (name, kind, help, value) in [
            (
                "endpoint_changes_pending",
                "gauge",
                "Changed EndpointSlices that rules do not follow yet",
                pending.endpoints,
            ),
            ("endpoint_changes_total", "counter", "Changed EndpointSlices", changes.endpoints),
            (
                "service_changes_pending",
                "gauge",
                "Changed Services that rules do not follow yet",
                pending.services,
            ),
            ("service_changes_total", "counter", "Changed Services", changes.services),
        ] {
            self.single(&format!("sync_proxy_rules_{name}"), kind, help, value);
        }
        let help = "From a change in the cluster, as EndpointSlices have it, until rules follow it";
        self.histogram("network_programming_duration_seconds", help, &numbers.programming);
    }

    fn flows(&mut self, numbers: &Numbers) {
        let help = "How long it took to look for stale UDP flows";
        self.histogram("conntrack_reconciler_sync_duration_seconds", help, &numbers.flows);
        let help = "UDP flows that were forgotten because rules would decide otherwise now";
        self.single("conntrack_reconciler_deleted_entries_total", "counter", help, numbers.forgotten);
    }

    fn health(&mut self, numbers: &Numbers) {
        for (name, path, counts) in [
            ("proxy_healthz_total", "/healthz", numbers.asked[0]),
            ("proxy_livez_total", "/livez", numbers.asked[1]),
        ] {
            self.about(name, "counter", &format!("Answers of {path}"));
            for (code, count) in ["200", "503"].into_iter().zip(counts) {
                self.line(name, &format!("{{code=\"{code}\"}}"), count);
            }
        }
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.about(name, kind, help);
        self.line(name, "", value);
    }

    fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) {
        self.about(name, "histogram", help);
        for (bound, count) in histogram.up_to() {
            self.line(&format!("{name}_bucket"), &format!("{{le=\"{bound}\"}}"), count);
        }
        self.line(&format!("{name}_bucket"), "{le=\"+Inf\"}", histogram.count());
        self.line(&format!("{name}_sum"), "", histogram.sum());
        self.line(&format!("{name}_count"), "", histogram.count());
    }

    fn about(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP kubeproxy_{name} {help}\n# TYPE kubeproxy_{name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        let _ = writeln!(self.0, "kubeproxy_{name}{labels} {value}");
    }
}

/// Seconds since 1970; 0 for never.
fn seconds(time: Option<SystemTime>) -> f64 {
    let since = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    since.unwrap_or_default().as_secs_f64()
}
