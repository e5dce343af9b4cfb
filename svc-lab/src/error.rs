//! What went wrong: the operation, the object it was done to, the cause.

use std::fmt;
use std::io;

/// An operation of a lab that failed: what was attempted, on what, and why.
///
/// Decide by the questions ([`is_not_found`](Error::is_not_found) and so on), which look at the error number of
/// the kernel, never at the text.
#[derive(Debug)]
pub struct Error {
    operation: String,
    object: String,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Io(io::Error),
    Text(String),
}

impl Error {
    pub(crate) fn new(operation: impl Into<String>, object: impl fmt::Display, cause: io::Error) -> Self {
        Self { operation: operation.into(), object: object.to_string(), cause: Cause::Io(cause) }
    }

    pub(crate) fn text(operation: &str, object: impl fmt::Display, why: impl Into<String>) -> Self {
        Self { operation: operation.into(), object: object.to_string(), cause: Cause::Text(why.into()) }
    }

    pub(crate) fn netlink(
        operation: impl Into<String>,
        object: impl fmt::Display,
        cause: rtnetlink::Error,
    ) -> Self {
        let cause = match cause {
            rtnetlink::Error::NetlinkError(message) => Cause::Io(message.to_io()),
            other => Cause::Text(other.to_string()),
        };
        Self { operation: operation.into(), object: object.to_string(), cause }
    }

    /// The object is not there (`ENOENT`, `ESRCH`, `ENODEV`).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.errno().is_some_and(|errno| [2, 3, 19].contains(&errno))
    }

    /// The object is there already (`EEXIST`).
    #[must_use]
    pub fn is_exists(&self) -> bool {
        self.errno() == Some(17)
    }

    /// The kernel did not permit it (`EPERM`, `EACCES`).
    #[must_use]
    pub fn is_permission_denied(&self) -> bool {
        self.errno().is_some_and(|errno| [1, 13].contains(&errno))
    }

    fn errno(&self) -> Option<i32> {
        match &self.cause {
            Cause::Io(error) => error.raw_os_error(),
            Cause::Text(_) => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: ", self.operation, self.object)?;
        match &self.cause {
            Cause::Io(error) => write!(f, "{error}"),
            Cause::Text(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}
