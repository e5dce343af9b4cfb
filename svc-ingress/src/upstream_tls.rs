//! TLS towards the endpoints of one Service: what is shown to them, and which of them are believed.

use std::fmt;
#[cfg(feature = "driver")]
use std::sync::OnceLock;

use rustls_pki_types::ServerName;
use sha2::{Digest as _, Sha256};
use svc_model::{ObjectName, Secret};

use crate::annotation::UpstreamTls;
#[cfg(feature = "driver")]
use crate::tls::Connectors;
use crate::tls::{Authorities, Certificate, CertificateError};

/// What a Secret has for handshakes with endpoints.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    shown: Option<Certificate>,
    authorities: Option<Authorities>,
}

impl Credentials {
    /// Reads `tls.crt` with `tls.key`, and `ca.crt`, as far as they are there.
    ///
    /// # Errors
    ///
    /// Something is there that cannot be read, or nothing is.
    pub fn from_secret(secret: &Secret, verifies: bool) -> Result<Self, CertificateError> {
        let has = |key: &str| secret.data(key).is_some();
        let shown =
            (has("tls.crt") || has("tls.key")).then(|| Certificate::from_secret(secret)).transpose()?;
        let wanted = verifies || has("ca.crt") || shown.is_none();
        let authorities = wanted.then(|| Authorities::from_secret(secret)).transpose()?;
        Ok(Self { shown, authorities: authorities.map(Authorities::without_lists) })
    }
}

/// How the endpoints of one Service are spoken to over TLS.
pub struct EndpointTls {
    policy: UpstreamTls,
    credentials: Credentials,
    name: ServerName<'static>,
    identity: u128,
    #[cfg(feature = "driver")]
    connectors: OnceLock<Option<Connectors>>,
}

impl EndpointTls {
    /// A policy with what its Secret has, for the endpoints of this Service.
    #[must_use]
    pub fn new(policy: UpstreamTls, credentials: Credentials, service: &ObjectName) -> Self {
        let own = format!("{}.{}.svc", service.name(), service.namespace());
        let own = || ServerName::try_from(own).ok();
        // A Service's name is a DNS label, and so is its namespace's: the address stands for no Service.
        let nobody = ServerName::IpAddress(std::net::IpAddr::from([0; 4]).into());
        let name = policy.name().cloned().or_else(own).unwrap_or(nobody);
        let identity = identity(&policy, &credentials, &name);
        Self {
            policy,
            credentials,
            name,
            identity,
            #[cfg(feature = "driver")]
            connectors: OnceLock::new(),
        }
    }

    /// What the annotations ask for.
    #[must_use]
    pub fn policy(&self) -> &UpstreamTls {
        &self.policy
    }

    /// The name that certificates have to be for.
    #[must_use]
    pub fn name(&self) -> &ServerName<'static> {
        &self.name
    }

    /// The router's own certificate.
    #[must_use]
    pub fn shown(&self) -> Option<&Certificate> {
        self.credentials.shown.as_ref()
    }

    /// Who vouches for endpoints, where they are verified.
    #[must_use]
    pub fn authorities(&self) -> Option<&Authorities> {
        self.credentials.authorities.as_ref().filter(|_| self.policy.verifies())
    }

    /// Tells it from others: connections are shared between requests for which this is the same.
    #[must_use]
    pub fn identity(&self) -> u128 {
        self.identity
    }

    /// What handshakes are made with; `None` if there is nothing that could be.
    #[cfg(feature = "driver")]
    pub(crate) fn connectors(&self) -> Option<&Connectors> {
        self.connectors.get_or_init(|| Connectors::of_annotations(self).ok()).as_ref()
    }
}

impl fmt::Debug for EndpointTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointTls")
            .field("policy", &self.policy)
            .field("credentials", &self.credentials)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Two that hold the same are the same, also after their objects were read again.
fn identity(policy: &UpstreamTls, credentials: &Credentials, name: &ServerName<'_>) -> u128 {
    let mut digest = Sha256::new();
    let mut add = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    };
    add(format!("{policy:?} {name:?}").as_bytes());
    for certificate in credentials.shown.iter().flat_map(|shown| &shown.certified_key().cert) {
        add(certificate);
    }
    if let Some(authorities) = &credentials.authorities {
        add(b"authorities");
        add(authorities.source());
    }
    let digest: [u8; 32] = digest.finalize().into();
    digest.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
}
