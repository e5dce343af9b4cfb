//! iptables by its programs, of both variants.

use std::collections::BTreeSet;

use svc_model::{AddressType, ObjectName};
use svc_nft::ipset::IpSets as _;
use svc_proxy::iptables::{Backend, Change, Dataplane, Rules, TableName, Tables, Variant};
use svc_proxy::trace::{Ruleset, iptables::Listing};
use svc_proxy::{Compiler as _, Plan, ProxyMode, sys};

use super::{Follower, Kernel, Subject};

pub(super) struct Iptables {
    pub(super) flat: bool,
}

impl Iptables {
    fn compile(&self, plan: &Plan) -> Rules {
        Backend::default().flat(self.flat).compile(plan)
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
        let program = format!("iptables-{way}-restore");
        let is_there = std::process::Command::new(&program).arg("--version").output().is_ok();
        (!is_there).then(|| format!("no {program} program here (Debian's package `iptables` has it)"))
    }

    fn follower(&self, plan: &Plan, kernel: Kernel) -> Box<dyn Follower> {
        let rules = self.compile(plan);
        let mut held: Vec<Box<dyn Held>> = Vec::new();
        for tables in rules.tables() {
            let empty = Tables::new(tables.family());
            let mut kernel: Box<dyn Held> = match kernel {
                Kernel::Fake => Box::new(empty),
                Kernel::Real(way) => Box::new(InKernel::new(way, tables.family())),
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
struct InKernel {
    kernel: sys::Kernel,
    variant: Variant,
    family: AddressType,
}

impl InKernel {
    fn new(way: &str, family: AddressType) -> Self {
        let variant = Variant::ALL.into_iter().find(|variant| variant.name() == way).unwrap();
        Self { kernel: sys::Kernel::new(), variant, family }
    }

    fn destroy(&mut self, set: &str) -> Result<(), String> {
        loop {
            match self.kernel.destroy(set) {
                // Rules of nf_tables let go of it a moment after they are gone.
                Err(error) if error.is_busy() => std::thread::yield_now(),
                destroyed => return destroyed.map(drop).map_err(|error| error.to_string()),
            }
        }
    }
}

impl Held for InKernel {
    fn restore(&mut self, change: &Change) -> Result<(), String> {
        for set in change.made() {
            self.kernel.create(set).map_err(|error| error.to_string())?;
        }
        self.kernel.restore(self.variant, change).map_err(|error| error.to_string())?;
        change.unused().iter().try_for_each(|set| self.destroy(set))
    }

    fn tables(&mut self) -> Tables {
        Dataplane::list(&mut self.kernel, self.variant, self.family, &TableName::ALL).unwrap().owned()
    }
}
