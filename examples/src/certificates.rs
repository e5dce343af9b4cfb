//! Certificates for the lab: an authority, and Secrets of type kubernetes.io/tls signed by it.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// A certificate authority that lives as long as the lab.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rustls_pki_types::CertificateDer<'static>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// A certificate and its key, as the manifest of a Secret.
#[derive(Clone)]
#[non_exhaustive]
pub struct TlsSecret {
    /// The Secret in YAML.
    pub manifest: String,
    /// The certificate in DER, to recognise it.
    pub certificate: Vec<u8>,
}

impl std::fmt::Debug for TlsSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsSecret").finish_non_exhaustive()
    }
}

impl Authority {
    /// A new authority with a key of its own.
    ///
    /// # Errors
    /// No key could be made.
    pub fn new() -> anyhow::Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// A new certificate for `host` as Secret `name`.
    ///
    /// # Errors
    /// No key could be made.
    pub fn secret(&self, name: &str, host: &str) -> anyhow::Result<TlsSecret> {
        use base64::Engine as _;
        let base64 = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new([host.to_owned()])?.signed_by(&key, &self.issuer)?;
        let manifest = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\ntype: kubernetes.io/tls\n\
             data:\n  tls.crt: {}\n  tls.key: {}\n",
            base64(certificate.pem()),
            base64(key.serialize_pem()),
        );
        Ok(TlsSecret { manifest, certificate: certificate.der().to_vec() })
    }

    /// A TLS client that trusts this authority and nobody else.
    ///
    /// # Errors
    /// The authority's certificate is not accepted as a root.
    pub fn client(&self) -> anyhow::Result<Arc<rustls::ClientConfig>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.certificate.clone())?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}
