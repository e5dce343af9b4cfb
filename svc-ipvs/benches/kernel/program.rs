//! Programs of others.

use std::io::Write as _;
use std::process::{Command, Stdio};

/// Gives lines to `ipvsadm --restore`.
pub(crate) fn restore(lines: &str) {
    let mut child =
        Command::new("ipvsadm").arg("--restore").stdin(Stdio::piped()).spawn().expect("the program ipvsadm");
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("it reads");
    let status = child.wait().expect("its status");
    assert!(status.success(), "ipvsadm --restore: {status}");
}

/// Without it there is no local routing table, and the kernel takes every IPv4 destination for a broadcast.
pub(crate) fn loopback_up() {
    let status = Command::new("ip").args(["link", "set", "lo", "up"]).status().expect("the program ip");
    assert!(status.success(), "ip link set lo up: {status}");
}
