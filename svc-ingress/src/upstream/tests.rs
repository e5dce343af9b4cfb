use bytes::BytesMut;
use http::{HeaderMap, HeaderValue, Method};

use super::Expected::{Body, NoBody, Upgrade};
use super::{
    Event, Expected, RequestFraming, RequestHead, ResponseDecoder, ResponseError, emit_chunk, emit_last_chunk,
};

struct Read {
    status: u16,
    body: Vec<u8>,
    reusable: bool,
    left: Vec<u8>,
}

/// Reads a response of which `cut` bytes come first and the rest later, then the end of the connection.
fn read(expected: Expected, bytes: &[u8], cut: usize) -> Result<Read, ResponseError> {
    let mut decoder = ResponseDecoder::new(expected);
    let mut buffer = BytesMut::new();
    let mut read = Read { status: 0, body: Vec::new(), reusable: false, left: Vec::new() };
    for part in [&bytes[..cut], &bytes[cut..]] {
        buffer.extend_from_slice(part);
        while let Some(event) = decoder.poll_event(&mut buffer)? {
            match event {
                Event::Head(head) | Event::Switched(head) => read.status = head.status().as_u16(),
                Event::Data(data) => read.body.extend_from_slice(&data),
                Event::Informational(_) | Event::Trailers(_) | Event::End => {}
            }
        }
    }
    read.left = buffer.to_vec();
    read.reusable = decoder.is_reusable() && buffer.is_empty();
    decoder.handle_eof().map(|_| read)
}

/// What is expected, the bytes, then status, body, whether the connection can be used again, and what is left over.
type BodyRow = (Expected, &'static str, u16, &'static str, bool, &'static str);

const BODIES: [BodyRow; 17] = [
    (Body, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", true, ""),
    (Body, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", true, ""),
    (
        Body,
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK",
        200,
        "hi",
        false,
        "HTTP/1.1 200 OK",
    ),
    (
        Body,
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, CLOSE\r\n\r\nhi",
        200,
        "hi",
        false,
        "",
    ),
    (Body, "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", false, ""),
    (Body, "HTTP/1.1 200 OK\r\n\r\nto the end", 200, "to the end", false, ""),
    (Body, "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", 200, "hi", true, ""),
    (
        Body,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n3\r\n yo\r\n0\r\nX: y\r\n\r\n",
        200,
        "hi yo",
        true,
        "",
    ),
    (Body, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nmore", 200, "", false, "more"),
    (NoBody, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", 200, "", true, ""),
    (NoBody, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "", false, "hi"),
    (Body, "HTTP/1.1 204 No Content\r\n\r\n", 204, "", true, ""),
    (Body, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, "", false, ""),
    (Body, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, "", true, ""),
    (
        Body,
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx",
        201,
        "x",
        true,
        "",
    ),
    (
        Upgrade,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x01\x02",
        101,
        "",
        false,
        "\x01\x02",
    ),
    (Upgrade, "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", 403, "no", true, ""),
];

#[test]
fn bodies_end_where_the_head_says_wherever_the_bytes_are_cut() {
    for (expected, text, status, body, reusable, left) in BODIES {
        for cut in 0..=text.len() {
            let read =
                read(expected, text.as_bytes(), cut).unwrap_or_else(|error| panic!("{text:?}: {error}"));
            assert_eq!((read.status, read.body.as_slice()), (status, body.as_bytes()), "{text:?} at {cut}");
            assert_eq!(
                (read.reusable, read.left.as_slice()),
                (reusable, left.as_bytes()),
                "{text:?} at {cut}"
            );
        }
    }
}

#[test]
fn odd_responses_are_errors_wherever_the_bytes_are_cut() {
    use ResponseError::{Chunk, Framing, Head, Truncated, Unexpected};
    let rows = [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Framing),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", Framing),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", Framing),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi", Framing),
        ("HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi", Framing),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nhi", Framing),
        ("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhi", Framing),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhi", Framing),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Framing),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhi", Framing),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Framing,
        ),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Framing),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nhi\r\n0\r\n\r\n", Chunk),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nhi\r\n0\r\n\r\n", Chunk),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nhi\r\n0\r\n\r\n", Chunk),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhiX\r\n0\r\n\r\n", Chunk),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\nhi", Chunk),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nbad trailer\r\n\r\n", Chunk),
        ("HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nhi", Head),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\n\r\nhi", Head),
        ("HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\nhi", Head),
        ("HTTP/1.1 200 OK\r\nX: a\r\n folded\r\n\r\nhi", Head),
        ("HTTP/1.1 200 OK\r\nX : a\r\n\r\nhi", Head),
        ("HTTP/2.0 200 OK\r\n\r\n", Head),
        ("\r\nHTTP/1.1 200 OK\r\n\r\n", Head),
        ("ICY 200 OK\r\n\r\n", Head),
        ("HTTP/1.1 20 OK\r\n\r\n", Head),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", Unexpected),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", Truncated),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", Truncated),
        ("HTTP/1.1 200 OK\r\nContent-", Truncated),
        ("", Truncated),
    ];
    for (text, error) in rows {
        for cut in 0..=text.len() {
            assert_eq!(read(Expected::Body, text.as_bytes(), cut).err(), Some(error), "{text:?} at {cut}");
        }
    }
}

