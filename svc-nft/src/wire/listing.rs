//! Puts a table together from what the kernel lists.

use super::{
    chain, decompile, element,
    message::{self, Received},
    set, table,
    uapi::*,
};
use crate::{Chain, Name, Rule, Set, SetData, Table, TableId};

/// A table as far as it has been read.
#[derive(Debug)]
pub(crate) struct Listing {
    id: TableId,
    exists: bool,
    comment: Option<String>,
    sets: Vec<Set>,
    chains: Vec<Chain>,
    rules: Vec<(Name, Rule)>,
}

impl Listing {
    pub(crate) fn new(id: TableId) -> Self {
        Self { id, exists: false, comment: None, sets: Vec::new(), chains: Vec::new(), rules: Vec::new() }
    }

    /// Which table a message tells of.
    pub(crate) fn table_id(message: &Received<'_>) -> Option<TableId> {
        let is_table = message.nft_kind() == Some(NFT_MSG_NEWTABLE);
        let name = message.attrs().text(NFTA_TABLE_NAME).filter(|_| is_table)?;
        Some(TableId::new(message.family()?, name))
    }

    pub(crate) fn exists(&self) -> bool {
        self.exists
    }

    /// The sets that were read, whose elements are asked for one set at a time.
    pub(crate) fn set_names(&self) -> Vec<Name> {
        self.sets.iter().map(|set| set.name().clone()).collect()
    }

    /// Takes in tables, sets, chains and rules; those of other tables are passed over.
    pub(crate) fn read(&mut self, answers: &[Vec<u8>]) {
        for message in answers.iter().flat_map(|bytes| message::split(bytes)) {
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

    /// Takes in the elements of a set.
    pub(crate) fn read_elements(&mut self, set: &str, answers: &[Vec<u8>]) {
        let Some(set) = self.sets.iter_mut().find(|known| known.name().as_str() == set) else { return };
        let header = set.header();
        let mut reader = element::Reader::new(&header);
        for message in answers.iter().flat_map(|bytes| message::split(bytes)) {
            if message.nft_kind() == Some(NFT_MSG_NEWSETELEM) {
                reader.read(message.attrs());
            }
        }
        for element in reader.finish() {
            set.insert(element);
        }
    }

    pub(crate) fn finish(self) -> Table {
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
        table
    }
}
