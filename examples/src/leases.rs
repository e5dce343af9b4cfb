//! Files in flannel's forms: leases as its registry has them, and the network configuration.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;
use svc_overlay::{Lease, Leases, NetConf};

/// Reads a JSON object from subnet to attributes, such as
/// `{"10.244.2.0-24": {"PublicIP": "172.20.10.2", "BackendType": "vxlan", "BackendData": {"VNI": 1, "VtepMAC": ".."}}}`.
///
/// # Errors
/// Any lease that cannot be read: who writes such a file wants to know.
pub fn read(file: &Path) -> anyhow::Result<Leases> {
    let name = || format!("leases {}", file.display());
    let text = std::fs::read_to_string(file).with_context(name)?;
    let entries: BTreeMap<String, Value> = serde_json::from_str(&text).with_context(name)?;
    let leases = Leases::new();
    for (key, value) in entries {
        leases.put(Lease::parse(&key, &value.to_string()).with_context(name)?).with_context(name)?;
    }
    Ok(leases)
}

/// Reads flannel's network configuration, for a node whose lease is known.
///
/// # Errors
/// The first key that breaks a rule.
pub fn net_conf(file: &Path) -> anyhow::Result<NetConf> {
    let name = || format!("net-conf {}", file.display());
    let text = std::fs::read_to_string(file).with_context(name)?;
    NetConf::parse_without_allocation(&text).with_context(name)
}
