//! Our nftables tables in the kernel.

use std::collections::BTreeMap;
use std::io;

use svc_nft::{Batch, Dataplane as _, Socket, TableId};

use crate::error::Error;
use crate::family::Family;
use crate::masquerade::{Rules, table_id};

/// Our tables as they are, by family.
pub(super) fn list(name: &str) -> Result<BTreeMap<Family, Rules>, Error> {
    let mut found = BTreeMap::new();
    for family in Family::ALL {
        let table = table_id(family, name);
        let listed = open(&table)?.list_table(&table).map_err(|error| failed("list", &table, &error))?;
        found.extend(listed.map(|listed| (family, Rules::found(listed))));
    }
    Ok(found)
}

/// Puts the table in place of the one that is there, in one transaction.
pub(super) fn replace(rules: &Rules) -> Result<(), Error> {
    let table = rules.table();
    let mut batch = Batch::new();
    // Adding it first makes the deletion succeed whether or not it is there.
    batch.add_table(table);
    batch.delete_table(table);
    batch.load(rules.nft());
    open(table)?.apply(&batch).map_err(|error| failed("replace", table, &error))
}

pub(super) fn delete(table: &TableId) -> Result<(), Error> {
    let mut batch = Batch::new();
    batch.delete_table(table);
    open(table)?.apply(&batch).map_err(|error| failed("delete", table, &error))
}

fn open(table: &TableId) -> Result<Socket, Error> {
    Socket::open().map_err(|error| failed("open netfilter socket for", table, &error))
}

fn failed(operation: &'static str, table: &TableId, error: &svc_nft::Error) -> Error {
    let cause =
        error.errno().map_or_else(|| io::Error::other(error.to_string()), io::Error::from_raw_os_error);
    Error::new(operation, format!("nftables table {table}"), cause)
}
