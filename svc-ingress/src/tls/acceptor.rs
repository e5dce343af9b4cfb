//! The TLS side of the HTTPS listener.

use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::Mode;
use crate::table::RouteTable;

use super::{Unjudged, provider};

/// The name by which ingress-nginx's users know it.
const SELF_SIGNED: &str = "Kubernetes Ingress Controller Fake Certificate";
/// rustls's own number.
const TICKETS: usize = 2;

/// Takes handshakes of clients.
#[derive(Clone)]
pub(crate) struct Acceptor {
    table: Arc<ArcSwap<RouteTable>>,
    resolver: Arc<Resolver>,
    plain: Arc<ServerConfig>,
}

impl Acceptor {
    /// TLS 1.2 and 1.3 with the certificates of whatever table is current: a handshake takes what stands there now, a
    /// connection keeps what it began with. There is no early data. In mode [`Mode::Nginx`] a name without any certificate
    /// gets a self-signed one that was made for this process.
    pub(crate) fn new(table: Arc<ArcSwap<RouteTable>>) -> Result<Self, rustls::Error> {
        let (mode, tickets) = {
            let table = table.load();
            (table.config().mode(), table.config().clients().session_tickets())
        };
        let fallback = if mode == Mode::Nginx { Some(self_signed()?) } else { None };
        let resolver = Arc::new(Resolver { table: Arc::clone(&table), fallback });
        let mut plain = server_config(&resolver, None)?;
        if tickets {
            // rustls resumes a session only under the name that it was begun with.
            plain.ticketer = aws_lc_rs::Ticketer::new()?;
            plain.send_tls13_tickets = TICKETS;
        }
        Ok(Self { table, resolver, plain: Arc::new(plain) })
    }

    /// The handshake. Clients are asked for a certificate by hosts that want one only, and such hosts resume no session.
    pub(crate) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let started = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
        let config = self.config(started.client_hello().server_name())?;
        started.into_stream(config).await
    }

    fn config(&self, server_name: Option<&str>) -> io::Result<Arc<ServerConfig>> {
        let table = self.table.load();
        let Some(auth) = table.client_auth(server_name).filter(|auth| auth.asks()) else {
            return Ok(Arc::clone(&self.plain));
        };
        let make = || {
            let verifier = Arc::new(Unjudged::new(auth.authorities().names()));
            server_config(&self.resolver, Some(verifier)).ok().map(Arc::new)
        };
        auth.handshake(make)
            .ok_or_else(|| io::Error::other("TLS with certificates of clients cannot be set up"))
    }
}

fn server_config(
    resolver: &Arc<Resolver>,
    clients: Option<Arc<Unjudged>>,
) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match clients {
        Some(clients) => builder.with_client_cert_verifier(clients),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(Arc::<Resolver>::clone(resolver));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
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
