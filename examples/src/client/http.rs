//! One HTTP request over a new connection.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use svc_lab::Host;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::apps::echo;

/// How long a connection or an answer may take before it counts as missing.
const PATIENCE: Duration = Duration::from_secs(5);

/// A GET request: where to connect, and what to ask for.
#[derive(Clone, Debug)]
pub struct Get {
    to: SocketAddr,
    host: String,
    target: String,
    headers: Vec<(HeaderName, String)>,
    tls: Option<Tls>,
}

/// How to speak TLS: the name to ask for, and whom to trust.
#[derive(Clone, Debug)]
struct Tls {
    server_name: String,
    config: Arc<rustls::ClientConfig>,
}

impl Get {
    /// `GET /` at `to`.
    #[must_use]
    pub fn new(to: SocketAddr) -> Self {
        Self { to, host: to.to_string(), target: "/".to_owned(), headers: Vec::new(), tls: None }
    }

    /// Asks for this virtual host.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Asks for this path and query.
    #[must_use]
    pub fn target(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    /// Sends user name and password (RFC 7617).
    #[must_use]
    pub fn basic_auth(mut self, user: &str, password: &str) -> Self {
        use base64::Engine as _;
        let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        self.headers.push((http::header::AUTHORIZATION, format!("Basic {credentials}")));
        self
    }

    /// Over TLS: asks for the virtual host by SNI and accepts only what `roots` signed.
    #[must_use]
    pub fn tls(mut self, config: Arc<rustls::ClientConfig>) -> Self {
        let server_name = self.host.clone();
        self.tls = Some(Tls { server_name, config });
        self
    }

    /// Sends the request from this thread's network namespace.
    ///
    /// # Errors
    /// The connection or the exchange failed, or took longer than five seconds.
    pub async fn send(&self) -> anyhow::Result<Reply> {
        self.connect().await?.get(self).await
    }

    /// Sends the request from a host of the lab.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub async fn send_from(&self, host: &Host) -> anyhow::Result<Reply> {
        let request = self.clone();
        let place = host.name().to_owned();
        host.run(move || async move { request.send().await })
            .await
            .with_context(|| format!("GET http://{}{} at {} from {place}", self.host, self.target, self.to))
    }

    /// Opens the connection, to be used for several requests.
    ///
    /// # Errors
    /// It cannot be opened within five seconds, or the certificate is not trusted.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        let stream =
            timeout(PATIENCE, TcpStream::connect(self.to)).await.context("connecting timed out")??;
        let Some(tls) = &self.tls else { return Connection::over(stream, None).await };
        let name = rustls_pki_types::ServerName::try_from(tls.server_name.clone())?;
        let connector = tokio_rustls::TlsConnector::from(Arc::clone(&tls.config));
        let stream = timeout(PATIENCE, connector.connect(name, stream)).await.context("TLS timed out")??;
        let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let certificate = certificate.map(|certificate| certificate.to_vec());
        Connection::over(stream, certificate).await
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    certificate: Option<Vec<u8>>,
}

impl Connection {
    async fn over<S>(stream: S, certificate: Option<Vec<u8>>) -> anyhow::Result<Self>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, certificate })
    }

    /// One request; the connection may be used again.
    ///
    /// # Errors
    /// The exchange failed, or took longer than five seconds.
    pub async fn get(&mut self, get: &Get) -> anyhow::Result<Reply> {
        let mut request = hyper::Request::get(&get.target).header(http::header::HOST, &get.host);
        for (name, value) in &get.headers {
            request = request.header(name, value);
        }
        let request = request.body(Empty::new())?;
        let exchange = async {
            let response = self.sender.send_request(request).await?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            anyhow::Ok((parts, String::from_utf8_lossy(&body).into_owned()))
        };
        let (parts, body) = timeout(PATIENCE, exchange).await.context("the answer timed out")??;
        let certificate = self.certificate.clone();
        Ok(Reply { status: parts.status, headers: parts.headers, body, certificate })
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
    certificate: Option<Vec<u8>>,
}

impl Reply {
    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// The body as text.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }

    /// A header's value, empty if it is missing.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The certificate that the server showed, in DER.
    #[must_use]
    pub fn certificate(&self) -> Option<&[u8]> {
        self.certificate.as_deref()
    }

    /// The name of the echo server that answered.
    ///
    /// # Errors
    /// The answer did not come from one.
    pub fn server(&self) -> anyhow::Result<&str> {
        let server = self.header(echo::SERVER);
        if server.is_empty() {
            bail!("status {} from no echo server: {}", self.status, self.body.trim());
        }
        Ok(server)
    }

    /// The source address that the echo server saw.
    ///
    /// # Errors
    /// The answer did not come from an echo server.
    pub fn source(&self) -> anyhow::Result<IpAddr> {
        let address: SocketAddr =
            self.header(echo::CLIENT).parse().context("the echo server's view of the client")?;
        Ok(address.ip())
    }
}
