//! What a kernel has, and which of it is ours.

use std::collections::BTreeSet;
use std::net::IpAddr;

use svc_ipvs::{Listed, ServiceId};

use crate::ipvs::{Backend, Change, Rules};

/// A kernel's virtual servers, and what says whose they are.
#[derive(Debug)]
pub(super) struct Held {
    /// The addresses of our device.
    pub(super) bound: Vec<IpAddr>,
    /// Virtual servers that are ours wherever they are.
    pub(super) recorded: BTreeSet<ServiceId>,
    pub(super) listed: Vec<Listed>,
}

/// Whom virtual servers belong to that nothing says to be ours.
#[derive(Clone, Copy, Debug)]
pub(super) enum Others {
    /// They are others' and stay.
    Stay,
    /// Those in the way of ours are ours from now on.
    Adopted,
    /// They go, as with kube-proxy.
    Deleted,
}

/// What leads from there to the rules that are wanted.
#[derive(Debug)]
pub(super) struct Compared {
    pub(super) change: Change,
    /// Virtual servers that are wanted, and are others'.
    pub(super) taken: BTreeSet<ServiceId>,
    /// Ours that only a record would tell after a restart, and none does.
    pub(super) unrecorded: Vec<ServiceId>,
}

impl Held {
    /// An address of our device says whose a virtual server is, unless others have theirs at such addresses.
    pub(super) fn is_ours(&self, backend: &Backend, id: ServiceId) -> bool {
        let is_bound = |address: IpAddr| self.bound.contains(&address) && !backend.is_excluded(address);
        self.recorded.contains(&id) || id.address().is_some_and(|address| is_bound(address.ip()))
    }

    pub(super) fn compare(&self, backend: &Backend, rules: &Rules, others: Others) -> Compared {
        let wanted = rules.servers();
        let ids: BTreeSet<_> = wanted.iter().map(|wanted| wanted.service().id()).collect();
        let becomes_ours = |id: ServiceId| match others {
            Others::Stay => false,
            Others::Adopted => ids.contains(&id),
            Others::Deleted => id.address().is_some_and(|to| !backend.is_excluded(to.ip())),
        };
        let is_ours = |id: ServiceId| self.is_ours(backend, id) || becomes_ours(id);
        let (ours, theirs): (Vec<_>, Vec<_>) =
            self.listed.iter().cloned().partition(|listed| is_ours(listed.service().id()));
        let theirs = theirs.iter().map(|listed| listed.service().id());
        let kept = ours.iter().map(|listed| listed.service().id()).filter(|id| ids.contains(id));
        let unrecorded = kept.filter(|id| backend.needs_record(*id) && !self.recorded.contains(id)).collect();
        let addresses: BTreeSet<_> = rules.addresses().collect();
        let mut change = Change::default();
        change.extend(svc_ipvs::diff(&ours, &wanted));
        change.bind = addresses.iter().filter(|address| !self.bound.contains(address)).copied().collect();
        let surplus = self.bound.iter().filter(|address| !addresses.contains(address));
        change.unbind = surplus.copied().collect();
        Compared { change, taken: theirs.filter(|id| ids.contains(id)).collect(), unrecorded }
    }
}
