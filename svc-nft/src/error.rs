//! What went wrong with a batch or a listing.

use std::{fmt, io};

use crate::{Command, Object};

/// A command or listing that failed: what was done, to which object, and the kernel's errno.
///
/// Of a batch that failed, nothing took effect; [`command`](Self::command) is the number of the first command that
/// the kernel refused.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    operation: String,
    object: String,
    command: Option<usize>,
    cause: Cause,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Errno(i32),
    Unsendable(&'static str),
}

const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const EINTR: i32 = 4;
const EAGAIN: i32 = 11;
const ENOMEM: i32 = 12;
const EACCES: i32 = 13;
const EBUSY: i32 = 16;
const EEXIST: i32 = 17;
const EINVAL: i32 = 22;
const ENFILE: i32 = 23;
const EMLINK: i32 = 31;
const ERESTART: i32 = 85;
const EMSGSIZE: i32 = 90;
const EOPNOTSUPP: i32 = 95;
const ENOBUFS: i32 = 105;
// Those of ip_set (linux/netfilter/ipset/ip_set.h).
const IPSET_ERR_FIND_TYPE: i32 = 4098;
const IPSET_ERR_MAX_SETS: i32 = 4099;
const IPSET_ERR_BUSY: i32 = 4100;
const IPSET_ERR_EXIST: i32 = 4103;

impl Error {
    pub(crate) fn unsendable(command: usize, about: &Command, problem: &'static str) -> Self {
        let (operation, object) = words(about, None);
        Self { operation, object, command: Some(command), cause: Cause::Unsendable(problem) }
    }

    /// The kernel refused a command; `element` is the number of the element at fault.
    pub(crate) fn refused(command: usize, about: &Command, element: Option<usize>, errno: i32) -> Self {
        let (operation, object) = words(about, element);
        Self { operation, object, command: Some(command), cause: Cause::Errno(errno) }
    }

    /// Something other than a command failed.
    pub(crate) fn os(operation: &str, object: impl fmt::Display, errno: i32) -> Self {
        Self {
            operation: operation.to_owned(),
            object: object.to_string(),
            command: None,
            cause: Cause::Errno(errno),
        }
    }

    #[cfg(feature = "netlink")]
    pub(crate) fn io(operation: &str, object: impl fmt::Display, error: &io::Error) -> Self {
        Self::os(operation, object, error.raw_os_error().unwrap_or(0))
    }

    /// What was done: `add rule`, `list table`.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// To what: `ip svc services { 10.96.0.10 . tcp . 80 }`.
    #[must_use]
    pub fn object(&self) -> &str {
        &self.object
    }

    /// The number of the command in its batch.
    #[must_use]
    pub fn command(&self) -> Option<usize> {
        self.command
    }

    /// What the kernel said.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self.cause {
            Cause::Errno(errno) => Some(errno),
            Cause::Unsendable(_) => None,
        }
    }

    /// The object, or one that it names, does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.errno() == Some(ENOENT)
    }

    /// The object exists already, as it is or otherwise.
    #[must_use]
    pub fn is_exists(&self) -> bool {
        matches!(self.errno(), Some(EEXIST | IPSET_ERR_EXIST))
    }

    /// Something still refers to the object.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self.errno(), Some(EBUSY | IPSET_ERR_BUSY))
    }

    /// The process may not change the rules of this network namespace.
    #[must_use]
    pub fn is_permission_denied(&self) -> bool {
        matches!(self.errno(), Some(EPERM | EACCES))
    }

    /// The rule set has another generation than the one the batch was planned on: another program changed it.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        self.errno() == Some(ERESTART)
    }

    /// The batch does not fit the socket's send buffer, and this process may not make that larger. What can do with
    /// several batches may split it; each is atomic by itself.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.errno() == Some(EMSGSIZE)
    }

    /// The same may succeed when tried again: another program changed the rules meanwhile, or memory was short.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.errno(), Some(EINTR | EAGAIN | ENOMEM | ENFILE | ENOBUFS | ERESTART))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.operation, self.object)?;
        match self.cause {
            Cause::Unsendable(problem) => f.write_str(problem),
            Cause::Errno(errno) => {
                match of_sets(errno) {
                    Some(reason) => f.write_str(reason)?,
                    None => write!(f, "{}", io::Error::from_raw_os_error(errno))?,
                }
                match advice(errno) {
                    Some(advice) => write!(f, ": {advice}"),
                    None => Ok(()),
                }
            }
        }
    }
}

/// What ip_set means by numbers of its own.
fn of_sets(errno: i32) -> Option<&'static str> {
    Some(match errno {
        IPSET_ERR_FIND_TYPE => "the kernel has no sets of this type",
        IPSET_ERR_MAX_SETS => "there are as many sets as there can be",
        IPSET_ERR_BUSY => "a rule or another set asks it",
        IPSET_ERR_EXIST => "there is a set of this name with other settings; destroy that first",
        _ => return None,
    })
}

fn advice(errno: i32) -> Option<&'static str> {
    Some(match errno {
        EPERM | EACCES => "run as root, with CAP_NET_ADMIN, or in a user and network namespace of your own",
        ENOENT => "it, or a table, chain or set that it names, does not exist",
        EEXIST => "it exists, or overlaps one that does; delete that first",
        EBUSY => "something still refers to it; delete or flush that first",
        EINVAL => "its types do not fit the set or chain, or this kernel does not know it",
        EMLINK => "chains lead in a circle, or too deep",
        EMSGSIZE => "the batch is larger than the socket's send buffer: raise net.core.wmem_max or split it",
        ENFILE => "the set is full: give it a larger size",
        EOPNOTSUPP => "not in a chain of this type and hook, or this kernel lacks it",
        ERESTART => "another program changed the rules: list and try again",
        _ => return None,
    })
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

impl std::error::Error for Error {}

fn words(command: &Command, element: Option<usize>) -> (String, String) {
    let table = &command.table;
    let (noun, object) = match &command.object {
        Object::Table(_) => ("table", table.to_string()),
        Object::Chain(chain) => ("chain", format!("{table} {}", chain.name())),
        Object::Set(set) if set.data_type().is_some() => ("map", format!("{table} {}", set.name())),
        Object::Set(set) => ("set", format!("{table} {}", set.name())),
        Object::Rule { chain, rule, handle: Some(handle) } if rule.statements().is_empty() => {
            ("rule", format!("{table} {chain} handle {handle}"))
        }
        Object::Rule { chain, rule, .. } => {
            ("rule", format!("{table} {chain} {}", rule.text(table.family())))
        }
        Object::Elements(elements) => {
            let only = (elements.len() == 1).then_some(0);
            let which = element.and_then(|number| elements.get(number)).or_else(|| elements.get(only?));
            let which = which.map_or_else(|| format!("{} elements", elements.len()), |one| one.to_string());
            ("element", format!("{table} {} {{ {which} }}", elements.set().name()))
        }
    };
    (format!("{} {noun}", command.verb), object)
}
