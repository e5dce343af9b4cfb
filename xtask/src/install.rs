//! The `install` stage: programs of other projects that some tests compare with.
//!
//! Nothing here is needed to build or to use the crates. What cannot be installed is said, and the tests that wanted it
//! skip themselves.

use crate::call::Call;
use crate::progress::Progress;
use crate::workspace::Workspace;

/// A program, the package that has it, and what is lost without it.
struct Wanted {
    program: &'static str,
    package: &'static str,
    tests: &'static str,
}

const WANTED: &[Wanted] = &[
    Wanted {
        program: "nft",
        package: "nftables",
        tests: "the tests that compare our rules with its listing",
    },
    Wanted { program: "ip", package: "iproute2", tests: "the tests that have it change what our dumps show" },
    Wanted {
        program: "unbound",
        package: "unbound",
        tests: "the tests that forward to a name server of others",
    },
    Wanted {
        program: "kdig",
        package: "knot-dnsutils",
        tests: "the tests in which another client asks svc-dns",
    },
    Wanted {
        program: "dig",
        package: "bind9-dnsutils",
        tests: "the tests in which yet another client asks svc-dns",
    },
    Wanted {
        program: "python3",
        package: "python3",
        tests: "the tests that ask through the C library's resolver",
    },
    Wanted {
        program: "knotd",
        package: "knot",
        tests: "the tests that compare svc-dns with another server of its zone",
    },
    Wanted {
        program: "ipvsadm",
        package: "ipvsadm",
        tests: "the tests that compare our virtual servers with its listing",
    },
    Wanted { program: "qemu-system-x86_64", package: "qemu-system-x86", tests: "the virtual machines" },
    Wanted { program: "busybox", package: "busybox-static", tests: "the virtual machines" },
    Wanted { program: "kmod", package: "kmod", tests: "the virtual machines" },
    Wanted { program: "g++", package: "g++", tests: "the fuzz targets (all but their seeds)" },
];

pub(crate) fn run(workspace: &Workspace, progress: &mut Progress) -> anyhow::Result<()> {
    let missing: Vec<&Wanted> = WANTED.iter().filter(|wanted| !is_installed(wanted.program)).collect();
    if missing.is_empty() {
        println!("nothing is missing");
        return Ok(());
    }
    let reason = install(workspace, &missing).err();
    for wanted in missing.iter().filter(|wanted| !is_installed(wanted.program)) {
        let why = reason.as_ref().map_or_else(String::new, |error| format!(" ({error:#})"));
        progress.note(format!("{} could not be installed{why}: {} skip", wanted.program, wanted.tests));
    }
    Ok(())
}

fn install(workspace: &Workspace, missing: &[&Wanted]) -> anyhow::Result<()> {
    let apt = apt_get(workspace)?;
    apt.clone().arg("update").run(workspace)?;
    let packages: Vec<&str> = missing.iter().map(|wanted| wanted.package).collect();
    apt.args(&["install", "--yes", "--no-install-recommends"]).args(&packages).run(workspace)
}

/// apt-get with the privileges it needs, if it may be had without asking anybody.
fn apt_get(workspace: &Workspace) -> anyhow::Result<Call> {
    anyhow::ensure!(is_installed("apt-get"), "there is no apt-get");
    let apt_get = Call::parse("env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get --quiet");
    if workspace.is_root() {
        return Ok(apt_get);
    }
    let sudo = "sudo --non-interactive";
    let may = Call::parse(sudo).arg("true").ask(workspace).is_some();
    anyhow::ensure!(may, "neither root nor sudo without a password");
    Ok(apt_get.under(sudo))
}

/// Whether `program` is where programs are; the administrator's directories count even if `PATH` leaves them out.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|dir| dir.join(program).is_file())
}
