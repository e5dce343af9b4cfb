//! Connections: a server that tells its name and whom it sees, and a client.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use svc_lab::{Host, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// How long an answer that must not come is waited for.
const SILENCE: Duration = Duration::from_millis(400);

/// Who answered, and which source address it saw.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Answer {
    pub server: String,
    pub source: String,
}

/// Serves on a port of a host; listens when this returns.
pub async fn serve(host: &Host, name: &'static str, port: u16) -> Result {
    host.run(move || async move {
        let listener = TcpListener::bind(("0.0.0.0", port)).await?;
        tokio::spawn(async move {
            while let Ok((mut stream, peer)) = listener.accept().await {
                let answer = format!("{name} {}", peer.ip());
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Ok(())
    })
    .await
}

/// Connects from a host and reads the answer.
pub async fn ask(host: &Host, to: &str) -> io::Result<Answer> {
    let to: SocketAddr = to.parse().unwrap();
    host.run(move || async move {
        let mut text = String::new();
        TcpStream::connect(to).await?.read_to_string(&mut text).await?;
        let (server, source) = text.split_once(' ').ok_or(ErrorKind::UnexpectedEof)?;
        Ok(Answer { server: server.to_owned(), source: source.to_owned() })
    })
    .await
}

/// Connects often; counts who answered.
pub async fn ask_often(host: &Host, to: &str, times: usize) -> io::Result<BTreeMap<String, usize>> {
    let mut counts = BTreeMap::new();
    for _ in 0..times {
        *counts.entry(ask(host, to).await?.server).or_default() += 1;
    }
    Ok(counts)
}

/// The one source address that servers see when this host connects often.
pub async fn source_seen(host: &Host, to: &str) -> io::Result<String> {
    let first = ask(host, to).await?.source;
    for _ in 0..5 {
        assert_eq!(ask(host, to).await?.source, first);
    }
    Ok(first)
}

/// The connection is refused, at once.
pub async fn assert_refused(host: &Host, to: &str) {
    let result = tokio::time::timeout(Duration::from_secs(20), ask(host, to)).await.expect("an answer");
    assert_eq!(result.unwrap_err().kind(), ErrorKind::ConnectionRefused, "{to}");
}

/// Nobody answers, not even to refuse.
pub async fn assert_dropped(host: &Host, to: &str) {
    let result = tokio::time::timeout(SILENCE, ask(host, to)).await;
    assert!(result.is_err(), "{to}: {result:?}");
}
