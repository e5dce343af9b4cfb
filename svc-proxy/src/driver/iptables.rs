//! iptables' side of the driver: adopt what is there, send chains that differ, remove them.

use std::collections::BTreeMap;

use svc_model::AddressType;

use super::mode::{Applied, Mode, Remains, Resynced};
use crate::iptables::{Backend, Change, Dataplane as Tool, Rules, Stamp, TableName, Tables, Variant, pieces};
use crate::metrics::Counts;
use crate::state::RuleSet;
use crate::sysctl::settle::Before;
use crate::{Dataplane, Error};

mod memory;
mod ownership;
mod piecemeal;
mod sets;

const FAMILIES: [AddressType; 2] = [AddressType::Ipv4, AddressType::Ipv6];

/// So many rules go at once, where not all can.
const FIRST_STEP: usize = 256;

/// Chains under kube-proxy's names in one variant, in step by the stamps of their tables.
#[derive(Debug)]
pub(super) struct Iptables {
    backend: Backend,
    /// Once it is known.
    variant: Option<Variant>,
    adopt: bool,
    /// As of our last change.
    stamps: BTreeMap<AddressType, Stamp>,
    unused: sets::Unused,
    counts: Counts,
}

impl Iptables {
    pub(super) fn new(backend: Backend, variant: Option<Variant>, adopt: bool) -> Self {
        let (unused, counts) = (sets::Unused::default(), Counts::default());
        Self { backend, variant, adopt, stamps: BTreeMap::new(), unused, counts }
    }

    fn variant(&mut self, kernel: &mut dyn Tool) -> Result<Variant, Error> {
        Ok(match self.variant {
            Some(variant) => variant,
            None => *self.variant.insert(kernel.default_variant()?),
        })
    }

    /// Sends a change and stamps it; whether others were seen to change rules.
    fn send(&mut self, kernel: &mut dyn Tool, change: &Change) -> Result<bool, Error> {
        let variant = self.variant(kernel)?;
        if change.is_empty() {
            return Ok(false);
        }
        self.unused.make(kernel, change)?;
        let others = match change.tables() {
            0 => false,
            tables => self.restore(kernel, variant, change, tables)?,
        };
        self.unused.discard(kernel, change.unused());
        Ok(others)
    }

    fn restore(
        &mut self,
        kernel: &mut dyn Tool,
        variant: Variant,
        change: &Change,
        tables: usize,
    ) -> Result<bool, Error> {
        let family = change.family();
        let before = kernel.stamp(variant, family)?;
        let others = self.stamps.get(&family).is_some_and(|ours| *ours != before);
        kernel.restore(variant, change)?;
        match variant {
            // Each table is a transaction, and both families are counted together.
            Variant::Nft => {
                let after = before.after(tables);
                self.stamps.values_mut().for_each(|stamp| *stamp = after);
                self.stamps.insert(family, after);
            }
            Variant::Legacy => _ = self.stamps.insert(family, kernel.stamp(variant, family)?),
        }
        Ok(others)
    }

    /// Sends a change; where the kernel does not take so much at once, in steps between these tables. Whether there was anything
    /// to do.
    fn turn(
        &mut self,
        kernel: &mut dyn Tool,
        change: &Change,
        tables: impl FnOnce() -> (Tables, Tables),
    ) -> Result<bool, Error> {
        match self.send(kernel, change) {
            Err(Error::Iptables(error)) if error.is_too_large() => {
                let (from, to) = tables();
                self.turn_by(kernel, &from, &to, FIRST_STEP)?;
                self.unused.discard(kernel, change.unused());
            }
            sent => _ = sent?,
        }
        Ok(!change.is_empty())
    }

