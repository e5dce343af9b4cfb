use super::*;

/// A backend that switches to a protocol in which it says every byte twice.
async fn doubling() -> SocketAddr {
    backend(|_, mut stream| async move {
        let head = read_head(&mut stream).await.unwrap();
        assert!(head.contains("connection: upgrade\r\n") && head.contains("upgrade: websocket\r\n"), "{head}");
        assert!(head.contains("sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"), "{head}");
        let reply = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello";
        stream.write_all(reply.as_bytes()).await.unwrap();
        let mut byte = [0];
        while stream.read_exact(&mut byte).await.is_ok() {
            stream.write_all(&[byte[0], byte[0]]).await.unwrap();
        }
    })
    .await
}

fn upgrade() -> Request<Full<Bytes>> {
    Request::get("/chat")
        .header("host", "foo.example")
        .header("connection", "keep-alive, Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("sec-websocket-version", "13")
        .body(Full::default())
        .unwrap()
}

#[test]
fn an_upgraded_connection_carries_bytes_both_ways() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[doubling().await])).await;
        let response = client(running.http()).await.send_request(upgrade()).await.unwrap();
        assert_eq!(response.status(), 101);
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let mut tunnel = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        let mut read = [0; 5];
        tunnel.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"hello");
        // Another table and another endpoint do not touch it.
        running.apply(&service(&[echo().await])).await;
        for round in [b"ab", b"cd"] {
            tunnel.write_all(round).await.unwrap();
            let mut read = [0; 4];
            tunnel.read_exact(&mut read).await.unwrap();
            assert_eq!(read, [round[0], round[0], round[1], round[1]]);
        }
        tunnel.shutdown().await.unwrap();
        assert_eq!(tunnel.read(&mut read).await.unwrap(), 0);
    });
}

#[test]
fn a_refused_upgrade_is_an_ordinary_response() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[echo().await])).await;
        let mut client = client(running.http()).await;
        let (status, body) = text(client.send_request(upgrade()).await.unwrap()).await;
        assert!(status == 200 && body.contains("upgrade: websocket\r\n"), "{body}");
        assert_eq!(fetch(&mut client, "foo.example", "/").await.0, 200);
    });
}

#[test]
fn a_silent_tunnel_ends() {
    with_server(quick(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[doubling().await])).await;
        let response = client(running.http()).await.send_request(upgrade()).await.unwrap();
        let mut tunnel = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        let mut rest = Vec::new();
        tunnel.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"hello");
    });
}

/// RFC 9931: whoever sends before the switch may not have it taken for something else.
#[test]
fn bytes_before_the_switch_wait_for_it() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        let careful = backend(|_, mut stream| async move {
            let head = read_head(&mut stream).await.unwrap();
            assert_eq!(read_body(&mut stream, &head).await, "body");
            // What the client has sent long since is not here before the answer.
            let early = stream.try_read(&mut [0; 1]).unwrap_err();
            assert_eq!(early.kind(), std::io::ErrorKind::WouldBlock);
            let switched = b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
            stream.write_all(switched).await.unwrap();
            let mut early = [0; 5];
            stream.read_exact(&mut early).await.unwrap();
            stream.write_all(&early).await.unwrap();
        });
        running.apply(&service(&[careful.await])).await;
        let request = "POST / HTTP/1.1\r\nHost: foo.example\r\nConnection: upgrade\r\nUpgrade: echo\r\nContent-Length: 4\r\n\r\nbodyearly";
        let reply = raw(running.http(), request.as_bytes()).await;
        assert!(reply.starts_with("HTTP/1.1 101 ") && reply.ends_with("\r\n\r\nearly"), "{reply}");
    });
}

#[test]
fn what_follows_a_refused_upgrade_is_http_or_nothing() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[echo().await])).await;
        let request = "GET / HTTP/1.1\r\nHost: foo.example\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
        let reply = raw(running.http(), format!("{request}\u{1}\u{2}no HTTP\r\n\r\n").as_bytes()).await;
        assert!(reply.starts_with("HTTP/1.1 200 ") && reply.contains("HTTP/1.1 400 "), "{reply}");
        assert_eq!(reply.matches("HTTP/1.1 200").count(), 1, "{reply}");
    });
}