#[test]
fn heads_and_hints_without_end_are_cut() {
    let mut text = String::from("HTTP/1.1 200 OK\r\n");
    while text.len() < 40_000 {
        text.push_str("x-filler: 0123456789012345678901234567890123456789\r\n");
    }
    assert_eq!(read(Expected::Body, text.as_bytes(), 0).err(), Some(ResponseError::HeadTooLarge));
    let one_line = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(40_000));
    assert_eq!(read(Expected::Body, one_line.as_bytes(), 0).err(), Some(ResponseError::HeadTooLarge));
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(20);
    assert_eq!(read(Expected::Body, hints.as_bytes(), 0).err(), Some(ResponseError::Unexpected));
}

#[test]
fn a_request_has_one_framing_field_and_one_host() {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("evil"));
    headers.insert("content-length", HeaderValue::from_static("99"));
    headers.insert("transfer-encoding", HeaderValue::from_static("gzip"));
    headers.insert("accept", HeaderValue::from_static("*/*"));
    let rows = [
        (RequestFraming::Empty, ""),
        (RequestFraming::Length(7), "content-length: 7\r\n"),
        (RequestFraming::Chunked, "transfer-encoding: chunked\r\n"),
    ];
    for (framing, line) in rows {
        let mut buffer = BytesMut::new();
        RequestHead::new(&Method::POST, "/a?b", "shop.example", framing).emit(&headers, &mut buffer);
        let expected = format!("POST /a?b HTTP/1.1\r\nhost: shop.example\r\naccept: */*\r\n{line}\r\n");
        assert_eq!(std::str::from_utf8(&buffer).unwrap(), expected);
    }
}

#[test]
fn no_argument_begins_a_line_of_its_own() {
    let mut buffer = BytesMut::new();
    let headers = HeaderMap::new();
    let head = RequestHead::new(&Method::GET, "/a b\r\nx: y", "h\r\nx: y", RequestFraming::Empty);
    head.emit(&headers, &mut buffer);
    assert_eq!(std::str::from_utf8(&buffer).unwrap(), "GET /abx:y HTTP/1.1\r\nhost: hx:y\r\n\r\n");
}

#[test]
fn chunks_end_only_when_told() {
    let mut buffer = BytesMut::new();
    emit_chunk(b"", &mut buffer);
    emit_chunk(b"0123456789abcdef", &mut buffer);
    emit_last_chunk(&HeaderMap::new(), &mut buffer);
    assert_eq!(buffer, &b"10\r\n0123456789abcdef\r\n0\r\n\r\n"[..]);
}
