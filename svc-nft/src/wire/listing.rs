//! Puts a table together from what the kernel lists.

use std::collections::BTreeMap;

use super::{
    attr::Attrs,
    chain, decompile,
    element::Reader,
    message::{self, Received},
    set, table,
    uapi::*,
};
use crate::{Chain, Name, Rule, Set, SetData, SetFlag, Table, TableId};

/// Puts a table together from the messages with which the kernel answers requests to list tables, sets, elements of
/// sets, chains and rules (`NFT_MSG_GETTABLE`, `GETSET`, `GETSETELEM`, `GETCHAIN`, `GETRULE`), in this order.
///
/// `Socket` does so by itself; this is for programs with a netlink socket of their own.
#[derive(Debug)]
pub struct Listing {
    id: TableId,
    exists: bool,
    comment: Option<String>,
    sets: Vec<Set>,
    chains: Vec<Chain>,
    elements: BTreeMap<Name, Reader>,
    rules: Vec<(Name, Rule)>,
}

impl Listing {
    /// Nothing is known yet of the table.
    #[must_use]
    pub fn new(id: TableId) -> Self {
        Self {
            id,
            exists: false,
            comment: None,
            sets: Vec::new(),
            chains: Vec::new(),
            elements: BTreeMap::new(),
            rules: Vec::new(),
        }
    }

    /// Whether the table has been met.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.exists
    }

    /// The sets that were read, whose elements are asked for one set at a time.
    #[must_use]
    pub fn set_names(&self) -> Vec<Name> {
        self.sets.iter().map(|set| set.name().clone()).collect()
    }

    /// Takes in what one receive gave; messages of other tables are passed over.
    pub fn read(&mut self, bytes: &[u8]) {
        for message in message::split(bytes) {
            self.read_message(&message);
        }
    }

    fn read_message(&mut self, message: &Received<'_>) {
        let attrs = message.attrs();
        // The table's name has the same attribute number in all of them.
        if message.family() != Some(self.id.family()) || attrs.text(NFTA_TABLE_NAME) != Some(self.id.name()) {
            return;
        }
        match message.nft_kind() {
            Some(NFT_MSG_NEWTABLE) => {
                self.exists = true;
                self.comment = table::parse_comment(attrs);
            }
            Some(NFT_MSG_NEWSET) => self.sets.extend(set::parse(attrs)),
            Some(NFT_MSG_NEWSETELEM) => self.read_elements(attrs),
            Some(NFT_MSG_NEWCHAIN) => self.chains.extend(chain::parse(attrs)),
            Some(NFT_MSG_NEWRULE) => {
                let types = |name: &str| {
                    let set = self.sets.iter().find(|set| set.name().as_str() == name)?;
                    match set.data_type()? {
                        SetData::Values(key) => Some(key.types()),
                        SetData::Verdict => None,
                    }
                };
                let rule = decompile::rule(attrs, self.id.family(), &types);
                let chain = attrs.text(NFTA_RULE_CHAIN).map(Name::from);
                self.rules.extend(chain.map(|chain| (chain, rule)));
            }
            _ => {}
        }
    }

    fn read_elements(&mut self, attrs: Attrs<'_>) {
        let Some(name) = attrs.text(NFTA_SET_ELEM_LIST_SET) else { return };
        if !self.elements.contains_key(name) {
            let set = self.sets.iter().find(|set| set.name().as_str() == name);
            self.elements.extend(set.map(|set| (set.name().clone(), Reader::new(set))));
        }
        if let Some(reader) = self.elements.get_mut(name) {
            reader.read(attrs);
        }
    }

    /// All elements of the set have been read; whether they can be trusted.
    ///
    /// The kernel tells elements of a hash table in parts and counts how many it has told. When it makes the table
    /// larger meanwhile, which it does some time after many elements came, the order changes: some elements come
    /// twice and others not at all. So one that comes twice means that the set has to be listed again; what was read
    /// is then forgotten. Sets that packets change are never at rest and always pass.
    pub fn close_set(&mut self, name: &str) -> bool {
        let set = self.sets.iter_mut().find(|set| set.name().as_str() == name);
        let (Some(set), Some(reader)) = (set, self.elements.remove(name)) else { return true };
        let twice = reader.finish().into_iter().filter_map(|element| set.insert(element)).count();
        let trusted = twice == 0 || set.has(SetFlag::Dynamic);
        if !trusted {
            set.clear();
        }
        trusted
    }

    /// The table; none if it has not been met.
    #[must_use]
    pub fn finish(mut self) -> Option<Table> {
        for name in self.set_names() {
            self.close_set(&name);
        }
        if !self.exists {
            return None;
        }
        let mut table = Table::with_id(self.id);
        if let Some(comment) = self.comment {
            table = table.comment(comment);
        }
        self.sets.into_iter().for_each(|set| table.insert_set(set));
        self.chains.into_iter().for_each(|chain| table.insert_chain(chain));
        for (chain, rule) in self.rules {
            if let Some(chain) = table.find_chain_mut(&chain) {
                chain.push(rule);
            }
        }
        Some(table)
    }
}
