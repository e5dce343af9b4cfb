//! Objects as manifests after a line `host path`: hosts, paths, patterns and certificates that are wrong are reported, a
//! request has one answer, and an update leads where a new table does.
#![cfg_attr(fuzzing, no_main)]

fuzz::target!(|bytes| {
    fuzz::table::check(&String::from_utf8_lossy(bytes));
});
