//! Which servers are responsible for a name.

use std::collections::HashMap;

use super::Route;
use crate::{
    CacheStats,
    domains::Domains,
    message::{Name, suffixes},
};

/// Routes by their lower-case domains, in the order they were given.
#[derive(Debug)]
pub(super) struct Routes {
    routes: Vec<Route>,
    by_domain: HashMap<Box<[u8]>, Vec<usize>>,
    sites: Domains,
}

impl Routes {
    pub(super) fn new(routes: Vec<Route>) -> Self {
        let mut by_domain: HashMap<Box<[u8]>, Vec<usize>> = HashMap::new();
        for (index, route) in routes.iter().enumerate() {
            by_domain.entry(route.domain().wire().into()).or_default().push(index);
        }
        let sites = routes.iter().filter_map(Route::site).collect();
        Self { routes, by_domain, sites }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter()
    }

    /// Each cache once, although several routes may share it.
    pub(super) fn caches(&self) -> Vec<CacheStats> {
        let mut seen: Vec<&crate::Cache> = Vec::new();
        for cache in self.routes.iter().filter_map(Route::cache) {
            if !seen.iter().any(|other| other.is_same(cache)) {
                seen.push(cache);
            }
        }
        seen.into_iter().map(crate::Cache::stats).collect()
    }

    /// The routes that hold a name, the longest domain first. Suffixes come longest first.
    pub(super) fn of(&self, name: &Name) -> Vec<&Route> {
        let name = name.to_lowercase();
        let indexes = suffixes(name.wire()).filter_map(|suffix| self.by_domain.get(suffix)).flatten();
        let routes = indexes.map(|&index| &self.routes[index]);
        let site = self.sites.longest(name.wire());
        routes.filter(|route| route.takes(name.wire()) && route.site() == site).collect()
    }
}
