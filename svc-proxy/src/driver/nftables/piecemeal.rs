//! When the kernel does not take all at once: Service by Service, so that one that it refuses, or a batch that its send
//! buffer does not hold, keeps no other one out. Each piece is atomic, and a Service is never in two of them.

use std::collections::BTreeSet;

use svc_model::ObjectName;
use svc_nft::{Batch, Chain, Dataplane as Nftables, Set, Table};

use crate::nftables::Rules;
use crate::{Error, Rejection};

/// Puts all Services in place that the kernel takes, over what it holds; removes nothing but what is in the way. `frame`
/// is what belongs to no Service. Where a table is new, the chains that let packets in are left out.
pub(super) fn settle(
    kernel: &mut dyn Nftables,
    frame: &[Table],
    rules: &Rules,
    current: Vec<Option<Table>>,
) -> Result<Vec<Rejection>, Error> {
    let nothing = frame.iter().map(|table| Table::with_id(table.id().clone()));
    let held = current.into_iter().zip(nothing).map(|(table, nothing)| table.unwrap_or(nothing));
    let mut pieces = Pieces { kernel, held: held.collect() };
    let frame: Vec<_> = frame.iter().zip(&pieces.held).map(|(frame, held)| still(frame, held)).collect();
    pieces.put(&frame)?;
    let mut rejections = Vec::new();
    let mut groups = vec![rules.services()];
    while let Some(group) = groups.pop() {
        match (pieces.put(&rules.only(&group).parts()), halves(&group)) {
            (Ok(()), _) => {}
            (Err(error), _) if error.is_transient() || error.is_permission_denied() => {
                return Err(error.into());
            }
            (Err(_), Some(halves)) => groups.extend(halves),
            (Err(error), None) => {
                rejections.extend(group.into_iter().map(|name| Rejection::new(name, error.clone())));
            }
        }
    }
    Ok(rejections)
}

struct Pieces<'a> {
    kernel: &'a mut dyn Nftables,
    /// What the kernel holds.
    held: Vec<Table>,
}

impl Pieces<'_> {
    /// Makes these parts of the tables so, in one batch.
    fn put(&mut self, parts: &[Table]) -> Result<(), svc_nft::Error> {
        let mut batch = Batch::new();
        for (part, held) in parts.iter().zip(&self.held) {
            if part.comment_text().is_some() {
                batch.load(
                    &Table::with_id(part.id().clone()).comment(part.comment_text().unwrap_or_default()),
                );
            }
            batch.append(part.diff(&like(held, part)));
        }
        if !batch.is_empty() {
            self.kernel.apply(&batch)?;
        }
        for (held, part) in self.held.iter_mut().zip(parts) {
            merge(held, part);
        }
        Ok(())
    }
}

/// A frame without chains at hooks that are not there yet.
fn still(frame: &Table, held: &Table) -> Table {
    let mut still = frame.clone();
    let is_new = |chain: &&Chain| chain.hook().is_some() && held.find_chain(chain.name()).is_none();
    for chain in frame.chains().iter().filter(is_new) {
        still.remove_chain(chain.name());
    }
    still
}

/// Of `held`, the chains, sets and elements that `part` has too.
fn like(held: &Table, part: &Table) -> Table {
    let mut like = Table::with_id(held.id().clone());
    for set in part.sets() {
        let Some(held) = held.find_set(set.name()) else { continue };
        let present = set.elements().filter_map(|element| held.get(element.key()));
        like.insert_set(present.cloned().fold(held.header(), Set::element));
    }
    let chains = part.chains().iter().filter_map(|chain| held.find_chain(chain.name()));
    chains.for_each(|chain| like.insert_chain(chain.clone()));
    like
}

fn merge(held: &mut Table, part: &Table) {
    for set in part.sets() {
        match held.find_set_mut(set.name()) {
            Some(held) => set.elements().for_each(|element| drop(held.insert(element.clone()))),
            None => held.insert_set(set.clone()),
        }
    }
    part.chains().iter().for_each(|chain| held.insert_chain(chain.clone()));
}

fn halves(group: &BTreeSet<ObjectName>) -> Option<[BTreeSet<ObjectName>; 2]> {
    let middle = group.iter().nth(group.len() / 2).filter(|_| group.len() > 1)?;
    let mut first = group.clone();
    let second = first.split_off(middle);
    Some([second, first])
}

/// Applies a batch; one that is too large in as many pieces as it takes, in order. For removals, where what is left in
/// between does no harm.
pub(super) fn apply(kernel: &mut dyn Nftables, batch: Batch) -> Result<(), svc_nft::Error> {
    let mut batches = vec![batch];
    while let Some(batch) = batches.pop() {
        match kernel.apply(&batch) {
            Err(error) if error.is_too_large() => {
                let [first, second] = batch.halves().ok_or(error)?;
                batches.extend([second, first]);
            }
            result => result?,
        }
    }
    Ok(())
}
