//! The underlay's device and its addresses, as this kernel has them.

use std::net::{IpAddr, Ipv6Addr};

use anyhow::{Context as _, ensure};
use nix::ifaddrs::getifaddrs;

/// The first address of each family of the device, or of that of the default route.
///
/// # Errors
/// There is no such device, or it has no address that others could reach.
pub fn addresses(device: Option<&str>) -> anyhow::Result<Vec<IpAddr>> {
    let device = match device {
        Some(name) => name.to_owned(),
        None => default_device().context("there is no default route; say --iface or --public-ip")?,
    };
    let mut found: Vec<IpAddr> = Vec::new();
    for interface in getifaddrs()?.filter(|interface| interface.interface_name == device) {
        let Some(address) = interface.address else { continue };
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        let v6 = address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip()));
        let wanted = v4.or(v6).filter(|address| address.is_ipv4() || is_global(address));
        let first = |address: &IpAddr| !found.iter().any(|other| other.is_ipv4() == address.is_ipv4());
        found.extend(wanted.filter(first));
    }
    ensure!(!found.is_empty(), "device {device} has no address; say --public-ip");
    found.sort();
    Ok(found)
}

fn is_global(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if !v6.is_unicast_link_local() && *v6 != Ipv6Addr::LOCALHOST)
}

/// From `/proc/net/route`, or, where IPv4 has none, `/proc/net/ipv6_route` (proc(5)).
fn default_device() -> Option<String> {
    let read =
        |file: &str| std::fs::read_to_string(format!("/proc/thread-self/net/{file}")).unwrap_or_default();
    default_of(&read("route")).or_else(|| default_of6(&read("ipv6_route")))
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask ..`
fn default_of(table: &str) -> Option<String> {
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut defaults = rows.filter(|row| row.get(1) == Some(&"00000000") && row.get(7) == Some(&"00000000"));
    defaults.next().map(|row| row[0].to_owned())
}

/// Destination and its length, source and its length, next hop, metric, .., device.
fn default_of6(table: &str) -> Option<String> {
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let is_default =
        |row: &Vec<&str>| row.get(1) == Some(&"00") && row.last().is_some_and(|name| *name != "lo");
    rows.find(is_default).and_then(|row| row.last().map(|name| (*name).to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_of_the_default_route() {
        let table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n\
                     eth1\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\n\
                     eth0\t00000000\t0102A8C0\t0003\t0\t0\t0\t00000000\t0\n";
        assert_eq!(default_of(table).as_deref(), Some("eth0"));
        assert_eq!(default_of(""), None);
        let table = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n\
                     00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00450003     eth0\n";
        assert_eq!(default_of6(table).as_deref(), Some("eth0"));
    }
}
