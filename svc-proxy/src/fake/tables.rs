//! Tables of iptables in memory.

use std::collections::BTreeMap;

use svc_model::AddressType;
use svc_nft::ipset::{self, IpSets};

use crate::iptables::{Cause, Change, Dataplane, Error, Rule, Stamp, TableName, Tables, Variant, netfilter};

/// Both variants, both families.
#[derive(Clone, Debug, Default)]
pub(super) struct Iptables {
    pub(super) default_variant: Option<Variant>,
    tables: BTreeMap<(Variant, AddressType), Tables>,
    pub(super) changes: Vec<(Variant, Change)>,
    pub(super) listings: usize,
    pub(super) refused: Option<String>,
    /// Refusals name the line, as those of programs do; or only the table, as those of the kernel.
    pub(super) by_table: bool,
    pub(super) failures: Vec<Error>,
    /// What rules of both variants ask.
    pub(super) sets: ipset::fake::Sets,
    stamp: u64,
}

impl Iptables {
    /// Feeds a program by hand.
    pub(super) fn feed(&mut self, variant: Variant, family: AddressType, input: &str) -> Result<(), Error> {
        self.stamp += 1;
        // Comments are none of the program's business.
        let lines = input.lines().map(|line| if line.starts_with('#') { "#" } else { line });
        let fed = self.feed_program(variant, family, &lines.collect::<Vec<_>>().join("\n"));
        let rules = self.tables.values().flat_map(Tables::rules);
        self.sets.refer(rules.flat_map(Rule::sets));
        fed
    }

    fn feed_program(&mut self, variant: Variant, family: AddressType, input: &str) -> Result<(), Error> {
        let refused = self.refused.clone();
        let is_refused =
            |line: &&str| refused.as_ref().is_some_and(|refused| line.contains(refused.as_str()));
        let Some(at) = input.lines().position(|line| is_refused(&line)) else {
            let restored = self.of(variant, family).restore(input);
            return restored.map_err(|error| refusal(input, error.line(), &error.to_string()));
        };
        // Tables before the one that is refused are taken.
        let before: Vec<&str> = input.lines().take(at).collect();
        let taken = before.iter().rposition(|line| *line == "COMMIT").map_or(0, |commit| commit + 1);
        let taken = before[..taken].join("\n");
        self.of(variant, family)
            .restore(&taken)
            .map_err(|error| refusal(input, error.line(), &error.to_string()))?;
        let end = input.lines().skip(at).position(|line| line == "COMMIT").unwrap_or(0);
        Err(refusal(input, if self.by_table { at + end + 1 } else { at + 1 }, "refused"))
    }

    fn of(&mut self, variant: Variant, family: AddressType) -> &mut Tables {
        let tables = self.tables.entry((variant, family)).or_insert_with(|| Tables::new(family));
        let gone: Vec<_> = tables.sets().keys().filter(|name| !self.sets.contains(name)).cloned().collect();
        gone.iter().for_each(|name| _ = tables.remove_set(name));
        self.sets.list().unwrap_or_default().into_iter().for_each(|set| tables.insert_set(set));
        tables
    }
}

fn refusal(input: &str, line: usize, message: &str) -> Error {
    let text = input.lines().nth(line.saturating_sub(1)).map(str::to_owned);
    Error::new("iptables-restore", Cause::Refused { line, text, message: message.to_owned() })
}

impl Dataplane for Iptables {
    fn default_variant(&mut self) -> Result<Variant, Error> {
        Ok(self.default_variant.unwrap_or(Variant::Nft))
    }

    fn present(&mut self, variant: Variant, family: AddressType) -> Result<Vec<TableName>, Error> {
        let tables = self.tables.get(&(variant, family));
        Ok(tables.map(|tables| tables.tables().keys().copied().collect()).unwrap_or_default())
    }

    fn list(&mut self, variant: Variant, family: AddressType, tables: &[TableName]) -> Result<Tables, Error> {
        self.listings += 1;
        let mut listed = Tables::new(family);
        let sets = self.sets.list().unwrap_or_default().into_iter();
        let of_family =
            sets.filter(|set| tables.contains(&TableName::Nat) && set.family() == netfilter(family));
        of_family.for_each(|set| listed.insert_set(set));
        for (name, table) in self.of(variant, family).tables() {
            for (chain, rules) in table.iter().filter(|_| tables.contains(name)) {
                listed.insert(*name, chain.clone(), rules.clone());
            }
        }
        Ok(listed)
    }

    fn restore(&mut self, variant: Variant, change: &Change) -> Result<(), Error> {
        if change.is_empty() {
            return Ok(());
        }
        if !self.failures.is_empty() {
            return Err(self.failures.remove(0));
        }
        self.feed(variant, change.family(), change.text())?;
        // A change of n tables counts n.
        self.stamp += u64::try_from(change.tables()).unwrap_or(0) - 1;
        self.changes.push((variant, change.clone()));
        Ok(())
    }

    fn remove_empty(&mut self, _: Variant, _: AddressType) -> Result<(), Error> {
        Ok(())
    }

    fn sets(&mut self) -> &mut dyn IpSets {
        &mut self.sets
    }

    fn stamp(&mut self, _: Variant, _: AddressType) -> Result<Stamp, Error> {
        Ok(Stamp::new(self.stamp))
    }
}
