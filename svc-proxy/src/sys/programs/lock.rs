//! The lock that legacy programs take one after the other.

use std::fs::OpenOptions;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::iptables::Holder;

const DEFAULT: &str = "/run/xtables.lock";

/// The lock that others on this host take, or where that is not ours, one of this network namespace.
pub(super) fn default_file() -> PathBuf {
    if let Some(path) = std::env::var_os("XTABLES_LOCKFILE") {
        return path.into();
    }
    // As the programs open it.
    if OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(DEFAULT)
        .is_ok()
    {
        return DEFAULT.into();
    }
    let namespace = std::fs::read_link("/proc/thread-self/ns/net").unwrap_or_default();
    let digits: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    let directory = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
    directory.join(format!("xtables-{digits}.lock"))
}

/// The process that holds it, where `/proc/locks` tells. A line there: `1: FLOCK  ADVISORY  WRITE 1234 00:1a:5678 0 EOF`,
/// with device and inode of the file; a lock of a process of another pid namespace has the pid 0 or none.
pub(super) fn holder(lock: &Path) -> Option<Holder> {
    let file = std::fs::metadata(lock).ok()?;
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let pid = held_by(&locks, file.dev(), file.ino())?;
    let command = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(Holder { pid, command: command.trim_end().to_owned() })
}

pub(super) fn held_by(locks: &str, device: u64, inode: u64) -> Option<u32> {
    let (major, minor) = (nix::sys::stat::major(device), nix::sys::stat::minor(device));
    let file = format!("{major:02x}:{minor:02x}:{inode}");
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        // Who waits has an arrow in front.
        let is_held = words.nth(1)? != "->";
        let mut words = words.skip(2);
        let pid = words.next()?.parse().ok().filter(|pid| *pid != 0)?;
        (is_held && words.next()? == file).then_some(pid)
    })
}
