//! IPVS, with its glue in nftables. Virtual servers are in a kernel in memory, whatever kernel the glue is in.

use std::collections::BTreeSet;
use std::net::IpAddr;

use svc_ipvs::Dataplane as _;
use svc_model::ObjectName;
use svc_nft::{Batch, Dataplane, Table};
use svc_proxy::trace::Ruleset;
use svc_proxy::trace::nftables::Tables;
use svc_proxy::{Compiler as _, Plan, ProxyMode, ipvs};

use super::nftables::{Destroyed as _, sorted};
use super::{Follower, Kernel, Subject};
use crate::settings::{ADDRESSES, ip};

pub(super) struct Ipvs;

fn backend() -> ipvs::Backend {
    ipvs::Backend::new(ADDRESSES.iter().map(|address| ip(address)))
}

impl Subject for Ipvs {
    fn name(&self) -> &'static str {
        "ipvs"
    }

    fn mode(&self) -> ProxyMode {
        ProxyMode::Ipvs
    }

    fn rules(&self, plan: &Plan) -> Box<dyn Ruleset> {
        Box::new(backend().compile(plan).on_paper())
    }

    fn kernels(&self) -> &'static [&'static str] {
        &["glue"]
    }

    fn follower(&self, plan: &Plan, kernel: Kernel) -> Box<dyn Follower> {
        let rules = backend().compile(plan);
        let mut glue: Box<dyn Dataplane> = match kernel {
            Kernel::Fake => Box::new(svc_nft::fake::Kernel::new()),
            Kernel::Real(_) => Box::new(svc_nft::Socket::open().unwrap()),
        };
        for table in rules.glue().tables() {
            glue.apply(Batch::new().destroyed(&table)).unwrap();
            glue.apply(Batch::new().load(&table)).unwrap();
        }
        let mut servers = svc_ipvs::fake::Kernel::new();
        assert_eq!(servers.apply(&svc_ipvs::diff(&[], &rules.servers())).unwrap(), []);
        let addresses = rules.addresses().collect();
        Box::new(IpvsFollower { rules, glue, servers, addresses })
    }
}

struct IpvsFollower {
    rules: ipvs::Rules,
    glue: Box<dyn Dataplane>,
    servers: svc_ipvs::fake::Kernel,
    addresses: BTreeSet<IpAddr>,
}

impl IpvsFollower {
    fn tables(&mut self) -> Vec<Table> {
        let ids = self.rules.glue().table_ids();
        ids.iter().map(|id| self.glue.list_table(id).unwrap().unwrap()).collect()
    }
}

impl Follower for IpvsFollower {
    fn follow(&mut self, plan: &Plan, changed: &BTreeSet<ObjectName>) -> Result<(), String> {
        let before = self.rules.clone();
        self.rules.update(plan, changed);
        let change = self.rules.diff_of(&before, changed);
        let refused = self.servers.apply(change.coming()).unwrap();
        if !change.glue().is_empty() {
            self.glue.apply(change.glue()).map_err(|error| format!("{error}\n{}", change.glue()))?;
        }
        let known = change.bound().iter().filter(|address| !self.addresses.insert(**address)).count();
        let unknown = change.unbound().iter().filter(|address| !self.addresses.remove(address)).count();
        let more = self.servers.apply(change.going()).unwrap();
        if refused.is_empty() && more.is_empty() && known + unknown == 0 {
            return Ok(());
        }
        Err(format!("{refused:?} {more:?}, {known} addresses twice, {unknown} unknown: {change}"))
    }

    fn rules(&self) -> String {
        self.rules.to_string()
    }

    fn held(&mut self) -> String {
        let servers = svc_ipvs::diff(&[], &self.servers.list().unwrap());
        let servers: String = servers.iter().map(|command| format!("{command}\n")).collect();
        let tables: String = self.tables().iter().map(|table| sorted(table).to_string()).collect();
        format!("{servers}{:?}\n{tables}", self.addresses)
    }

    fn on_paper(&mut self) -> Box<dyn Ruleset> {
        let servers = self.servers.list().unwrap();
        Box::new(Tables::new(self.tables()).with_ipvs(servers, self.addresses.iter().copied()))
    }
}
