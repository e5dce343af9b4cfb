//! Failures of the kernel's side.

use std::fmt;
use std::io;

/// An operation on the kernel that failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {object}: {cause}{}{hint}", advice(cause))]
pub struct Error {
    operation: &'static str,
    object: String,
    #[source]
    cause: io::Error,
    hint: String,
}

impl Error {
    /// The failure of `operation` on `object`.
    #[must_use]
    pub fn new(operation: &'static str, object: impl fmt::Display, cause: io::Error) -> Self {
        Error { operation, object: object.to_string(), cause, hint: String::new() }
    }

    /// The same with what else is known about it.
    #[cfg(feature = "driver")]
    #[must_use]
    pub(crate) fn with_hint(self, hint: impl fmt::Display) -> Self {
        Error { hint: format!("; {hint}"), ..self }
    }

    /// What was to be done.
    #[must_use]
    pub fn operation(&self) -> &str {
        self.operation
    }

    /// To what.
    #[must_use]
    pub fn object(&self) -> &str {
        &self.object
    }

    /// Whether the object does not exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        // ESRCH: no such route; ENODEV: no such link; EADDRNOTAVAIL: no such address.
        matches!(self.cause.raw_os_error(), Some(2 | 3 | 19 | 99))
    }

    /// Whether the object exists already.
    #[must_use]
    pub fn is_exists(&self) -> bool {
        self.cause.kind() == io::ErrorKind::AlreadyExists
    }

    /// Whether the process may not do this.
    #[must_use]
    pub fn is_permission_denied(&self) -> bool {
        // EPERM, EACCES, and EROFS: a container's read-only /proc/sys.
        matches!(self.cause.raw_os_error(), Some(1 | 13 | 30))
    }

    /// Whether somebody else has the port.
    #[must_use]
    pub fn is_address_in_use(&self) -> bool {
        self.cause.kind() == io::ErrorKind::AddrInUse
    }

    /// Whether the same may succeed when tried again.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        // EINTR, EAGAIN, ENOMEM, EBUSY, ENOBUFS.
        matches!(self.cause.raw_os_error(), Some(4 | 11 | 12 | 16 | 105))
    }
}

fn advice(cause: &io::Error) -> &'static str {
    match cause.raw_os_error() {
        Some(1 | 13) => "; CAP_NET_ADMIN in the network namespace is needed",
        Some(30) => "; /proc/sys is mounted read-only, set the value on the host",
        _ => "",
    }
}

/// Why a pod could not be attached or detached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PodError {
    /// No address could be assigned.
    #[error(transparent)]
    Address(#[from] crate::ipam::IpamError),
    /// The kernel refused; everything done before was undone.
    #[error("pod {pod}: {cause}")]
    Kernel {
        /// The pod.
        pod: crate::pod::PodId,
        /// What failed.
        #[source]
        cause: Error,
    },
    /// Something of somebody else's is in the way.
    #[error("pod {pod}: {obstacle}")]
    Obstacle {
        /// The pod.
        pod: crate::pod::PodId,
        /// What it is.
        obstacle: crate::plan::Obstacle,
    },
    /// The node's underlay device is not there, so that the pods' MTU is unknown.
    #[error("pod {pod}: no device has this node's address {address}; set it up, or name the underlay device")]
    NoUnderlay {
        /// The pod.
        pod: crate::pod::PodId,
        /// The node's public address.
        address: std::net::IpAddr,
    },
    /// The pod is not attached.
    #[error("pod {pod} is not attached")]
    NotAttached {
        /// The pod.
        pod: crate::pod::PodId,
    },
    /// The overlay's driver has ended.
    #[error("the overlay's driver has ended; poll the future that drive() returned")]
    Stopped,
}

/// The driver has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the overlay's driver has ended; poll the future that drive() returned")]
#[non_exhaustive]
pub struct Stopped;

impl Stopped {
    #[cfg(feature = "driver")]
    pub(crate) fn new() -> Self {
        Stopped
    }
}

/// What could not be removed; everything else was.
#[derive(Debug, thiserror::Error)]
#[error("clean-up is incomplete: {}", list(errors))]
pub struct CleanUpError {
    errors: Vec<Error>,
}

impl CleanUpError {
    #[cfg(feature = "driver")]
    pub(crate) fn new(errors: Vec<Error>) -> Self {
        CleanUpError { errors }
    }

    #[cfg(feature = "driver")]
    pub(crate) fn stopped() -> Self {
        let cause = io::Error::new(io::ErrorKind::BrokenPipe, Stopped);
        CleanUpError { errors: vec![Error::new("clean up", "overlay", cause)] }
    }

    /// Every failure.
    #[must_use]
    pub fn errors(&self) -> &[Error] {
        &self.errors
    }
}

fn list(errors: &[Error]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
