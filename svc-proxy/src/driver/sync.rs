//! The kernel's side of a sync: adopt what is there, or remove it.

use svc_nft::{Batch, Chain, Dataplane as Nftables, Table, TableId};

use super::memory;
use super::piecemeal;
use crate::nftables::{Backend, MARKER, Rules};
use crate::sysctl::settle::{self, Before};
use crate::{CleanUpError, Dataplane, Error, Rejection};

/// How often a listing is made anew because others change rules meanwhile, before the difference is sent anyway.
const ATTEMPTS: usize = 10;

/// What a resync found and did.
#[derive(Debug, Default)]
pub(super) struct Resynced {
    /// Services whose rules the kernel refuses; everything else is in force.
    pub(super) rejections: Vec<Rejection>,
    /// The generation of the kernel's rules that is known to be right.
    pub(super) generation: u32,
    /// Something was not as it should be.
    pub(super) changed: bool,
}

/// Lists our tables and changes only what differs: what a predecessor left in force stays in force. What it
/// remembered of settings comes into `before`, and all that is there is remembered. One batch; only where the kernel
/// refuses that, one Service after another.
pub(super) fn resync(
    kernel: &mut dyn Nftables,
    backend: &Backend,
    rules: &Rules,
    before: &mut Before,
) -> Result<Resynced, Error> {
    for attempt in 0.. {
        let generation = kernel.generation()?;
        let mut batch = leftovers(kernel, backend, rules, before)?;
        let current = list(kernel, rules, before)?;
        batch.append(rules.over(current, memory_of(before).as_ref()));
        let applied = match batch.is_empty() {
            true => Ok(generation),
            false if attempt < ATTEMPTS => apply_at(kernel, generation, &batch),
            false => kernel.apply(&batch).and_then(|()| kernel.generation()),
        };
        match applied {
            Ok(generation) => {
                return Ok(Resynced { rejections: Vec::new(), generation, changed: !batch.is_empty() });
            }
            Err(error) if error.is_stale() && attempt < ATTEMPTS => {}
            Err(error) if error.is_transient() || error.is_permission_denied() => return Err(error.into()),
            Err(_) => return by_pieces(kernel, rules, before),
        }
    }
    Ok(Resynced::default())
}

fn by_pieces(kernel: &mut dyn Nftables, rules: &Rules, before: &mut Before) -> Result<Resynced, Error> {
    let current = list(kernel, rules, before)?;
    let frame = wanted(&rules.only([]), before);
    let rejections = piecemeal::settle(kernel, &frame, rules, current)?;
    // What is left to do: to remove what nobody wants, and to let packets in where the table is new.
    let generation = kernel.generation()?;
    let current = list(kernel, rules, before)?;
    let rules = rules.without(rejections.iter().map(Rejection::service));
    piecemeal::apply(kernel, rules.over(current, memory_of(before).as_ref()))?;
    Ok(Resynced { rejections, generation, changed: true })
}

/// Applies at a generation; gives the next one.
pub(super) fn apply_at(
    kernel: &mut dyn Nftables,
    generation: u32,
    batch: &Batch,
) -> Result<u32, svc_nft::Error> {
    kernel.apply_at(generation, batch)?;
    // The kernel counts batches, and leaves out 0.
    Ok(generation.checked_add(1).unwrap_or(1))
}

/// The tables as they should be, the memory of settings included.
fn wanted(rules: &Rules, before: &Before) -> Vec<Table> {
    let mut wanted = rules.tables();
    if let (Some(first), Some(memory)) = (wanted.first_mut(), memory_of(before)) {
        first.insert_chain(memory);
    }
    wanted
}

/// The chain that remembers settings, where any were changed.
fn memory_of(before: &Before) -> Option<Chain> {
    (!before.is_empty()).then(|| memory::chain(before))
}

/// The tables as they are.
fn list(kernel: &mut dyn Nftables, rules: &Rules, before: &mut Before) -> Result<Vec<Option<Table>>, Error> {
    let mut current = Vec::new();
    for id in rules.table_ids() {
        let table = ours(kernel, &id)?;
        before.extend(table.iter().flat_map(memory::read));
        current.push(table);
    }
    Ok(current)
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
