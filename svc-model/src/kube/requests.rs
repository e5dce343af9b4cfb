//! Requests to the API server, counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What was asked of the API server since following began: lists and watches, each a GET.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Requests {
    /// The server: its host and port.
    pub host: String,
    /// How many had an answer with this HTTP status; `None`: no answer at all.
    pub answers: BTreeMap<Option<u16>, u64>,
    /// How many had the head of their answer (or none) after at most [`BOUNDS`](Self::BOUNDS) seconds, each bound for itself; the
    /// last: longer.
    pub durations: [u64; 12],
    /// That time of all together, in seconds.
    pub seconds: f64,
}

impl Requests {
    /// Upper bounds in seconds: those that client libraries of Prometheus have where nothing else is said.
    pub const BOUNDS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

    fn count(&mut self, code: Option<u16>, took: Duration) {
        let seconds = took.as_secs_f64();
        let bucket = Self::BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(Self::BOUNDS.len());
        self.durations[bucket] += 1;
        self.seconds += seconds;
        *self.answers.entry(code).or_default() += 1;
    }
}

/// Where they are counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Counter(Arc<Mutex<Requests>>);

impl Counter {
    pub(super) fn of(host: String) -> Self {
        Self(Arc::new(Mutex::new(Requests { host, ..Requests::default() })))
    }

    pub(super) fn count(&self, code: Option<u16>, took: Duration) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).count(code, took);
    }

    pub(super) fn read(&self) -> Requests {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
