//! The kernel's side of a sync: adopt what is there, or remove it.

use svc_nft::{Batch, Dataplane as Nftables, Table, TableId};

use crate::nftables::{Backend, MARKER, Rules};
use crate::sysctl::{self, Before};
use crate::{CleanUpError, Dataplane, Error, Node};

/// Lists our tables and changes only what differs: what a predecessor left in force stays in force.
pub(super) fn resync(kernel: &mut dyn Nftables, rules: &Rules, _before: &mut Before) -> Result<(), Error> {
    let mut batch = Batch::new();
    for wanted in rules.tables() {
        match ours(kernel, wanted.id())? {
            Some(_) => batch.delete_table(wanted.id()).load(&wanted),
            None => batch.load(&wanted),
        };
    }
    Ok(kernel.apply(&batch)?)
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
    _node: &Node,
    backend: &Backend,
    before: Before,
) -> Result<(), CleanUpError> {
    let mut errors = Vec::new();
    for table in backend.tables() {
        if let Err(error) = remove(dataplane.nftables(), &table) {
            errors.push(error);
        }
    }
    errors.extend(sysctl::restore(dataplane.sysctls(), &before));
    CleanUpError::unless_empty(errors)
}

fn remove(kernel: &mut dyn Nftables, table: &TableId) -> Result<(), Error> {
    if ours(kernel, table)?.is_some() {
        kernel.apply(Batch::new().delete_table(table))?;
    }
    Ok(())
}
