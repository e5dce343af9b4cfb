use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

#[test]
fn requests_reach_their_backend_with_fields_set_anew() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[echo().await])).await;
        let request = Request::get("/a//b/../%75?x=1")
            .header("host", "foo.example:8080")
            .header("x-forwarded-for", "1.2.3.4")
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .header("x_under", "1")
            .body(Full::default())
            .unwrap();
        let mut client = client(running.http()).await;
        let response = client.send_request(request).await.unwrap();
        assert!(!response.headers().contains_key("server") && response.headers().contains_key("date"));
        let (status, body) = text(response).await;
        assert_eq!(status, 200);
        let port = running.http().port();
        for line in [
            "GET /a//b/../%75?x=1 HTTP/1.1",
            "host: foo.example:8080",
            "x-real-ip: 127.0.0.1",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: foo.example:8080",
            &format!("x-forwarded-port: {port}"),
            "x-forwarded-proto: http",
            "x-original-forwarded-for: 1.2.3.4",
        ] {
            assert!(body.lines().any(|found| found == line), "{line} in {body}");
        }
        let id = body.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
        assert!(id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()));
        assert!(!body.contains("x-hop") && !body.contains("x_under") && !body.contains("connection:"));
    });
}

#[test]
fn unknown_hosts_and_services_without_endpoints_have_their_status() {
    let text = ingress("foo.example", "", "") + &service(&[]);
    with_server(IngressConfig::default(), &text, |running| async move {
        let mut client = client(running.http()).await;
        for (host, status) in [("other.example", 404), ("foo.example", 503)] {
            assert_eq!(fetch(&mut client, host, "/").await.0, status, "{host}");
        }
        let refused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        running.apply(&service(&[refused])).await;
        assert_eq!(fetch(&mut client, "foo.example", "/").await.0, 502);
    });
}

#[test]
fn a_default_backend_of_the_configuration_takes_the_rest() {
    let config = IngressConfig::builder().default_backend("shop/web:80").build().unwrap();
    with_server(config, "", |running| async move {
        running.apply(&service(&[echo().await])).await;
        assert_eq!(fetch(&mut client(running.http()).await, "any.example", "/").await.0, 200);
    });
}

#[test]
fn rewritten_targets_arrive_and_hosts_with_tls_redirect() {
    let rewrite = "nginx.ingress.kubernetes.io/rewrite-target: /$1";
    let text = ingress("foo.example", rewrite, "")
        .replace("path: /, pathType: Prefix", "path: /app/(.*), pathType: ImplementationSpecific")
        + &ingress("bar.example", "", "tls: [{hosts: [bar.example], secretName: absent}]");
    with_server(IngressConfig::default(), &text, |running| async move {
        running.apply(&service(&[echo().await])).await;
        let mut client = client(running.http()).await;
        let (_, body) = fetch(&mut client, "foo.example", "/app/a%20b?q").await;
        assert!(body.contains("GET /a%20b?q HTTP/1.1"), "{body}");
        client.ready().await.unwrap();
        let response = client.send_request(get("bar.example:80", "/x?y")).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["location"]),
            (308, &"https://bar.example/x?y".parse().unwrap())
        );
    });
}

#[test]
fn bodies_arrive_with_one_framing_and_the_connection_is_used_again() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[echo().await])).await;
        let mut client = client(running.http()).await;
        let sized = Request::post("/").header("host", "foo.example").body(Full::from("hello")).unwrap();
        let (_, body) = text(client.send_request(sized).await.unwrap()).await;
        assert!(body.contains("content-length: 5\r\n") && body.ends_with("\r\n\r\nhello"), "{body}");
        assert!(!body.contains("transfer-encoding"));
        let chunked = b"POST / HTTP/1.1\r\nHost: foo.example\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
        let body = raw(running.http(), chunked).await;
        assert!(
            body.contains("transfer-encoding: chunked\r\n") && !body.contains("content-length: 5"),
            "{body}"
        );
        for _ in 0..3 {
            let (_, body) = fetch(&mut client, "foo.example", "/").await;
            assert!(body.starts_with("connection 0\n"), "{body}");
        }
        let head = Request::head("/").header("host", "foo.example").body(Full::default()).unwrap();
        client.ready().await.unwrap();
        assert_eq!(text(client.send_request(head).await.unwrap()).await, (StatusCode::OK, String::new()));
    });
}

