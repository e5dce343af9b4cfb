//! HTTP/2 of clients that mean ill, frame by frame (RFC 9113, RFC 7541): what each gets, and that nobody else notices.

use super::*;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A header block of literals without indexing (RFC 7541 section 6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            integer(text.len(), &mut block);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// With a prefix of seven bits (RFC 7541 section 5.1).
fn integer(mut value: usize, block: &mut Vec<u8>) {
    if value < 127 {
        return block.push(u8::try_from(value).unwrap());
    }
    block.push(127);
    value -= 127;
    while value >= 128 {
        block.push(u8::try_from(value % 128).unwrap() | 128);
        value /= 128;
    }
    block.push(u8::try_from(value).unwrap());
}

const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "foo.example"), (":path", "/")];

/// A request with these fields besides, or in place of those of the same name.
fn request(fields: &[(&str, &str)]) -> Vec<u8> {
    let own = GET.iter().filter(|(name, _)| !fields.iter().any(|(other, _)| other == name));
    let all: Vec<_> = own.chain(fields).copied().filter(|(_, value)| *value != "-").collect();
    frame(HEADERS, END_STREAM | END_HEADERS, 1, &block(&all))
}

/// What the server does first: an answer on a stream, an end of a stream, or an end of all.
async fn outcome(address: SocketAddr, frames: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let begin = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
    // The server may be gone before all is written.
    let _ = stream.write_all(&[&begin, frames].concat()).await;
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return "closed".to_owned();
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await.unwrap();
        match head[3] {
            GOAWAY => return format!("goaway {}", payload[7]),
            RST_STREAM => return format!("reset {}", payload[3]),
            HEADERS => return status_of(payload[0]),
            _ => {}
        }
    }
}

/// The static table has some statuses (RFC 7541 appendix A).
fn status_of(byte: u8) -> String {
    let text = match byte {
        0x88 => "200",
        0x8c => "400",
        0x8d => "404",
        _ => "other",
    };
    format!("status {text}")
}

// The h2 crate ends the connection as it should, but names PROTOCOL_ERROR for some errors that have a code of their own.
const SIZE: &[&str] = &["goaway 6", "goaway 1"];
const COMPRESSION: &[&str] = &["goaway 9", "goaway 1"];
const FLOW: &[&str] = &["goaway 3", "goaway 1"];

/// What is sent, and what RFC 9113 lets the server do: the section stands beside it. A connection error may stand for a
/// stream error (section 5.4).
#[expect(clippy::too_many_lines, reason = "a table")]
fn rows() -> Vec<(&'static str, Vec<u8>, &'static [&'static str])> {
    let on = |stream, kind, payload: &[u8]| frame(kind, 0, stream, payload);
    let malformed = &["reset 1", "goaway 1", "status 400"][..];
    let whole = request(&[]);
    vec![
        ("a good request", request(&[]), &["status 200"]),
        ("6.1 DATA on no stream", on(0, DATA, b"x"), &["goaway 1"]),
        ("5.1 DATA on an idle stream", on(1, DATA, b"x"), &["goaway 1"]),
        ("5.1.1 a stream with an even number", frame(HEADERS, 5, 2, &block(&GET)), &["goaway 1"]),
        ("4.2 a frame over 16384 bytes", on(1, DATA, &[0; 16_385]), SIZE),
        ("6.5 SETTINGS of 5 bytes", on(0, SETTINGS, &[0; 5]), SIZE),
        ("6.5 SETTINGS on a stream", on(1, SETTINGS, &[0; 6]), &["goaway 1"]),
        ("6.5 an acknowledgement with a payload", frame(SETTINGS, 1, 0, &[0; 6]), SIZE),
        ("6.5.2 a window over 2^31-1", on(0, SETTINGS, &[0, 4, 255, 255, 255, 255]), FLOW),
        ("6.5.2 a frame size under 2^14", on(0, SETTINGS, &[0, 5, 0, 0, 0, 1]), &["goaway 1"]),
        ("6.7 PING of 7 bytes", on(0, PING, &[0; 7]), SIZE),
        ("6.7 PING on a stream", on(1, PING, &[0; 8]), &["goaway 1"]),
        ("6.9 WINDOW_UPDATE of 3 bytes", on(0, WINDOW_UPDATE, &[0; 3]), SIZE),
        ("6.9 a window that grows by 0", on(0, WINDOW_UPDATE, &[0; 4]), &["goaway 1"]),
        ("6.9.1 a window that overflows", on(0, WINDOW_UPDATE, &[127, 255, 255, 255]), FLOW),
        ("6.4 RST_STREAM on an idle stream", on(1, RST_STREAM, &[0; 4]), &["goaway 1"]),
        ("6.4 RST_STREAM of 3 bytes", on(1, RST_STREAM, &[0; 3]), SIZE),
        ("6.6 PUSH_PROMISE of a client", frame(PUSH_PROMISE, 4, 1, &[0, 0, 0, 2]), &["goaway 1"]),
        ("6.10 CONTINUATION of nothing", frame(CONTINUATION, 4, 1, &block(&GET)), &["goaway 1"]),
        (
            "6.10 another frame within a header block",
            [frame(HEADERS, 1, 1, &block(&GET)), on(0, PING, &[0; 8])].concat(),
            &["goaway 1"],
        ),
        ("6.2 padding longer than the frame", frame(HEADERS, 0xd, 1, &[255, 0x82]), &["goaway 1"]),
        ("RFC 7541 2.3.3 an index that is not there", frame(HEADERS, 5, 1, &[0xff, 0x7f]), COMPRESSION),
        ("RFC 7541 5.2 a string that is cut", frame(HEADERS, 5, 1, &[0x00, 0x7f, b'a']), COMPRESSION),
        ("8.2.1 an upper-case name", request(&[("X-Upper", "1")]), malformed),
        ("8.2.1 a name with a space", request(&[("x y", "1")]), malformed),
        ("8.2.1 a value with CR LF", request(&[("x", "a\r\nb: c")]), malformed),
        ("8.2.1 a value with NUL", request(&[("x", "a\0b")]), malformed),
        ("8.2.2 connection", request(&[("connection", "close")]), malformed),
        ("8.2.2 transfer-encoding", request(&[("transfer-encoding", "chunked")]), malformed),
        ("8.2.2 te other than trailers", request(&[("te", "gzip")]), malformed),
        ("8.3 an unknown pseudo-field", request(&[(":x", "1")]), malformed),
        ("8.3 a pseudo-field of responses", request(&[(":status", "200")]), malformed),
        ("8.3.1 no :path", request(&[(":path", "-")]), malformed),
        ("8.3.1 an empty :path", request(&[(":path", "")]), malformed),
        ("8.3.1 a :path that does not begin with /", request(&[(":path", "x")]), malformed),
        ("8.3.1 no :method", request(&[(":method", "-")]), malformed),
        ("8.3.1 no :scheme", request(&[(":scheme", "-")]), malformed),
        ("8.3.1 :authority other than host", request(&[("host", "bar.example")]), malformed),
        ("8.3.1 neither :authority nor host", request(&[(":authority", "-")]), malformed),
        ("8.3.1 an :authority with user information", request(&[(":authority", "a@foo.example")]), malformed),
        ("a path above the root", request(&[(":path", "/a/../../b")]), malformed),
        (
            "8.3 a pseudo-field after others",
            frame(HEADERS, 5, 1, &[block(&[("x", "1")]), block(&GET)].concat()),
            malformed,
        ),
        (
            "8.3 :path twice",
            frame(HEADERS, 5, 1, &[block(&GET), block(&[(":path", "/b")])].concat()),
            malformed,
        ),
        (
            "8.1.1 a body shorter than content-length",
            [
                frame(HEADERS, 4, 1, &[block(&GET), block(&[("content-length", "5")])].concat()),
                frame(DATA, 1, 1, b"x"),
            ]
            .concat(),
            &["reset 1", "goaway 1", "status 400"],
        ),
        (
            "8.1.1 a body longer than content-length",
            [
                frame(HEADERS, 4, 1, &[block(&GET), block(&[("content-length", "1")])].concat()),
                frame(DATA, 1, 1, b"xxxxx"),
            ]
            .concat(),
            &["reset 1", "goaway 1", "status 400"],
        ),
        (
            "5.1 a frame on a closed stream",
            [whole, frame(DATA, 1, 1, b"x")].concat(),
            &["reset 5", "goaway 5", "goaway 1", "status 200"],
        ),
    ]
}

#[test]
fn frames_against_the_rules_end_the_stream_or_the_connection() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[echo().await])).await;
        let wrong: Vec<String> = {
            let mut wrong = Vec::new();
            for (name, frames, allowed) in rows() {
                let outcome = outcome(running.http(), &frames).await;
                if !allowed.contains(&outcome.as_str()) {
                    wrong.push(format!("{name}: {outcome}, allowed are {allowed:?}"));
                }
            }
            wrong
        };
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(fetch(&mut client(running.http()).await, "foo.example", "/").await.0, 200);
    });
}

