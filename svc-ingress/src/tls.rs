//! Certificates from `kubernetes.io/tls` Secrets, and authorities that vouch for others.

use std::fmt;
use std::sync::Arc;

use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use svc_model::Secret;

use der::CertificateFields;

#[cfg(feature = "driver")]
mod acceptor;
#[cfg(feature = "driver")]
mod connector;
#[cfg(feature = "driver")]
mod signatures;
#[cfg(feature = "driver")]
mod unjudged;
#[cfg(feature = "driver")]
pub(crate) use acceptor::Acceptor;
#[cfg(feature = "driver")]
pub(crate) use connector::Connectors;
#[cfg(feature = "driver")]
use unjudged::Unjudged;

mod authorities;
mod der;
mod distinguished_name;
mod validity;

pub use authorities::{Authorities, Untrusted};
pub(crate) use distinguished_name::DistinguishedName;

#[cfg(test)]
mod tests;

/// Why a Secret gives no certificate, or no authority. No variant holds a byte of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// A key of the Secret is missing.
    #[error("has no `{key}`")]
    Missing {
        /// `tls.crt`, `tls.key`, `ca.crt` or `ca.crl`.
        key: &'static str,
    },
    /// A key of the Secret is not the PEM it should be.
    #[error("`{key}` is not PEM of the right kind")]
    Pem {
        /// `tls.crt`, `tls.key`, `ca.crt` or `ca.crl`.
        key: &'static str,
    },
    /// The private key's algorithm or encoding is unsupported.
    #[error("the private key in `tls.key` cannot be used: RSA, ECDSA and Ed25519 are supported")]
    Key,
    /// The private key belongs to another certificate.
    #[error("the private key in `tls.key` does not belong to the certificate in `tls.crt`")]
    Mismatch,
}

/// A certificate chain with its private key. `Debug` shows neither.
#[derive(Clone)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
}

impl Certificate {
    /// Reads `tls.crt` (the leaf first) and `tls.key`.
    ///
    /// # Errors
    ///
    /// The Secret does not hold a chain and its key.
    pub fn from_secret(secret: &Secret) -> Result<Self, CertificateError> {
        let data = |key| secret.data(key).ok_or(CertificateError::Missing { key });
        let (chain, key) = (data("tls.crt")?, data("tls.key")?);
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain =
            chain.ok().filter(|chain| !chain.is_empty()).ok_or(CertificateError::Pem { key: "tls.crt" })?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::Pem { key: "tls.key" })?;
        let key = aws_lc_rs::sign::any_supported_type(&key).map_err(|_| CertificateError::Key)?;
        ParsedCertificate::try_from(&chain[0]).map_err(|_| CertificateError::Pem { key: "tls.crt" })?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => {}
            Err(_) => return Err(CertificateError::Mismatch),
        }
        Ok(Self { key: Arc::new(certified) })
    }

    /// Whether the certificate is for this host; for a wildcard host `*.example`, whether it is for all its names.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        // Any one label stands for all: only a wildcard in the certificate covers one that nobody chose.
        let name =
            host.strip_prefix("*.").map_or_else(|| host.to_owned(), |rest| format!("any-label.{rest}"));
        let Ok(name) = ServerName::try_from(name) else { return false };
        let leaf = self.key.end_entity_cert().ok().and_then(|leaf| ParsedCertificate::try_from(leaf).ok());
        leaf.is_some_and(|leaf| verify_server_name(&leaf, &name).is_ok())
    }

    /// When it ends, in seconds since 1970.
    #[must_use]
    pub fn not_after(&self) -> Option<i64> {
        validity::not_after(self.key.end_entity_cert().ok()?)
    }

    /// What a TLS server needs.
    #[must_use]
    pub fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("chain", &self.key.cert.len()).finish_non_exhaustive()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.key.cert == other.key.cert
    }
}

impl Eq for Certificate {}

/// The name of whom a certificate is for; an empty one if it cannot be read.
pub(crate) fn subject(certificate: &CertificateDer<'_>) -> DistinguishedName {
    let name = CertificateFields::parse(certificate).map(|fields| fields.subject);
    name.and_then(DistinguishedName::parse).unwrap_or_default()
}

/// The name of who signed it.
pub(crate) fn issuer(certificate: &CertificateDer<'_>) -> DistinguishedName {
    let name = CertificateFields::parse(certificate).map(|fields| fields.issuer);
    name.and_then(DistinguishedName::parse).unwrap_or_default()
}

/// The provider of cryptography, named at every use: a process-wide default may be another crate's.
#[cfg(feature = "driver")]
pub(crate) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
