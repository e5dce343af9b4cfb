//! nftables on paper: tables as values, walked as the kernel walks them.
//!
//! Source of what the kernel does: `nf_tables_core.c`, `nf_nat_core.c` and `nft_*.c` of Linux 6.1.

mod index;
mod ipvs;
mod lookup;
mod read;
mod rule;
mod walk;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use svc_ipvs::Listed;
use svc_model::AddressType;
use svc_nft::{Family, Hook, Table};

use super::dice::Dice;
use super::{Memory, Ruleset, TraceError, Way};
use crate::packet::Packet;
use index::{Base, IndexedTable};
use ipvs::Servers;
use walk::Walk;

/// Packets that go more ways than this are not followed: no Service has as many endpoints.
const MOST_WAYS: usize = 100_000;

/// All tables that see a packet: ours, or everything that a kernel lists. Looked up by name and key, so that a trace
/// costs the same however large they are. Clones are cheap.
///
/// ```
/// use svc_nft::{Chain, ChainType, Family, Hook, Priority, Statement, Table};
/// use svc_proxy::trace::{Outcome, Ruleset as _, nftables::Tables};
///
/// let nobody = Chain::base("input", ChainType::Filter, Hook::Prerouting, Priority::FILTER).rule([Statement::drop()]);
/// let tables = Tables::new([Table::new(Family::Ip, "strict").chain(nobody)]);
/// let trace = tables.trace(&"TCP 192.0.2.1 198.51.100.1:80".parse()?)?;
/// assert_eq!(trace.outcome(), Outcome::Drop);
/// assert_eq!((trace.path()[0].chain(), trace.path()[0].rule()), ("input", "drop"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tables {
    tables: Arc<[IndexedTable]>,
    /// The base chains of every hook, in the order in which they run.
    bases: Arc<[Base]>,
    servers: Arc<Servers>,
}

impl Tables {
    /// Indexes tables. O(size of the tables).
    pub fn new(tables: impl IntoIterator<Item = Table>) -> Self {
        let tables: Arc<[_]> = tables.into_iter().map(|table| IndexedTable::new(&table)).collect();
        let mut bases: Vec<_> = index::bases(&tables).collect();
        bases.sort_by_key(Base::order);
        Self { tables, bases: bases.into(), servers: Arc::default() }
    }

    /// With the virtual servers of IPVS, and the addresses that are the host's own for their sake.
    #[must_use]
    pub fn with_ipvs(
        mut self,
        servers: impl IntoIterator<Item = Listed>,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Self {
        self.servers = Arc::new(Servers::new(servers, addresses));
        self
    }

    /// The base chains that see packets of a family at a hook, in order.
    fn at(&self, hook: Hook, family: AddressType) -> impl Iterator<Item = &Base> {
        let sees = move |base: &&Base| base.hook == hook && sees(self.tables[base.table].id.family(), family);
        self.bases.iter().filter(sees)
    }
}

fn sees(table: Family, packet: AddressType) -> bool {
    match table {
        Family::Ip => packet == AddressType::Ipv4,
        Family::Ip6 => packet == AddressType::Ipv6,
        Family::Inet => true,
        _ => false,
    }
}

impl Ruleset for Tables {
    fn ways(&self, packet: &Packet, memory: &Memory) -> Result<Vec<Way>, TraceError> {
        let (mut dice, mut ways) = (Dice::default(), Vec::new());
        loop {
            ways.push(Walk::new(self, packet, memory, &mut dice).finish()?);
            if !dice.turn() || ways.len() >= MOST_WAYS {
                return Ok(ways);
            }
        }
    }
}