    /// `rules`: how large the steps are.
    fn turn_by(
        &mut self,
        kernel: &mut dyn Tool,
        from: &Tables,
        to: &Tables,
        rules: usize,
    ) -> Result<(), Error> {
        for (from, to) in pieces(from, to, rules) {
            match self.send(kernel, &Change::between(&from, &to)) {
                Err(Error::Iptables(error)) if error.is_too_large() && rules > 1 => {
                    self.turn_by(kernel, &from, &to, rules / 2)?;
                }
                sent => _ = sent?,
            }
        }
        Ok(())
    }

    /// Lists tables and makes them these rules. Whether something was not as it should be.
    fn put(&mut self, kernel: &mut dyn Tool, rules: &Rules, before: &mut Before) -> Result<bool, Error> {
        let listed = self.list(kernel, &rules.families(), before)?;
        let mut bases = rules.base();
        if let Some(first) = bases.first_mut() {
            memory::insert(first, before);
        }
        let (mut changes, mut total, mut changed) = (Vec::new(), BTreeMap::new(), false);
        for (listed, mut base) in listed.into_iter().zip(bases) {
            if listed.kubelets {
                ownership::leave_to_kubelet(&mut base);
            }
            let (change, counts) = rules.change_from(&listed.ours, base.clone());
            changed |= self.turn(kernel, &change, || (listed.ours, rules.tables_with(base)))?;
            counts.into_iter().for_each(|(table, count)| *total.entry(table).or_default() += count);
            changes.push(change);
        }
        self.counts.listed(total, &changes);
        Ok(changed)
    }

    /// What is ours of what is there. All of it is read before anything is changed.
    fn list(
        &mut self,
        kernel: &mut dyn Tool,
        families: &[AddressType],
        before: &mut Before,
    ) -> Result<Vec<ownership::Listed>, Error> {
        let variant = self.variant(kernel)?;
        let mut all = Vec::new();
        for &family in families {
            // What changes from now on is somebody else's doing.
            let stamp = kernel.stamp(variant, family)?;
            self.stamps.insert(family, stamp);
            let listed = ownership::of(&kernel.list(variant, family, &TableName::ALL)?);
            if let Some((table, chain)) = listed.foreign.clone().filter(|_| !self.adopt) {
                return Err(Error::ForeignChains { variant, table, chain });
            }
            before.extend(memory::read(&listed.ours));
            all.push(listed);
        }
        Ok(all)
    }

    /// Removes what is ours of one family. The marker goes last: what is left without it would be another proxy's.
    fn remove_family(&mut self, kernel: &mut dyn Tool, family: AddressType) -> Result<(), Error> {
        let variant = self.variant(kernel)?;
        let marked = kernel.list(variant, family, &[TableName::Mangle])?;
        if !ownership::is_marked(&marked) {
            // Who was killed before there were rules may have made sets. Those that rules ask are not let go.
            let made = sets::names(kernel, family);
            if !made.is_empty() && !is_used_by_other(kernel, variant, family)? {
                self.unused.discard(kernel, &made);
            }
            return Ok(());
        }
        let mut left = ownership::of(&kernel.list(variant, family, &TableName::ALL)?).ours;
        for table in [TableName::Nat, TableName::Filter] {
            let without = left.without(table);
            self.turn(kernel, &Change::between(&left, &without), || (left, without.clone()))?;
            left = without;
        }
        let without = left.without_sets();
        if !is_used_by_other(kernel, variant, family)? {
            sets::remove(kernel, &Change::between(&left, &without))?;
        }
        self.send(kernel, &Change::between(&without, &without.without(TableName::Mangle)))?;
        Ok(kernel.remove_empty(variant, family)?)
    }
}

