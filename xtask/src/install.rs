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
    Wanted {
        program: "iptables-legacy-restore",
        package: "iptables",
        tests: "the tests that put iptables rules into a kernel",
    },
    Wanted { program: "strace", package: "strace", tests: "the test whose system calls are interrupted" },
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
    Wanted { program: "curl", package: "curl", tests: "the tests in which curl asks svc-ingress" },
    Wanted {
        program: "openssl",
        package: "openssl",
        tests: "the tests in which openssl looks at certificates",
    },
    Wanted { program: "nginx", package: "nginx", tests: "the tests that compare svc-ingress with nginx" },
    Wanted { program: "wrk", package: "wrk", tests: "the tests in which wrk loads svc-ingress" },
    Wanted { program: "nghttp", package: "nghttp2-client", tests: "the tests of HTTP/2 with another client" },
    Wanted { program: "pip3", package: "python3-pip", tests: "the tests with clients in Python" },
    // The one program that a build needs: of svc-overlay with its feature `etcd`, which all stages with all features have.
    Wanted { program: "protoc", package: "protobuf-compiler", tests: "the builds with all features do not" },
    Wanted { program: "etcd", package: "etcd-server", tests: "the tests of leases in etcd" },
    Wanted { program: "etcdctl", package: "etcd-client", tests: "the tests of leases in etcd" },
    Wanted { program: "g++", package: "g++", tests: "the fuzz targets (all but their seeds)" },
];

/// Python packages that tests use, in an environment of their own under `target/python`.
const PYTHON: &str = "websockets>=13 grpcio>=1.60 h2>=4.1";

pub(crate) fn run(workspace: &Workspace, progress: &mut Progress) -> anyhow::Result<()> {
    programs(workspace, progress)?;
    if let Err(error) = python(workspace) {
        progress.note(format!("no target/python ({error:#}): the tests with clients in Python skip"));
    }
    Ok(())
}

fn programs(workspace: &Workspace, progress: &mut Progress) -> anyhow::Result<()> {
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

/// Makes the environment, unless it is there with all its packages. `--without-pip`, as Debian has the rest of it in a
/// package of its own; the system's pip fills it.
fn python(workspace: &Workspace) -> anyhow::Result<()> {
    let interpreter = workspace.root().join("target/python/bin/python").display().to_string();
    if Call::new(&interpreter).args(&["-c", "import grpc, h2, websockets"]).ask(workspace).is_some() {
        return Ok(());
    }
    Call::parse("python3 -m venv --without-pip target/python").run(workspace)?;
    let packages: Vec<&str> = PYTHON.split(' ').collect();
    let install = Call::parse("pip3 --quiet --python").arg(&interpreter).arg("install");
    install.args(&packages).run(workspace)
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
