//! A batch: commands that take effect together or not at all.

use std::fmt;

use crate::{Chain, Element, Elements, Key, Name, Rule, Set, Table, TableId, text};

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// Make it unless it exists.
    Add,
    /// Make it; fails if it exists.
    Create,
    /// Remove it; fails if it does not exist.
    Delete,
    /// Remove it if it exists. Needs kernel 6.3.
    Destroy,
    /// Remove what is in it.
    Flush,
    /// Put a rule at the head of its chain.
    Insert,
    /// Put a rule in the place of another.
    Replace,
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Add => "add",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Destroy => "destroy",
            Self::Flush => "flush",
            Self::Insert => "insert",
            Self::Replace => "replace",
        })
    }
}

/// What a command is about. Names are those within the command's table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Object {
    /// The table itself, with its comment.
    Table(Option<String>),
    /// A chain, without its rules.
    Chain(Chain),
    /// A set or map, without its elements.
    Set(Set),
    /// A rule of a chain; which one, for replace and delete, says its handle.
    Rule {
        /// The chain.
        chain: Name,
        /// The rule.
        rule: Rule,
        /// The handle of the rule to replace or delete.
        handle: Option<u64>,
    },
    /// Elements of a set or map.
    Elements(Elements),
}

/// One step of a batch.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Command {
    /// What to do.
    pub verb: Verb,
    /// In which table.
    pub table: TableId,
    /// With what.
    pub object: Object,
}

/// Commands that take effect together or not at all. `Display` prints them as a script for the nft program.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    commands: Vec<Command>,
}

