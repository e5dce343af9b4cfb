//! nftables over netlink.

use std::collections::BTreeSet;

use svc_model::ObjectName;
use svc_nft::{Batch, Dataplane, Table};
use svc_proxy::trace::Ruleset;
use svc_proxy::trace::nftables::Tables;
use svc_proxy::{Compiler as _, Plan, ProxyMode, nftables};

use super::{Follower, Kernel, Subject};

pub(super) struct Nftables;

impl Subject for Nftables {
    fn name(&self) -> &'static str {
        "nftables"
    }

    fn mode(&self) -> ProxyMode {
        ProxyMode::Nftables
    }

    fn rules(&self, plan: &Plan) -> Box<dyn Ruleset> {
        Box::new(Tables::new(nftables::Backend::default().compile(plan).tables()))
    }

    fn kernels(&self) -> &'static [&'static str] {
        &["netlink"]
    }

    fn follower(&self, plan: &Plan, kernel: Kernel) -> Box<dyn Follower> {
        let rules = nftables::Backend::default().compile(plan);
        let mut kernel: Box<dyn Dataplane> = match kernel {
            Kernel::Fake => Box::new(svc_nft::fake::Kernel::new()),
            Kernel::Real(_) => Box::new(svc_nft::Socket::open().unwrap()),
        };
        for table in rules.tables() {
            kernel.apply(Batch::new().destroyed(&table)).unwrap();
            kernel.apply(Batch::new().load(&table)).unwrap();
        }
        Box::new(NftablesFollower { rules, kernel })
    }
}

struct NftablesFollower {
    rules: nftables::Rules,
    kernel: Box<dyn Dataplane>,
}

impl NftablesFollower {
    fn tables(&mut self) -> Vec<Table> {
        let ids = self.rules.table_ids();
        ids.iter().map(|id| self.kernel.list_table(id).unwrap().unwrap()).collect()
    }
}

impl Follower for NftablesFollower {
    fn follow(&mut self, plan: &Plan, changed: &BTreeSet<ObjectName>) -> Result<(), String> {
        let before = self.rules.clone();
        self.rules.update(plan, changed);
        let batch = self.rules.diff_of(&before, changed);
        if batch.is_empty() {
            return Ok(());
        }
        self.kernel.apply(&batch).map_err(|error| format!("{error}\n{batch}"))
    }

    fn rules(&self) -> String {
        self.rules.to_string()
    }

    fn held(&mut self) -> String {
        self.tables().iter().map(|table| sorted(table).to_string()).collect()
    }

    fn on_paper(&mut self) -> Box<dyn Ruleset> {
        Box::new(Tables::new(self.tables()))
    }
}

/// A table as it is whatever the order in which it was made.
pub(super) fn sorted(table: &Table) -> Table {
    let (mut sets, mut chains) = (table.sets().to_vec(), table.chains().to_vec());
    sets.sort_by(|a, b| a.name().cmp(b.name()));
    chains.sort_by(|a, b| a.name().cmp(b.name()));
    let empty = Table::with_id(table.id().clone()).comment(table.comment_text().unwrap_or_default());
    chains.into_iter().fold(sets.into_iter().fold(empty, Table::set), Table::chain)
}

/// So that a test begins with nothing.
pub(super) trait Destroyed {
    fn destroyed(&mut self, table: &Table) -> &mut Self;
}

impl Destroyed for Batch {
    fn destroyed(&mut self, table: &Table) -> &mut Self {
        self.add_table(table.id()).delete_table(table.id())
    }
}
