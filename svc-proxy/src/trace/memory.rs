//! What rules remember of earlier packets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use svc_ipvs::ServiceId;
use svc_nft::{Data, Key, Name, TableId};

/// Which clients the rules remember, where: session affinity. Comes from [`Way::memory`](super::Way::memory) and goes
/// into the trace of a later packet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// What rules added to sets; `None` where they deleted.
    sets: BTreeMap<Place, Option<Remembered>>,
    /// Sources that are in sets of ip_set, by set.
    ipsets: BTreeSet<(String, IpAddr)>,
    /// Where IPVS leads clients that stay: its templates.
    templates: BTreeMap<(ServiceId, IpAddr), SocketAddr>,
}

type Place = (TableId, Name, Key);

/// An element that a rule added.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Remembered {
    pub(super) data: Option<Data>,
}

impl Memory {
    /// Nobody is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ipsets.is_empty() && self.templates.is_empty() && self.sets.values().all(Option::is_none)
    }

    /// Whether a source is in a set of ip_set.
    pub(super) fn is_in_ipset(&self, set: &str, source: IpAddr) -> bool {
        self.ipsets.contains(&(set.to_owned(), source))
    }

    pub(super) fn add_to_ipset(&mut self, set: &str, source: IpAddr) {
        self.ipsets.insert((set.to_owned(), source));
    }

    /// Where IPVS leads a client of a virtual server.
    pub(super) fn template(&self, server: ServiceId, client: IpAddr) -> Option<SocketAddr> {
        self.templates.get(&(server, client)).copied()
    }

    pub(super) fn note_template(&mut self, server: ServiceId, client: IpAddr, to: SocketAddr) {
        self.templates.insert((server, client), to);
    }

    /// Nothing was done to any set.
    pub(super) fn is_blank(&self) -> bool {
        self.sets.is_empty()
    }

    /// What was done to this place, if anything: an element, or that there is none any more.
    pub(super) fn recall(&self, table: &TableId, set: &Name, key: &Key) -> Option<Option<&Remembered>> {
        let place = (table.clone(), set.clone(), key.clone());
        self.sets.get(&place).map(Option::as_ref)
    }

    pub(super) fn note(&mut self, table: &TableId, set: &Name, key: Key, what: Option<Remembered>) {
        self.sets.insert((table.clone(), set.clone(), key), what);
    }
}
