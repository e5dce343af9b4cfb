//! `/proc/sys` of the calling thread's network namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::{fs, io};

use crate::error::Error;

/// The values of the keys that exist.
pub(super) fn read_all(keys: &BTreeSet<String>) -> Result<BTreeMap<String, String>, Error> {
    let mut values = BTreeMap::new();
    for key in keys {
        match fs::read_to_string(path(key)) {
            Ok(value) => values.insert(key.clone(), value.trim_end().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Error::new("read", path(key), error)),
        };
    }
    Ok(values)
}

pub(super) fn write(key: &str, value: &str) -> Result<(), Error> {
    fs::write(path(key), value)
        .map_err(|cause| Error::new("write", format!("{} = {value}", path(key)), cause))
}

fn path(key: &str) -> String {
    format!("/proc/sys/{key}")
}
