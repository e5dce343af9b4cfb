//! The codec against hyper's client: what ours accepts, hyper reads as the same message.

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::upstream::{Event, Expected, ResponseDecoder};

/// Pieces that make up responses, right and wrong.
const PIECES: [&str; 22] = [
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 200 OK\r\n",
    "HTTP/1.1 204 No Content\r\n",
    "HTTP/1.1 304 x\r\n",
    "HTTP/1.1 100 Continue\r\n\r\n",
    "HTTP/1.1 103 x\r\nlink: a\r\n\r\n",
    "Content-Length: 4\r\n",
    "Content-Length: 0\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip\r\n",
    "Connection: close\r\n",
    "X: y\r\n",
    "X:\ty \r\n",
    "\r\n",
    "\r\n",
    "data",
    "4\r\ndata\r\n",
    "2;a=b\r\nhi\r\n",
    "0\r\n\r\n",
    "0\r\nT: x\r\n\r\n",
    "\n",
    "04 \r\ndata\r\n",
];

fn response() -> impl Strategy<Value = Vec<u8>> {
    let start = proptest::sample::select(&PIECES[..4]);
    let rest = vec(proptest::sample::select(&PIECES[..]), 0..7);
    (start, rest).prop_map(|(start, rest)| [&[start], &rest[..]].concat().concat().into_bytes())
}

/// Status and body if ours takes the whole message as one, up to the connection's end.
fn ours(bytes: &[u8]) -> Option<(u16, Vec<u8>)> {
    let mut decoder = ResponseDecoder::new(Expected::Body);
    let mut buffer = BytesMut::from(bytes);
    let (mut status, mut body) = (None, Vec::new());
    while let Some(event) = decoder.poll_event(&mut buffer).ok()? {
        match event {
            Event::Head(head) => status = Some(head.status().as_u16()),
            Event::Data(data) => body.extend_from_slice(&data),
            _ => {}
        }
    }
    decoder.handle_eof().ok()?;
    Some((status?, body))
}

async fn hypers(bytes: Vec<u8>) -> Option<(u16, Vec<u8>)> {
    let (near, mut far) = tokio::io::duplex(64 * 1024);
    let mut client = client_over(near).await;
    tokio::spawn(async move {
        let _ = read_head(&mut far).await;
        let _ = far.write_all(&bytes).await;
    });
    let response = client.send_request(get("a", "/")).await.ok()?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.ok()?.to_bytes();
    Some((status, body.to_vec()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn what_ours_accepts_hyper_reads_as_the_same(bytes in response()) {
        let Some(ours) = ours(&bytes) else { return Ok(()) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        prop_assert_eq!(runtime.block_on(hypers(bytes)), Some(ours));
    }
}