#[test]
fn large_bodies_stream_through_and_too_large_ones_are_refused() {
    let unlimited = "nginx.ingress.kubernetes.io/proxy-body-size: \"0\"";
    let text_of = ingress("big.example", unlimited, "") + &ingress("foo.example", "", "");
    with_server(IngressConfig::default(), &text_of, |running| async move {
        running.apply(&service(&[echo().await])).await;
        let post = |host: &str, length: usize| {
            Request::post("/").header("host", host).body(Full::from(vec![b'x'; length])).unwrap()
        };
        let (status, body) =
            text(client(running.http()).await.send_request(post("big.example", 5 << 20)).await.unwrap())
                .await;
        assert_eq!(status, 200);
        assert!(body.len() > 5 << 20 && body.ends_with("xxxx"));
        for (length, expected) in [(1 << 20, 200), ((1 << 20) + 1, 413)] {
            let response =
                client(running.http()).await.send_request(post("foo.example", length)).await.unwrap();
            assert_eq!(response.status(), expected, "{length}");
        }
        let mut chunked =
            b"POST / HTTP/1.1\r\nHost: foo.example\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        let mut body = bytes::BytesMut::new();
        crate::upstream::emit_chunk(&vec![b'x'; (1 << 20) + 1], &mut body);
        chunked.extend_from_slice(&body);
        assert!(raw(running.http(), &chunked).await.starts_with("HTTP/1.1 413 "));
    });
}

#[test]
fn what_may_be_smuggled_is_refused() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[echo().await])).await;
        let rows = [
            ("GET / HTTP/1.1\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: foo.example\r\nHost: foo.example\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: \r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: foo.example/x\r\n\r\n", "400"),
            ("GET http://foo.example/ HTTP/1.1\r\nHost: bar.example\r\n\r\n", "400"),
            (
                "POST / HTTP/1.1\r\nHost: foo.example\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
                "400",
            ),
            ("POST / HTTP/1.1\r\nHost: foo.example\r\nContent-Length: 5, 5\r\n\r\nhello", "400"),
            ("POST / HTTP/1.1\r\nHost: foo.example\r\nContent-Length: +5\r\n\r\nhello", "400"),
            ("POST / HTTP/1.1\r\nHost: foo.example\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "400"),
            (
                "POST / HTTP/1.1\r\nHost: foo.example\r\nTransfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
                "501",
            ),
            (
                "POST / HTTP/1.1\r\nHost: foo.example\r\nTransfer-Encoding: chunked, chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
                "501",
            ),
            ("POST / HTTP/1.0\r\nHost: foo.example\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost : foo.example\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: foo.example\r\nX: a\r\n b\r\n\r\n", "400"),
            ("GET / HTTP/1.1\r\nHost: foo.example\r\nX: a\0b\r\n\r\n", "400"),
            ("GET /../x HTTP/1.1\r\nHost: foo.example\r\nConnection: close\r\n\r\n", "400"),
            ("GET /a/%2e%2e/%2e%2e/x HTTP/1.1\r\nHost: foo.example\r\nConnection: close\r\n\r\n", "400"),
            ("GET /%00 HTTP/1.1\r\nHost: foo.example\r\nConnection: close\r\n\r\n", "400"),
            ("CONNECT foo.example:443 HTTP/1.1\r\nHost: foo.example\r\n\r\n", "405"),
            ("TRACE / HTTP/1.1\r\nHost: foo.example\r\n\r\n", "405"),
        ];
        for (request, status) in rows {
            let reply = raw(running.http(), request.as_bytes()).await;
            assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {reply:?}");
        }
        let long =
            format!("GET /{} HTTP/1.1\r\nHost: foo.example\r\nConnection: close\r\n\r\n", "x".repeat(9000));
        assert!(raw(running.http(), long.as_bytes()).await.starts_with("HTTP/1.1 414 "));
        let wide = format!(
            "GET / HTTP/1.1\r\nHost: foo.example\r\nConnection: close\r\nX: {}\r\n\r\n",
            "x".repeat(9000)
        );
        assert!(raw(running.http(), wide.as_bytes()).await.starts_with("HTTP/1.1 431 "));
    });
}

