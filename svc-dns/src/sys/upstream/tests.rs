//! Servers that misbehave, behind real sockets.

use std::{
    future::Future,
    sync::{Arc, atomic::AtomicUsize},
};

use tokio::net::{TcpListener, UdpSocket};

use super::*;
use crate::{
    Client, Forward, Forwarder, Outcome, Protocol, Responder, Route, Zone,
    fake::FakeUpstream,
    message::{Query, Rcode, RecordType, Reply},
};

const NAME: &str = "www.example.com";

fn upstream() -> FakeUpstream {
    FakeUpstream::new().address(NAME, [192, 0, 2, 80])
}

fn right(query: &[u8], transport: Transport) -> Vec<u8> {
    upstream().answer(query, transport).unwrap()
}

fn question(transport: Transport) -> Forward {
    let responder =
        Responder::new(Zone::builder("cluster.local").build().unwrap(), &svc_model::Snapshot::default());
    let message = Query::emit(7, &NAME.parse().unwrap(), RecordType::A);
    let address = "192.0.2.9:4000".parse().unwrap();
    let client = if transport == Transport::Udp { Client::udp(address) } else { Client::tcp(address) };
    match responder.forwarding(true).respond(&message, client, &mut Vec::new()) {
        Outcome::Forward(forward) => *forward,
        other => panic!("{other:?}"),
    }
}

/// The code of the client's answer, and how many records it has.
async fn ask(forwarder: &Forwarder, transport: Transport) -> (Rcode, usize) {
    let answer = forwarder.resolve(&question(transport)).await;
    let reply = Reply::parse(&answer).unwrap();
    assert_eq!(reply.header().id, 7);
    (reply.rcode(), reply.answer_records().unwrap().len())
}

fn forwarder(server: SocketAddr, patience: Duration) -> Forwarder {
    Forwarder::builder().upstream(server).patience(patience, 4 * patience).build().unwrap()
}

/// A server for datagrams that gives these replies to each query, and the address it is at.
async fn by_datagram(
    replies: impl Fn(&[u8], usize) -> Vec<Vec<u8>> + Send + 'static,
) -> (SocketAddr, impl Future<Output = ()>) {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    let address = socket.local_addr().unwrap();
    let serve = async move {
        let mut query = [0; 4096];
        for count in 0.. {
            let (length, client) = socket.recv_from(&mut query).await.unwrap();
            for reply in replies(&query[..length], count) {
                // The client may be gone.
                drop(socket.send_to(&reply, client).await);
            }
        }
    };
    (address, serve)
}

async fn while_serving<T>(serve: impl Future<Output = ()>, test: impl Future<Output = T>) -> T {
    tokio::select! {
        () = serve => panic!("it serves for ever"),
        value = test => value,
    }
}

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(100);

#[tokio::test]
async fn a_flood_of_replies_with_other_ids_is_ignored() {
    let (server, serve) = by_datagram(|query, _| {
        let reply = right(query, Transport::Udp);
        let forged = |n: u16| {
            let mut forged = reply.clone();
            let id = u16::from_be_bytes([reply[0], reply[1]]).wrapping_add(n);
            forged[..2].copy_from_slice(&id.to_be_bytes());
            *forged.last_mut().unwrap() = 66;
            forged
        };
        (1..200).map(forged).chain([vec![], vec![0; 3], reply.clone()]).collect()
    })
    .await;
    let answer = while_serving(serve, ask(&forwarder(server, LONG), Transport::Udp)).await;
    assert_eq!(answer, (Rcode::NOERROR, 1));
}

#[tokio::test]
async fn a_reply_to_another_question_is_a_format_error() {
    let (server, serve) = by_datagram(|query, _| {
        let mut reply = right(query, Transport::Udp);
        reply[13] ^= 1;
        vec![reply]
    })
    .await;
    let answer = while_serving(serve, ask(&forwarder(server, LONG), Transport::Udp)).await;
    assert_eq!(answer, (Rcode::FORMERR, 0));
}

