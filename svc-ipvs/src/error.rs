//! What went wrong.

use std::{fmt, io, net::IpAddr};

use crate::{Command, Malformed};

const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const ESRCH: i32 = 3;
const ENOMEM: i32 = 12;
const EACCES: i32 = 13;
const EEXIST: i32 = 17;
const EINVAL: i32 = 22;
const ERANGE: i32 = 34;
const EOPNOTSUPP: i32 = 95;
const EAFNOSUPPORT: i32 = 97;

/// A request that failed as a whole: what was asked, and what came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation}: {cause}")]
pub struct Error {
    operation: &'static str,
    cause: Cause,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "netlink"), allow(dead_code, reason = "only a socket meets the others"))]
enum Cause {
    Errno(i32),
    Address(IpAddr, i32),
    Malformed(Malformed),
    Device(i32),
    NoFamily,
}

impl Error {
    pub(crate) fn os(operation: &'static str, errno: i32) -> Self {
        Self { operation, cause: Cause::Errno(errno) }
    }

    #[cfg(feature = "netlink")]
    pub(crate) fn address(operation: &'static str, address: IpAddr, errno: i32) -> Self {
        Self { operation, cause: Cause::Address(address, errno) }
    }

    /// About a device rather than a virtual server.
    pub(crate) fn device(operation: &'static str, errno: i32) -> Self {
        Self { operation, cause: Cause::Device(errno) }
    }

    #[cfg(feature = "netlink")]
    pub(crate) fn io(operation: &'static str, error: &io::Error) -> Self {
        Self::os(operation, error.raw_os_error().unwrap_or(0))
    }

    #[cfg(feature = "netlink")]
    pub(crate) fn malformed(operation: &'static str, malformed: Malformed) -> Self {
        Self { operation, cause: Cause::Malformed(malformed) }
    }

    pub(crate) fn no_family() -> Self {
        Self { operation: "look for the IPVS netlink family", cause: Cause::NoFamily }
    }

    /// What the kernel said, if it said something.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self.cause {
            Cause::Errno(errno) | Cause::Address(_, errno) | Cause::Device(errno) => Some(errno),
            _ => None,
        }
    }

    /// This kernel has no IPVS, or it is a module that is not loaded and cannot be.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        self.cause == Cause::NoFamily
    }

    /// The process may not do this.
    #[must_use]
    pub fn is_permission_denied(&self) -> bool {
        matches!(self.errno(), Some(EPERM | EACCES))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno(errno) => describe(*errno, f),
            Self::Address(address, errno) => {
                write!(f, "{address}: {}", io::Error::from_raw_os_error(*errno))
            }
            Self::Device(errno) => {
                write!(f, "{}", io::Error::from_raw_os_error(*errno))?;
                match *errno {
                    EPERM | EACCES => f.write_str(": run as root or with CAP_NET_ADMIN"),
                    EOPNOTSUPP => {
                        f.write_str(": this kernel has no dummy devices: load them with `modprobe dummy`")
                    }
                    _ => Ok(()),
                }
            }
            Self::Malformed(malformed) => malformed.fmt(f),
            Self::NoFamily => {
                f.write_str("this kernel has none: load it with `modprobe ip_vs`, or choose another mode")
            }
        }
    }
}

/// A command that the kernel did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    number: usize,
    command: Command,
    errno: i32,
}

impl Refusal {
    pub(crate) fn new(number: usize, command: &Command, errno: i32) -> Self {
        Self { number, command: command.clone(), errno }
    }

    /// Which of the commands that were given.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// The command.
    #[must_use]
    pub fn command(&self) -> &Command {
        &self.command
    }

    /// What the kernel said.
    #[must_use]
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// What was to be added is there, perhaps otherwise.
    #[must_use]
    pub fn is_exists(&self) -> bool {
        self.errno == EEXIST
    }

    /// What was to be changed or deleted is not there, or the scheduler is none of this kernel's.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self.errno, ENOENT | ESRCH)
    }

    /// The scheduler is none of this kernel's: for a virtual server that is what "not found" means.
    #[must_use]
    pub fn is_unknown_scheduler(&self) -> bool {
        self.errno == ENOENT && matches!(self.command, Command::AddService(_) | Command::SetService(_))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ipvsadm {}: ", self.command)?;
        match &self.command {
            Command::AddService(service) | Command::SetService(service) if self.errno == ENOENT => {
                match service.scheduler() {
                    Some(scheduler) => {
                        let module = scheduler.module();
                        write!(
                            f,
                            "no scheduler {scheduler} in this kernel: load it with `modprobe {module}`, or name another"
                        )
                    }
                    None => describe(self.errno, f),
                }
            }
            _ => describe(self.errno, f),
        }
    }
}

impl std::error::Error for Refusal {}

fn describe(errno: i32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{}", io::Error::from_raw_os_error(errno))?;
    match errno {
        EPERM | EACCES => f.write_str(": run as root or with CAP_NET_ADMIN in the first user namespace"),
        ENOENT => f.write_str(": there is no such destination"),
        ESRCH => f.write_str(": there is no such virtual server"),
        EEXIST => f.write_str(": it is there already"),
        ENOMEM => f.write_str(": the kernel is short of memory"),
        ERANGE => f.write_str(": weight or thresholds are out of range; the lower may not exceed the upper"),
        EINVAL => f.write_str(
            ": families have to fit, and a destination is no broadcast \
             address (all are while the loopback device is down)",
        ),
        EAFNOSUPPORT => f.write_str(": this kernel balances no such family"),
        _ => Ok(()),
    }
}
