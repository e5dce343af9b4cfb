//! What can go wrong between the plan and the kernel.

use std::fmt;

use svc_model::ObjectName;
use svc_nft::TableId;

use crate::iptables::{self, MARKER, TableName, Variant};

/// An operation that failed; what was in force before is in force still.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel would not take or list rules.
    #[error("nftables: {0}")]
    Nftables(#[from] svc_nft::Error),
    /// iptables would not take or list rules.
    #[error("iptables: {0}")]
    Iptables(#[from] iptables::Error),
    /// IPVS would not be asked, or list.
    #[error("ipvs: {0}")]
    Ipvs(#[from] svc_ipvs::Error),
    /// IPVS refused a command.
    #[error("ipvs: {0}")]
    IpvsRefused(Box<svc_ipvs::Refusal>),
    /// A virtual server at an address and port of a Service, which this proxy did not make.
    #[error(
        "ipvs: virtual server {server} is another program's: delete it (`ipvsadm -D {server}`), or allow this proxy to adopt it"
    )]
    #[non_exhaustive]
    ForeignServer {
        /// The virtual server.
        server: svc_ipvs::ServiceId,
    },
    /// A device of our name, which this proxy did not make.
    #[error(
        "ipvs: device {device} is another proxy's: have that clean up (`kube-proxy --cleanup`, or `ip link delete {device}`), or \
         allow this one to adopt it"
    )]
    #[non_exhaustive]
    ForeignDevice {
        /// The device.
        device: &'static str,
    },
    /// Virtual servers that are to go stay until the connections through them have ended.
    #[error("ipvs: {servers} virtual servers have connections still and stay until they end")]
    #[non_exhaustive]
    Draining {
        /// How many.
        servers: usize,
    },
    /// The host's addresses cannot be listed.
    #[error("the host's addresses cannot be listed: {}", std::io::Error::from_raw_os_error(*.0))]
    Addresses(i32),
    /// Connection tracking would not list flows or forget one.
    #[error("connection tracking: {0}")]
    Conntrack(#[source] svc_nft::Error),
    /// A table of our name that somebody else made.
    #[error(
        "nftables: table {table} exists and is not ours: delete it (`nft delete table {table}`) or use another name"
    )]
    #[non_exhaustive]
    ForeignTable {
        /// The table.
        table: TableId,
    },
    /// Chains of the names that proxies use, which this one did not make.
    #[error(
        "iptables: chain {chain} of table {table} ({variant} variant) is there, and no chain {MARKER} that says it is ours: \
         another proxy's. Stop that and have it clean up (`kube-proxy --cleanup`), or allow this one to adopt its chains"
    )]
    #[non_exhaustive]
    ForeignChains {
        /// The variant.
        variant: Variant,
        /// The table.
        table: TableName,
        /// The first of them.
        chain: String,
    },
    /// A kernel setting that cannot be read or written.
    #[error("sysctl {name}: cannot {operation}: {}", std::io::Error::from_raw_os_error(*.errno))]
    #[non_exhaustive]
    Sysctl {
        /// Its name, as a path below `/proc/sys`.
        name: String,
        /// `read` or `write`.
        operation: &'static str,
        /// Why.
        errno: i32,
    },
    /// The driver's future was dropped, or had ended before.
    #[error("the proxy's driver has stopped: nothing will change any more")]
    Stopped,
}

impl Error {
    /// The same may succeed when tried again soon.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Nftables(error) | Error::Conntrack(error) => error.is_transient(),
            Error::Iptables(error) => error.is_transient(),
            _ => false,
        }
    }

    /// What stands where rules would go is somebody else's.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        matches!(
            self,
            Error::ForeignTable { .. }
                | Error::ForeignChains { .. }
                | Error::ForeignServer { .. }
                | Error::ForeignDevice { .. }
        )
    }

    /// The process may not do this in its network namespace.
    #[must_use]
    pub fn is_permission_denied(&self) -> bool {
        // EPERM and EACCES
        match self {
            Error::Nftables(error) | Error::Conntrack(error) => error.is_permission_denied(),
            Error::Iptables(error) => error.is_permission_denied(),
            Error::Ipvs(error) => error.is_permission_denied(),
            Error::IpvsRefused(refusal) => matches!(refusal.errno(), 1 | 13),
            Error::Sysctl { errno, .. } => matches!(errno, 1 | 13),
            _ => false,
        }
    }
}

/// A Service whose rules the kernel does not take. All others are in force; this one is tried again when it changes, and
/// now and then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Service {service}: the kernel refuses its rules, the others are in force: {cause}")]
pub struct Rejection {
    service: ObjectName,
    #[source]
    cause: Error,
}

impl Rejection {
    #[cfg(feature = "driver")]
    pub(crate) fn new(service: ObjectName, cause: impl Into<Error>) -> Self {
        Self { service, cause: cause.into() }
    }

    /// The Service.
    #[must_use]
    pub fn service(&self) -> &ObjectName {
        &self.service
    }

    /// What the kernel said, and of which element, chain, rule or line.
    #[must_use]
    pub fn cause(&self) -> &Error {
        &self.cause
    }
}

/// What a clean-up could not remove; everything else is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanUpError {
    errors: Vec<Error>,
}

impl CleanUpError {
    #[cfg(feature = "driver")]
    pub(crate) fn unless_empty(errors: Vec<Error>) -> Result<(), Self> {
        if errors.is_empty() { Ok(()) } else { Err(Self { errors }) }
    }

    /// Every failure.
    #[must_use]
    pub fn errors(&self) -> &[Error] {
        &self.errors
    }
}

impl fmt::Display for CleanUpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("clean-up left something behind")?;
        self.errors.iter().try_for_each(|error| write!(f, "; {error}"))
    }
}

impl std::error::Error for CleanUpError {}
