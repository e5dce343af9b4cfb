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
    kernels: Kernels,
}

/// On which of the kernels a suite runs unless it is asked for by name. All suites on all of them would take a quarter of an hour.
#[derive(Debug, PartialEq, Eq)]
enum Kernels {
    All,
    /// The oldest that there is.
    Oldest,
    /// The youngest that there is.
    Youngest,
    /// None.
    ByName,
}

/// The programs of both variants of iptables.
const IPTABLES: &[&str] = &[
    "iptables",
    "iptables-legacy",
    "iptables-legacy-restore",
    "iptables-legacy-save",
    "iptables-nft",
    "iptables-nft-restore",
    "iptables-nft-save",
    "iptables-restore",
    "ip6tables",
    "ip6tables-legacy",
    "ip6tables-legacy-restore",
    "ip6tables-legacy-save",
    "ip6tables-nft",
    "ip6tables-nft-restore",
    "ip6tables-nft-save",
    "ip6tables-restore",
];
/// What their rules load.
const XTABLES: &str = "/usr/lib/x86_64-linux-gnu/xtables";

pub(crate) const SUITES: &[Suite] = &[
    // One by one, since the kernel's list (and so ipvsadm's) goes wrong while other namespaces change theirs.
    Suite {
        name: "ipvs",
        package: "svc-ipvs",
        target: "kernel",
        args: &["--test-threads=1"],
        programs: &["ipvsadm", "ip"],
        folders: &[],
        kernels: Kernels::All,
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
        folders: &[XTABLES],
        kernels: Kernels::Youngest,
    },
    // What the nft program says of our rules: old kernels refuse what younger ones take.
    Suite {
        name: "nft-program",
        package: "svc-nft",
        target: "kernel",
        args: &["program::", "--test-threads=1"],
        programs: &["nft"],
        folders: &[],
        kernels: Kernels::Oldest,
    },
    Suite {
        name: "nft",
        package: "svc-nft",
        target: "kernel",
        args: &["--test-threads=1"],
        programs: &["nft", "strace"],
        folders: &[],
        kernels: Kernels::ByName,
    },
    Suite {
        name: "nftables",
        package: "svc-proxy",
        target: "kernel",
        args: &["--test-threads=1", "--skip", "ipvs_", "--skip", "iptables_"],
        programs: &["nft"],
        folders: &[],
        kernels: Kernels::ByName,
    },
    Suite {
        name: "iptables",
        package: "svc-proxy",
        target: "kernel",
        args: &["iptables_", "--test-threads=1"],
        programs: IPTABLES,
        folders: &[XTABLES],
        kernels: Kernels::ByName,
    },
];

impl Suite {
    /// Whether it runs on the `number`th of `count` kernels, the oldest of which is the first.
    pub(crate) fn runs_on(&self, number: usize, count: usize) -> bool {
        match self.kernels {
            Kernels::All => true,
            Kernels::Oldest => number == 0,
            Kernels::Youngest => number + 1 == count,
            Kernels::ByName => false,
        }
    }

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
    fn a_suite_runs_on_its_kernels_even_if_there_is_only_one() {
        let on = |name: &str, count| {
            let suite = SUITES.iter().find(|suite| suite.name == name).unwrap();
            (0..count).filter(|number| suite.runs_on(*number, count)).collect::<Vec<_>>()
        };
        assert_eq!(
            [on("ipvs", 2), on("nft-program", 2), on("proxy", 2), on("nft", 2)],
            [vec![0, 1], vec![0], vec![1], vec![]]
        );
        assert_eq!([on("ipvs", 1), on("nft-program", 1), on("proxy", 1)], [vec![0], vec![0], vec![0]]);
    }

    #[test]
    fn the_program_is_found_in_what_cargo_says() {
        let message =
            r#"{"target":{"name":"kernel"},"executable":"/target/debug/deps/kernel-1","fresh":true}"#;
        assert_eq!(executable(message), Some("/target/debug/deps/kernel-1"));
        assert_eq!(executable(r#"{"executable":null}"#), None);
    }
}
