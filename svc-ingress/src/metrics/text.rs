//! The text that Prometheus reads.

use std::fmt::Write as _;

use super::histogram::Snapshot;
use super::{Labels, Series, Verb};

pub(super) const PREFIX: &str = "nginx_ingress_controller_";

type Row<'a> = (&'a Labels, (Verb, u16), Series);

pub(super) fn page(controller: &str, rows: &[Row<'_>]) -> String {
    let mut page = Page { text: String::new(), controller };
    page.begin("requests", "counter", "Requests that were answered");
    for row in rows {
        let _ = writeln!(page.text, "{PREFIX}requests{{{}}} {}", page.labels(row), row.2.requests);
    }
    type Get = fn(&Series) -> Snapshot;
    let histograms: [(&str, &str, Get); 6] = [
        ("request_duration_seconds", "From a request's head to the end of its reply", |all| {
            all.took.snapshot()
        }),
        ("connect_duration_seconds", "Until the endpoint that replied was connected to", |all| {
            all.connect.snapshot()
        }),
        ("header_duration_seconds", "From a request's head to the head of the backend's reply", |all| {
            all.header.snapshot()
        }),
        ("response_duration_seconds", "From a request's head to the end of the backend's reply", |all| {
            all.response.snapshot()
        }),
        ("request_size", "Bytes of a request, head and body", |all| all.received.snapshot()),
        ("response_size", "Bytes of a reply's body", |all| all.sent.snapshot()),
    ];
    for (name, help, histogram) in histograms {
        page.begin(name, "histogram", help);
        rows.iter().for_each(|row| page.histogram(name, row, &histogram(&row.2)));
    }
    page.text
}

struct Page<'a> {
    text: String,
    controller: &'a str,
}

impl Page<'_> {
    fn begin(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.text, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} {kind}\n");
    }

    fn histogram(&mut self, name: &str, row: &Row<'_>, shown: &Snapshot) {
        let labels = self.labels(row);
        for (bound, count) in &shown.up_to {
            let _ = writeln!(self.text, "{PREFIX}{name}_bucket{{{labels},le=\"{bound}\"}} {count}");
        }
        let Snapshot { count, sum, .. } = shown;
        let _ = write!(
            self.text,
            "{PREFIX}{name}_bucket{{{labels},le=\"+Inf\"}} {count}\n\
             {PREFIX}{name}_sum{{{labels}}} {sum}\n{PREFIX}{name}_count{{{labels}}} {count}\n"
        );
    }

    fn labels(&self, (labels, (verb, status), _): &Row<'_>) -> String {
        let Labels { namespace, ingress, service, host, path } = labels;
        let named = [
            ("canary", ""),
            ("controller_class", self.controller),
            ("host", host),
            ("ingress", ingress),
            ("namespace", namespace),
            ("path", path),
            ("service", service),
            ("method", verb.as_str()),
        ];
        let mut text = String::new();
        for (name, value) in named {
            let _ = write!(text, "{name}=\"{}\",", escaped(value));
        }
        let _ = write!(text, "status=\"{status}\"");
        text
    }
}

pub(super) fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}
