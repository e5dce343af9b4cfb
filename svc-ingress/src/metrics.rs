//! What requests came to, under the names of ingress-nginx: dashboards that were made for it go on working.
//!
//! | `nginx_ingress_controller_` | is |
//! |---|---|
//! | `requests` | requests, by method and status |
//! | `request_duration_seconds` | from a request's head to the last byte of its reply |
//! | `connect_duration_seconds` | until the endpoint that replied was connected to; 0 on a connection that was kept |
//! | `header_duration_seconds` | from a request's head to the head of the backend's reply |
//! | `response_duration_seconds` | from a request's head to the last byte of the backend's reply |
//! | `request_size` | bytes of requests, heads and bodies |
//! | `response_size` | bytes of replies' bodies |
//! | `orphan_ingress` | an Ingress names a Service that is not there (`no-service`), or that has no endpoint (`no-endpoint`) |
//! | `ssl_expire_time_seconds` | when the certificate of a host ends |
//! | `config_last_reload_successful` | 1: a table is always that of the last objects |
//!
//! Only hosts and paths of rules are labels, and only known methods: what clients make up takes no memory. Requests that no rule
//! takes are not counted.
//!
//! ```
//! use svc_ingress::metrics::{Labels, Metrics, Outcome, Verb};
//! use std::time::Duration;
//!
//! let metrics = Metrics::new("k8s.io/ingress-nginx", 1);
//! let counters = metrics.counters(&Labels::new("shop", "web", "cart", "shop.example", "/cart"));
//! let took = Duration::from_millis(7);
//! let outcome = Outcome { took, connect: Some(Duration::ZERO), header: Some(took), received: 80, sent: 12 };
//! counters.record(0, Verb::of(&http::Method::GET), 200, outcome);
//! assert!(metrics.page().contains("method=\"GET\",status=\"200\"} 1"));
//! ```

mod gauges;
mod histogram;
mod text;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Method;

pub use gauges::gauges;
use histogram::{Durations, Sizes};

/// Which rule counted; the labels of its series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels {
    namespace: String,
    ingress: String,
    service: String,
    host: String,
    path: String,
}

impl Labels {
    /// The labels of a rule. An empty host is shown as `_`, which stands for any.
    #[must_use]
    pub fn new(namespace: &str, ingress: &str, service: &str, host: &str, path: &str) -> Self {
        let host = if host.is_empty() { "_" } else { host };
        let [namespace, ingress, service, host, path] =
            [namespace, ingress, service, host, path].map(str::to_owned);
        Self { namespace, ingress, service, host, path }
    }
}

/// A request's method, as far as it is a label: others than the known ones are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Verb(u8);

/// In the order of series; what is none of the others comes last.
const VERBS: [(Method, &str); 7] = [
    (Method::GET, "GET"),
    (Method::HEAD, "HEAD"),
    (Method::POST, "POST"),
    (Method::PUT, "PUT"),
    (Method::PATCH, "PATCH"),
    (Method::DELETE, "DELETE"),
    (Method::OPTIONS, "OPTIONS"),
];

impl Verb {
    /// The label of a method.
    #[must_use]
    pub fn of(method: &Method) -> Self {
        let place = VERBS.iter().position(|(known, _)| known == method).unwrap_or(VERBS.len());
        Self(u8::try_from(place).unwrap_or(u8::MAX))
    }

    fn as_str(self) -> &'static str {
        VERBS.get(usize::from(self.0)).map_or("OTHER", |(_, text)| text)
    }
}

/// What one request came to.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a bundle of arguments")]
pub struct Outcome {
    /// From the request's head to the end of the reply.
    pub took: Duration,
    /// How long connecting to the endpoint took, if one was asked.
    pub connect: Option<Duration>,
    /// From the request's head to the head of a backend's reply, if one replied.
    pub header: Option<Duration>,
    /// Bytes of the request: its head and its body.
    pub received: u64,
    /// Bytes of the reply's body.
    pub sent: u64,
}

/// The counts of all rules.
#[derive(Debug)]
pub struct Metrics {
    controller: String,
    workers: usize,
    rules: Mutex<BTreeMap<Labels, Arc<Counters>>>,
}

impl Metrics {
    /// Nothing counted yet. Workers count apart, so that none waits for another.
    #[must_use]
    pub fn new(controller: &str, workers: usize) -> Self {
        Self { controller: controller.to_owned(), workers, rules: Mutex::default() }
    }

    /// The counters of a rule, the same ones whenever it is asked.
    #[must_use]
    pub fn counters(&self, labels: &Labels) -> Arc<Counters> {
        let mut rules = lock(&self.rules);
        if let Some(known) = rules.get(labels) {
            return Arc::clone(known);
        }
        let shards = (0..self.workers.max(1)).map(|_| Mutex::default()).collect();
        let new = Arc::new(Counters { shards });
        rules.insert(labels.clone(), Arc::clone(&new));
        new
    }

    /// Forgets rules that are no more.
    pub fn retain(&self, known: &BTreeSet<Labels>) {
        lock(&self.rules).retain(|labels, _| known.contains(labels));
    }

    /// What Prometheus reads.
    #[must_use]
    pub fn page(&self) -> String {
        let rules = lock(&self.rules).clone();
        let series = rules.iter().flat_map(|(labels, counters)| {
            counters.sum().into_iter().map(move |(key, series)| (labels, key, series))
        });
        text::page(&self.controller, &series.collect::<Vec<_>>())
    }
}

/// The counts of one rule.
#[derive(Debug)]
pub struct Counters {
    shards: Box<[Mutex<Shard>]>,
}

/// By method and status.
type Shard = BTreeMap<(Verb, u16), Series>;

#[derive(Clone, Debug, Default, PartialEq)]
struct Series {
    requests: u64,
    took: Durations,
    connect: Durations,
    header: Durations,
    response: Durations,
    received: Sizes,
    sent: Sizes,
}

impl Counters {
    /// Counts a request that this worker has answered. Takes memory for the first of a method and a status only.
    pub fn record(&self, worker: usize, verb: Verb, status: u16, outcome: Outcome) {
        let mut shard = lock(&self.shards[worker % self.shards.len()]);
        let series = shard.entry((verb, status)).or_default();
        series.requests += 1;
        series.took.observe(outcome.took);
        if let Some(connect) = outcome.connect {
            series.connect.observe(connect);
        }
        if let Some(header) = outcome.header {
            series.header.observe(header);
            series.response.observe(outcome.took);
        }
        series.received.observe(outcome.received);
        series.sent.observe(outcome.sent);
    }

    fn sum(&self) -> Shard {
        let mut sum = Shard::new();
        for shard in &self.shards {
            for (key, series) in &*lock(shard) {
                sum.entry(*key).or_default().add(series);
            }
        }
        sum
    }
}

impl Series {
    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.took.add(&other.took);
        self.connect.add(&other.connect);
        self.header.add(&other.header);
        self.response.add(&other.response);
        self.received.add(&other.received);
        self.sent.add(&other.sent);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