#[tokio::test]
async fn a_silent_server_is_a_failure_and_a_late_reply_harms_nobody() {
    let (server, serve) = by_datagram(|_, _| Vec::new()).await;
    let answer = while_serving(serve, ask(&forwarder(server, SHORT), Transport::Udp)).await;
    assert_eq!(answer, (Rcode::SERVFAIL, 0));
    // The first question is answered when the second comes: too late, and to a socket that is gone.
    let first = std::sync::Mutex::new(Vec::new());
    let (server, serve) = by_datagram(move |query, count| {
        let late = std::mem::replace(&mut *first.lock().unwrap(), right(query, Transport::Udp));
        if count == 0 { Vec::new() } else { vec![late, right(query, Transport::Udp)] }
    })
    .await;
    let answer = while_serving(serve, ask(&forwarder(server, SHORT), Transport::Udp)).await;
    assert_eq!(answer, (Rcode::NOERROR, 1));
}

#[tokio::test]
async fn nobody_at_the_address_is_a_failure_at_once() {
    let gone = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    for transport in [Transport::Udp, Transport::Tcp] {
        assert_eq!(ask(&forwarder(gone, LONG), transport).await, (Rcode::SERVFAIL, 0));
    }
}

/// What a server does with the nth query on a connection.
enum Does {
    Answer,
    /// In pieces of one byte.
    AnswerSlowly,
    AnswerAndClose,
    Close,
    Mismatch,
}

/// A server for connections; counts them.
async fn by_stream(does: fn(usize) -> Does) -> (SocketAddr, Arc<AtomicUsize>, impl Future<Output = ()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    let serve = async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let connection = count.fetch_add(1, Ordering::Relaxed);
            // One after the other: a client here has one connection at a time.
            drop(converse_as(stream, connection, does).await);
        }
    };
    (address, accepted, serve)
}

async fn converse_as(mut stream: TcpStream, connection: usize, does: fn(usize) -> Does) -> io::Result<()> {
    loop {
        let mut query = vec![0; usize::from(stream.read_u16().await?)];
        stream.read_exact(&mut query).await?;
        let mut reply = right(&query, Transport::Tcp);
        let does = does(connection);
        if let Does::Mismatch = does {
            reply[13] ^= 1;
        }
        let mut message = Vec::new();
        frame(&reply, &mut message);
        match does {
            Does::Close => return Ok(()),
            Does::AnswerSlowly => {
                for byte in message {
                    stream.write_all(&[byte]).await?;
                }
            }
            Does::AnswerAndClose => return stream.write_all(&message).await,
            Does::Answer | Does::Mismatch => stream.write_all(&message).await?,
        }
    }
}

#[tokio::test]
async fn connections_are_used_again() {
    let (server, accepted, serve) = by_stream(|_| Does::AnswerSlowly).await;
    let route = Route::builder(".").server(server).protocol(Protocol::Tcp);
    let forwarder = Forwarder::builder().route(route).build().unwrap();
    while_serving(serve, async {
        for _ in 0..5 {
            assert_eq!(ask(&forwarder, Transport::Udp).await, (Rcode::NOERROR, 1));
        }
    })
    .await;
    assert_eq!(accepted.load(Ordering::Relaxed), 1);
    let stats = forwarder.stats();
    assert_eq!((stats.upstreams[0].connections_reused, stats.upstreams[0].connections_made), (4, 1));
    assert_eq!(stats.upstreams[0].replies[0].1.total(), 5);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_is_made_anew() {
    let (server, accepted, serve) = by_stream(|_| Does::AnswerAndClose).await;
    let forwarder = forwarder(server, LONG);
    while_serving(serve, async {
        for _ in 0..3 {
            assert_eq!(ask(&forwarder, Transport::Tcp).await, (Rcode::NOERROR, 1));
        }
    })
    .await;
    assert_eq!(accepted.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_server_that_hangs_up_is_a_failure_and_one_that_says_something_else_a_format_error() {
    let (server, _, serve) = by_stream(|_| Does::Close).await;
    let answer = while_serving(serve, ask(&forwarder(server, LONG), Transport::Tcp)).await;
    assert_eq!(answer, (Rcode::SERVFAIL, 0));
    let (server, accepted, serve) =
        by_stream(|connection| if connection == 0 { Does::Mismatch } else { Does::Answer }).await;
    let forwarder = forwarder(server, LONG);
    while_serving(serve, async {
        assert_eq!(ask(&forwarder, Transport::Tcp).await, (Rcode::FORMERR, 0));
        assert_eq!(ask(&forwarder, Transport::Tcp).await, (Rcode::NOERROR, 1), "not on the same connection");
    })
    .await;
    assert_eq!(accepted.load(Ordering::Relaxed), 2);
}
