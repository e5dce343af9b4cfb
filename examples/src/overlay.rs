//! The `overlay` program: where a node's leases are, by flags that are called as flanneld's.

pub mod options;
pub mod source;
