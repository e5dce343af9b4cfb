//! Namespaces that exist.

use std::sync::Arc;

use svc_model::Snapshot;

use super::table::{COUNTERS, Keyed, Table};
use crate::config::Zone;

/// The namespaces that exist and are answered for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Namespaces(Table<Namespace>);

/// A lower-case label with its length.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Namespace(Arc<[u8]>);

impl Keyed for Namespace {
    fn key(&self) -> &[u8] {
        &self.0
    }
}

impl Namespaces {
    pub(super) fn new(zone: &Zone, snapshot: &Snapshot) -> Self {
        let mut namespaces = Self(Table::new());
        snapshot.namespace_names().for_each(|name| namespaces.replace(zone, snapshot, name));
        namespaces
    }

    pub(super) fn has(&self, label: &[u8]) -> bool {
        self.0.get(label).is_some()
    }

    /// Goes over to what the namespace is now.
    pub(super) fn replace(&mut self, zone: &Zone, snapshot: &Snapshot, name: &str) {
        let Ok(length) = u8::try_from(name.len()) else { return };
        let key: Arc<[u8]> =
            [length].into_iter().chain(name.bytes().map(|byte| byte.to_ascii_lowercase())).collect();
        if snapshot.has_namespace(name) && is_exposed(zone, snapshot, name) {
            self.0.insert(Namespace(key));
        } else {
            self.0.remove(&key);
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.0.heap_bytes() + self.0.iter().map(|namespace| namespace.0.len() + COUNTERS).sum::<usize>()
    }
}

fn is_exposed(zone: &Zone, snapshot: &Snapshot, name: &str) -> bool {
    if zone.exposed().every_namespace() {
        return true;
    }
    let object = snapshot.namespaces().find(|namespace| namespace.name() == name);
    zone.exposed().namespace(name, object.map(|object| object.meta().labels()))
}
