//! Bodies of any size in constant memory, trailers, interim responses, and clients that do not keep up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const MIB: usize = 1 << 20;
/// What the kernel's buffers and ours may hold between the two ends.
const BETWEEN: usize = 24 * MIB;
const TOTAL: usize = 192 * MIB;

#[test]
fn a_large_response_waits_for_its_client() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&sent);
        let large = backend(move |_, mut stream| {
            let sent = Arc::clone(&counter);
            async move {
                read_head(&mut stream).await;
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {TOTAL}\r\n\r\n");
                stream.write_all(head.as_bytes()).await.unwrap();
                let piece = vec![b'x'; MIB];
                while sent.load(Ordering::Relaxed) < TOTAL {
                    stream.write_all(&piece).await.unwrap();
                    sent.fetch_add(MIB, Ordering::Relaxed);
                }
            }
        });
        running.apply(&service(&[large.await])).await;
        let response = client(running.http()).await.send_request(get("foo.example", "/")).await.unwrap();
        let (mut body, mut received) = (response.into_body(), 0);
        while let Some(frame) = body.frame().await {
            received += frame.unwrap().into_data().unwrap().len();
            let ahead = sent.load(Ordering::Relaxed).saturating_sub(received);
            assert!(ahead < BETWEEN, "{ahead} bytes lie between the backend and a client that is slow");
        }
        assert_eq!(received, TOTAL);
    });
}

#[test]
fn a_large_request_waits_for_its_backend() {
    let unlimited = "nginx.ingress.kubernetes.io/proxy-body-size: \"0\"";
    with_server(IngressConfig::default(), &ingress("foo.example", unlimited, ""), |running| async move {
        let taken = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&taken);
        let slow = backend(move |_, mut stream| {
            let taken = Arc::clone(&counter);
            async move {
                read_head(&mut stream).await;
                let mut piece = vec![0; MIB / 4];
                while taken.load(Ordering::Relaxed) < TOTAL {
                    taken.fetch_add(stream.read(&mut piece).await.unwrap(), Ordering::Relaxed);
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone").await.unwrap();
            }
        });
        running.apply(&service(&[slow.await])).await;
        let mut stream = TcpStream::connect(running.http()).await.unwrap();
        let head = format!(
            "POST / HTTP/1.1\r\nHost: foo.example\r\nContent-Length: {TOTAL}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let piece = vec![b'x'; MIB];
        for sent in (0..TOTAL).step_by(MIB) {
            stream.write_all(&piece).await.unwrap();
            let ahead = sent.saturating_sub(taken.load(Ordering::Relaxed));
            assert!(ahead < BETWEEN, "{ahead} bytes lie between the client and a backend that is slow");
        }
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        assert!(reply.starts_with("HTTP/1.1 200 OK") && reply.ends_with("done"), "{reply}");
    });
}

#[test]
fn fields_after_the_body_pass_both_ways() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        let trailing = backend(|_, mut stream| async move {
            let head = read_head(&mut stream).await.unwrap();
            let mut body = Vec::new();
            while !body.ends_with(b"\r\n\r\n") {
                body.push(stream.read_u8().await.unwrap());
            }
            let body = String::from_utf8(body).unwrap();
            assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
            assert_eq!(body, "2\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n");
            let reply = "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nho\r\n0\r\nX-Sum: 2\r\nContent-Length: 7\r\n\r\n";
            stream.write_all(reply.as_bytes()).await.unwrap();
        });
        running.apply(&service(&[trailing.await])).await;
        let request = "POST / HTTP/1.1\r\nHost: foo.example\r\nTE: trailers\r\nConnection: TE, close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\nHost: evil\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n";
        let reply = raw(running.http(), request.as_bytes()).await;
        assert!(reply.ends_with("2\r\nho\r\n0\r\nx-sum: 2\r\n\r\n"), "{reply}");
    });
}

#[test]
fn a_client_that_waits_for_100_gets_it_and_the_backend_s_hints() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        let hinting = backend(|_, mut stream| async move {
            let head = read_head(&mut stream).await.unwrap();
            assert!(!head.contains("expect"), "{head}");
            read_body(&mut stream, &head).await;
            let reply =
                "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
            stream.write_all(reply.as_bytes()).await.unwrap();
        });
        running.apply(&service(&[hinting.await])).await;
        let mut stream = TcpStream::connect(running.http()).await.unwrap();
        let head = "POST / HTTP/1.1\r\nHost: foo.example\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(read_head(&mut stream).await.unwrap(), "HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"hi").await.unwrap();
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        let (hint, reply) = reply.split_once("\r\n\r\n").unwrap();
        assert_eq!(hint, "HTTP/1.1 103 Early Hints\r\nlink: x");
        assert!(reply.starts_with("HTTP/1.1 200 OK\r\n") && reply.ends_with("ok"), "{reply}");
    });
}

#[test]
fn who_waits_for_100_is_refused_without_it() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[echo().await])).await;
        for (host, length, status) in [("foo.example", 2 << 20, 413), ("other.example", 2, 404)] {
            let head = format!(
                "POST / HTTP/1.1\r\nHost: {host}\r\nExpect: 100-continue\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            let reply = raw(running.http(), head.as_bytes()).await;
            assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
        }
    });
}

