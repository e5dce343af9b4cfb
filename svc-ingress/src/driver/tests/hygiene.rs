//! What may not pass, row by row, as bytes on a connection: the answer, and that the backend saw nothing of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Where the answer depends on hyper, which has read the bytes before us, and RFC 9112 allows its reading, that stands:
/// the row says so.
const ROWS: &[(&str, &str, &str)] = &[
    // What, the request without its end, status.
    (
        "a transfer coding that is unknown",
        "POST / HTTP/1.1\r\nHost: foo.example\r\nTransfer-Encoding: xchunked",
        "400",
    ),
    ("identity", "POST / HTTP/1.1\r\nHost: foo.example\r\nTransfer-Encoding: identity", "400"),
    ("gzip, chunked", "POST / HTTP/1.1\r\nHost: foo.example\r\nTransfer-Encoding: gzip, chunked", "501"),
    ("chunked twice", "POST / HTTP/1.1\r\nHost: foo.example\r\nTransfer-Encoding: chunked, chunked", "501"),
    (
        "chunked in two fields",
        "POST / HTTP/1.1\r\nHost: foo.example\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "501",
    ),
    ("chunked, then gzip", "POST / HTTP/1.1\r\nHost: foo.example\r\nTransfer-Encoding: chunked, gzip", "400"),
    (
        "a transfer coding of HTTP/1.0",
        "POST / HTTP/1.0\r\nHost: foo.example\r\nTransfer-Encoding: chunked",
        "400",
    ),
    ("two lengths", "POST / HTTP/1.1\r\nHost: foo.example\r\nContent-Length: 5\r\nContent-Length: 6", "400"),
    ("a list of lengths", "POST / HTTP/1.1\r\nHost: foo.example\r\nContent-Length: 5, 5", "400"),
    ("a length with a sign", "POST / HTTP/1.1\r\nHost: foo.example\r\nContent-Length: +5", "400"),
    ("a negative length", "POST / HTTP/1.1\r\nHost: foo.example\r\nContent-Length: -5", "400"),
    ("a length in hexadecimal", "POST / HTTP/1.1\r\nHost: foo.example\r\nContent-Length: 0x5", "400"),
    ("an empty length", "POST / HTTP/1.1\r\nHost: foo.example\r\nContent-Length: ", "400"),
    (
        "a length over 2^64",
        "POST / HTTP/1.1\r\nHost: foo.example\r\nContent-Length: 99999999999999999999",
        "400",
    ),
    ("a space before the colon", "GET / HTTP/1.1\r\nHost : foo.example", "400"),
    ("a folded line", "GET / HTTP/1.1\r\nHost: foo.example\r\nX: a\r\n b", "400"),
    ("NUL in a value", "GET / HTTP/1.1\r\nHost: foo.example\r\nX: a\0b", "400"),
    ("CR in a value", "GET / HTTP/1.1\r\nHost: foo.example\r\nX: a\rb", "400"),
    ("a name that is no token", "GET / HTTP/1.1\r\nHost: foo.example\r\nX[]: a", "400"),
    ("an empty name", "GET / HTTP/1.1\r\nHost: foo.example\r\n: a", "400"),
    ("no host", "GET / HTTP/1.1\r\nX: y", "400"),
    ("no host in HTTP/1.0", "GET / HTTP/1.0\r\nX: y", "400"),
    ("two hosts", "GET / HTTP/1.1\r\nHost: foo.example\r\nHost: foo.example", "400"),
    ("an empty host", "GET / HTTP/1.1\r\nHost: ", "400"),
    ("a host with a path", "GET / HTTP/1.1\r\nHost: foo.example/x", "400"),
    ("a host with user information", "GET / HTTP/1.1\r\nHost: a@foo.example", "400"),
    ("a host with a port that is none", "GET / HTTP/1.1\r\nHost: foo.example:x", "400"),
    ("a host in a list", "GET / HTTP/1.1\r\nHost: foo.example, bar.example", "400"),
    ("an absolute target of another host", "GET http://foo.example/ HTTP/1.1\r\nHost: bar.example", "400"),
    // hyper's reading: nginx takes HTTP/1.2 for 1.1 and answers 505 to HTTP/2.0.
    ("HTTP/1.2", "GET / HTTP/1.2\r\nHost: foo.example", "400"),
    ("HTTP/2.0 in a line", "GET / HTTP/2.0\r\nHost: foo.example", "400"),
    ("no version", "GET /\r\nHost: foo.example", "400"),
    ("CONNECT", "CONNECT foo.example:443 HTTP/1.1\r\nHost: foo.example", "405"),
    ("TRACE", "TRACE / HTTP/1.1\r\nHost: foo.example", "405"),
    ("a method that is no token", "G@T / HTTP/1.1\r\nHost: foo.example", "400"),
    ("a path above the root", "GET /pre/../../x HTTP/1.1\r\nHost: foo.example", "400"),
    ("an escaped path above the root", "GET /a/%2e%2E/%2e./x HTTP/1.1\r\nHost: foo.example", "400"),
    ("an escaped NUL", "GET /%00 HTTP/1.1\r\nHost: foo.example", "400"),
    ("an escaped line end", "GET /a%0d%0aX:%20y HTTP/1.1\r\nHost: foo.example", "400"),
    ("half an escape", "GET /%4 HTTP/1.1\r\nHost: foo.example", "400"),
    ("a target that is no path", "GET x HTTP/1.1\r\nHost: foo.example", "400"),
    ("a space in the target", "GET /a b HTTP/1.1\r\nHost: foo.example", "400"),
];

