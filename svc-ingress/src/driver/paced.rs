//! `limit-rate` and `limit-rate-after`: how fast a reply goes to its client.

use std::task::{Context, Poll};

use tokio::time::Instant;

use crate::annotation::Rate;

use super::deadline::Deadline;

/// How much of a reply has gone, and when more may.
#[derive(Debug)]
pub(super) struct Pace {
    rate: Rate,
    sent: u64,
    begun: Instant,
    deadline: Deadline,
}

impl Pace {
    pub(super) fn new(rate: Rate) -> Self {
        Self { rate, sent: 0, begun: Instant::now(), deadline: Deadline::default() }
    }

    /// Ready once more may go.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let due = self.begun + self.rate.time_for(self.sent);
        if due <= Instant::now() {
            return Poll::Ready(());
        }
        self.deadline.poll(cx, due)
    }

    /// So many bytes go.
    pub(super) fn add(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_add(bytes as u64);
    }
}
