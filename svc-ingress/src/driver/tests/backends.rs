//! Backends that speak TLS, HTTP/2, or both.

use std::convert::Infallible;
use std::sync::Arc;

use http::HeaderMap;
use http_body_util::StreamBody;
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use tokio::sync::mpsc;

use super::tls::{acceptor_of, certificate, connect, tls};
use super::*;

type Messages = StreamBody<futures_util::stream::BoxStream<'static, Result<Frame<Bytes>, Infallible>>>;

/// Answers as a gRPC server would: message by message as they come, then trailers. `/fail` has trailers only.
async fn grpc(request: Request<Incoming>) -> Result<Response<Messages>, Infallible> {
    use futures_util::StreamExt as _;
    let (parts, body) = request.into_parts();
    let seen = format!(
        "{} {} {:?} {:?}",
        parts.version == http::Version::HTTP_2,
        parts.uri,
        parts.headers.get("te"),
        parts.headers.get("host")
    );
    let mut trailers = HeaderMap::new();
    let fails = parts.uri.path() == "/fail";
    trailers.insert("grpc-status", if fails { "13" } else { "0" }.parse().unwrap());
    let end = futures_util::stream::once(async move { Ok(Frame::trailers(trailers)) });
    let data = http_body_util::BodyStream::new(body)
        .filter_map(|frame| async move { frame.ok().and_then(|frame| frame.into_data().ok()) })
        .map(|data| Ok(Frame::data(data)));
    let stream = if fails { end.boxed() } else { data.chain(end).boxed() };
    Ok(Response::builder().header("x-seen", seen).body(StreamBody::new(stream)).unwrap())
}

async fn http2_backend(tls: Option<tokio_rustls::TlsAcceptor>) -> SocketAddr {
    backend(move |_, stream| {
        let tls = tls.clone();
        async move {
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = match tls {
                None => builder.serve_connection(TokioIo::new(stream), service_fn(grpc)).await,
                Some(tls) => {
                    let stream = tls.accept(stream).await.unwrap();
                    builder.serve_connection(TokioIo::new(stream), service_fn(grpc)).await
                }
            };
        }
    })
    .await
}

const GRPC: &str = "nginx.ingress.kubernetes.io/backend-protocol: GRPC";
const GRPCS: &str = "nginx.ingress.kubernetes.io/backend-protocol: GRPCS";
const HTTPS: &str = "nginx.ingress.kubernetes.io/backend-protocol: HTTPS";

#[test]
fn grpc_streams_both_ways_at_once_and_ends_in_trailers() {
    use futures_util::StreamExt as _;
    let (foo, secret) = certificate("foo-tls", &["foo.example"]);
    for (annotation, backend_tls, scheme) in [(GRPC, false, "http"), (GRPCS, true, "https")] {
        let text = ingress("foo.example", annotation, &tls("foo.example", "foo-tls")) + &secret;
        let foo = foo.clone();
        with_server(IngressConfig::default(), &text, |running| async move {
            let acceptor = backend_tls.then(|| acceptor_of(b"h2"));
            running.apply(&service(&[http2_backend(acceptor).await])).await;
            let stream = connect(running.https(), "foo.example", &[&foo], b"h2").await.unwrap();
            let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
            let (mut client, connection) = handshake.await.unwrap();
            tokio::spawn(connection);
            let (send, receive) = mpsc::channel::<Bytes>(1);
            let receive = Arc::new(tokio::sync::Mutex::new(receive));
            let messages = futures_util::stream::unfold(receive, |receive| async move {
                let data = receive.lock().await.recv().await?;
                Some((Ok::<_, Infallible>(Frame::data(data)), receive))
            });
            let request = Request::post("https://foo.example/echo?x")
                .header("te", "trailers")
                .header("content-type", "application/grpc")
                .body(StreamBody::new(messages.boxed()))
                .unwrap();
            let response = client.send_request(request).await.unwrap();
            assert_eq!(response.status(), 200);
            let seen = format!("true {scheme}://foo.example/echo?x Some(\"trailers\") None");
            assert_eq!(response.headers()["x-seen"], seen);
            let mut body = response.into_body();
            for word in ["one", "two", "three"] {
                // Each answer comes before the next message goes.
                send.send(word.into()).await.unwrap();
                assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), word);
            }
            drop(send);
            let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
            assert_eq!(trailers["grpc-status"], "0");
            let empty: futures_util::stream::Empty<Result<Frame<Bytes>, Infallible>> =
                futures_util::stream::empty();
            let failing = Request::post("https://foo.example/fail").body(StreamBody::new(empty.boxed()));
            let mut body = client.send_request(failing.unwrap()).await.unwrap().into_body();
            let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
            assert_eq!(trailers["grpc-status"], "13");
        });
    }
}

