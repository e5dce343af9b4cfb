//! What runs inside: a test target, and programs that it calls.

use anyhow::{Context as _, bail};

use crate::call::Call;
use crate::workspace::Workspace;

/// A test target of one of our packages.
#[derive(Debug)]
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    package: &'static str,
    target: &'static str,
    /// Arguments of the test program.
    pub(crate) args: &'static [&'static str],
    /// Programs of the host that it runs.
    pub(crate) programs: &'static [&'static str],
    /// Folders of the host with what those load.
    pub(crate) folders: &'static [&'static str],
    /// It runs only when it is asked for by name.
    pub(crate) by_name: bool,
}

pub(crate) const SUITES: &[Suite] = &[
    // One by one, since the kernel's list (and so ipvsadm's) goes wrong while other namespaces change theirs.
    Suite {
        name: "ipvs",
        package: "svc-ipvs",
        target: "kernel",
        args: &["--test-threads=1"],
        programs: &["ipvsadm", "ip"],
        folders: &[],
        by_name: false,
    },
    Suite {
        name: "proxy",
        package: "svc-proxy",
        target: "kernel",
        args: &["ipvs_", "--test-threads=1"],
        programs: &[
            "ipvsadm",
            "iptables-restore",
            "iptables-nft-restore",
            "iptables-nft-save",
            "ip6tables-nft-restore",
            "ip6tables-nft-save",
        ],
        folders: &["/usr/lib/x86_64-linux-gnu/xtables"],
        // A connection in some hundreds takes seconds while modes follow one another there; until it is known why, the day does
        // not depend on it.
        by_name: true,
    },
];

impl Suite {
    /// Builds the test program and says where it is.
    pub(crate) fn build(&self, workspace: &Workspace) -> anyhow::Result<String> {
        let build = Call::parse("cargo test --no-run --quiet --all-features --message-format=json");
        let build = build.args(&["--package", self.package, "--test", self.target]);
        let messages = build.ask(workspace).with_context(|| format!("`{build}` failed"))?;
        let kind = format!("\"name\":\"{}\"", self.target);
        let mut programs = messages.lines().filter(|line| line.contains(&kind)).filter_map(executable);
        match programs.next_back() {
            Some(program) => Ok(program.to_owned()),
            None => bail!("`{build}` named no program"),
        }
    }
}

/// The value of `"executable"` in a message of cargo; paths with quotes in them are not supported.
fn executable(message: &str) -> Option<&str> {
    message.split_once("\"executable\":\"")?.1.split_once('"').map(|(path, _)| path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_in_what_cargo_says() {
        let message =
            r#"{"target":{"name":"kernel"},"executable":"/target/debug/deps/kernel-1","fresh":true}"#;
        assert_eq!(executable(message), Some("/target/debug/deps/kernel-1"));
        assert_eq!(executable(r#"{"executable":null}"#), None);
    }
}
