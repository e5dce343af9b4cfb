//! Connections: a server that tells its name and whom it sees and then echoes, and clients.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use svc_lab::{Host, Result, Task};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;

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
        let listener = TcpListener::bind(("::", port)).await?;
        tokio::spawn(async move {
            while let Ok((mut stream, peer)) = listener.accept().await {
                tokio::spawn(async move {
                    let answer = format!("{name} {}\n", peer.ip().to_canonical());
                    stream.write_all(answer.as_bytes()).await?;
                    let (mut reader, mut writer) = stream.split();
                    tokio::io::copy(&mut reader, &mut writer).await
                });
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
        let mut stream = TcpStream::connect(to).await?;
        stream.shutdown().await?;
        stream.read_to_string(&mut text).await?;
        let (server, source) = text.trim_end().split_once(' ').ok_or(ErrorKind::UnexpectedEof)?;
        Ok(Answer { server: server.to_owned(), source: source.to_owned() })
    })
    .await
}

/// Answers datagrams at an address of a host, and from there; listens when this returns.
pub async fn serve_udp(host: &Host, name: &'static str, at: SocketAddr) -> Result {
    host.run(move || async move {
        let socket = UdpSocket::bind(at).await?;
        tokio::spawn(async move {
            while let Ok((_, peer)) = socket.recv_from(&mut [0; 64]).await {
                let answer = format!("{name} {}", peer.ip().to_canonical());
                let _ = socket.send_to(answer.as_bytes(), peer).await;
            }
        });
        Ok(())
    })
    .await
}

/// Sends a datagram from a host, from a new port, and reads the answer.
pub async fn ask_udp(host: &Host, to: &str) -> io::Result<Answer> {
    let to: SocketAddr = to.parse().unwrap();
    host.run(move || async move {
        let socket = UdpSocket::bind("0.0.0.0:0").await?;
        socket.connect(to).await?;
        socket.send(b"who").await?;
        let mut bytes = [0; 64];
        let length = socket.recv(&mut bytes).await?;
        let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
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

/// Tries until a host refuses: then packets pass both ways. A link that came up a moment ago may lose some.
pub async fn until_refused(to: &'static str) {
    let try_once = || tokio::time::timeout(Duration::from_millis(20), TcpStream::connect(to));
    while !matches!(try_once().await, Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused) {}
}

/// A connection that stays.
pub struct Held {
    stream: BufReader<TcpStream>,
    pub server: String,
}

/// Connects from a host and keeps the connection.
pub async fn hold(host: &Host, to: &str) -> io::Result<Held> {
    let to: SocketAddr = to.parse().unwrap();
    host.run(move || async move {
        let mut stream = BufReader::new(TcpStream::connect(to).await?);
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let server = line.split(' ').next().unwrap_or_default().to_owned();
        Ok(Held { stream, server })
    })
    .await
}

impl Held {
    /// Sends a line on the host that holds the connection and reads it back.
    pub async fn exchange(mut self, host: &Host) -> io::Result<Self> {
        host.run(move || async move {
            self.stream.write_all(b"still here\n").await?;
            let mut line = String::new();
            self.stream.read_line(&mut line).await?;
            if line == "still here\n" { Ok(self) } else { Err(ErrorKind::UnexpectedEof.into()) }
        })
        .await
    }
}

impl Held {
    /// Ends it by a reset, of which the kernel remembers nothing for long.
    pub async fn reset(self, host: &Host) -> io::Result<()> {
        host.run(move || async move { self.stream.into_inner().set_zero_linger() }).await
    }
}

/// Clients that connect again and again until told to stop.
pub struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<Client>,
}

struct Client {
    task: Task<io::Result<()>>,
    made: watch::Receiver<usize>,
}

impl Load {
    pub fn start(clients: &[(&Host, &str)]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let clients = clients.iter().map(|(host, to)| {
            let (stop, to) = (Arc::clone(&stop), (*to).to_owned());
            let (count, made) = watch::channel(0);
            let task = host.spawn(move || async move {
                let mut slowest = Duration::ZERO;
                while !stop.load(Ordering::Relaxed) {
                    let started = Instant::now();
                    connect_once(&to).await?;
                    slowest = slowest.max(started.elapsed());
                    count.send_modify(|count| *count += 1);
                }
                println!("{to}: {} connections, the slowest took {slowest:?}", *count.borrow());
                Ok(())
            });
            Client { task, made }
        });
        Self { clients: clients.collect(), stop }
    }

    /// Waits until each client has made more connections; an error if a single one failed.
    pub async fn progress(&mut self, more: usize) -> Result {
        for Client { task, made } in &mut self.clients {
            let enough = *made.borrow() + more;
            if made.wait_for(|made| *made >= enough).await.is_err() {
                task.await?;
            }
        }
        Ok(())
    }

    /// How many connections each client made; an error if a single one failed.
    pub async fn finish(self) -> Result<Vec<usize>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut counts = Vec::new();
        for Client { task, made } in self.clients {
            task.await?;
            counts.push(*made.borrow());
        }
        Ok(counts)
    }
}

async fn connect_once(to: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(to).await?;
    stream.shutdown().await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    if text.is_empty() { Err(ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
}
