//! Which servers are responsible for a name.

use std::{collections::HashMap, net::SocketAddr};

use crate::message::{Name, suffixes};

/// Stub domains and the servers for everything else.
#[derive(Clone, Debug)]
pub(super) struct Routes {
    upstreams: Vec<SocketAddr>,
    /// By lower-case wire form.
    stubs: HashMap<Box<[u8]>, Vec<SocketAddr>>,
}

impl Routes {
    pub(super) fn new(upstreams: Vec<SocketAddr>) -> Self {
        Self { upstreams, stubs: HashMap::new() }
    }

    pub(super) fn add(&mut self, domain: &Name, servers: Vec<SocketAddr>) {
        self.stubs.entry(domain.to_lowercase().wire().into()).or_default().extend(servers);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.upstreams.is_empty() && self.stubs.is_empty()
    }

    /// Suffixes come longest first: so the first domain found is the longest.
    pub(super) fn servers(&self, name: &Name) -> &[SocketAddr] {
        let name = name.to_lowercase();
        let stub = suffixes(name.wire()).find_map(|suffix| self.stubs.get(suffix));
        stub.unwrap_or(&self.upstreams)
    }
}
