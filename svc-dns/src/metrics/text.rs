//! The text that Prometheus reads (exposition format 0.0.4).

use std::{
    fmt::Write as _,
    sync::{Arc, PoisonError, atomic::AtomicU64},
};

use indexmap::IndexMap;

use super::{
    Counts, Metrics, RCODES, Tally, TransportCounts,
    histogram::{Buckets, DURATIONS, HEALTH, PROGRAMMING, SIZES, Total},
    question::NAMES,
    read,
};
use crate::{
    forwarder::{ForwardStats, Histogram},
    message::Rcode,
};

const TRANSPORTS: [&str; 2] = ["udp", "tcp"];

impl Metrics {
    /// A page of the lines of one or several servers.
    pub(crate) fn page(lines: impl IntoIterator<Item = String>) -> String {
        in_families(lines)
    }

    /// All counts, a line each. `server` is where it listens, `dns://:53` say.
    pub(crate) fn lines(&self, server: &str, forward: &ForwardStats) -> Vec<String> {
        let tallies = self.tallies.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut page = Page { lines: Vec::new(), server, tallies };
        page.about(&self.zone_names());
        for (number, zone) in self.zone_names().iter().enumerate() {
            page.zone(number, zone);
        }
        page.single(
            "coredns_kubernetes_dns_programming_duration_seconds",
            "service_kind=\"headless_with_selector\"",
            PROGRAMMING,
            &self.programming,
        );
        page.single("coredns_health_request_duration_seconds", "", HEALTH, &self.health);
        page.forward(forward);
        page.lines
    }

    fn zone_names(&self) -> Vec<String> {
        let own = self.zones.iter().map(ToString::to_string);
        own.chain([".".to_owned(), "dropped".to_owned()]).collect()
    }

    /// The plugin of CoreDNS that would have answered.
    fn plugin(number: usize, zones: usize) -> &'static str {
        match number {
            own if own < zones => "kubernetes",
            forwarded if forwarded == zones => "forward",
            _ => "",
        }
    }
}

struct Page<'m> {
    lines: Vec<String>,
    server: &'m str,
    tallies: Vec<Arc<Tally>>,
}

