//! Who has a UDP port that a VXLAN device needs.

use std::net::IpAddr;
use std::{fs, io};

use super::dump;
use super::netlink::Netlink;
use crate::kernel::Device;

/// In words; nothing where it cannot be seen: a process of another user, or in another pid namespace.
pub(super) fn of(netlink: &mut Netlink, device: &Device) -> Option<String> {
    let others = dump::vxlan_devices(netlink).unwrap_or_default();
    let shares = |other: &&Device| {
        other.name != device.name
            && other.port == device.port
            && other.local.is_ipv4() == device.local.is_ipv4()
    };
    if let Some(other) = others.iter().find(shares) {
        return Some(format!("VXLAN device {} with other settings", other.name));
    }
    let (pid, name) = process(socket(device)?).ok()??;
    Some(format!("process {pid} ({name})"))
}

/// The inode of the socket on the device's port, from `/proc/net/udp` (proc(5)).
fn socket(device: &Device) -> Option<u64> {
    // A socket of IPv6 that is bound to no address has the port of both families.
    let files: &[&str] = match device.local {
        IpAddr::V4(_) => &["udp", "udp6"],
        IpAddr::V6(_) => &["udp6"],
    };
    let tables =
        files.iter().filter_map(|file| fs::read_to_string(format!("/proc/thread-self/net/{file}")).ok());
    let tables: Vec<_> = tables.collect();
    tables.iter().flat_map(|table| table.lines()).find_map(|line| inode(line, device.port))
}

/// `  sl  local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode ..`
fn inode(line: &str, port: u16) -> Option<u64> {
    let mut fields = line.split_whitespace();
    let (_, found) = fields.nth(1)?.split_once(':')?;
    let inode = fields.nth(7)?.parse().ok()?;
    (u16::from_str_radix(found, 16) == Ok(port) && inode != 0).then_some(inode)
}

/// The process that has a socket open, and its name.
fn process(inode: u64) -> io::Result<Option<(u32, String)>> {
    let wanted = format!("socket:[{inode}]");
    let has = |pid: u32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|link| link.as_os_str() == wanted.as_str())
    };
    let entries = fs::read_dir("/proc")?.flatten();
    let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let name =
        |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
    Ok(pids.find(|pid| has(*pid)).map(|pid| (pid, name(pid))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_net_udp() {
        let line = " 3012: 00000000:2118 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 51776 2 0 0";
        assert_eq!((inode(line, 8472), inode(line, 8473)), (Some(51776), None));
        let kernel = line.replace("51776", "0");
        assert_eq!(inode(&kernel, 8472), None);
        let head = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref";
        assert_eq!(inode(head, 8472), None);
    }
}
