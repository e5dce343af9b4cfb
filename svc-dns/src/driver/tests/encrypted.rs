//! DNS over TLS and over HTTPS, asked by rustls and hyper.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::{Route, Tls, TlsClient};

const WEB: &str = "web.default.svc.cluster.local.";

struct Certificate {
    chain: String,
    key: String,
}

impl Certificate {
    /// For `dns.test` and the loopback address.
    fn new() -> Self {
        let names = ["dns.test".to_owned(), "127.0.0.1".to_owned()];
        let signed = rcgen::generate_simple_self_signed(names).unwrap();
        Self { chain: signed.cert.pem(), key: signed.signing_key.serialize_pem() }
    }

    fn tls(&self) -> Tls {
        Tls::from_pem(self.chain.as_bytes(), self.key.as_bytes()).unwrap()
    }

    async fn connect(&self, server: SocketAddr, protocol: &str) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.chain.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(server).await.unwrap();
        let name = ServerName::try_from("dns.test").unwrap();
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol.as_bytes()));
        stream
    }
}

/// A server that speaks everything, beside a test.
async fn with_all<T: Future<Output = ()>>(certificate: &Certificate, test: impl FnOnce(Handle, Bound) -> T) {
    let store = Store::new();
    store.apply(service("web", "10.96.0.1"));
    let builder =
        Server::builder(zone()).tls("127.0.0.1:0", certificate.tls()).https("127.0.0.1:0", certificate.tls());
    with_server(builder, &store, async |handle, _| {
        let bound = handle.ready().await.unwrap();
        test(handle, bound).await;
    })
    .await;
}

#[tokio::test]
async fn queries_within_tls_are_pipelined_as_over_tcp() {
    let certificate = Certificate::new();
    with_all(&certificate, async |handle, bound| {
        let mut stream = certificate.connect(bound.tls[0], "dot").await;
        let mut both = Vec::new();
        frame(&query(WEB, RecordType::A, 1), &mut both);
        frame(&query(WEB, RecordType::AAAA, 2), &mut both);
        stream.write_all(&both).await.unwrap();
        for (id, expected) in [(1, vec!["A 10.96.0.1".to_owned()]), (2, vec![])] {
            let mut reply = vec![0; usize::from(stream.read_u16().await.unwrap())];
            stream.read_exact(&mut reply).await.unwrap();
            let reply = Message::from_vec(&reply).unwrap();
            assert_eq!((reply.metadata.id, answers(&reply)), (id, expected));
        }
        assert_eq!(handle.stats().tcp, 2);
    })
    .await;
}

#[tokio::test]
async fn who_speaks_no_tls_disturbs_nobody() {
    let certificate = Certificate::new();
    with_all(&certificate, async |_handle, bound| {
        for server in [bound.tls[0], bound.https[0]] {
            let mut plain = TcpStream::connect(server).await.unwrap();
            let mut message = Vec::new();
            frame(&query(WEB, RecordType::A, 1), &mut message);
            plain.write_all(&message).await.unwrap();
            let mut rest = Vec::new();
            let _alert_or_reset = plain.read_to_end(&mut rest).await;
            assert!(Message::from_vec(&rest).is_err());
        }
        certificate.connect(bound.tls[0], "dot").await;
    })
    .await;
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).header("host", "dns.test").body(Full::default()).unwrap()
}

fn post(body: Vec<u8>) -> Request<Full<Bytes>> {
    let request = Request::post("/dns-query").header("host", "dns.test");
    request.header(CONTENT_TYPE, "application/dns-message").body(Full::from(body)).unwrap()
}

fn get_query(message: &[u8]) -> Request<Full<Bytes>> {
    get(&format!("/dns-query?dns={}", URL_SAFE_NO_PAD.encode(message)))
}

