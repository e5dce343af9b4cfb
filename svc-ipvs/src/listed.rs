//! A virtual server with its destinations, as wanted or as the kernel has it.

use crate::{Destination, Service, Stats};

/// A virtual server and its destinations.
///
/// Equal are those that are configured alike: what the kernel counts does not count.
#[derive(Clone, Debug)]
pub struct Listed {
    service: Service,
    stats: Stats,
    destinations: Vec<ListedDestination>,
}

impl Listed {
    /// Without destinations.
    #[must_use]
    pub fn new(service: Service) -> Self {
        Self { service, stats: Stats::default(), destinations: Vec::new() }
    }

    /// The same with one destination more, or in place of the one with that address.
    #[must_use]
    pub fn destination(self, destination: Destination) -> Self {
        self.with(ListedDestination { destination, activity: Activity::default(), stats: Stats::default() })
    }

    /// The same with one destination more, counters included.
    #[must_use]
    pub fn with(mut self, listed: ListedDestination) -> Self {
        let address = listed.destination.address();
        match self.destinations.binary_search_by_key(&address, |other| other.destination.address()) {
            Ok(at) => self.destinations[at] = listed,
            Err(at) => self.destinations.insert(at, listed),
        }
        self
    }

    /// The same with these counters.
    #[must_use]
    pub fn with_stats(mut self, stats: Stats) -> Self {
        self.stats = stats;
        self
    }

    /// The virtual server.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// What it has handled.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Its destinations, in the order of addresses.
    #[must_use]
    pub fn destinations(&self) -> &[ListedDestination] {
        &self.destinations
    }
}

impl PartialEq for Listed {
    fn eq(&self, other: &Self) -> bool {
        let bare =
            |listed: &Self| listed.destinations.iter().map(|one| one.destination.clone()).collect::<Vec<_>>();
        self.service == other.service && bare(self) == bare(other)
    }
}

impl Eq for Listed {}

/// A destination with what the kernel counts of it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ListedDestination {
    /// The destination.
    pub destination: Destination,
    /// Its connections now.
    pub activity: Activity,
    /// What it has handled.
    pub stats: Stats,
}

impl ListedDestination {
    /// With these connections.
    #[must_use]
    pub fn new(destination: Destination, activity: Activity, stats: Stats) -> Self {
        Self { destination, activity, stats }
    }
}

/// Connections of a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Activity {
    /// Established.
    pub active: u32,
    /// Being opened or closed, and all of UDP.
    pub inactive: u32,
    /// Clients that stay with it.
    pub persistent: u32,
}

impl Activity {
    /// These numbers.
    #[must_use]
    pub fn new(active: u32, inactive: u32, persistent: u32) -> Self {
        Self { active, inactive, persistent }
    }

    /// Nothing is open any more: the destination may go without anybody noticing.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.active == 0 && self.inactive == 0
    }
}
