//! HTTP to an API server: one question after the other over one connection, as long as the server keeps it open. A token is
//! read for every request, certificates for every connection, as their files stand at that moment.

use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::credentials;
use crate::kube::{Cluster, Source, Tls};

/// For a connection, TLS included, and for the head of an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// The head of an answer, and the way to its body.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Body,
}

/// Reads the body; drives the connection meanwhile.
pub(crate) struct Body {
    channel: Channel,
    incoming: Incoming,
    is_read: bool,
}

/// A connection, and the way to send over it.
pub(crate) struct Channel {
    sender: Sender,
    /// Until it breaks.
    connection: Option<Connection>,
}

type Connection = Pin<Box<dyn Future<Output = ()> + Send>>;

type Sender = http1::SendRequest<Full<Bytes>>;

/// Asks for a path with its query. Over `idle`, if the server still listens there.
pub(crate) async fn get(cluster: &Cluster, path: &str, idle: Option<Channel>) -> Result<Answer, String> {
    let token = token(cluster).await?;
    let request = || {
        let request = request(cluster, hyper::Method::GET, path, token.as_deref());
        request.body(Full::default()).map_err(|error| error.to_string())
    };
    if let Some(idle) = idle {
        // The server may have closed it long ago, which shows only now; asking once more does no harm.
        if let Ok(answer) = timeout(PATIENCE, ask(request()?, idle)).await.map_err(late)? {
            return Ok(answer);
        }
    }
    ask_anew(cluster, request()?).await
}

/// Sends a patch of a media type to a path, over a connection of its own.
pub(crate) async fn patch(
    cluster: &Cluster,
    path: &str,
    media_type: &'static str,
    patch: &str,
) -> Result<Answer, String> {
    let token = token(cluster).await?;
    let request = request(cluster, hyper::Method::PATCH, path, token.as_deref());
    let request = request.header(CONTENT_TYPE, media_type);
    let request = request.body(Full::from(patch.to_owned())).map_err(|error| error.to_string())?;
    ask_anew(cluster, request).await
}

async fn token(cluster: &Cluster) -> Result<Option<Vec<u8>>, String> {
    match &cluster.token {
        Some(source) => load(source).await.map(Some),
        None => Ok(None),
    }
}

async fn ask_anew(cluster: &Cluster, request: Request) -> Result<Answer, String> {
    let channel = timeout(PATIENCE, connect(cluster)).await.map_err(late)??;
    timeout(PATIENCE, ask(request, channel)).await.map_err(late)?
}

fn late(_: tokio::time::error::Elapsed) -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}

async fn connect(cluster: &Cluster) -> Result<Channel, String> {
    let address = &cluster.address;
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await;
    let stream = stream.map_err(|error| format!("{}: {error}", address.authority()))?;
    // Best effort: an old kernel without it is no reason to do without the cluster.
    let _ = stream.set_nodelay(true);
    match &cluster.tls {
        None => handshake(stream).await,
        Some(tls) => {
            let name = tls.server_name.clone().unwrap_or_else(|| address.host.clone());
            let name = ServerName::try_from(name).map_err(|error| format!("{}: {error}", address.host))?;
            let connector = TlsConnector::from(Arc::new(client_config(tls).await?));
            let stream = connector.connect(name, stream).await;
            handshake(stream.map_err(|error| format!("{}: TLS: {error}", address.authority()))?).await
        }
    }
}

async fn handshake<S>(stream: S) -> Result<Channel, String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // What breaks the connection is told by the body, or by the request.
    Ok(Channel { sender, connection: Some(Box::pin(async move { drop(connection.await) })) })
}

async fn client_config(tls: &Tls) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&load(&tls.authorities).await?) {
        let certificate = certificate.map_err(|error| format!("certificate authority: {error}"))?;
        roots.add(certificate).map_err(|error| format!("certificate authority: {error}"))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| error.to_string())?.with_root_certificates(roots);
    let Some((chain, key)) = &tls.identity else { return Ok(config.with_no_client_auth()) };
    let chain = CertificateDer::pem_slice_iter(&load(chain).await?).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| format!("client certificate: {error}"))?;
    let key =
        PrivateKeyDer::from_pem_slice(&load(key).await?).map_err(|error| format!("client key: {error}"))?;
    config.with_client_auth_cert(chain, key).map_err(|error| format!("client certificate: {error}"))
}

/// On a thread for blocking work.
async fn load(source: &Source) -> Result<Vec<u8>, String> {
    match source {
        Source::Data(bytes) => Ok(bytes.to_vec()),
        Source::File(path) => {
            let path = path.clone();
            let read = move || credentials::read(&path).map_err(|error| named(&path, &error));
            tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?
        }
    }
}

fn named(path: &Path, error: &str) -> String {
    format!("{}: {error}", path.display())
}

type Request = hyper::Request<Full<Bytes>>;

fn request(
    cluster: &Cluster,
    method: hyper::Method,
    path: &str,
    token: Option<&[u8]>,
) -> hyper::http::request::Builder {
    let address = &cluster.address;
    let request = hyper::Request::builder()
        .method(method)
        .uri(format!("{}{path}", address.prefix))
        .header(HOST, address.authority())
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, concat!("svc-model/", env!("CARGO_PKG_VERSION")));
    match token {
        Some(token) => request.header(AUTHORIZATION, [b"Bearer ", token.trim_ascii()].concat()),
        None => request,
    }
}

async fn ask(request: Request, mut channel: Channel) -> Result<Answer, String> {
    let Channel { sender, connection } = &mut channel;
    let mut response = std::pin::pin!(sender.send_request(request));
    let response = poll_fn(|cx| {
        drive(connection, cx);
        response.as_mut().poll(cx)
    });
    let (head, incoming) = response.await.map_err(|error| error.to_string())?.into_parts();
    let retry_after =
        head.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let retry_after = retry_after.map(Duration::from_secs);
    let body = Body { channel, incoming, is_read: false };
    Ok(Answer { code: head.status.as_u16(), retry_after, body })
}

fn drive(connection: &mut Option<Connection>, cx: &mut std::task::Context<'_>) {
    if connection.as_mut().is_some_and(|connection| connection.as_mut().poll(cx).is_ready()) {
        *connection = None;
    }
}

impl Body {
    /// What came next; nothing at the end. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            let frame = poll_fn(|cx| {
                drive(&mut self.channel.connection, cx);
                Pin::new(&mut self.incoming).poll_frame(cx)
            });
            match frame.await {
                None => {
                    self.is_read = true;
                    return Ok(None);
                }
                Some(Err(error)) => return Err(error.to_string()),
                Some(Ok(frame)) => {
                    if let Ok(bytes) = frame.into_data() {
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    /// The connection for the next request, if this answer was read to its end and the server left it open.
    pub(crate) fn into_idle(self) -> Option<Channel> {
        (self.is_read && self.channel.connection.is_some()).then_some(self.channel)
    }
}

/// A number that nobody can guess; what for is the caller's business.
pub(crate) fn chance() -> u32 {
    use std::hash::BuildHasher as _;
    let hash = std::hash::RandomState::new().hash_one(std::time::Instant::now());
    u32::try_from(hash >> 32).unwrap_or(u32::MAX)
}
