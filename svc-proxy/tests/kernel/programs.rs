//! The programs of iptables, in the network namespace of the thread that calls them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use svc_model::AddressType;
use svc_proxy::iptables::{Change, Tables};

/// One family's programs of one variant: `legacy` or `nft`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Programs {
    pub(crate) variant: &'static str,
    pub(crate) family: AddressType,
}

impl Programs {
    /// Why they cannot be called.
    pub(crate) fn missing(variant: &str) -> Option<String> {
        let program = format!("iptables-{variant}-restore");
        let is_there = Command::new(&program).arg("--version").stdout(Stdio::null()).status().is_ok();
        (!is_there).then(|| format!("no {program} program here (Debian's package `iptables` has it)"))
    }

    fn program(self, what: &str) -> Command {
        let ip = if self.family == AddressType::Ipv6 { "ip6tables" } else { "iptables" };
        let mut command = Command::new(format!("{ip}-{}-{what}", self.variant));
        let lock = std::env::temp_dir().join(format!("xtables.lock.{}", std::process::id()));
        command.env("XTABLES_LOCKFILE", lock).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Restores, without flushing; what the program says if it refuses.
    pub(crate) fn restore(self, change: &Change) -> Result<(), String> {
        let mut command = self.program("restore");
        let mut child = command.args(["--noflush", "--wait"]).stdin(Stdio::piped()).spawn().unwrap();
        // A program that refuses the first lines reads no others, and says why.
        let written = child.stdin.take().unwrap().write_all(change.to_string().as_bytes());
        let output = child.wait_with_output().unwrap();
        match output.status.success() {
            true => written.map_err(|error| error.to_string()),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    /// All tables as they are listed.
    pub(crate) fn tables(self) -> Tables {
        let output = self.program("save").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Tables::parse(self.family, &String::from_utf8_lossy(&output.stdout)).unwrap()
    }
}
