//! What can go wrong before and while serving. Queries never cause an error: they get an answer that says so.

use std::{convert::Infallible, fmt, io, sync::Arc};

use crate::message::{Name, NameError};

/// A setting that cannot be: which one, what was given, what would do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A name is no domain name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A text is neither an address nor an address with a port.
    #[error(
        "address {text:?}: write ADDRESS or ADDRESS:PORT, with brackets around an IPv6 address that has a port"
    )]
    Address {
        /// The text as given.
        text: String,
    },
    /// A text is no CIDR.
    #[error("reverse zone {text:?}: write an IPv4 or IPv6 network such as 10.96.0.0/16")]
    Cidr {
        /// The text as given.
        text: String,
    },
    /// A zone lies within another one.
    #[error("zone {zone} overlaps zone {other}: each name can belong to one of them only; leave one out")]
    Overlap {
        /// The zone that comes later.
        zone: String,
        /// The zone that it overlaps.
        other: String,
    },
    /// A name is not that of a reverse zone.
    #[error(
        "reverse zone {name}: write in-addr.arpa or ip6.arpa, with the numbers of a network in front if need be"
    )]
    ReverseZone {
        /// The name as given.
        name: String,
    },
    /// A text is no label selector.
    #[error(
        "labels {text:?}: write app=web, app!=web, app in (web, api), app notin (web), app or !app, with commas between them"
    )]
    Labels {
        /// The text as given.
        text: String,
    },
    /// A text is no regular expression, or too large a one.
    #[error("regular expression {pattern:?}: {problem}")]
    Regex {
        /// The text as given.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A certificate, a key or a list of authorities cannot be used. What is in it is not told.
    #[error("{field}: {problem}")]
    Tls {
        /// Which of them.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// Something that others do and this does not.
    #[error("{what} is not supported; {instead}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// What to do.
        instead: &'static str,
    },
    /// A value is outside its range.
    #[error("{field}: {given} is not within {range}")]
    Range {
        /// The setting.
        field: &'static str,
        /// The value as given.
        given: String,
        /// What is allowed.
        range: &'static str,
    },
    /// A setting without which nothing can be done.
    #[error("{field}: {problem}")]
    Missing {
        /// The setting.
        field: &'static str,
        /// What has to be set.
        problem: &'static str,
    },
}

impl ConfigError {
    pub(crate) fn overlap(zone: &Name, other: &Name) -> Self {
        Self::Overlap { zone: zone.to_string(), other: other.to_string() }
    }
}

impl From<Infallible> for ConfigError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// A socket operation that failed: operation, object, cause. Ask it by its methods, never by its text.
#[derive(Clone, Debug)]
pub struct ServerError {
    operation: &'static str,
    object: String,
    cause: Arc<io::Error>,
}

impl ServerError {
    #[cfg(feature = "driver")]
    pub(crate) fn new(operation: &'static str, object: impl fmt::Display, cause: io::Error) -> Self {
        Self { operation, object: object.to_string(), cause: Arc::new(cause) }
    }

    /// The address is in use by another socket.
    #[must_use]
    pub fn is_exists(&self) -> bool {
        self.cause.kind() == io::ErrorKind::AddrInUse
    }

    /// The address is not one of this host's.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.cause.kind() == io::ErrorKind::AddrNotAvailable
    }

    /// Ports below 1024 need CAP_NET_BIND_SERVICE.
    #[must_use]
    pub fn is_permission_denied(&self) -> bool {
        self.cause.kind() == io::ErrorKind::PermissionDenied
    }

    fn advice(&self) -> &'static str {
        match self.cause.kind() {
            io::ErrorKind::AddrInUse => ": another server listens there; stop it or choose another port",
            io::ErrorKind::AddrNotAvailable => ": this host has no such address; add it first",
            io::ErrorKind::PermissionDenied => ": ports below 1024 need CAP_NET_BIND_SERVICE",
            _ => "",
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.operation, self.object, self.advice())
    }
}

impl std::error::Error for ServerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.cause)
    }
}
