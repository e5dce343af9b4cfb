//! iptables by its programs, of both variants.

use std::collections::BTreeSet;

use svc_model::ObjectName;
use svc_proxy::iptables::{Backend, Change, Rules, Tables};
use svc_proxy::trace::{Ruleset, iptables::Listing};
use svc_proxy::{Compiler as _, Plan, ProxyMode};

use super::{Follower, Kernel, Subject};
use crate::programs::Programs;

pub(super) struct Iptables {
    pub(super) flat: bool,
}

impl Iptables {
    /// Few lists, so that what a client meets can be followed on paper.
    fn compile(&self, plan: &Plan) -> Rules {
        Backend::default().flat(self.flat).affinity_lists(2).compile(plan)
    }
}

impl Subject for Iptables {
    fn name(&self) -> &'static str {
        if self.flat { "iptables_flat" } else { "iptables_tree" }
    }

    fn mode(&self) -> ProxyMode {
        ProxyMode::Iptables
    }

    fn rules(&self, plan: &Plan) -> Box<dyn Ruleset> {
        Box::new(Listing::new(self.compile(plan).tables()))
    }

    fn kernels(&self) -> &'static [&'static str] {
        &["legacy", "nft"]
    }

    fn missing(&self, way: &'static str) -> Option<String> {
        Programs::missing(way)
    }

    fn follower(&self, plan: &Plan, kernel: Kernel) -> Box<dyn Follower> {
        let rules = self.compile(plan);
        let mut held: Vec<Box<dyn Held>> = Vec::new();
        for tables in rules.tables() {
            let empty = Tables::new(tables.family());
            let mut kernel: Box<dyn Held> = match kernel {
                Kernel::Fake => Box::new(empty),
                Kernel::Real(variant) => Box::new(Programs { variant, family: tables.family() }),
            };
            // Whatever was there before.
            let change = Change::between(&kernel.tables(), &tables);
            kernel.restore(&change).unwrap();
            held.push(kernel);
        }
        Box::new(IptablesFollower { rules, held })
    }
}

struct IptablesFollower {
    rules: Rules,
    held: Vec<Box<dyn Held>>,
}

impl IptablesFollower {
    fn tables(&mut self) -> Vec<Tables> {
        self.held.iter_mut().map(|held| held.tables()).collect()
    }
}

impl Follower for IptablesFollower {
    fn follow(&mut self, plan: &Plan, changed: &BTreeSet<ObjectName>) -> Result<(), String> {
        let before = self.rules.clone();
        self.rules.update(plan, changed);
        let changes = self.rules.diff_of(&before, changed);
        let filled = |(held, change): (&mut Box<dyn Held>, &Change)| match change.is_empty() {
            true => Ok(()),
            false => held.restore(change).map_err(|error| format!("{error}\n{change}")),
        };
        self.held.iter_mut().zip(&changes).try_for_each(filled)
    }

    fn rules(&self) -> String {
        self.rules.to_string()
    }

    fn held(&mut self) -> String {
        self.tables().iter().map(Tables::to_string).collect()
    }

    fn on_paper(&mut self) -> Box<dyn Ruleset> {
        Box::new(Listing::new(self.tables()))
    }
}

/// Tables of one family, somewhere.
trait Held {
    fn restore(&mut self, change: &Change) -> Result<(), String>;
    fn tables(&mut self) -> Tables;
}

impl Held for Tables {
    fn restore(&mut self, change: &Change) -> Result<(), String> {
        Tables::restore(self, &change.to_string()).map_err(|error| error.to_string())
    }

    fn tables(&mut self) -> Tables {
        self.owned()
    }
}

/// Those of the network namespace that this thread is in.
impl Held for Programs {
    fn restore(&mut self, change: &Change) -> Result<(), String> {
        Programs::restore(*self, change)
    }

    fn tables(&mut self) -> Tables {
        Programs::tables(*self).owned()
    }
}
