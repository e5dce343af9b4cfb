//! What can go wrong between a change and the tables of a kernel.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use svc_model::ObjectName;

use super::ParseError;

/// A program of iptables that did not do what it was asked to: which one, and why. Of each table all took effect that it was
/// to do, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub(crate) program: String,
    pub(crate) cause: Cause,
}

#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "driver"), allow(dead_code, reason = "programs are run by a driver"))]
pub(crate) enum Cause {
    Missing,
    TooOld {
        version: String,
    },
    /// It could not be run, or not be spoken to.
    Unrunnable {
        operation: &'static str,
        errno: i32,
    },
    Denied(String),
    Locked {
        lock: PathBuf,
        holder: Option<Holder>,
        waited: Duration,
    },
    TimedOut {
        after: Duration,
    },
    Refused {
        line: usize,
        text: Option<String>,
        message: String,
    },
    /// More than a process without CAP_NET_ADMIN in the first user namespace may send at once.
    TooLarge,
    Failed {
        status: String,
        message: String,
    },
    Listing(ParseError),
    /// A set that a rule asks.
    Set {
        name: String,
        /// The rule.
        text: Option<String>,
        error: Box<svc_nft::Error>,
    },
}

/// The process that holds the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) pid: u32,
    pub(crate) command: String,
}

impl Error {
    pub(crate) fn new(program: impl Into<String>, cause: Cause) -> Self {
        Self { program: program.into(), cause }
    }

    /// A set could not be made that rules of a change ask.
    #[cfg(feature = "driver")]
    pub(crate) fn no_set(change: &super::Change, name: &str, error: svc_nft::Error) -> Self {
        let asks = |line: &&str| line.starts_with("-A ") && line.split(' ').any(|word| word == name);
        let text = change.text().lines().find(asks).map(str::to_owned);
        Self::new(change.program(), Cause::Set { name: name.to_owned(), text, error: Box::new(error) })
    }

    /// The program that failed.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.program
    }

    /// There is no such program on this host.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self.cause, Cause::Missing)
    }

    /// The program cannot wait for the lock yet.
    #[must_use]
    pub fn is_too_old(&self) -> bool {
        matches!(self.cause, Cause::TooOld { .. })
    }

    /// Somebody else holds the lock, for longer than is waited for.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        matches!(self.cause, Cause::Locked { .. })
    }

    /// A line of the input is at fault, or the kernel took a table or a set of it not. The same will be refused again.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        match &self.cause {
            Cause::Refused { .. } => true,
            Cause::Set { error, .. } => !error.is_transient() && !error.is_permission_denied(),
            _ => false,
        }
    }

    /// The kernel does not take so much at once.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        matches!(self.cause, Cause::TooLarge)
    }

    /// The process may not do this in its network namespace.
    #[must_use]
    pub fn is_permission_denied(&self) -> bool {
        match &self.cause {
            Cause::Set { error, .. } => error.is_permission_denied(),
            // EPERM and EACCES
            cause => matches!(cause, Cause::Denied(_) | Cause::Unrunnable { errno: 1 | 13, .. }),
        }
    }

    /// The same may succeed when tried again soon.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match &self.cause {
            Cause::Set { error, .. } => error.is_transient(),
            cause => {
                matches!(cause, Cause::Locked { .. } | Cause::TimedOut { .. } | Cause::Failed { .. })
            }
        }
    }

    /// The Service that the line is for that was refused, or that asks the set, as its comment says.
    #[must_use]
    pub fn culprit(&self) -> Option<ObjectName> {
        let (Cause::Refused { text, .. } | Cause::Set { text, .. }) = &self.cause else { return None };
        let text = text.as_ref()?;
        let (_, comment) = text.split_once("--comment ")?;
        let port = comment.trim_start_matches('"').split([' ', '"']).next()?;
        let (namespace, name) = port.split(':').next()?.split_once('/')?;
        Some(ObjectName::new(namespace, name))
    }

    /// The line of the input that was refused, from 1; where a whole table was, its `COMMIT`.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        match &self.cause {
            Cause::Refused { line, .. } => Some(*line),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = &self.program;
        match &self.cause {
            Cause::Missing => write!(
                f,
                "{program} is not installed: install the package iptables, or use the mode nftables, which needs no program"
            ),
            Cause::TooOld { version } => write!(
                f,
                "{program} is version {version}, which cannot wait for the lock: 1.6.2 or newer is needed; upgrade the \
                 package iptables, or use the mode nftables"
            ),
            Cause::Unrunnable { operation, errno } => {
                write!(f, "{program}: cannot {operation}: {}", std::io::Error::from_raw_os_error(*errno))
            }
            Cause::Denied(message) => write!(
                f,
                "{program}: {message}: it needs CAP_NET_ADMIN and CAP_NET_RAW in its network namespace"
            ),
            Cause::Locked { lock, holder, waited } => {
                write!(f, "{program}: the lock {} is held", lock.display())?;
                match holder {
                    Some(Holder { pid, command }) => write!(f, " by process {pid} ({command})")?,
                    None => write!(f, " by another process (`fuser {}` names it)", lock.display())?,
                }
                write!(f, ", since {} s at least: end what holds it", waited.as_secs())
            }
            Cause::TimedOut { after } => {
                write!(f, "{program} was not done after {} s, and was ended", after.as_secs())
            }
            Cause::Refused { line, text: Some(text), message } => {
                write!(f, "{program}: line {line}, `{text}`, was refused: {message}")
            }
            Cause::Refused { line, text: None, message } => {
                write!(f, "{program}: line {line} was refused: {message}")
            }
            Cause::TooLarge => write!(
                f,
                "{program}: the kernel does not take so much at once from this user namespace: raise net.core.wmem_max, or use \
                 the legacy variant"
            ),
            Cause::Failed { status, message } => write!(f, "{program}: {status}: {message}"),
            Cause::Listing(error) => write!(f, "{program}: {error}"),
            Cause::Set { name, error, .. } if error.is_busy() => {
                write!(f, "{program}: set {name} cannot be removed: {error}")
            }
            Cause::Set { name, error, .. } => write!(
                f,
                "{program}: set {name}, which session affinity remembers clients in, cannot be made: {error} (kernel modules \
                 ip_set_hash_ip and xt_set)"
            ),
        }
    }
}

impl std::error::Error for Error {}
