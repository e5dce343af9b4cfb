//! The TLS side of the HTTPS listener.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::config::Mode;
use crate::table::RouteTable;

use super::provider;

/// The name by which ingress-nginx's users know it.
const SELF_SIGNED: &str = "Kubernetes Ingress Controller Fake Certificate";
/// rustls's own number.
const TICKETS: usize = 2;

/// TLS 1.2 and 1.3 with the certificates of whatever table is current: a handshake takes what stands there now, a
/// connection keeps what it began with. There is no early data. In mode [`Mode::Nginx`] a name without any certificate gets a
/// self-signed one that was made for this process.
pub(crate) fn acceptor(table: Arc<ArcSwap<RouteTable>>) -> Result<TlsAcceptor, rustls::Error> {
    let (mode, tickets) = {
        let table = table.load();
        (table.config().mode(), table.config().clients().session_tickets())
    };
    let fallback = if mode == Mode::Nginx { Some(self_signed()?) } else { None };
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let resolver = Arc::new(Resolver { table, fallback });
    let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    if tickets {
        // rustls resumes a session only under the name that it was begun with.
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        config.send_tls13_tickets = TICKETS;
    }
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn self_signed() -> Result<Arc<CertifiedKey>, rustls::Error> {
    let failed = |error: rcgen::Error| rustls::Error::General(error.to_string());
    let mut params = rcgen::CertificateParams::new(vec!["ingress.local".to_owned()]).map_err(failed)?;
    let mut name = rcgen::DistinguishedName::new();
    name.push(rcgen::DnType::OrganizationName, "Acme Co");
    name.push(rcgen::DnType::CommonName, SELF_SIGNED);
    params.distinguished_name = name;
    let key = rcgen::KeyPair::generate().map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    let der = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der())
        .map_err(|error| rustls::Error::General(error.to_owned()))?;
    let key = aws_lc_rs::sign::any_supported_type(&der)?;
    Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)))
}

#[derive(Debug)]
struct Resolver {
    table: Arc<ArcSwap<RouteTable>>,
    fallback: Option<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let table = self.table.load();
        let found = table.certificate(hello.server_name());
        found.map(|certificate| Arc::clone(certificate.certified_key())).or_else(|| self.fallback.clone())
    }
}
