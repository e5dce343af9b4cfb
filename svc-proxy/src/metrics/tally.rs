//! How many rules there are in tables of iptables.

use std::collections::BTreeMap;

use crate::iptables::{Change, TableName};

/// Rules by table.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// In force.
    pub(crate) total: BTreeMap<TableName, u64>,
    /// Written the last time.
    pub(crate) last: BTreeMap<TableName, u64>,
}

impl Counts {
    /// These changes, by family, led to so many rules.
    pub(crate) fn listed(&mut self, total: BTreeMap<TableName, u64>, changes: &[Change]) {
        self.changed(changes);
        self.total = total;
    }

    /// These changes, by family, were made.
    pub(crate) fn changed(&mut self, changes: &[Change]) {
        self.last.clear();
        for (table, size) in changes.iter().flat_map(Change::sizes) {
            *self.last.entry(*table).or_default() += size.written;
            let total = self.total.entry(*table).or_default();
            *total = total.saturating_add_signed(size.growth);
        }
    }
}