#[test]
fn a_backend_of_http_2_answers_clients_of_http_1_and_may_restart() {
    with_server(IngressConfig::default(), &ingress("foo.example", GRPC, ""), |running| async move {
        running.apply(&service(&[http2_backend(None).await])).await;
        let mut client = client(running.http()).await;
        for _ in 0..2 {
            client.ready().await.unwrap();
            let post = Request::post("/").header("host", "foo.example").body(Full::from("hi")).unwrap();
            let response = client.send_request(post).await.unwrap();
            assert_eq!(text(response).await, (StatusCode::OK, "hi".to_owned()));
            // Another backend in its place.
            running.apply(&service(&[http2_backend(None).await])).await;
        }
        running.apply(&service(&[echo().await])).await;
        assert_eq!(fetch(&mut client, "foo.example", "/").await.0, 502);
    });
}

#[test]
fn a_body_over_the_limit_is_413_for_backends_of_http_2_too() {
    let text_of =
        ingress("foo.example", &format!("{GRPC}, nginx.ingress.kubernetes.io/proxy-body-size: 1k"), "");
    with_server(IngressConfig::default(), &text_of, |running| async move {
        running.apply(&service(&[http2_backend(None).await])).await;
        let silent = backend(|_, stream| async move {
            let service = service_fn(|request: Request<Incoming>| async move {
                let _ = request.into_body().collect().await;
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
            });
            let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
        running.apply(&service(&[silent.await])).await;
        let mut chunked =
            b"POST / HTTP/1.1\r\nHost: foo.example\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let mut body = bytes::BytesMut::new();
        crate::upstream::emit_chunk(&[b'x'; 2000], &mut body);
        chunked.extend_from_slice(&body);
        let reply = raw(running.http(), &chunked).await;
        assert!(reply.starts_with("HTTP/1.1 413 "), "{reply}");
    });
}

#[test]
fn backends_over_tls_are_reached_whatever_their_certificate() {
    with_server(IngressConfig::default(), &ingress("foo.example", HTTPS, ""), |running| async move {
        let acceptor = acceptor_of(b"http/1.1");
        let secure = backend(move |number, stream| {
            let acceptor = acceptor.clone();
            async move {
                let mut stream = acceptor.accept(stream).await.unwrap();
                while let Some(head) = read_head(&mut stream).await {
                    let body = read_body(&mut stream, &head).await;
                    let reply = format!(
                        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{number}{body}",
                        body.len() + 1
                    );
                    stream.write_all(reply.as_bytes()).await.unwrap();
                    stream.flush().await.unwrap();
                }
            }
        });
        running.apply(&service(&[secure.await])).await;
        let mut client = client(running.http()).await;
        for word in ["", "hello"] {
            client.ready().await.unwrap();
            let post = Request::post("/").header("host", "foo.example").body(Full::from(word)).unwrap();
            let (status, body) = text(client.send_request(post).await.unwrap()).await;
            // One connection for both.
            assert_eq!((status.as_u16(), body), (200, format!("0{word}")));
        }
        let plain = backend(|_, mut stream| async move {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        });
        running.apply(&service(&[plain.await])).await;
        assert_eq!(fetch(&mut client, "foo.example", "/").await.0, 502);
    });
}

#[test]
fn endpoints_that_speak_grpc_over_tls_are_verified_where_that_is_asked_for() {
    let issue = || rcgen::generate_simple_self_signed(["web.shop.svc".to_owned()]).unwrap();
    let (own, other) = (issue(), issue());
    for (believed, status) in [(&own, 200), (&other, 502)] {
        let pem: String = believed.cert.pem().lines().map(|line| format!("    {line}\n")).collect();
        let secret = format!(
            "---\nkind: Secret\napiVersion: v1\nmetadata: {{name: believed, namespace: shop}}\nstringData:\n  ca.crt: |\n{pem}"
        );
        let prefix = "nginx.ingress.kubernetes.io/proxy-ssl";
        let annotations = format!("{GRPCS}, {prefix}-secret: believed, {prefix}-verify: 'on'");
        let key = rustls::pki_types::PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let builder = rustls::ServerConfig::builder_with_provider(crate::tls::provider());
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let mut config = builder.with_single_cert(vec![own.cert.der().clone()], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let text = ingress("foo.example", &annotations, "") + &secret;
        with_server(IngressConfig::default(), &text, |running| async move {
            running.apply(&service(&[http2_backend(Some(acceptor)).await])).await;
            assert!(running.handle.report().is_clean(), "{}", running.handle.report());
            let mut client = client(running.http()).await;
            assert_eq!(fetch(&mut client, "foo.example", "/echo").await.0, status);
        });
    }
}