impl Batch {
    /// No commands.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The commands, in order.
    #[must_use]
    pub fn commands(&self) -> &[Command] {
        &self.commands
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// How many commands there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Adds the commands of another batch.
    pub fn append(&mut self, mut other: Self) -> &mut Self {
        self.commands.append(&mut other.commands);
        self
    }

    /// Two batches that do the same one after the other: half of the commands each, or half of the elements of a single
    /// command; `None` where there is nothing to divide.
    #[must_use]
    pub fn halves(mut self) -> Option<[Self; 2]> {
        if self.commands.len() > 1 {
            let second = self.commands.split_off(self.commands.len() / 2);
            return Some([self, Self { commands: second }]);
        }
        let Command { verb, table, object: Object::Elements(elements) } = self.commands.pop()? else {
            return None;
        };
        let half = |elements| Self {
            commands: vec![Command { verb, table: table.clone(), object: Object::Elements(elements) }],
        };
        elements.halves().map(|halves| halves.map(half))
    }

    fn push(&mut self, verb: Verb, table: &TableId, object: Object) -> &mut Self {
        self.commands.push(Command { verb, table: table.clone(), object });
        self
    }

    /// Everything in `table`: the table, its chains and sets, then elements and rules.
    pub fn load(&mut self, table: &Table) -> &mut Self {
        self.load_with(table, |_| {})
    }

    /// The same, with more elements, which `table` need not hold: `more` adds them, before any rule.
    pub fn load_with(&mut self, table: &Table, more: impl FnOnce(&mut Self)) -> &mut Self {
        let id = table.id();
        self.push(Verb::Add, id, Object::Table(table.comment_text().map(str::to_owned)));
        for chain in table.chains() {
            self.add_chain(id, chain);
        }
        for set in table.sets() {
            self.add_set(id, set);
        }
        for set in table.sets() {
            self.add_elements(id, set, set.elements().cloned());
        }
        more(self);
        for chain in table.chains() {
            for rule in chain.rules() {
                self.add_rule(id, chain.name(), rule.clone());
            }
        }
        self
    }

    /// Makes the table unless it exists.
    pub fn add_table(&mut self, table: &TableId) -> &mut Self {
        self.push(Verb::Add, table, Object::Table(None))
    }

    /// Makes the table; fails if it exists.
    pub fn create_table(&mut self, table: &TableId) -> &mut Self {
        self.push(Verb::Create, table, Object::Table(None))
    }

    /// Removes the table and all that is in it.
    pub fn delete_table(&mut self, table: &TableId) -> &mut Self {
        self.push(Verb::Delete, table, Object::Table(None))
    }

    /// Removes the table and all that is in it, if it exists. Needs kernel 6.3.
    pub fn destroy_table(&mut self, table: &TableId) -> &mut Self {
        self.push(Verb::Destroy, table, Object::Table(None))
    }

    /// Removes the rules of every chain of the table.
    pub fn flush_table(&mut self, table: &TableId) -> &mut Self {
        self.push(Verb::Flush, table, Object::Table(None))
    }

    /// Makes the chain, without its rules, unless it exists. The policy of one that exists is changed.
    pub fn add_chain(&mut self, table: &TableId, chain: &Chain) -> &mut Self {
        self.push(Verb::Add, table, Object::Chain(chain.header()))
    }

    /// Makes the chain, without its rules; fails if it exists.
    pub fn create_chain(&mut self, table: &TableId, chain: &Chain) -> &mut Self {
        self.push(Verb::Create, table, Object::Chain(chain.header()))
    }

    /// Removes the chain with its rules; fails while something leads to it.
    pub fn delete_chain(&mut self, table: &TableId, chain: impl Into<Name>) -> &mut Self {
        self.push(Verb::Delete, table, Object::Chain(Chain::regular(chain)))
    }

    /// Removes the chain with its rules, if it exists. Needs kernel 6.3.
    pub fn destroy_chain(&mut self, table: &TableId, chain: impl Into<Name>) -> &mut Self {
        self.push(Verb::Destroy, table, Object::Chain(Chain::regular(chain)))
    }

    /// Removes the rules of the chain.
    pub fn flush_chain(&mut self, table: &TableId, chain: impl Into<Name>) -> &mut Self {
        self.push(Verb::Flush, table, Object::Chain(Chain::regular(chain)))
    }

    /// Makes the set, without its elements, unless it exists.
    pub fn add_set(&mut self, table: &TableId, set: &Set) -> &mut Self {
        self.push(Verb::Add, table, Object::Set(set.header()))
    }

    /// Makes the set, without its elements; fails if it exists.
    pub fn create_set(&mut self, table: &TableId, set: &Set) -> &mut Self {
        self.push(Verb::Create, table, Object::Set(set.header()))
    }

    /// Removes the set; fails while a rule uses it.
    pub fn delete_set(&mut self, table: &TableId, set: &Set) -> &mut Self {
        self.push(Verb::Delete, table, Object::Set(set.header()))
    }

    /// Removes the set if it exists. Needs kernel 6.3.
    pub fn destroy_set(&mut self, table: &TableId, set: &Set) -> &mut Self {
        self.push(Verb::Destroy, table, Object::Set(set.header()))
    }

    /// Removes all elements of the set.
    pub fn flush_set(&mut self, table: &TableId, set: &Set) -> &mut Self {
        self.push(Verb::Flush, table, Object::Set(set.header()))
    }

    /// Puts elements into the set (of which name, types and flags count). One that is there with other data fails.
    pub fn add_elements(
        &mut self,
        table: &TableId,
        set: &Set,
        elements: impl IntoIterator<Item = Element>,
    ) -> &mut Self {
        self.elements(Verb::Add, table, set, elements)
    }

    /// Puts elements into their set that were collected before. One that is there with other data fails.
    pub fn add_collected(&mut self, table: &TableId, elements: Elements) -> &mut Self {
        if elements.is_empty() {
            return self;
        }
        self.push(Verb::Add, table, Object::Elements(elements))
    }

    /// Puts elements into the set; fails if one is there.
    pub fn create_elements(
        &mut self,
        table: &TableId,
        set: &Set,
        elements: impl IntoIterator<Item = Element>,
    ) -> &mut Self {
        self.elements(Verb::Create, table, set, elements)
    }

    /// Takes elements out of the set; fails if one is not there.
    pub fn delete_elements(
        &mut self,
        table: &TableId,
        set: &Set,
        keys: impl IntoIterator<Item = Key>,
    ) -> &mut Self {
        self.elements(Verb::Delete, table, set, keys.into_iter().map(Element::new))
    }

    /// Takes elements out of the set if they are there. Needs kernel 6.3.
    pub fn destroy_elements(
        &mut self,
        table: &TableId,
        set: &Set,
        keys: impl IntoIterator<Item = Key>,
    ) -> &mut Self {
        self.elements(Verb::Destroy, table, set, keys.into_iter().map(Element::new))
    }

    fn elements(
        &mut self,
        verb: Verb,
        table: &TableId,
        set: &Set,
        elements: impl IntoIterator<Item = Element>,
    ) -> &mut Self {
        let mut elements = elements.into_iter().peekable();
        if elements.peek().is_none() {
            return self;
        }
        let mut packed = Elements::new(set);
        packed.extend(elements);
        self.push(verb, table, Object::Elements(packed))
    }

    /// Puts a rule at the end of its chain.
    pub fn add_rule(&mut self, table: &TableId, chain: impl Into<Name>, rule: impl Into<Rule>) -> &mut Self {
        let rule = rule.into();
        self.push(Verb::Add, table, Object::Rule { chain: chain.into(), rule, handle: None })
    }

    /// Puts a rule at the head of its chain.
    pub fn insert_rule(
        &mut self,
        table: &TableId,
        chain: impl Into<Name>,
        rule: impl Into<Rule>,
    ) -> &mut Self {
        let rule = rule.into();
        self.push(Verb::Insert, table, Object::Rule { chain: chain.into(), rule, handle: None })
    }

    /// Puts a rule in the place of the one with this handle.
    pub fn replace_rule(
        &mut self,
        table: &TableId,
        chain: impl Into<Name>,
        handle: u64,
        rule: impl Into<Rule>,
    ) -> &mut Self {
        let rule = rule.into();
        self.push(Verb::Replace, table, Object::Rule { chain: chain.into(), rule, handle: Some(handle) })
    }

    /// Removes the rule with this handle.
    pub fn delete_rule(&mut self, table: &TableId, chain: impl Into<Name>, handle: u64) -> &mut Self {
        let rule = Rule::default();
        self.push(Verb::Delete, table, Object::Rule { chain: chain.into(), rule, handle: Some(handle) })
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.commands.iter().try_for_each(|command| writeln!(f, "{command}"))
    }
}

impl fmt::Display for Command {
    /// A line for `nft -f`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write_command(f, self)
    }
}