#[test]
fn length_beside_chunks_never_reaches_the_backend() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[echo().await])).await;
        let both = "POST / HTTP/1.1\r\nHost: foo.example\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: foo.example\r\n\r\n";
        let reply = raw(running.http(), both.as_bytes()).await;
        assert_eq!(reply.matches("HTTP/1.1 200 OK").count(), 1, "{reply}");
        assert!(
            reply.contains("transfer-encoding: chunked") && !reply.contains("content-length: 4"),
            "{reply}"
        );
    });
}

#[test]
fn a_client_that_never_ends_its_head_is_cut() {
    with_server(quick(), &ingress("foo.example", "", ""), |running| async move {
        for start in ["", "G", "GET / HTTP/1.1\r\nHost: foo.exa", "PRI * HTTP/2.0\r\n"] {
            // Ends only because the server closes the connection.
            let reply = raw(running.http(), start.as_bytes()).await;
            assert!(!reply.contains("200"), "{reply}");
        }
        raw(running.https(), b"\x16\x03\x01").await;
    });
}

#[test]
fn a_backend_that_never_answers_is_504_and_one_that_answers_nonsense_502() {
    with_server(quick(), &ingress("foo.example", "", ""), |running| async move {
        let silent = backend(|_, stream| async move {
            let (mut read, _write) = tokio::io::split(stream);
            let _ = read.read_to_end(&mut Vec::new()).await;
        })
        .await;
        running.apply(&service(&[silent])).await;
        assert_eq!(fetch(&mut client(running.http()).await, "foo.example", "/").await.0, 504);
        let replies = [
            "nonsense\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        ];
        for reply in replies {
            let odd = backend(move |_, mut stream| async move {
                let _ = read_head(&mut stream).await;
                let _ = stream.write_all(reply.as_bytes()).await;
            })
            .await;
            running.apply(&service(&[odd])).await;
            assert_eq!(fetch(&mut client(running.http()).await, "foo.example", "/").await.0, 502, "{reply}");
        }
    });
}

#[test]
fn a_response_that_breaks_off_breaks_off_for_the_client_too() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        let dying = backend(|_, mut stream| async move {
            let _ = read_head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").await;
        })
        .await;
        running.apply(&service(&[dying])).await;
        let mut client = client(running.http()).await;
        // The head may go down with the rest; what counts is that nobody takes the half for the whole.
        if let Ok(response) = client.send_request(get("foo.example", "/")).await {
            assert!(response.into_body().collect().await.is_err());
        }
    });
}

#[test]
fn bytes_after_a_response_are_given_to_nobody() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        let talkative = backend(|number, mut stream| async move {
            while read_head(&mut stream).await.is_some() {
                let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
                let _ = stream.write_all(reply.as_bytes()).await;
            }
        })
        .await;
        running.apply(&service(&[talkative])).await;
        let mut client = client(running.http()).await;
        for number in 0..3 {
            assert_eq!(fetch(&mut client, "foo.example", "/").await.1, number.to_string());
        }
    });
}

#[test]
fn methods_pass_unchanged() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[echo().await])).await;
        let mut client = client(running.http()).await;
        for method in [Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH] {
            let request = Request::builder().method(&method).uri("/").header("host", "foo.example");
            client.ready().await.unwrap();
            let (_, body) =
                text(client.send_request(request.body(Full::default()).unwrap()).await.unwrap()).await;
            assert!(body.contains(&format!("{method} / HTTP/1.1")), "{body}");
        }
    });
}

#[test]
fn a_client_that_never_ends_its_body_is_408() {
    with_server(quick(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[echo().await])).await;
        let half = "POST / HTTP/1.1\r\nHost: foo.example\r\nContent-Length: 10\r\n\r\nhalf";
        assert!(raw(running.http(), half.as_bytes()).await.starts_with("HTTP/1.1 408 "));
    });
}