async fn message(response: Response<hyper::body::Incoming>) -> Message {
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/dns-message");
    assert_eq!(response.headers()["cache-control"], "max-age=5");
    Message::from_vec(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn queries_come_by_http2() {
    let certificate = Certificate::new();
    with_all(&certificate, async |handle, bound| {
        let stream = TokioIo::new(certificate.connect(bound.https[0], "h2").await);
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        let asking = async {
            let at = |request: Request<Full<Bytes>>| {
                let uri = format!("https://dns.test{}", request.uri()).parse().unwrap();
                let (mut parts, body) = request.into_parts();
                parts.uri = uri;
                parts.headers.remove("host");
                Request::from_parts(parts, body)
            };
            // Both at a time, on streams of their own.
            let one = sender.send_request(at(get_query(&query(WEB, RecordType::A, 0))));
            let one = one.await.unwrap();
            let other = sender.send_request(at(post(query(WEB, RecordType::AAAA, 0)))).await.unwrap();
            assert_eq!(answers(&message(one).await), ["A 10.96.0.1"]);
            assert!(answers(&message(other).await).is_empty());
            let long = sender.send_request(at(post(vec![0; 5000]))).await.unwrap();
            assert_eq!(long.status(), 413);
            drop(sender);
        };
        let (ended, ()) = tokio::join!(connection, asking);
        ended.unwrap();
        assert_eq!(handle.stats().tcp, 2);
        let counted = handle.metrics();
        assert!(
            counted.contains(r#"zone="cluster.local.",view="",proto="tcp",family="1",type="AAAA"} 1"#),
            "{counted}"
        );
    })
    .await;
}

#[tokio::test]
async fn queries_come_by_http1() {
    let certificate = Certificate::new();
    with_all(&certificate, async |_handle, bound| {
        let stream = TokioIo::new(certificate.connect(bound.https[0], "http/1.1").await);
        let (mut sender, connection) = http1::handshake(stream).await.unwrap();
        let asking = async {
            let response = sender.send_request(get_query(&query(WEB, RecordType::A, 0))).await.unwrap();
            assert_eq!(answers(&message(response).await), ["A 10.96.0.1"]);
            let response = sender.send_request(post(query(WEB, RecordType::A, 0))).await.unwrap();
            assert_eq!(answers(&message(response).await), ["A 10.96.0.1"]);
            for (request, status) in [
                (get("/"), 404),
                (get("/dns-query"), 400),
                // No query: an answer.
                (get_query(&[0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 400),
                (get_query(&[]), 400),
            ] {
                let response = sender.send_request(request).await.unwrap();
                assert_eq!(response.status(), status);
                response.into_body().collect().await.unwrap();
            }
            drop(sender);
        };
        let (ended, ()) = tokio::join!(connection, asking);
        ended.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_zone_does_not_go_over_https() {
    let certificate = Certificate::new();
    let store = Store::new();
    let zone = Zone::builder("cluster.local").transfer_to("127.0.0.1/32").build().unwrap();
    let builder = Server::builder(zone).synced(true).https("127.0.0.1:0", certificate.tls());
    with_server(builder, &store, async |handle, _| {
        let server = handle.ready().await.unwrap().https[0];
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(certificate.connect(server, "http/1.1").await)).await.unwrap();
        let asking = async {
            let request = post(query("cluster.local.", RecordType::AXFR, 0));
            let body = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap();
            let reply = Message::from_vec(&body.to_bytes()).unwrap();
            assert_eq!(reply.metadata.response_code, ResponseCode::NotImp);
            drop(sender);
        };
        let (ended, ()) = tokio::join!(connection, asking);
        ended.unwrap();
    })
    .await;
}

#[tokio::test]
async fn quiet_connections_are_closed() {
    let certificate = Certificate::new();
    let store = Store::new();
    let builder = Server::builder(zone())
        .idle_timeout(Duration::from_millis(50))
        .tls("127.0.0.1:0", certificate.tls())
        .https("127.0.0.1:0", certificate.tls());
    with_server(builder, &store, async |handle, _| {
        let bound = handle.bound().await.unwrap();
        let (dot, https) = (bound.tls[0], bound.https[0]);
        for (server, protocol) in [(dot, "dot"), (https, "h2"), (https, "http/1.1")] {
            let mut stream = certificate.connect(server, protocol).await;
            let mut rest = Vec::new();
            // Ends when the server has closed it, with or without a word.
            let _end = stream.read_to_end(&mut rest).await;
        }
        // Neither do those end that never begin with TLS.
        let mut silent = TcpStream::connect(dot).await.unwrap();
        assert_eq!(silent.read(&mut [0; 16]).await.unwrap_or_default(), 0);
    })
    .await;
}

#[tokio::test]
async fn upstream_servers_are_asked_over_tls() {
    let certificate = Certificate::new();
    let store = Store::new();
    store.apply(service("web", "10.96.0.1"));
    let upstream = Server::builder(zone()).tls("127.0.0.1:0", certificate.tls());
    with_server(upstream, &store, async |above, _| {
        let server = above.ready().await.unwrap().tls[0];
        let client = TlsClient::builder().authorities(certificate.chain.as_bytes());
        let by = |client: TlsClient| {
            let forwarder = Forwarder::builder()
                .route(Route::builder(".").server_over_tls(server, &client))
                .patience(Duration::from_secs(2), Duration::from_secs(4));
            Server::builder(Zone::builder("other.local").build().unwrap()).forward(forwarder.build().unwrap())
        };
        let empty = Store::new();
        // By address, by name, and under a name that the certificate is not for.
        for (client, expected) in [
            (client.build().unwrap(), ResponseCode::NoError),
            (named(&certificate, "dns.test"), ResponseCode::NoError),
            (named(&certificate, "other.test"), ResponseCode::ServFail),
        ] {
            with_server(by(client), &empty, async |_handle, server| {
                for _ in 0..2 {
                    let reply = by_udp(server, WEB, RecordType::A).await;
                    assert_eq!(reply.metadata.response_code, expected);
                }
            })
            .await;
        }
        // Each forwarder asked twice, over one connection.
        assert_eq!(above.stats().tcp, 4);
    })
    .await;
}

fn named(certificate: &Certificate, name: &str) -> TlsClient {
    TlsClient::builder().authorities(certificate.chain.as_bytes()).server_name(name).build().unwrap()
}
