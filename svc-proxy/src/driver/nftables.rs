//! nftables' side of the driver: adopt what is there, send what differs, remove it.

use svc_nft::{Batch, Chain, Dataplane as Nftables, Table, TableId};

use super::mode::{Applied, Mode, Remains, Resynced};
use crate::nftables::{Backend, MARKER, Rules};
use crate::sysctl::settle::Before;
use crate::{Dataplane, Error, Rejection};

mod memory;
mod piecemeal;

/// How often a change is made anew because others change rules meanwhile, before it is sent regardless of them.
const ATTEMPTS: usize = 10;

/// Tables of our name, in step by the generation of the kernel's rules.
#[derive(Debug)]
pub(super) struct Nft {
    backend: Backend,
    /// The generation of the kernel's rules as of our last batch.
    generation: Option<u32>,
}

impl Nft {
    pub(super) fn new(backend: Backend) -> Self {
        Self { backend, generation: None }
    }

    /// A change is sent for the generation that our last batch led to, so that others are noticed.
    pub(super) fn send(&mut self, kernel: &mut dyn Nftables, batch: &Batch) -> Result<bool, svc_nft::Error> {
        let mut others = false;
        if batch.is_empty() {
            return Ok(others);
        }
        for _ in 0..ATTEMPTS {
            let generation = match self.generation {
                Some(generation) => generation,
                None => kernel.generation()?,
            };
            match apply_at(kernel, generation, batch) {
                Err(error) if error.is_stale() => {
                    others = true;
                    self.generation = None;
                }
                result => {
                    self.generation = Some(result?);
                    return Ok(others);
                }
            }
        }
        kernel.apply(batch).map(|()| others)
    }
}

impl Mode for Nft {
    type Backend = Backend;

    fn backend(&self) -> &Backend {
        &self.backend
    }

    fn apply(&mut self, kernel: &mut dyn Dataplane, batch: &Batch) -> Result<Applied, Error> {
        match self.send(kernel.nftables(), batch) {
            Ok(others) => Ok(Applied { others, refused: None }),
            Err(error) if error.is_transient() || error.is_permission_denied() => Err(error.into()),
            Err(error) => Ok(Applied { others: false, refused: Some(error.into()) }),
        }
    }

    /// Lists our tables and changes only what differs. One batch; only where the kernel refuses that, one Service after
    /// another.
    fn resync(
        &mut self,
        kernel: &mut dyn Dataplane,
        rules: &Rules,
        before: &mut Before,
    ) -> Result<Resynced, Error> {
        let (resynced, generation) = resync(kernel.nftables(), &self.backend, rules, before)?;
        self.generation = Some(generation);
        Ok(resynced)
    }

    fn remember(&mut self, kernel: &mut dyn Dataplane, rules: &Rules, before: &Before) -> Result<(), Error> {
        if let Some(table) = rules.table_ids().first() {
            self.send(kernel.nftables(), &memory::write(table, before))?;
        }
        Ok(())
    }

    fn others_changed(&mut self, kernel: &mut dyn Dataplane) -> bool {
        // A kernel that does not answer will not take a batch either, and that is reported.
        let Ok(generation) = kernel.nftables().generation() else { return false };
        let changed = self.generation.is_some_and(|ours| ours != generation);
        if changed {
            self.generation = Some(generation);
        }
        changed
    }
}

impl Remains for Nft {
    fn recollect(&mut self, kernel: &mut dyn Dataplane) -> Result<Before, Error> {
        let kernel = kernel.nftables();
        let there = kernel.list_tables()?;
        let mut before = Before::new();
        for id in self.backend.tables().iter().filter(|id| there.contains(id)) {
            match ours(kernel, id) {
                Ok(table) => before.extend(table.iter().flat_map(memory::read)),
                Err(Error::ForeignTable { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(before)
    }

    fn remove(&mut self, kernel: &mut dyn Dataplane, _at_once: bool) -> Vec<Error> {
        let removed = self.backend.tables().map(|table| remove(kernel.nftables(), &table));
        removed.into_iter().filter_map(Result::err).collect()
    }
}

/// What a predecessor left in force stays in force. What it remembered of settings comes into `before`, and all that is
/// there is remembered. Gives the generation that is known to be right.
fn resync(
    kernel: &mut dyn Nftables,
    backend: &Backend,
    rules: &Rules,
    before: &mut Before,
) -> Result<(Resynced, u32), Error> {
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
                let resynced = Resynced { rejections: Vec::new(), changed: !batch.is_empty() };
                return Ok((resynced, generation));
            }
            Err(error) if error.is_stale() && attempt < ATTEMPTS => {}
            Err(error) if error.is_transient() || error.is_permission_denied() => return Err(error.into()),
            Err(_) => return by_pieces(kernel, rules, before),
        }
    }
    Ok((Resynced::default(), kernel.generation()?))
}

fn by_pieces(
    kernel: &mut dyn Nftables,
    rules: &Rules,
    before: &mut Before,
) -> Result<(Resynced, u32), Error> {
    let current = list(kernel, rules, before)?;
    let frame = wanted(&rules.only([]), before);
    let rejections = piecemeal::settle(kernel, &frame, rules, current)?;
    // What is left to do: to remove what nobody wants, and to let packets in where the table is new.
    let generation = kernel.generation()?;
    let current = list(kernel, rules, before)?;
    let rules = rules.without(rejections.iter().map(Rejection::service));
    piecemeal::apply(kernel, rules.over(current, memory_of(before).as_ref()))?;
    Ok((Resynced { rejections, changed: true }, generation))
}

/// Applies at a generation; gives the next one.
fn apply_at(kernel: &mut dyn Nftables, generation: u32, batch: &Batch) -> Result<u32, svc_nft::Error> {
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

fn remove(kernel: &mut dyn Nftables, id: &TableId) -> Result<(), Error> {
    if ours(kernel, id)?.is_some() {
        kernel.apply(Batch::new().delete_table(id))?;
    }
    Ok(())
}
