//! Responses of backends as our codec reads them, and as hyper does.

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::TokioIo;
use svc_ingress::upstream::{Event, Expected, ResponseDecoder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Status and body.
type Message = (u16, Vec<u8>);

/// Gives a response to both.
///
/// # Panics
/// If ours takes as one message, up to the connection's end, what hyper reads as another or as none.
pub fn compare(bytes: &[u8]) {
    let Some(ours) = ours(bytes) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    assert_eq!(runtime.block_on(hypers(bytes)), Some(ours), "hyper reads the same message");
}

/// What ours takes, byte by byte: the cuts may not matter.
fn ours(bytes: &[u8]) -> Option<Message> {
    let mut decoder = ResponseDecoder::new(Expected::Body);
    let mut buffer = BytesMut::new();
    let (mut status, mut body) = (None, Vec::new());
    for byte in bytes {
        buffer.extend_from_slice(&[*byte]);
        while let Some(event) = decoder.poll_event(&mut buffer).ok()? {
            match event {
                Event::Head(head) => status = Some(head.status().as_u16()),
                Event::Data(data) => body.extend_from_slice(&data),
                _ => {}
            }
        }
    }
    decoder.handle_eof().ok()?;
    Some((status?, body))
}

async fn hypers(bytes: &[u8]) -> Option<Message> {
    let (near, mut far) = tokio::io::duplex(bytes.len() + 1024);
    let (mut client, connection) =
        hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(TokioIo::new(near)).await.ok()?;
    let answering = async {
        let mut request = [0; 1024];
        let _read = far.read(&mut request).await;
        let _written = far.write_all(bytes).await;
        drop(far);
    };
    let reading = async {
        let request = hyper::Request::get("/").header("host", "a").body(Empty::new()).ok()?;
        let response = client.send_request(request).await.ok()?;
        let status = response.status().as_u16();
        Some((status, response.into_body().collect().await.ok()?.to_bytes().to_vec()))
    };
    let (message, (), _ended) = tokio::join!(reading, answering, connection);
    message
}
