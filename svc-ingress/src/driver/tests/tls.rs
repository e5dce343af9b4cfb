use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::tls::provider;

/// A certificate for these names, and the Secret that holds it.
pub(super) fn certificate(secret: &str, names: &[&str]) -> (CertificateDer<'static>, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let issued = rcgen::generate_simple_self_signed(names).unwrap();
    let indent = |pem: String| pem.lines().map(|line| format!("    {line}\n")).collect::<String>();
    let yaml = format!(
        "---\nkind: Secret\napiVersion: v1\nmetadata: {{name: {secret}, namespace: shop}}\ntype: kubernetes.io/tls\nstringData:\n  tls.crt: |\n{}  tls.key: |\n{}",
        indent(issued.cert.pem()),
        indent(issued.signing_key.serialize_pem())
    );
    (issued.cert.der().clone(), yaml)
}

pub(super) async fn connect(
    address: SocketAddr,
    name: &str,
    trusted: &[&CertificateDer<'static>],
    alpn: &[u8],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    trusted.iter().for_each(|certificate| roots.add((*certificate).clone()).unwrap());
    let builder =
        rustls::ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let mut config = builder.unwrap().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name.to_owned()).unwrap(), stream).await
}

/// A client that takes any certificate.
pub(super) async fn unverified(stream: TcpStream, name: &'static str) -> TlsStream<TcpStream> {
    let connectors = crate::tls::Connectors::new().unwrap();
    let connector = connectors.of(crate::backend::BackendProtocol::Https);
    connector.connect(ServerName::try_from(name).unwrap(), stream).await.unwrap()
}