/// RFC 9113 section 3.4. What does not begin as the preface does is read as HTTP/1.
#[test]
fn a_preface_that_is_none_is_no_http() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[echo().await])).await;
        let get = String::from_utf8(request(&[])).unwrap_or_default();
        for preface in
            ["PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n", "PRI * HTTP/2.1\r\n\r\n", "PRI / HTTP/2.0\r\n\r\n"]
        {
            let reply = raw(running.http(), format!("{preface}{get}").as_bytes()).await;
            assert!(reply.is_empty() || reply.starts_with("HTTP/1.1 400 "), "{preface:?}: {reply}");
        }
    });
}

/// A backend that never answers.
async fn silent() -> SocketAddr {
    backend(|_, mut stream| async move {
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await
}

#[test]
fn streams_and_resets_are_limited() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[silent().await])).await;
        let headers = |stream| frame(HEADERS, END_STREAM | END_HEADERS, stream, &block(&GET));
        let many: Vec<u8> = (0..200).flat_map(|number| headers(number * 2 + 1)).collect();
        // REFUSED_STREAM: the client may send it again.
        assert_eq!(outcome(running.http(), &many).await, "reset 7");
        let reset = |number: u32| {
            [headers(number * 2 + 1), frame(RST_STREAM, 0, number * 2 + 1, &[0, 0, 0, 8])].concat()
        };
        let rapid: Vec<u8> = (0..2000).flat_map(reset).collect();
        // ENHANCE_YOUR_CALM (CVE-2023-44487).
        assert_eq!(outcome(running.http(), &rapid).await, "goaway 11");
    });
}

#[test]
fn header_blocks_are_limited() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[echo().await])).await;
        // One field over nginx's limit for a field is 431, which is in no static table.
        let wide = "x".repeat(9000);
        assert_eq!(outcome(running.http(), &request(&[("x", &wide)])).await, "status other");
        // A block without end (CVE-2024-27316 and its kin).
        let piece = block(&[("x", &"x".repeat(8000))]);
        let mut endless = frame(HEADERS, END_STREAM, 1, &block(&GET));
        (0..200).for_each(|_| endless.extend(frame(CONTINUATION, 0, 1, &piece)));
        let outcome = outcome(running.http(), &endless).await;
        assert!(outcome.starts_with("goaway") || outcome == "closed", "{outcome}");
    });
}