/// Whether the other variant has rules of ours, which may ask the same sets.
fn is_used_by_other(kernel: &mut dyn Tool, variant: Variant, family: AddressType) -> Result<bool, Error> {
    let others = Variant::ALL.into_iter().filter(|other| *other != variant);
    for other in others {
        match kernel.list(other, family, &[TableName::Mangle]) {
            Ok(listed) if ownership::is_marked(&listed) => return Ok(true),
            Err(error) if !error.is_missing() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(false)
}

impl Mode for Iptables {
    type Backend = Backend;

    fn backend(&self) -> &Backend {
        &self.backend
    }

    fn apply(
        &mut self,
        kernel: &mut dyn Dataplane,
        changes: &<Rules as RuleSet>::Change,
    ) -> Result<Applied, Error> {
        let mut applied = Applied::default();
        for change in changes {
            match self.send(kernel.iptables(), change) {
                Ok(others) => applied.others |= others,
                Err(Error::Iptables(error)) if error.is_refused() || error.is_too_large() => {
                    return Ok(Applied { refused: Some(error.into()), ..applied });
                }
                Err(error) => return Err(error),
            }
        }
        self.counts.changed(changes);
        Ok(applied)
    }

    /// One restore for each family; only where a line of it is refused, without the Service that the line is for, or one
    /// Service after another.
    fn resync(
        &mut self,
        kernel: &mut dyn Dataplane,
        rules: &Rules,
        before: &mut Before,
    ) -> Result<Resynced, Error> {
        let kernel = kernel.iptables();
        let families = rules.families();
        let resynced = match self.put(kernel, rules, before) {
            Ok(changed) => Resynced { rejections: Vec::new(), changed },
            Err(Error::Iptables(error)) if error.is_refused() || error.is_too_large() => {
                let rejections = piecemeal::settle(rules, error, |step| match step {
                    piecemeal::Step::Put(rules) => self.put(kernel, rules, before).map(|_| Vec::new()),
                    piecemeal::Step::List => {
                        let listed = self.list(kernel, &families, before)?;
                        Ok(listed.into_iter().map(|listed| listed.ours).collect())
                    }
                })?;
                Resynced { rejections, changed: true }
            }
            Err(error) => return Err(error),
        };
        for family in FAMILIES.into_iter().filter(|family| !families.contains(family)) {
            self.remove_family(kernel, family)?;
        }
        Ok(resynced)
    }

    fn remember(&mut self, kernel: &mut dyn Dataplane, rules: &Rules, before: &Before) -> Result<(), Error> {
        let kernel = kernel.iptables();
        let variant = self.variant(kernel)?;
        for family in rules.families().into_iter().take(1) {
            let listed = kernel.list(variant, family, &[TableName::Mangle])?;
            let mut wanted = ownership::of(&listed).ours;
            let change = {
                let listed = wanted.clone();
                memory::insert(&mut wanted, before);
                Change::between(&listed, &wanted)
            };
            self.send(kernel, &change)?;
        }
        Ok(())
    }

    fn counts(&self) -> Option<&Counts> {
        Some(&self.counts)
    }

    fn others_changed(&mut self, kernel: &mut dyn Dataplane) -> bool {
        let kernel = kernel.iptables();
        self.unused.retry(kernel);
        let Some(variant) = self.variant else { return false };
        let mut changed = false;
        for (family, ours) in &mut self.stamps {
            // A kernel that does not tell will not take a change either, and that is reported.
            let Ok(now) = kernel.stamp(variant, *family) else { continue };
            changed |= std::mem::replace(ours, now) != now;
        }
        changed
    }
}

impl Remains for Iptables {
    fn recollect(&mut self, kernel: &mut dyn Dataplane) -> Result<Before, Error> {
        let kernel = kernel.iptables();
        let variant = self.variant(kernel)?;
        let mut before = Before::new();
        for family in FAMILIES {
            let marked = kernel.list(variant, family, &[TableName::Mangle])?;
            before.extend(memory::read(&marked));
        }
        Ok(before)
    }

    fn remove(&mut self, kernel: &mut dyn Dataplane, _at_once: bool) -> Vec<Error> {
        let kernel = kernel.iptables();
        FAMILIES.into_iter().filter_map(|family| self.remove_family(kernel, family).err()).collect()
    }
}