#[test]
fn what_may_not_pass_is_refused_and_ends_the_connection() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        let seen = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&seen);
        let counting = backend(move |_, mut stream| {
            counter.fetch_add(1, Ordering::Relaxed);
            async move { drop(stream.shutdown().await) }
        });
        running.apply(&service(&[counting.await])).await;
        for (what, request, status) in ROWS {
            // Whoever read the first as shorter or longer would answer what follows.
            let bytes =
                format!("{request}\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: foo.example\r\n\r\n");
            let reply = raw(running.http(), bytes.as_bytes()).await;
            assert_eq!(reply.get(8..13), Some(&*format!(" {status} ")), "{what}: {reply:?}");
            assert_eq!(reply.matches("HTTP/1.").count(), 1, "{what}: {reply:?}");
        }
        assert_eq!(seen.load(Ordering::Relaxed), 0);
    });
}

/// Sizes as nginx has them: 8 KiB for the target and for a field.
#[test]
fn sizes_are_limited() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[echo().await])).await;
        let x = |length: usize| "x".repeat(length);
        let many: String = (0..120).map(|number| format!("X-{number}: y\r\n")).collect();
        let rows = [
            (format!("GET /{} HTTP/1.1\r\nHost: foo.example\r\n", x(8000)), "200"),
            (format!("GET /{} HTTP/1.1\r\nHost: foo.example\r\n", x(9000)), "414"),
            (format!("GET / HTTP/1.1\r\nHost: foo.example\r\nX: {}\r\n", x(8000)), "200"),
            (format!("GET / HTTP/1.1\r\nHost: foo.example\r\nX: {}\r\n", x(9000)), "431"),
            (format!("GET / HTTP/1.1\r\nHost: foo.example\r\n{many}"), "431"),
            (format!("GET / HTTP/1.1\r\nHost: foo.example\r\nX: {}\r\n", x(60_000)), "431"),
        ];
        for (head, status) in rows {
            let reply = raw(running.http(), format!("{head}Connection: close\r\n\r\n").as_bytes()).await;
            assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {reply:.80}");
        }
    });
}

/// Of the rows of the table those that hyper decides otherwise than nginx, in ways that RFC 9112 allows.
#[test]
fn what_hyper_may_read_reaches_the_backend_in_one_reading() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[echo().await])).await;
        let rows = [
            // Section 6.3: chunked wins, the length goes, the connection ends.
            (
                "POST / HTTP/1.1\r\nHost: foo.example\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: foo.example\r\n\r\n",
                "transfer-encoding: chunked\r\n",
            ),
            // Section 6.3: the same length twice is one.
            (
                "POST / HTTP/1.1\r\nHost: foo.example\r\nContent-Length: 3\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc",
                "content-length: 3\r\n",
            ),
            // Section 2.2: a line may end in LF alone.
            (
                "GET / HTTP/1.1\nHost: foo.example\nConnection: close\n\n",
                "GET / HTTP/1.1\r\nhost: foo.example\r\n",
            ),
            // Section 3.2.2: the target's host, which is that of the field.
            (
                "GET http://FOO.example/a HTTP/1.1\r\nHost: foo.example\r\nConnection: close\r\n\r\n",
                "GET /a HTTP/1.1\r\nhost: foo.example\r\n",
            ),
            // A fragment is no part of a target: it goes.
            ("GET /a#b HTTP/1.1\r\nHost: foo.example\r\nConnection: close\r\n\r\n", "GET /a HTTP/1.1\r\n"),
        ];
        for (request, expected) in rows {
            let reply = raw(running.http(), request.as_bytes()).await;
            assert!(reply.starts_with("HTTP/1.1 200 "), "{request:?}: {reply}");
            assert_eq!(reply.matches("HTTP/1.1 200").count(), 1, "{request:?}: {reply}");
            assert!(reply.contains(expected), "{request:?}: {reply}");
            assert_eq!(reply.to_lowercase().matches("\r\ncontent-length: 4\r\n").count(), 0, "{reply}");
        }
    });
}

#[test]
fn a_body_that_is_not_properly_chunked_is_400_and_ends_both_connections() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[echo().await])).await;
        for body in [
            "0x5\r\nhello\r\n0\r\n\r\n",
            "5 5\r\nhello\r\n0\r\n\r\n",
            "5\r\nhelloX\r\n0\r\n\r\n",
            "-5\r\nhello\r\n0\r\n\r\n",
        ] {
            let request = format!(
                "POST / HTTP/1.1\r\nHost: foo.example\r\nTransfer-Encoding: chunked\r\n\r\n{body}GET /smuggled HTTP/1.1\r\nHost: foo.example\r\n\r\n"
            );
            let reply = raw(running.http(), request.as_bytes()).await;
            assert!(reply.starts_with("HTTP/1.1 400 "), "{body:?}: {reply}");
            assert_eq!(reply.matches("HTTP/1.1 ").count(), 1, "{body:?}: {reply}");
        }
        // Each of them had a connection to the backend, and none is used again: this is a fifth.
        let (_, body) = fetch(&mut client(running.http()).await, "foo.example", "/").await;
        assert!(body.starts_with("connection 4\n"), "{body}");
    });
}
