//! What is so now, beside what has been counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::table::{Location, PoolState, RouteTable};

use super::text::{PREFIX, escaped};

/// Gauges of a table, as Prometheus reads them.
#[must_use]
pub fn gauges(controller: &str, table: &RouteTable) -> String {
    let mut text = String::new();
    let class = format!("controller_class=\"{}\"", escaped(controller));
    begin(&mut text, "config_last_reload_successful", "The objects that came last are served");
    let _ = writeln!(text, "{PREFIX}config_last_reload_successful{{{class}}} 1");
    begin(
        &mut text,
        "orphan_ingress",
        "An Ingress names a Service that is not there, or that has no endpoint",
    );
    for ((namespace, ingress), (no_service, no_endpoint)) in orphans(table.locations()) {
        for (kind, orphan) in [("no-service", no_service), ("no-endpoint", no_endpoint)] {
            let (namespace, ingress) = (escaped(namespace), escaped(ingress));
            let labels = format!("{class},ingress=\"{ingress}\",namespace=\"{namespace}\",type=\"{kind}\"");
            let _ = writeln!(text, "{PREFIX}orphan_ingress{{{labels}}} {}", u8::from(orphan));
        }
    }
    begin(&mut text, "ssl_expire_time_seconds", "When a host's certificate ends, in seconds since 1970");
    for (host, certificate) in table.certificates() {
        if let Some(end) = certificate.not_after() {
            let labels = format!("{class},host=\"{}\"", escaped(host));
            let _ = writeln!(text, "{PREFIX}ssl_expire_time_seconds{{{labels}}} {end}");
        }
    }
    text
}

/// Each Ingress by namespace and name; whether a Service of its rules is missing, or has no endpoint.
fn orphans<'a>(
    locations: impl Iterator<Item = &'a std::sync::Arc<Location>>,
) -> BTreeMap<(&'a str, &'a str), (bool, bool)> {
    let mut orphans = BTreeMap::new();
    for location in locations {
        let Some(ingress) = location.ingress() else { continue };
        let state = location.pool().state();
        let orphan: &mut (bool, bool) = orphans.entry((ingress.namespace(), ingress.name())).or_default();
        orphan.0 |= state == PoolState::NoService;
        orphan.1 |= state == PoolState::NoEndpoints;
    }
    orphans
}

fn begin(text: &mut String, name: &str, help: &str) {
    let _ = write!(text, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} gauge\n");
}
