//! The kernel's side of a sync: adopt what is there, or remove it.

use svc_nft::{Batch, Dataplane as Nftables, Table, TableId};

use super::memory;
use crate::nftables::{Backend, MARKER, Rules};
use crate::sysctl::settle::{self, Before};
use crate::{CleanUpError, Dataplane, Error};

/// Lists our tables and changes only what differs: what a predecessor left in force stays in force. What it
/// remembered of settings comes into `before`, and all that is there is remembered.
pub(super) fn resync(
    kernel: &mut dyn Nftables,
    backend: &Backend,
    rules: &Rules,
    before: &mut Before,
) -> Result<(), Error> {
    let mut batch = leftovers(kernel, backend, rules, before)?;
    let mut wanted = rules.tables();
    let mut current = Vec::new();
    for table in &wanted {
        let table = ours(kernel, table.id())?;
        before.extend(table.iter().flat_map(memory::read));
        current.push(table);
    }
    if let Some(first) = wanted.first_mut().filter(|_| !before.is_empty()) {
        first.insert_chain(memory::chain(before));
    }
    for (wanted, current) in wanted.iter().zip(&current) {
        batch.append(wanted.diff(current.as_ref()));
    }
    Ok(apply(kernel, &batch)?)
}

/// Removes our tables of families that this node no longer has.
fn leftovers(
    kernel: &mut dyn Nftables,
    backend: &Backend,
    rules: &Rules,
    before: &mut Before,
) -> Result<Batch, Error> {
    let mut batch = Batch::new();
    let wanted = rules.table_ids();
    for id in backend.tables().iter().filter(|id| !wanted.contains(id)) {
        // A table of somebody else in a family that is none of ours does no harm.
        match ours(kernel, id) {
            Ok(Some(table)) => {
                before.extend(memory::read(&table));
                batch.delete_table(id);
            }
            Ok(None) | Err(Error::ForeignTable { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(batch)
}

/// Applies what is not empty.
pub(super) fn apply(kernel: &mut dyn Nftables, batch: &Batch) -> Result<(), svc_nft::Error> {
    if batch.is_empty() { Ok(()) } else { kernel.apply(batch) }
}

/// A table of ours as the kernel holds it.
fn ours(kernel: &mut dyn Nftables, id: &TableId) -> Result<Option<Table>, Error> {
    match kernel.list_table(id)? {
        Some(table) if table.comment_text() != Some(MARKER) => Err(Error::ForeignTable { table: id.clone() }),
        table => Ok(table),
    }
}

/// Removes our tables and restores settings; goes on after a failure.
pub(super) fn clean_up(
    dataplane: &mut dyn Dataplane,
    backend: &Backend,
    mut before: Before,
) -> Result<(), CleanUpError> {
    let mut errors = Vec::new();
    for table in backend.tables() {
        match remove(dataplane.nftables(), &table) {
            Ok(remembered) => before.extend(remembered),
            Err(error) => errors.push(error),
        }
    }
    errors.extend(settle::restore(dataplane.sysctls(), &before));
    CleanUpError::unless_empty(errors)
}

/// Returns what the table remembered.
fn remove(kernel: &mut dyn Nftables, id: &TableId) -> Result<Before, Error> {
    let Some(table) = ours(kernel, id)? else { return Ok(Before::new()) };
    kernel.apply(Batch::new().delete_table(id))?;
    Ok(memory::read(&table))
}
