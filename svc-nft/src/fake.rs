//! nftables in memory, for tests of programs that use this crate.
//!
//! [`Kernel`] holds to the kernel's rules of what exists, what may be deleted and what belongs together; the same
//! tests run on it and on the kernel. It looks neither at packets nor at the clock.

mod refuse;

use std::collections::BTreeMap;

use refuse::{Errno, Refusal};

use crate::{
    Batch, Chain, Command, Dataplane, Elements, Error, Name, Object, Rule, Set, Table, TableId, Verb,
};

/// What the kernel says of a batch that is planned on an older generation, or longer than the send buffer.
const ERESTART: i32 = 85;
const EMSGSIZE: i32 = 90;

/// nftables in memory.
///
/// ```
/// use svc_nft::{Batch, Dataplane, Family, Table, fake};
///
/// let mut kernel = fake::Kernel::new();
/// let table = Table::new(Family::Ip, "demo");
/// kernel.apply(Batch::new().load(&table))?;
/// assert_eq!(kernel.list_table(table.id())?, Some(table));
/// # Ok::<(), svc_nft::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Kernel {
    tables: BTreeMap<TableId, Table>,
    handle: u64,
    batches: Vec<Batch>,
    failures: Vec<i32>,
    generation: u32,
    largest: Option<usize>,
    refused: Option<(String, i32)>,
    listings: usize,
}

impl Kernel {
    /// No tables.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every batch that took effect, in order.
    #[must_use]
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// Makes the next batch fail with this errno without taking effect; several calls fail as many batches.
    pub fn fail_next(&mut self, errno: i32) {
        self.failures.push(errno);
    }

    /// Refuses every command whose text contains this, with this errno; an empty text ends that.
    pub fn refuse(&mut self, text: impl Into<String>, errno: i32) {
        self.refused = Some((text.into(), errno)).filter(|(text, _)| !text.is_empty());
    }

    /// How often a table was listed.
    #[must_use]
    pub fn listings(&self) -> usize {
        self.listings
    }

    /// Refuses batches whose netlink form is longer than this, as a kernel does that grants no larger send buffer.
    pub fn refuse_longer_than(&mut self, bytes: usize) {
        self.largest = Some(bytes);
    }

    /// The table, to look at or to change behind everybody's back: the generation changes as with a batch.
    pub fn table_mut(&mut self, id: &TableId) -> Option<&mut Table> {
        self.generation = self.generation.wrapping_add(1);
        self.tables.get_mut(id)
    }
}

impl Dataplane for Kernel {
    fn apply(&mut self, batch: &Batch) -> Result<(), Error> {
        if !self.failures.is_empty() {
            let errno = self.failures.remove(0);
            return Err(Error::os("apply", format!("a batch of {} commands", batch.len()), errno));
        }
        if self.largest.is_some_and(|largest| batch.encode().is_ok_and(|encoded| encoded.len() > largest)) {
            return Err(Error::os("send", format!("a batch of {} commands", batch.len()), EMSGSIZE));
        }
        let mut next = Self { batches: Vec::new(), ..self.clone() };
        for (index, command) in batch.commands().iter().enumerate() {
            if let Some((text, errno)) = &self.refused
                && command.to_string().contains(text.as_str())
            {
                return Err(Error::refused(index, command, None, *errno));
            }
            next.command(command)
                .map_err(|refusal| Error::refused(index, command, refusal.element, refusal.errno.number()))?;
        }
        (self.tables, self.handle) = (next.tables, next.handle);
        if !batch.is_empty() {
            self.batches.push(batch.clone());
            self.generation = self.generation.wrapping_add(1);
        }
        Ok(())
    }

    fn generation(&mut self) -> Result<u32, Error> {
        Ok(self.generation)
    }

    fn apply_at(&mut self, generation: u32, batch: &Batch) -> Result<(), Error> {
        if generation != self.generation {
            return Err(Error::os("apply", format!("a batch of {} commands", batch.len()), ERESTART));
        }
        self.apply(batch)
    }

    fn list_table(&mut self, table: &TableId) -> Result<Option<Table>, Error> {
        self.listings += 1;
        Ok(self.tables.get(table).cloned())
    }

    fn list_tables(&mut self) -> Result<Vec<TableId>, Error> {
        Ok(self.tables.keys().cloned().collect())
    }
}

/// What to do with an object that is there, or is not.
fn must_exist(verb: Verb, exists: bool) -> Result<bool, Refusal> {
    match verb {
        Verb::Destroy => Ok(exists),
        _ if exists => Ok(true),
        _ => Err(Errno::NotFound.into()),
    }
}

impl Kernel {
    fn command(&mut self, command: &Command) -> Result<(), Refusal> {
        let (verb, id) = (command.verb, &command.table);
        if let Object::Table(comment) = &command.object {
            return self.table_command(verb, id, comment.as_deref());
        }
        let handle = &mut self.handle;
        let table = self.tables.get_mut(id).ok_or(Errno::NotFound)?;
        match &command.object {
            Object::Table(_) => Ok(()),
            Object::Chain(chain) => chain_command(table, verb, chain),
            Object::Set(set) => set_command(table, verb, set),
            Object::Rule { chain, rule, handle: which } => {
                rule_command(table, verb, chain, rule, *which, handle)
            }
            Object::Elements(elements) => elements_command(table, verb, elements),
        }
    }

