//! What runs inside: one of our programs, and others that it calls.

use std::collections::BTreeMap;

use anyhow::Context as _;

use crate::call::Call;
use crate::workspace::Workspace;

/// One of our programs, with its arguments.
#[derive(Debug)]
pub(crate) struct Suite {
    pub(crate) name: &'static str,
    source: Source,
    pub(crate) args: &'static [&'static str],
    /// Programs of the host that it runs.
    pub(crate) programs: &'static [&'static str],
    /// Folders of the host with what those load.
    pub(crate) folders: &'static [&'static str],
    kernels: Kernels,
}

/// Where a program comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// The test target `kernel` of a package. All of them are built as the stage `tests` builds them, so that nothing is built twice.
    Tests(&'static str),
    /// The bench `kernel` of a package.
    Bench(&'static str),
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
        source: Source::Tests("svc-ipvs"),
        args: &["--test-threads=1"],
        programs: &["ipvsadm", "ip"],
        folders: &[],
        kernels: Kernels::All,
    },
    Suite {
        name: "proxy",
        source: Source::Tests("svc-proxy"),
        args: &["ipvs_", "--test-threads=1"],
        programs: &[
            "ipvsadm",
            "ip",
            "iptables-restore",
            "iptables-nft-restore",
            "iptables-nft-save",
            "ip6tables-nft-restore",
            "ip6tables-nft-save",
        ],
        folders: &[XTABLES],
        kernels: Kernels::Youngest,
    },
    Suite {
        name: "ipvs-bench",
        source: Source::Bench("svc-ipvs"),
        args: &[],
        programs: &["ipvsadm", "ip"],
        folders: &[],
        kernels: Kernels::ByName,
    },
    // What the nft program says of our rules: old kernels refuse what younger ones take.
    Suite {
        name: "nft-program",
        source: Source::Tests("svc-nft"),
        args: &["program::", "--test-threads=1"],
        programs: &["nft"],
        folders: &[],
        kernels: Kernels::Oldest,
    },
    Suite {
        name: "nft",
        source: Source::Tests("svc-nft"),
        args: &["--test-threads=1"],
        programs: &["nft", "strace"],
        folders: &[],
        kernels: Kernels::ByName,
    },
    Suite {
        name: "nftables",
        source: Source::Tests("svc-proxy"),
        args: &["--test-threads=1", "--skip", "ipvs_", "--skip", "iptables_"],
        programs: &["nft"],
        folders: &[],
        kernels: Kernels::ByName,
    },
    Suite {
        name: "iptables",
        source: Source::Tests("svc-proxy"),
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
}

/// Builds what suites run, and says for each by its name where it is.
pub(crate) fn build(
    workspace: &Workspace,
    suites: &[&Suite],
) -> anyhow::Result<BTreeMap<&'static str, String>> {
    let mut messages: BTreeMap<String, String> = BTreeMap::new();
    let mut programs = BTreeMap::new();
    for suite in suites {
        let build = suite.source.build();
        let command = build.to_string();
        if !messages.contains_key(&command) {
            println!("$ {command}");
            let told = build.ask(workspace).with_context(|| format!("`{command}` failed"))?;
            messages.insert(command.clone(), told);
        }
        let program = messages[&command].lines().rev().find_map(|line| suite.source.program(line));
        let program = program.with_context(|| format!("`{command}` named no program of {}", suite.name))?;
        programs.insert(suite.name, program.to_owned());
    }
    Ok(programs)
}

impl Source {
    fn build(self) -> Call {
        let build = match self {
            Self::Tests(_) => "cargo test --no-run --workspace --all-features --test kernel",
            Self::Bench(_) => "cargo bench --no-run --bench kernel",
        };
        let target = match self {
            Self::Tests(_) => &[][..],
            Self::Bench(package) => &["--package", package],
        };
        Call::parse(build).args(target).args(&["--quiet", "--message-format=json"])
    }

    /// Where it is, if this message of cargo tells.
    fn program(self, message: &str) -> Option<&str> {
        let (package, target) = match self {
            Self::Tests(package) => (package, "kernel"),
            Self::Bench(package) => (package, "kernel"),
        };
        let is_it = message.contains(&format!("/{package}/Cargo.toml\""))
            && message.contains(&format!("\"name\":\"{target}\""));
        is_it.then(|| executable(message)).flatten()
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