/// HTTP/1.0 knows neither chunks nor fields after a body: what is left is the connection's end.
#[test]
fn a_client_of_http_1_0_gets_a_body_up_to_the_end() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        let chunked = backend(|_, mut stream| async move {
            let head = read_head(&mut stream).await.unwrap();
            assert!(head.starts_with("GET / HTTP/1.1\r\n"), "{head}");
            let reply =
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nho\r\n0\r\nX-Sum: 2\r\n\r\n";
            stream.write_all(reply.as_bytes()).await.unwrap();
        });
        running.apply(&service(&[chunked.await])).await;
        let reply = raw(running.http(), b"GET / HTTP/1.0\r\nHost: foo.example\r\n\r\n").await;
        assert!(reply.starts_with("HTTP/1.0 200 ") && reply.ends_with("\r\n\r\nho"), "{reply}");
        assert!(!reply.contains("transfer-encoding"), "{reply}");
    });
}

/// Requests that do not wait for one another's replies get theirs in order; a client of HTTP/1.0 knows no hints.
#[test]
fn hints_stand_before_the_reply_that_they_belong_to() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        let hinting = backend(|_, mut stream| async move {
            while let Some(head) = read_head(&mut stream).await {
                let path = head.split(' ').nth(1).unwrap();
                let reply = format!(
                    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: {path}\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: again\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
                );
                stream.write_all(reply.as_bytes()).await.unwrap();
            }
        });
        running.apply(&service(&[hinting.await])).await;
        let request =
            |path: &str, rest: &str| format!("GET {path} HTTP/1.1\r\nHost: foo.example\r\n{rest}\r\n");
        let requests =
            [request("/1", ""), request("/2", ""), request("/3", "Connection: close\r\n")].concat();
        let reply = raw(running.http(), requests.as_bytes()).await;
        let reply = reply.replace("ok", "");
        let order: Vec<_> =
            reply.lines().filter(|line| line.starts_with("HTTP/") || line.starts_with("link")).collect();
        let one = |link| {
            ["HTTP/1.1 103 Early Hints", link, "HTTP/1.1 103 Early Hints", "link: again", "HTTP/1.1 200 OK"]
        };
        assert_eq!(order, ["link: /1", "link: /2", "link: /3"].map(one).concat());
        let old = raw(running.http(), b"GET / HTTP/1.0\r\nHost: foo.example\r\n\r\n").await;
        assert!(old.starts_with("HTTP/1.0 200 "), "{old}");
    });
}

#[test]
fn a_client_that_takes_nothing_is_let_go() {
    with_server(quick(), &ingress("foo.example", "", ""), |running| async move {
        let (gone, mut is_gone) = tokio::sync::mpsc::unbounded_channel();
        let endless = backend(move |_, mut stream| {
            let gone = gone.clone();
            async move {
                read_head(&mut stream).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
                while stream.write_all(&[b'x'; 65536]).await.is_ok() {}
                let _ = gone.send(());
            }
        });
        running.apply(&service(&[endless.await])).await;
        let mut stream = TcpStream::connect(running.http()).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: foo.example\r\n\r\n").await.unwrap();
        // The backend's connection ends although the client keeps its own open and reads nothing.
        is_gone.recv().await.unwrap();
        drop(stream);
    });
}

#[test]
fn a_connection_carries_so_many_requests_and_is_closed_in_good_order() {
    let config = IngressConfig::builder().clients(Clients::default().with_keep_alive_requests(3)).build();
    with_server(config.unwrap(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[echo().await])).await;
        let one = "GET / HTTP/1.1\r\nHost: foo.example\r\n\r\n";
        let reply = raw(running.http(), one.repeat(5).as_bytes()).await;
        assert_eq!(reply.matches("HTTP/1.1 200 OK").count(), 3, "{reply}");
        assert_eq!(reply.matches("connection: close").count(), 1, "{reply}");
        let stream = TokioIo::new(TcpStream::connect(running.http()).await.unwrap());
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
        let (mut client, connection) = handshake.await.unwrap();
        let connection = tokio::spawn(connection);
        for _ in 0..3 {
            let request = Request::get("http://foo.example/").body(Full::<Bytes>::default()).unwrap();
            assert_eq!(text(client.send_request(request).await.unwrap()).await.0, 200);
        }
        assert!(connection.await.unwrap().is_ok());
    });
}

#[test]
fn an_idle_connection_of_http_2_is_closed_and_a_busy_one_is_not() {
    let short = Duration::from_millis(100);
    let config = IngressConfig::builder().clients(Clients::default().with_keep_alive(short)).build().unwrap();
    with_server(config, &ingress("foo.example", "", ""), |running| async move {
        let (release, released) = tokio::sync::oneshot::channel::<()>();
        let released = Arc::new(tokio::sync::Mutex::new(Some(released)));
        let slow = backend(move |_, mut stream| {
            let released = Arc::clone(&released);
            async move {
                read_head(&mut stream).await;
                let released = released.lock().await.take();
                if let Some(released) = released {
                    let _ = released.await;
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
        });
        running.apply(&service(&[slow.await])).await;
        let http2 = || async {
            let stream = TokioIo::new(TcpStream::connect(running.http()).await.unwrap());
            let (client, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
            (client, tokio::spawn(connection))
        };
        let (mut busy, _running) = http2().await;
        let request = Request::get("http://foo.example/").body(Full::<Bytes>::default()).unwrap();
        let answer = tokio::spawn(async move { text(busy.send_request(request).await.unwrap()).await });
        let (_idle, closed) = http2().await;
        // The idle one has had its time by then; the busy one has had as long.
        assert!(closed.await.unwrap().is_ok());
        release.send(()).unwrap();
        assert_eq!(answer.await.unwrap(), (StatusCode::OK, "ok".to_owned()));
    });
}
