//! What is programmed, what failed, and when to try again. Pure.

use std::fmt;
use std::time::Duration;

use crate::lease::{Lease, LeaseError};
use crate::mac::Mac;
use crate::operation::Operation;
use crate::plan::{Obstacle, Refusal};
use crate::registry::{RegistryError, Revision};

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(10);

/// How a node's overlay is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    pub(crate) programmed: Option<Revision>,
    pub(crate) lease: Option<Lease>,
    pub(crate) ready: bool,
    pub(crate) peers: usize,
    pub(crate) lingering: usize,
    pub(crate) operations: u64,
    pub(crate) problems: Vec<Problem>,
}

impl Status {
    /// The revision of the leases that the kernel holds; nothing before the first one.
    #[must_use]
    pub fn programmed(&self) -> Option<Revision> {
        self.programmed
    }

    /// The node's lease as it was published, with the MAC addresses that its VXLAN devices really have.
    #[must_use]
    pub fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// Whether pods may come, and the registry was told so: the lease is published, the kernel was in step after that, and the
    /// underlay device has had the address ever since.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// The MAC address of the first family's VXLAN device, as read back from the kernel and published.
    #[must_use]
    pub fn mac(&self) -> Option<Mac> {
        self.lease.as_ref().and_then(Lease::vxlan_data).map(|data| data.vtep_mac)
    }

    /// How many peers are programmed.
    #[must_use]
    pub fn peers(&self) -> usize {
        self.peers
    }

    /// How many of the peers have no lease any more, and stay a while: see [`OverlayBuilder::linger`](crate::OverlayBuilder::linger).
    #[must_use]
    pub fn lingering(&self) -> usize {
        self.lingering
    }

    /// How many operations were made on the kernel since the start. An adopted kernel that is right needs none.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// What is not as it should be; everything else works.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// A peer's lease is not programmed.
    Refused(Refusal),
    /// A peer's lease cannot be read.
    Unreadable(LeaseError),
    /// Something of somebody else's is in the way.
    Obstacle(Obstacle),
    /// No link has the node's own address, and the name if one was given.
    NoUnderlay(String),
    /// The kernel refused; the text names operation and object.
    Kernel(String),
    /// The registry failed.
    Registry(RegistryError),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Refused(refusal) => refusal.fmt(f),
            Problem::Unreadable(error) => write!(f, "{error}; the peer is not programmed"),
            Problem::Obstacle(obstacle) => obstacle.fmt(f),
            Problem::NoUnderlay(what) => {
                write!(f, "no link with {what}; set it up, or say which address the node has there")
            }
            Problem::Kernel(text) => f.write_str(text),
            Problem::Registry(error) => error.fmt(f),
        }
    }
}

/// Which of some operations can be made although others failed.
pub(crate) fn runnable(operations: &[Operation], failed: &[Operation]) -> (Vec<Operation>, Vec<Operation>) {
    operations.iter().cloned().partition(|operation| !failed.iter().any(|other| operation.needs(other)))
}

/// Waits that double up to a limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Backoff(Option<Duration>);

impl Backoff {
    /// How long to wait after one more failure.
    pub(crate) fn failed(&mut self) -> Duration {
        let wait = self.0.map_or(FIRST_RETRY, |last| (last * 2).min(LAST_RETRY));
        self.0 = Some(wait);
        wait
    }

    pub(crate) fn succeeded(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests;
