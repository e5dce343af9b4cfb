//! Errors of configuration and of the server.

use std::fmt;
use std::io;

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The default backend.
    #[error("default_backend `{text}`: write `namespace/service:port`")]
    DefaultBackend {
        /// As given.
        text: String,
    },
    /// The default certificate.
    #[error("default_certificate `{text}`: write `namespace/name` of a kubernetes.io/tls Secret")]
    DefaultCertificate {
        /// As given.
        text: String,
    },
    /// What decides for all Ingresses who may pass.
    #[error("global_auth {key} {message}")]
    GlobalAuth {
        /// The setting, named like the annotation.
        key: String,
        /// What is wrong with it.
        message: String,
    },
    /// A timeout of zero would fail every request.
    #[error("{field} is zero: every request would fail")]
    ZeroTimeout {
        /// The setting.
        field: &'static str,
    },
    /// A listening address.
    #[error("listening address `{text}`: write `address:port`")]
    Address {
        /// As given.
        text: String,
    },
    /// Neither HTTP nor HTTPS.
    #[error("there is no listening address: set `http` or `https`")]
    NoListener,
}

/// Why the server cannot serve: an operation of the system on an object failed.
pub struct ServeError {
    operation: &'static str,
    object: String,
    cause: io::Error,
}

impl ServeError {
    #[cfg(feature = "driver")]
    pub(crate) fn new(operation: &'static str, object: impl fmt::Display, cause: io::Error) -> Self {
        Self { operation, object: object.to_string(), cause }
    }

    /// The port is below 1024, or in another way not for this process.
    #[must_use]
    pub fn is_permission_denied(&self) -> bool {
        self.cause.kind() == io::ErrorKind::PermissionDenied
    }

    /// Another socket has the address.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.cause.kind() == io::ErrorKind::AddrInUse
    }
}

impl fmt::Debug for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServeError")
            .field("operation", &self.operation)
            .field("object", &self.object)
            .field("cause", &self.cause)
            .finish()
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operation, self.object)?;
        if self.is_permission_denied() {
            f.write_str(": not permitted; use a port above 1023 or give the process CAP_NET_BIND_SERVICE")
        } else if self.is_in_use() {
            f.write_str(": the address is in use; stop the other program or choose another port")
        } else {
            Ok(())
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.cause)
    }
}
