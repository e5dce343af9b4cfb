//! The namespaces themselves: user, net, mount and pid, made without privileges; and what is mounted in them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount as mount_call};
use nix::sched::CloneFlags;
use nix::unistd::{getegid, geteuid};

use crate::error::Error;

/// Where a lab keeps its files; on a tmpfs of its own.
pub(crate) const DIRECTORY: &str = "/run/svc-lab";

/// With this in the environment a lab stays in the caller's user namespace, who has to be root there. Linux lets nobody use IPVS
/// in another than the first one.
const PRIVILEGED: &str = "SVC_LAB_PRIVILEGED";

/// The procfs of the pid namespace outside: it tells pids as a person outside sees them.
fn outer_proc() -> PathBuf {
    Path::new(DIRECTORY).join("proc")
}

/// Moves this process to new user, net and mount namespaces, its children to a new pid namespace, and makes the
/// caller root in them.
pub(crate) fn unshare() -> Result<(), Error> {
    let (uid, gid) = (geteuid(), getegid());
    let flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWPID;
    if std::env::var_os(PRIVILEGED).is_some() {
        return nix::sched::unshare(flags).map_err(refused);
    }
    nix::sched::unshare(flags | CloneFlags::CLONE_NEWUSER).map_err(refused)?;
    let write =
        |file: &str, text: String| fs::write(file, text).map_err(|cause| Error::new("write", file, cause));
    write("/proc/self/setgroups", "deny".into())?;
    write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    write("/proc/self/gid_map", format!("0 {gid} 1"))
}

fn refused(errno: Errno) -> Error {
    let why = match errno {
        Errno::EINVAL => {
            "this process has several threads. Call svc_lab before starting any; a #[test] must call \
                          it on its own thread"
                .into()
        }
        Errno::EPERM | Errno::ENOSPC | Errno::EACCES | Errno::ENOSYS | Errno::EUSERS => forbidden(errno),
        other => other.to_string(),
    };
    Error::text("create", "a user namespace", why)
}

/// Where a namespace can be made but not used, the same switches are to blame.
fn explained(operation: &str, object: &str, cause: io::Error) -> Error {
    match cause.raw_os_error().map(Errno::from_raw) {
        Some(errno @ (Errno::EPERM | Errno::EACCES)) => Error::text(operation, object, forbidden(errno)),
        _ => Error::new(operation, object, cause),
    }
}

/// Says which of the known switches forbids user namespaces here, and how to turn it.
fn forbidden(errno: Errno) -> String {
    let reasons: Vec<String> = SWITCHES.iter().filter_map(Switch::reason).collect();
    if reasons.is_empty() {
        format!(
            "{}. No sysctl forbids it, so it is most likely the seccomp profile of a container (run the container \
             with --security-opt seccomp=unconfined or a profile that permits unshare and mount), a chroot, or a \
             security module; `unshare --user true` will fail the same way until that is lifted",
            errno.desc()
        )
    } else {
        format!("{}. {}", errno.desc(), reasons.join(". "))
    }
}

struct Switch {
    file: &'static str,
    forbids: &'static str,
    remedy: &'static str,
}

const SWITCHES: [Switch; 3] = [
    Switch {
        file: "/proc/sys/user/max_user_namespaces",
        forbids: "0",
        remedy: "sysctl -w user.max_user_namespaces=10000",
    },
    Switch {
        file: "/proc/sys/kernel/unprivileged_userns_clone",
        forbids: "0",
        remedy: "sysctl -w kernel.unprivileged_userns_clone=1",
    },
    Switch {
        file: "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        forbids: "1",
        remedy: "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    },
];

impl Switch {
    fn reason(&self) -> Option<String> {
        let value = fs::read_to_string(self.file).ok()?;
        (value.trim() == self.forbids).then(|| {
            format!(
                "{} is {}: user namespaces are forbidden here; as root: {}",
                self.file, self.forbids, self.remedy
            )
        })
    }
}

/// A tmpfs on /run, the outer procfs kept aside in it, and a procfs of the own pid namespace on /proc.
pub(crate) fn mount() -> Result<(), Error> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    attempt("make private", "/", mount_at(None, "/", None, private, None))?;
    attempt(
        "mount a tmpfs on",
        "/run",
        mount_at(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), None),
    )?;
    let aside = outer_proc();
    fs::create_dir_all(&aside).map_err(|cause| Error::new("create", aside.display(), cause))?;
    let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
    let aside = aside.to_string_lossy();
    attempt("bind /proc to", &aside, mount_at(Some("/proc"), &aside, None, bind, None))?;
    let fresh = mount_at(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), None);
    if let Err(errno) = fresh {
        // A container that masks parts of /proc forbids it. The outer one serves, only its pids are others.
        tracing::debug!(%errno, "no procfs of the lab's own");
    }
    Ok(())
}

pub(crate) fn bind(source: &Path, target: &Path) -> io::Result<()> {
    mount_call(Some(source), target, None::<&str>, MsFlags::MS_BIND, None::<&str>).map_err(io::Error::from)
}

fn mount_at(
    source: Option<&str>,
    target: &str,
    kind: Option<&str>,
    flags: MsFlags,
    data: Option<&str>,
) -> nix::Result<()> {
    mount_call(source, target, kind, flags, data)
}

fn attempt(operation: &str, object: &str, result: nix::Result<()>) -> Result<(), Error> {
    result.map_err(|errno| explained(operation, object, errno.into()))
}

/// The id of the calling thread as seen from outside the lab.
pub(crate) fn outer_tid() -> io::Result<i32> {
    let link = fs::read_link(outer_proc().join("thread-self"))?;
    let tid = link.file_name().and_then(|it| it.to_str()).and_then(|it| it.parse().ok());
    tid.ok_or_else(|| io::Error::other(format!("{} is not a thread", link.display())))
}
