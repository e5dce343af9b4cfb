//! Our nftables table in the kernel.

use std::io;

use svc_nft::{Batch, Dataplane as _, Socket};

use crate::error::Error;
use crate::masquerade::{Rules, table_id};

/// The table as it is.
pub(super) fn list(table: &str) -> Result<Option<Rules>, Error> {
    let found = open(table)?.list_table(&table_id(table)).map_err(|error| failed("list", table, &error))?;
    Ok(found.map(Rules::found))
}

/// Puts the table in place of the one that is there, in one transaction.
pub(super) fn replace(rules: &Rules) -> Result<(), Error> {
    let name = rules.table();
    let mut batch = Batch::new();
    // Adding it first makes the deletion succeed whether or not it is there.
    batch.add_table(&table_id(name));
    batch.delete_table(&table_id(name));
    batch.load(rules.nft());
    open(name)?.apply(&batch).map_err(|error| failed("replace", name, &error))
}

pub(super) fn delete(table: &str) -> Result<(), Error> {
    let mut batch = Batch::new();
    batch.delete_table(&table_id(table));
    open(table)?.apply(&batch).map_err(|error| failed("delete", table, &error))
}

fn open(table: &str) -> Result<Socket, Error> {
    Socket::open().map_err(|error| failed("open netfilter socket for", table, &error))
}

fn failed(operation: &'static str, table: &str, error: &svc_nft::Error) -> Error {
    let cause =
        error.errno().map_or_else(|| io::Error::other(error.to_string()), io::Error::from_raw_os_error);
    Error::new(operation, format!("nftables table ip {table}"), cause)
}
