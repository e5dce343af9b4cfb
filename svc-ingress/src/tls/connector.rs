//! TLS towards endpoints. Their certificates are not verified unless an annotation asks for it, as with ingress-nginx: inside
//! a cluster it keeps out who listens, not who answers.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::server::ParsedCertificate;
use rustls::sign::SingleCertAndKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, SignatureScheme,
    SupportedProtocolVersion,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::TlsConnector;
use webpki::KeyUsage;

use crate::backend::BackendProtocol;
use crate::upstream_tls::EndpointTls;

use super::signatures::Signatures;
use super::{Authorities, provider};

/// What handshakes with endpoints are made with.
#[derive(Clone)]
pub(crate) struct Connectors {
    http1: TlsConnector,
    http2: TlsConnector,
}

impl Connectors {
    /// Any certificate is taken, and none is shown.
    pub(crate) fn new() -> Result<Self, rustls::Error> {
        Self::with(provider(), rustls::ALL_VERSIONS, |_| {}, None)
    }

    /// Certificates are taken and shown as the annotations of an Ingress ask for.
    pub(crate) fn of_annotations(tls: &EndpointTls) -> Result<Self, rustls::Error> {
        let policy = tls.policy();
        let versions: Vec<&SupportedProtocolVersion> =
            rustls::ALL_VERSIONS.iter().copied().filter(|version| policy.speaks(version.version)).collect();
        let mut offered = CryptoProvider::clone(&provider());
        offered.cipher_suites.retain(|suite| policy.offers(suite.suite()));
        let shown = tls.shown().map(|shown| {
            let key = rustls::sign::CertifiedKey::clone(shown.certified_key());
            Arc::new(SingleCertAndKey::from(key))
        });
        let set = |config: &mut ClientConfig| {
            config.enable_sni = policy.sends_name();
            if let Some(shown) = &shown {
                config.client_auth_cert_resolver = Arc::<SingleCertAndKey>::clone(shown);
            }
        };
        let believed = tls.authorities().map(|authorities| (authorities.clone(), policy.depth()));
        Self::with(Arc::new(offered), &versions, set, believed)
    }

    fn with(
        offered: Arc<CryptoProvider>,
        versions: &[&'static SupportedProtocolVersion],
        set: impl Fn(&mut ClientConfig),
        believed: Option<(Authorities, usize)>,
    ) -> Result<Self, rustls::Error> {
        let connector = |alpn: Option<&[u8]>| {
            let builder =
                ClientConfig::builder_with_provider(Arc::clone(&offered)).with_protocol_versions(versions)?;
            let verifier = Arc::new(Verifier { believed: believed.clone(), signatures: Signatures::new() });
            let mut config =
                builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
            config.alpn_protocols = alpn.map(<[u8]>::to_vec).into_iter().collect();
            set(&mut config);
            Ok::<_, rustls::Error>(TlsConnector::from(Arc::new(config)))
        };
        Ok(Self { http1: connector(None)?, http2: connector(Some(b"h2"))? })
    }

    pub(crate) fn of(&self, protocol: BackendProtocol) -> &TlsConnector {
        if protocol.is_http2() { &self.http2 } else { &self.http1 }
    }
}

impl std::fmt::Debug for Connectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connectors").finish_non_exhaustive()
    }
}

/// Takes certificates that these authorities vouch for and that are for the name; any without authorities. That the endpoint
/// holds its key is proven in either case.
#[derive(Debug)]
struct Verifier {
    /// With how many others may stand between.
    believed: Option<(Authorities, usize)>,
    signatures: Signatures,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some((authorities, depth)) = &self.believed {
            let chain: Vec<CertificateDer<'_>> = std::iter::once(leaf).chain(others).cloned().collect();
            let verified = authorities.verify(&chain, *depth, KeyUsage::server_auth(), now);
            verified.map_err(|reason| CertificateError::Other(OtherError(Arc::new(reason))))?;
            verify_server_name(&ParsedCertificate::try_from(leaf)?, name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signatures.verify_tls12(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signatures.verify_tls13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.schemes()
    }
}
