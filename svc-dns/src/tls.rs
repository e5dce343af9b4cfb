//! TLS with clients and with upstream servers (RFC 7858): certificates and keys from PEM, rustls on aws-lc-rs.

use std::{fmt, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};

use crate::error::ConfigError;

/// What a server shows to clients that speak TLS or HTTPS, and what it asks them to show. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
}

/// How servers are asked over TLS (RFC 7858): whose certificates are believed, and for which name. A clone shares the sessions
/// that can be resumed.
#[derive(Clone)]
pub struct TlsClient {
    config: Arc<ClientConfig>,
    name: Option<ServerName<'static>>,
}

/// Builds a [`TlsClient`].
#[derive(Debug, Default)]
pub struct TlsClientBuilder {
    roots: Vec<u8>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    name: Option<String>,
}

impl Tls {
    /// A certificate chain, the server's own first, and its private key (PKCS #8, PKCS #1 or SEC 1), both PEM.
    ///
    /// # Errors
    /// When either cannot be read, or the key is another certificate's.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, ConfigError> {
        Self::new(chain, key, None)
    }

    /// The same, for clients that show a certificate of one of these authorities (PEM); `optional`: or none.
    ///
    /// # Errors
    /// As [`from_pem`](Self::from_pem), and when there is no authority.
    pub fn with_client_authorities(
        chain: &[u8],
        key: &[u8],
        authorities: &[u8],
        optional: bool,
    ) -> Result<Self, ConfigError> {
        let verifier = WebPkiClientVerifier::builder_with_provider(roots(authorities)?.into(), provider());
        let verifier = if optional { verifier.allow_unauthenticated() } else { verifier };
        let verifier = verifier.build().map_err(|error| wrong("client authorities", &error))?;
        Self::new(chain, key, Some(verifier))
    }

    fn new(
        chain: &[u8],
        key: &[u8],
        verifier: Option<Arc<dyn ClientCertVerifier>>,
    ) -> Result<Self, ConfigError> {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("TLS", &error))?;
        let builder = match verifier {
            None => builder.with_no_client_auth(),
            Some(verifier) => builder.with_client_cert_verifier(verifier),
        };
        let config = builder.with_single_cert(certificates(chain)?, private_key(key)?);
        Ok(Self { config: Arc::new(config.map_err(|error| wrong("certificate and key", &error))?) })
    }

    /// For connections on which these protocols are spoken.
    pub(crate) fn speaking(&self, protocols: &[&[u8]]) -> Arc<ServerConfig> {
        let mut config = ServerConfig::clone(&self.config);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Arc::new(config)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl TlsClient {
    /// No authorities yet: no server is believed.
    #[must_use]
    pub fn builder() -> TlsClientBuilder {
        TlsClientBuilder::default()
    }

    pub(crate) fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// The name that the certificate of this server has to be for: the one set, else the address.
    pub(crate) fn name(&self, server: std::net::IpAddr) -> ServerName<'static> {
        self.name.clone().unwrap_or_else(|| ServerName::from(server))
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsClient").field("name", &self.name).finish_non_exhaustive()
    }
}

impl TlsClientBuilder {
    /// Believes certificates of these authorities (PEM), such as those in `/etc/ssl/certs/ca-certificates.crt`.
    #[must_use]
    pub fn authorities(mut self, pem: &[u8]) -> Self {
        self.roots.extend_from_slice(pem);
        self.roots.push(b'\n');
        self
    }

    /// The name in the servers' certificate; without one their address has to be in it.
    #[must_use]
    pub fn server_name(mut self, name: &str) -> Self {
        self.name = Some(name.trim_end_matches('.').to_owned());
        self
    }

    /// Shows servers a certificate: the chain and its key, both PEM.
    #[must_use]
    pub fn identity(mut self, chain: &[u8], key: &[u8]) -> Self {
        self.identity = Some((chain.to_owned(), key.to_owned()));
        self
    }

    /// The client.
    ///
    /// # Errors
    /// When a text is not what it should be, or there is no authority.
    pub fn build(self) -> Result<TlsClient, ConfigError> {
        let roots = roots(&self.roots)?;
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| wrong("TLS", &error))?
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(certificates(chain)?, private_key(key)?)
                .map_err(|error| wrong("certificate and key", &error))?,
        };
        // RFC 7858 needs none; servers that offer several protocols at one port choose by it.
        config.alpn_protocols = vec![DOT.to_vec()];
        let name = self.name.map(|name| {
            ServerName::try_from(name.clone()).map_err(|_| wrong("server name", &format!("{name:?} is none")))
        });
        Ok(TlsClient { config: Arc::new(config), name: name.transpose()? })
    }
}

/// Of DNS over TLS, in the registry of ALPN protocols.
pub(crate) const DOT: &[u8] = b"dot";

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, ConfigError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(wrong("certificate", &"it is no PEM with a certificate")),
    }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, ConfigError> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| wrong("key", &"it is no PEM with a private key"))
}

/// Bundles of authorities hold some that nobody can use any more: they are left out.
fn roots(pem: &[u8]) -> Result<RootCertStore, ConfigError> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_slice_iter(pem).filter_map(Result::ok);
    roots.add_parsable_certificates(certificates);
    if roots.is_empty() {
        return Err(wrong("authorities", &"there is no PEM with a certificate of an authority"));
    }
    Ok(roots)
}

/// Named at every use: a process-wide default may be another crate's.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn wrong(field: &'static str, problem: &dyn fmt::Display) -> ConfigError {
    ConfigError::Tls { field, problem: problem.to_string() }
}

#[cfg(test)]
mod tests;