/// A server with a certificate of its own making.
pub(super) fn acceptor_of(alpn: &[u8]) -> tokio_rustls::TlsAcceptor {
    let issued = rcgen::generate_simple_self_signed(["backend".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
    let builder =
        rustls::ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.unwrap().with_no_client_auth();
    let mut config = builder.with_single_cert(vec![issued.cert.der().clone()], key).unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    tokio_rustls::TlsAcceptor::from(Arc::new(config))
}

fn presented(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

pub(super) fn tls(host: &str, secret: &str) -> String {
    format!("tls: [{{hosts: [\"{host}\"], secretName: {secret}}}]")
}

#[test]
fn certificates_are_chosen_by_name_and_others_refused() {
    let (foo, foo_secret) = certificate("foo-tls", &["foo.example"]);
    let (wild, wild_secret) = certificate("wild-tls", &["*.wild.example"]);
    let text = [
        ingress("foo.example", "", &tls("foo.example", "foo-tls")),
        ingress("\"*.wild.example\"", "", &tls("*.wild.example", "wild-tls"))
            .replace("name: \"*,", "name: wild,"),
        foo_secret,
        wild_secret,
    ];
    let text = text.concat().replace("{name: \"*", "{name: wild");
    with_server(IngressConfig::default(), &text, |running| async move {
        running.apply(&service(&[echo().await])).await;
        assert!(running.handle.report().is_clean(), "{}", running.handle.report());
        let trusted = [&foo, &wild];
        for (name, expected) in [("foo.example", &foo), ("a.wild.example", &wild)] {
            let stream = connect(running.https(), name, &trusted, b"http/1.1").await.unwrap();
            assert_eq!(&presented(&stream), expected, "{name}");
            let mut client = client_over(stream).await;
            let response = client.send_request(get(name, "/")).await.unwrap();
            assert_eq!(
                response.headers()["strict-transport-security"],
                "max-age=31536000; includeSubDomains"
            );
            let (status, body) = text_of(response).await;
            assert!(status == 200 && body.contains("x-forwarded-proto: https"), "{body}");
        }
        for name in ["bar.example", "a.b.wild.example", "wild.example"] {
            assert!(connect(running.https(), name, &trusted, b"http/1.1").await.is_err(), "{name}");
        }
    });
}

async fn text_of(response: Response<hyper::body::Incoming>) -> (StatusCode, String) {
    text(response).await
}

#[test]
fn a_default_certificate_serves_every_other_name() {
    let (other, secret) = certificate("default-tls", &["other.example"]);
    let config = IngressConfig::builder().default_certificate("shop/default-tls").build().unwrap();
    with_server(config, &secret, |running| async move {
        let stream = connect(running.https(), "other.example", &[&other], b"http/1.1").await.unwrap();
        let response = client_over(stream).await.send_request(get("other.example", "/")).await.unwrap();
        assert!(response.status() == 404 && !response.headers().contains_key("strict-transport-security"));
    });
}

#[test]
fn a_replaced_certificate_is_for_new_connections() {
    let (first, secret) = certificate("foo-tls", &["foo.example"]);
    let text = ingress("foo.example", "", &tls("foo.example", "foo-tls")) + &secret;
    with_server(IngressConfig::default(), &text, |running| async move {
        running.apply(&service(&[echo().await])).await;
        let stream = connect(running.https(), "foo.example", &[&first], b"http/1.1").await.unwrap();
        let mut old = client_over(stream).await;
        assert_eq!(fetch(&mut old, "foo.example", "/").await.0, 200);
        let (second, secret) = certificate("foo-tls", &["foo.example"]);
        running.apply(&secret).await;
        assert!(connect(running.https(), "foo.example", &[&first], b"http/1.1").await.is_err());
        let stream = connect(running.https(), "foo.example", &[&second], b"http/1.1").await.unwrap();
        assert_eq!(presented(&stream), second);
        assert_eq!(fetch(&mut client_over(stream).await, "foo.example", "/").await.0, 200);
        assert_eq!(fetch(&mut old, "foo.example", "/").await.0, 200);
    });
}

#[test]
fn http_2_is_spoken_over_tls_and_by_prior_knowledge() {
    let (foo, secret) = certificate("foo-tls", &["foo.example"]);
    let off = "nginx.ingress.kubernetes.io/ssl-redirect: \"false\"";
    let text = ingress("foo.example", off, &tls("foo.example", "foo-tls")) + &secret;
    with_server(IngressConfig::default(), &text, |running| async move {
        running.apply(&service(&[echo().await])).await;
        let secure = connect(running.https(), "foo.example", &[&foo], b"h2").await.unwrap();
        assert_eq!(secure.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let plain = TcpStream::connect(running.http()).await.unwrap();
        http2(TokioIo::new(secure), "https").await;
        http2(TokioIo::new(plain), "http").await;
    });
}

async fn http2(stream: impl hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static, scheme: &str) {
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
    let (client, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let requests = (0..5).map(|number| {
        let mut client = client.clone();
        let request = Request::post(format!("{scheme}://foo.example/{number}"))
            .header("cookie", "a=1")
            .header("cookie", "b=2");
        let request = request.body(Full::new(Bytes::from("hello"))).unwrap();
        async move { text(client.send_request(request).await.unwrap()).await }
    });
    for (number, (status, body)) in futures_util::future::join_all(requests).await.into_iter().enumerate() {
        assert_eq!(status, 200);
        assert!(body.contains(&format!("POST /{number} HTTP/1.1\r\nhost: foo.example\r\n")), "{body}");
        assert!(body.contains("cookie: a=1; b=2\r\n") && body.ends_with("\r\n\r\nhello"), "{body}");
    }
    let mut client = client.clone();
    let differs = Request::get(format!("{scheme}://foo.example/")).header("host", "bar.example");
    let response = client.send_request(differs.body(Full::default()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 400);
}

#[test]
fn a_name_without_certificate_gets_a_self_signed_one_as_under_ingress_nginx() {
    for (mode, serves) in [(crate::Mode::Nginx, true), (crate::Mode::Strict, false)] {
        let config = IngressConfig::builder().mode(mode).build().unwrap();
        let text = ingress("foo.example", "", &tls("foo.example", "absent"));
        with_server(config, &text, |running| async move {
            running.apply(&service(&[echo().await])).await;
            let stream = TcpStream::connect(running.https()).await.unwrap();
            let connectors = crate::tls::Connectors::new().unwrap();
            let connector = connectors.of(crate::backend::BackendProtocol::Https);
            let name = ServerName::try_from("foo.example").unwrap();
            match connector.connect(name, stream).await {
                Ok(stream) => {
                    assert!(serves);
                    let shown = presented(&stream);
                    let holds = |text: &[u8]| shown.windows(text.len()).any(|part| part == text);
                    assert!(holds(b"Kubernetes Ingress Controller Fake Certificate"));
                    let response =
                        client_over(stream).await.send_request(get("foo.example", "/")).await.unwrap();
                    // HSTS would lock people out who cannot pass the warning.
                    assert!(!response.headers().contains_key("strict-transport-security"));
                }
                Err(_) => assert!(!serves),
            }
        });
    }
}

/// Whether a second handshake, for another name perhaps, resumes the session of the first.
fn resumes(tickets: bool, second: &'static str) -> bool {
    let (foo, secret) = certificate("foo-tls", &["foo.example", "bar.example"]);
    let text = ingress("foo.example", "", &tls("foo.example", "foo-tls"))
        + &ingress("bar.example", "", &tls("bar.example", "foo-tls"))
        + &secret;
    let clients = Clients::default().with_session_tickets(tickets);
    let resumed = Arc::new(std::sync::Mutex::new(false));
    let result = Arc::clone(&resumed);
    with_server(IngressConfig::builder().clients(clients).build().unwrap(), &text, |running| async move {
        running.apply(&service(&[echo().await])).await;
        let mut roots = rustls::RootCertStore::empty();
        roots.add(foo).unwrap();
        let builder =
            rustls::ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let mut config = builder.unwrap().with_root_certificates(roots).with_no_client_auth();
        config.resumption = rustls::client::Resumption::store(Arc::new(OneSession::default()));
        let connector = TlsConnector::from(Arc::new(config));
        for name in ["foo.example", second] {
            let stream = TcpStream::connect(running.https()).await.unwrap();
            let stream = connector.connect(ServerName::try_from(name).unwrap(), stream).await.unwrap();
            let kind = stream.get_ref().1.handshake_kind();
            *result.lock().unwrap() = kind == Some(rustls::HandshakeKind::Resumed);
            assert_eq!(fetch(&mut client_over(stream).await, name, "/").await.0, 200);
        }
    });
    *resumed.lock().unwrap()
}

/// Offers a session under whatever name, as a client could that means ill.
#[derive(Debug, Default)]
struct OneSession(std::sync::Mutex<Vec<rustls::client::Tls13ClientSessionValue>>);

impl rustls::client::ClientSessionStore for OneSession {
    fn set_kx_hint(&self, _: ServerName<'static>, _: rustls::NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<rustls::NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: rustls::client::Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<rustls::client::Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: rustls::client::Tls13ClientSessionValue) {
        self.0.lock().unwrap().push(value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<rustls::client::Tls13ClientSessionValue> {
        self.0.lock().unwrap().pop()
    }
}

#[test]
fn sessions_are_resumed_if_that_is_set_and_never_under_another_name() {
    assert!(!resumes(false, "foo.example"));
    assert!(resumes(true, "foo.example"));
    assert!(!resumes(true, "bar.example"));
}
