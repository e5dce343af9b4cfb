//! Which virtual servers at the node's own addresses are ours, kept where it outlives the proxy: a set in a table of its own.
//! Those at addresses of our device are ours because of that.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use svc_ipvs::{Protocol, ServiceId};
use svc_nft::{Batch, DataType, Dataplane, Element, Family, Key, L4Proto, Set, Table, TableId, Value};

use crate::Error;
use crate::nftables::MARKER;

const SET: &str = "node-ports";

/// The tables of both families.
#[derive(Clone, Debug)]
pub(super) struct Record {
    tables: [TableId; 2],
}

impl Record {
    /// Beside the table of this name.
    pub(super) fn new(glue: &str) -> Self {
        Self { tables: [Family::Ip, Family::Ip6].map(|family| TableId::new(family, format!("{glue}-own"))) }
    }

    /// All that are recorded.
    pub(super) fn read(&self, kernel: &mut dyn Dataplane) -> Result<BTreeSet<ServiceId>, Error> {
        let there = kernel.list_tables()?;
        let mut all = BTreeSet::new();
        for id in self.tables.iter().filter(|id| there.contains(id)) {
            let table = kernel.list_table(id)?;
            let ours = table.filter(|table| table.comment_text() == Some(MARKER));
            let Some(table) = ours else { return Err(Error::ForeignTable { table: id.clone() }) };
            let elements = table.find_set(SET).into_iter().flat_map(Set::elements);
            all.extend(elements.filter_map(|element| server(element.key())));
        }
        Ok(all)
    }

    /// Adds virtual servers, and the tables where there are none.
    pub(super) fn add(&self, servers: &[ServiceId]) -> Batch {
        let mut batch = Batch::new();
        for id in &self.tables {
            let elements: Vec<_> =
                servers.iter().filter_map(|server| element(*server, id.family())).collect();
            if !elements.is_empty() {
                let table = Table::with_id(id.clone()).comment(MARKER).set(declaration(id.family()));
                batch.load_with(&table, |batch| {
                    batch.add_elements(id, &declaration(id.family()), elements);
                });
            }
        }
        batch
    }

    /// Forgets virtual servers that are recorded.
    pub(super) fn forget(&self, servers: &[ServiceId]) -> Batch {
        let mut batch = Batch::new();
        for id in &self.tables {
            let elements = servers.iter().filter_map(|server| element(*server, id.family()));
            let keys: Vec<_> = elements.map(|element| element.key().clone()).collect();
            if !keys.is_empty() {
                batch.delete_elements(id, &declaration(id.family()), keys);
            }
        }
        batch
    }

    /// Removes what there is.
    pub(super) fn remove(&self, kernel: &mut dyn Dataplane) -> Result<(), Error> {
        let there = kernel.list_tables()?;
        let mut batch = Batch::new();
        for id in self.tables.iter().filter(|id| there.contains(id)) {
            batch.delete_table(id);
        }
        if !batch.is_empty() {
            kernel.apply(&batch)?;
        }
        Ok(())
    }
}

fn declaration(family: Family) -> Set {
    let address = if family == Family::Ip6 { DataType::Ipv6Addr } else { DataType::Ipv4Addr };
    Set::new(SET, [address, DataType::InetProto, DataType::InetService])
}

fn element(server: ServiceId, family: Family) -> Option<Element> {
    let ServiceId::Address(protocol, address) = server else { return None };
    let number = L4Proto::new(u8::try_from(protocol.number()).ok()?);
    let key = Key::new([address.ip().into(), number.into(), Value::Port(address.port())]);
    (address.is_ipv6() == (family == Family::Ip6)).then(|| Element::new(key))
}

fn server(key: &Key) -> Option<ServiceId> {
    let [address, protocol, Value::Port(port)] = key.parts() else { return None };
    let address: IpAddr = match address {
        Value::Ipv4(address) => (*address).into(),
        Value::Ipv6(address) => (*address).into(),
        _ => return None,
    };
    let is = |known: &Protocol| {
        u8::try_from(known.number()).is_ok_and(|number| Value::from(L4Proto::new(number)) == *protocol)
    };
    let protocol = Protocol::ALL.into_iter().find(is)?;
    Some(ServiceId::new(protocol, SocketAddr::new(address, *port)))
}
