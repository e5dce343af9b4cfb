//! The sysctls that service networks touch, as the calling thread's namespace has them.

use std::fs;
use std::path::Path;

/// A `*` stands for each entry of a directory.
const CHOSEN: [&str; 17] = [
    "net/bridge/*",
    "net/ipv4/conf/*/accept_local",
    "net/ipv4/conf/*/arp_announce",
    "net/ipv4/conf/*/arp_ignore",
    "net/ipv4/conf/*/forwarding",
    "net/ipv4/conf/*/proxy_arp",
    "net/ipv4/conf/*/route_localnet",
    "net/ipv4/conf/*/rp_filter",
    "net/ipv4/conf/*/src_valid_mark",
    "net/ipv4/ip_forward",
    "net/ipv4/ip_local_port_range",
    "net/ipv4/ip_local_reserved_ports",
    "net/ipv4/vs/*",
    "net/ipv6/conf/*/accept_ra",
    "net/ipv6/conf/*/disable_ipv6",
    "net/ipv6/conf/*/forwarding",
    "net/netfilter/nf_conntrack_tcp_be_liberal",
];

pub(super) fn lines() -> Vec<String> {
    CHOSEN.iter().flat_map(|pattern| expand(pattern)).filter_map(|name| line(&name)).collect()
}

fn expand(pattern: &str) -> Vec<String> {
    let Some((directory, rest)) = pattern.split_once('*') else { return vec![pattern.into()] };
    let entries = fs::read_dir(Path::new("/proc/sys").join(directory)).into_iter().flatten().flatten();
    entries.map(|it| format!("{directory}{}{rest}", it.file_name().to_string_lossy())).collect()
}

/// `None` for one that this kernel has not.
fn line(name: &str) -> Option<String> {
    let value = fs::read_to_string(Path::new("/proc/sys").join(name)).ok()?;
    Some(format!("{name} = {}", value.trim_end()))
}
