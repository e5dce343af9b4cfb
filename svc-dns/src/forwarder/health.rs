//! Whether a server is well. A question without a reply starts probes; probes without a reply, one behind the other, are a server
//! that is down; one reply is a server that is well.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

#[derive(Debug, Default)]
pub(super) struct Health {
    /// Probes in a row that failed.
    fails: AtomicU32,
    probing: AtomicBool,
}

impl Health {
    /// A question got no reply; true when probes have to begin.
    pub(super) fn failed(&self) -> bool {
        !self.probing.swap(true, Ordering::AcqRel)
    }

    /// A probe has ended; true when another is due.
    pub(super) fn probed(&self, replied: bool) -> bool {
        if replied {
            self.fails.store(0, Ordering::Release);
            self.probing.store(false, Ordering::Release);
        } else {
            self.fails.fetch_add(1, Ordering::AcqRel);
        }
        !replied
    }

    /// No probe will be made after all.
    pub(super) fn not_probing(&self) {
        self.probing.store(false, Ordering::Release);
    }

    /// `max_fails` zero: never.
    pub(super) fn is_down(&self, max_fails: u32) -> bool {
        max_fails > 0 && self.fails.load(Ordering::Acquire) >= max_fails
    }
}