impl Page<'_> {
    fn line(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let braces = if labels.is_empty() { String::new() } else { format!("{{{labels}}}") };
        self.lines.push(format!("{name}{braces} {value}"));
    }

    fn about(&mut self, zones: &[String]) {
        let version = env!("CARGO_PKG_VERSION");
        self.line(
            "coredns_build_info",
            &format!("version=\"svc-dns-{version}\",revision=\"\",goversion=\"\""),
            1,
        );
        for zone in &zones[..zones.len() - 2] {
            let labels = format!("server=\"{}\",zone=\"{zone}\",view=\"\",name=\"kubernetes\"", self.server);
            self.line("coredns_plugin_enabled", &labels, 1);
        }
    }

    fn zone(&mut self, number: usize, zone: &str) {
        let labels = format!("server=\"{}\",zone=\"{zone}\",view=\"\"", self.server);
        self.requests(number, &labels);
        let plugin = Metrics::plugin(number, self.tallies.first().map_or(0, |tally| tally.zones.len()));
        for rcode in 0..RCODES {
            let count = self.sum(number, |counts| &counts.rcodes[rcode]);
            if count > 0 {
                let name = rcode_name(rcode);
                let labels = format!("{labels},rcode=\"{name}\",plugin=\"{plugin}\"");
                self.line("coredns_dns_responses_total", &labels, count);
            }
        }
        let with_do = self.sum(number, |counts| &counts.with_do);
        if with_do > 0 {
            self.line("coredns_dns_do_requests_total", &labels, with_do);
        }
        let durations = self.total(number, |counts| &counts.durations);
        self.histogram("coredns_dns_request_duration_seconds", &labels, DURATIONS, 1e6, &durations);
    }

    fn requests(&mut self, number: usize, labels: &str) {
        for (transport, proto) in TRANSPORTS.iter().enumerate() {
            let labels = format!("{labels},proto=\"{proto}\"");
            for (family, kind) in (0..2).flat_map(|family| (0..NAMES.len()).map(move |kind| (family, kind))) {
                let count = self.sum(number, |counts| &counts.transports[transport].requests[family][kind]);
                if count > 0 {
                    let labels = format!("{labels},family=\"{}\",type=\"{}\"", family + 1, NAMES[kind]);
                    self.line("coredns_dns_requests_total", &labels, count);
                }
            }
            let sizes = |of: fn(&TransportCounts) -> &Buckets<{ SIZES.len() + 1 }>| {
                self.total(number, move |counts| of(&counts.transports[transport]))
            };
            let [requests, responses] =
                [sizes(|counts| &counts.request_sizes), sizes(|counts| &counts.response_sizes)];
            self.histogram("coredns_dns_request_size_bytes", &labels, SIZES, 1.0, &requests);
            self.histogram("coredns_dns_response_size_bytes", &labels, SIZES, 1.0, &responses);
        }
    }

    fn sum(&self, zone: usize, number: impl Fn(&Counts) -> &AtomicU64) -> u64 {
        self.tallies.iter().map(|tally| read(number(&tally.counts[zone]))).sum()
    }

    fn total<const N: usize>(&self, zone: usize, buckets: impl Fn(&Counts) -> &Buckets<N>) -> Total {
        let mut total = Total::default();
        self.tallies.iter().for_each(|tally| buckets(&tally.counts[zone]).add_to(&mut total));
        total
    }

    /// Of the server as a whole, in seconds.
    fn single<const N: usize>(&mut self, name: &str, labels: &str, bounds: &[usize], buckets: &Buckets<N>) {
        let mut total = Total::default();
        buckets.add_to(&mut total);
        self.histogram(name, labels, bounds, 1e6, &total);
    }

    /// `unit`: how much of what was counted is one of what is shown.
    fn histogram(&mut self, name: &str, labels: &str, bounds: &[usize], unit: f64, total: &Total) {
        let scale = |number: u64| number as f64 / unit;
        let bounds: Vec<f64> = bounds.iter().map(|bound| scale(*bound as u64)).collect();
        self.buckets(name, labels, &bounds, &total.counts, scale(total.sum));
    }

    fn buckets(&mut self, name: &str, labels: &str, bounds: &[f64], counts: &[u64], sum: f64) {
        let all: u64 = counts.iter().sum();
        if all == 0 {
            return;
        }
        let comma = if labels.is_empty() { "" } else { "," };
        let bounded = |bound: &dyn std::fmt::Display| format!("{labels}{comma}le=\"{bound}\"");
        let mut below = 0;
        for (bound, count) in bounds.iter().zip(counts) {
            below += count;
            self.line(&format!("{name}_bucket"), &bounded(bound), below);
        }
        self.line(&format!("{name}_bucket"), &bounded(&"+Inf"), all);
        self.line(&format!("{name}_sum"), labels, sum);
        self.line(&format!("{name}_count"), labels, all);
    }

    fn forward(&mut self, stats: &ForwardStats) {
        self.line("coredns_forward_max_concurrent_rejects_total", "", stats.rejected);
        self.line("coredns_forward_healthcheck_broken_total", "", stats.broken);
        for upstream in &stats.upstreams {
            let labels = format!("proxy_name=\"forward\",to=\"{}\"", upstream.address);
            self.line("coredns_proxy_healthcheck_failures_total", &labels, upstream.failed_probes);
            let proto = if upstream.encrypted { "tcp-tls" } else { "tcp" };
            let kept = format!("{labels},proto=\"{proto}\"");
            self.line("coredns_proxy_conn_cache_hits_total", &kept, upstream.connections_reused);
            self.line("coredns_proxy_conn_cache_misses_total", &kept, upstream.connections_made);
            for (rcode, took) in &upstream.replies {
                let labels = format!("{labels},rcode=\"{rcode}\"");
                let name = "coredns_proxy_request_duration_seconds";
                self.buckets(name, &labels, &Histogram::BOUNDS, &took.buckets, took.sum);
            }
        }
        self.caches(stats);
    }

    fn caches(&mut self, stats: &ForwardStats) {
        let of = |sum: fn(&crate::CacheStats) -> u64| stats.caches.iter().map(sum).sum::<u64>();
        if stats.caches.is_empty() {
            return;
        }
        let server = format!("server=\"{}\",zones=\".\",view=\"\"", self.server);
        let success = format!("server=\"{}\",type=\"success\",zones=\".\",view=\"\"", self.server);
        let denial = format!("server=\"{}\",type=\"denial\",zones=\".\",view=\"\"", self.server);
        let hits = of(|cache| cache.success.hits + cache.denial.hits);
        for (name, labels, count) in [
            ("coredns_cache_entries", &success, of(|cache| cache.success.entries as u64)),
            ("coredns_cache_entries", &denial, of(|cache| cache.denial.entries as u64)),
            ("coredns_cache_hits_total", &success, of(|cache| cache.success.hits)),
            ("coredns_cache_hits_total", &denial, of(|cache| cache.denial.hits)),
            ("coredns_cache_evictions_total", &success, of(|cache| cache.success.evictions)),
            ("coredns_cache_evictions_total", &denial, of(|cache| cache.denial.evictions)),
            ("coredns_cache_misses_total", &server, of(|cache| cache.misses)),
            ("coredns_cache_requests_total", &server, hits + of(|cache| cache.misses)),
            ("coredns_cache_prefetch_total", &server, of(|cache| cache.prefetch)),
            ("coredns_cache_served_stale_total", &server, of(|cache| cache.served_stale)),
            ("coredns_cache_drops_total", &server, of(|cache| cache.drops)),
        ] {
            self.line(name, labels, count);
        }
    }
}

/// The lines of a metric have to stand together, behind its type; what several servers have under the same labels is added up.
fn in_families(lines: impl IntoIterator<Item = String>) -> String {
    let mut families: IndexMap<String, IndexMap<String, f64>> = IndexMap::new();
    for line in lines {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let (family, value) = (family(series), value.parse().unwrap_or(0.0));
        let sum = families.entry(family.to_owned()).or_default().entry(series.to_owned()).or_default();
        // What is on is on, however many have it.
        let state = matches!(family, "coredns_build_info" | "coredns_plugin_enabled");
        *sum = if state { sum.max(value) } else { *sum + value };
    }
    families.iter().fold(String::new(), |mut page, (name, series)| {
        let _ = writeln!(page, "# TYPE {name} {}", kind(name));
        series.iter().for_each(|(series, value)| {
            let _ = writeln!(page, "{series} {value}");
        });
        page
    })
}

/// The metric that a line is about: `x` for `x_bucket`, `x_sum` and `x_count`.
fn family(line: &str) -> &str {
    let name = line.split(['{', ' ']).next().unwrap_or_default();
    let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
    histogram.unwrap_or(name)
}

fn kind(name: &str) -> &'static str {
    match name {
        counter if counter.ends_with("_total") => "counter",
        histogram if histogram.ends_with("_seconds") || histogram.ends_with("_bytes") => "histogram",
        _ => "gauge",
    }
}

fn rcode_name(rcode: usize) -> String {
    Rcode::new(u16::try_from(rcode).unwrap_or_default()).to_string()
}
