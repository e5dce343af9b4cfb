//! All leases at one revision, and which of them changed lately.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use ipnet::IpNet;
use rpds::RedBlackTreeMapSync as Map;

use super::Revision;
use crate::lease::{Lease, LeaseError};

/// How many changes are remembered. Who has missed more compares everything.
const HISTORY: usize = 256;

/// All leases at one revision; cheap to clone, and sets that follow one another share what they have in common.
#[derive(Clone, Debug, Default)]
pub struct LeaseSet {
    revision: Revision,
    leases: Map<IpNet, Lease>,
    unreadable: Arc<Vec<LeaseError>>,
    history: Arc<History>,
}

/// The last changes, oldest first.
#[derive(Clone, Debug, Default)]
struct History {
    /// All changes after this revision are here.
    since: Revision,
    changes: VecDeque<(Revision, IpNet)>,
}

impl LeaseSet {
    /// A set at a revision. Of two leases with one subnet the later one counts.
    #[must_use]
    pub fn new(revision: Revision, leases: impl IntoIterator<Item = Lease>) -> Self {
        let leases = leases.into_iter().map(|lease| (lease.subnet(), lease)).collect();
        let history = History { since: revision, ..History::default() };
        LeaseSet { revision, leases, unreadable: Arc::default(), history: Arc::new(history) }
    }

    /// The same set, with what stands in the store and is no lease: it is reported, and stops no other.
    #[must_use]
    pub fn with_unreadable(mut self, errors: impl IntoIterator<Item = LeaseError>) -> Self {
        self.unreadable = Arc::new(errors.into_iter().collect());
        self
    }

    /// Puts a lease in place, replacing that of the same subnet, at a later or the same revision. O(log leases).
    pub fn put(&mut self, revision: Revision, lease: Lease) {
        self.note(revision, lease.subnet());
        self.leases.insert_mut(lease.subnet(), lease);
    }

    /// Removes the lease of a subnet, at a later or the same revision. O(log leases).
    pub fn remove(&mut self, revision: Revision, subnet: IpNet) {
        self.note(revision, subnet);
        self.leases.remove_mut(&subnet);
    }

    /// Nothing of the leases changed up to this revision.
    pub fn advance(&mut self, revision: Revision) {
        self.revision = self.revision.max(revision);
    }

    /// What stands in the store and cannot be read.
    #[must_use]
    pub fn unreadable(&self) -> &[LeaseError] {
        &self.unreadable
    }

    /// The revision.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The subnets whose leases this set may have otherwise than the one at `revision` from the same watch had; nothing
    /// when that is too long ago, or the watch began anew since: then any may differ.
    ///
    /// ```
    /// use svc_overlay::{Lease, LeaseSet, Revision};
    ///
    /// let subnet: ipnet::Ipv4Net = "10.244.2.0/24".parse()?;
    /// let lease = Lease::vxlan("server2", subnet, [172, 20, 10, 2], 1, "2e:57:5f:4d:3f:d4".parse()?);
    /// let mut leases = LeaseSet::new(Revision::new(7), []);
    /// leases.put(Revision::new(8), lease);
    /// assert_eq!(leases.changed_since(Revision::new(7)).map(|subnets| subnets.len()), Some(1));
    /// assert_eq!(leases.changed_since(Revision::new(6)), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn changed_since(&self, revision: Revision) -> Option<BTreeSet<IpNet>> {
        let known = (self.history.since..=self.revision).contains(&revision);
        let later = self.history.changes.iter().rev().take_while(|(at, _)| *at > revision);
        known.then(|| later.map(|(_, subnet)| *subnet).collect())
    }

    /// All leases, ordered by subnet.
    pub fn iter(&self) -> impl Iterator<Item = &Lease> {
        self.leases.values()
    }

    /// The lease of a subnet.
    #[must_use]
    pub fn lease(&self, subnet: IpNet) -> Option<&Lease> {
        self.leases.get(&subnet)
    }

    /// How many leases there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.leases.size()
    }

    /// Whether there is no lease.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.leases.is_empty()
    }

    fn note(&mut self, revision: Revision, subnet: IpNet) {
        self.advance(revision);
        let history = Arc::make_mut(&mut self.history);
        history.changes.push_back((self.revision, subnet));
        if history.changes.len() > HISTORY
            && let Some((forgotten, _)) = history.changes.pop_front()
        {
            history.since = forgotten;
        }
    }
}

/// How they came to be is nobody's business.
impl PartialEq for LeaseSet {
    fn eq(&self, other: &Self) -> bool {
        (self.revision, &self.leases, &self.unreadable) == (other.revision, &other.leases, &other.unreadable)
    }
}

impl Eq for LeaseSet {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac::Mac;

    fn lease(third: u8, node: &str) -> Lease {
        let subnet = ipnet::Ipv4Net::new_assert([10, 244, third, 0].into(), 24);
        Lease::vxlan(node, subnet, [172, 20, 10, third], 1, Mac::derived(&[node]))
    }

    #[test]
    fn changes_are_told_as_far_back_as_they_are_known() {
        let at = Revision::new;
        let mut set = LeaseSet::new(at(5), [lease(1, "a"), lease(2, "b")]);
        let names = |set: &LeaseSet, since| {
            let subnets = set.changed_since(at(since))?;
            Some(subnets.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(names(&set, 5), Some(vec![]));
        assert_eq!((names(&set, 4), names(&set, 6)), (None, None), "another watch's, or one put back");
        set.put(at(6), lease(3, "c"));
        set.remove(at(8), lease(1, "a").subnet());
        set.put(at(8), lease(2, "d"));
        assert_eq!(names(&set, 6), Some(vec!["10.244.1.0/24".to_owned(), "10.244.2.0/24".to_owned()]));
        assert_eq!(names(&set, 5).map(|names| names.len()), Some(3));
        assert_eq!(set, LeaseSet::new(at(8), [lease(2, "d"), lease(3, "c")]));
    }

    #[test]
    fn what_is_forgotten_may_have_changed_anything() {
        let mut set = LeaseSet::new(Revision::new(0), []);
        for number in 1..=300 {
            set.put(Revision::new(number), lease(1, &number.to_string()));
        }
        assert_eq!(set.changed_since(Revision::new(43)), None);
        assert_eq!(set.changed_since(Revision::new(44)).map(|subnets| subnets.len()), Some(1));
        assert_eq!(set.history.changes.len(), HISTORY);
    }
}