    fn table_command(&mut self, verb: Verb, id: &TableId, comment: Option<&str>) -> Result<(), Refusal> {
        let exists = self.tables.contains_key(id);
        match verb {
            Verb::Create if exists => return Err(Errno::Exists.into()),
            Verb::Delete | Verb::Destroy => {
                if must_exist(verb, exists)? {
                    self.tables.remove(id);
                }
            }
            Verb::Flush => {
                let table = self.tables.get_mut(id).ok_or(Errno::NotFound)?;
                table.chains_mut().for_each(Chain::flush);
            }
            _ if exists => {}
            _ => {
                let table = Table::with_id(id.clone());
                let table = comment.map_or(table.clone(), |comment| table.comment(comment));
                self.tables.insert(id.clone(), table);
            }
        }
        Ok(())
    }
}

fn chain_command(table: &mut Table, verb: Verb, chain: &Chain) -> Result<(), Refusal> {
    let present = table.find_chain_mut(chain.name());
    match (verb, present) {
        (Verb::Create, Some(_)) => Err(Errno::Exists.into()),
        (Verb::Delete | Verb::Destroy, present) => {
            if must_exist(verb, present.is_some())? {
                delete_chain(table, chain.name())?;
            }
            Ok(())
        }
        (Verb::Flush, present) => {
            present.ok_or(Errno::NotFound)?.flush();
            Ok(())
        }
        (_, Some(present)) => update_chain(present, chain),
        (_, None) => {
            refuse::chain(chain)?;
            table.insert_chain(chain.header());
            Ok(())
        }
    }
}

/// Only the policy of a chain can change.
fn update_chain(present: &mut Chain, wanted: &Chain) -> Result<(), Refusal> {
    let Some(base) = wanted.hook() else { return Ok(()) };
    let old = present.hook().ok_or(Errno::NotSupported)?;
    if (old.chain_type, old.hook, old.priority) != (base.chain_type, base.hook, base.priority) {
        return Err(Errno::NotSupported.into());
    }
    present.set_policy(base.policy);
    Ok(())
}

fn delete_chain(table: &mut Table, name: &Name) -> Result<(), Refusal> {
    let leads_there = |rule: &Rule| rule.chains().any(|chain| chain == name);
    let by_rule = table
        .chains()
        .iter()
        .filter(|chain| chain.name() != name)
        .any(|chain| chain.rules().iter().any(leads_there));
    let by_element =
        table.sets().iter().any(|set| set.elements().any(|element| element.chain() == Some(name)));
    if by_rule || by_element {
        return Err(Errno::Busy.into());
    }
    table.remove_chain(name);
    Ok(())
}

fn set_command(table: &mut Table, verb: Verb, set: &Set) -> Result<(), Refusal> {
    let present = table.find_set_mut(set.name());
    match (verb, present) {
        (Verb::Create, Some(_)) => Err(Errno::Exists.into()),
        (Verb::Delete | Verb::Destroy, present) => {
            if must_exist(verb, present.is_some())? {
                delete_set(table, set.name())?;
            }
            Ok(())
        }
        (Verb::Flush, present) => {
            present.ok_or(Errno::NotFound)?.clear();
            Ok(())
        }
        (_, Some(present)) if present.is_like(set) => Ok(()),
        (_, Some(_)) => Err(Errno::Exists.into()),
        (_, None) => {
            refuse::set(set)?;
            table.insert_set(set.header());
            Ok(())
        }
    }
}

fn delete_set(table: &mut Table, name: &Name) -> Result<(), Refusal> {
    let uses =
        |rule: &Rule| rule.statements().iter().any(|statement| statement.sets().any(|set| set == name));
    if table.chains().iter().any(|chain| chain.rules().iter().any(uses)) {
        return Err(Errno::Busy.into());
    }
    table.remove_set(name);
    Ok(())
}

fn rule_command(
    table: &mut Table,
    verb: Verb,
    chain: &Name,
    rule: &Rule,
    handle: Option<u64>,
    next: &mut u64,
) -> Result<(), Refusal> {
    if !matches!(verb, Verb::Delete | Verb::Destroy) {
        refuse::rule(table, chain, rule)?;
    }
    let chain = table.find_chain_mut(chain).ok_or(Errno::NotFound)?;
    let rules = chain.rules_mut();
    let place = handle.and_then(|handle| rules.iter().position(|rule| rule.handle() == Some(handle)));
    let mut numbered = || {
        *next += 1;
        rule.clone().with_handle(*next)
    };
    match verb {
        Verb::Delete | Verb::Destroy => {
            if must_exist(verb, place.is_some())? {
                place.map(|place| rules.remove(place));
            }
        }
        Verb::Replace => rules[place.ok_or(Errno::NotFound)?] = numbered(),
        Verb::Insert => rules.insert(0, numbered()),
        _ => rules.push(numbered()),
    }
    Ok(())
}

fn elements_command(table: &mut Table, verb: Verb, elements: &Elements) -> Result<(), Refusal> {
    let set = elements.set().name();
    for (index, element) in elements.iter().enumerate() {
        let refused = |errno: Errno| Refusal { errno, element: Some(index) };
        match verb {
            Verb::Delete | Verb::Destroy => {
                let set = table.find_set_mut(set).ok_or(refused(Errno::NotFound))?;
                let exists = set.get(element.key()).is_some();
                if must_exist(verb, exists).map_err(|refusal| refused(refusal.errno))? {
                    set.remove(element.key());
                }
            }
            _ => {
                let insert = refuse::element(table, verb, set, &element).map_err(refused)?;
                let set = table.find_set_mut(set).ok_or(refused(Errno::NotFound))?;
                if insert {
                    set.insert(element);
                }
            }
        }
    }
    Ok(())
}
