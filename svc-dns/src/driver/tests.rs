//! The server on loopback sockets, asked by clients of their own.

mod addresses;
mod clients;
#[cfg(feature = "https")]
mod encrypted;
mod operations;
mod threads;

use std::{net::SocketAddr, time::Duration};

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use svc_model::{Kind, Object, ObjectName, ObjectRef, store::Store, yaml};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
};

use super::*;
use crate::{Forwarder, RateLimit, Transport, fake::FakeUpstream, sys::frame};

fn objects(text: &str) -> Vec<Object> {
    let (objects, problems) = yaml::read(text).stored();
    assert!(problems.is_empty(), "{problems:?}");
    objects
}

fn service(name: &str, ip: &str) -> Vec<Object> {
    objects(&format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: {name}, namespace: default}}, \
         spec: {{clusterIP: {ip}, clusterIPs: [{ip}], ports: [{{port: 80}}]}}}}"
    ))
}

fn external(target: &str) -> Vec<Object> {
    objects(&format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: outside, namespace: default}}, \
         spec: {{type: ExternalName, externalName: {target}}}}}"
    ))
}

/// A headless Service too large for a datagram.
fn large() -> Vec<Object> {
    let endpoints: Vec<String> = (1..=60).map(|n| format!("{{addresses: [10.7.0.{n}]}}")).collect();
    objects(&format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: large, namespace: default}}, spec: {{clusterIP: None}}}}\n---\n\
         {{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {{name: large-a, namespace: default, \
         labels: {{kubernetes.io/service-name: large}}}}, endpoints: [{}]}}",
        endpoints.join(", ")
    ))
}

fn zone() -> Zone {
    Zone::builder("cluster.local").reverse("10.96.0.0/16").build().unwrap()
}

fn query(name: &str, kind: RecordType, id: u16) -> Vec<u8> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message.to_vec().unwrap()
}

async fn by_udp(server: SocketAddr, name: &str, kind: RecordType) -> Message {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    socket.send_to(&query(name, kind, 7), server).await.unwrap();
    let mut reply = vec![0; 65_535];
    let (length, from) = socket.recv_from(&mut reply).await.unwrap();
    assert_eq!(from, server, "an answer comes from the address that was asked");
    Message::from_vec(&reply[..length]).unwrap()
}

async fn read_framed(stream: &mut TcpStream) -> Message {
    let mut reply = vec![0; usize::from(stream.read_u16().await.unwrap())];
    stream.read_exact(&mut reply).await.unwrap();
    Message::from_vec(&reply).unwrap()
}

async fn by_tcp(server: SocketAddr, name: &str, kind: RecordType) -> Message {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let mut message = Vec::new();
    frame(&query(name, kind, 7), &mut message);
    stream.write_all(&message).await.unwrap();
    read_framed(&mut stream).await
}

fn answers(message: &Message) -> Vec<String> {
    message.answers.iter().map(|record| format!("{} {}", record.record_type(), record.data)).collect()
}

/// A server on a loopback port, driven beside `test`; the future has to end when the handle is gone.
async fn with_server<T: Future<Output = ()>>(
    builder: ServerBuilder,
    store: &Store,
    test: impl FnOnce(Handle, SocketAddr) -> T,
) {
    let (handle, run) = builder.listen("127.0.0.1:0").build().unwrap().drive(store.watch());
    let test = async move {
        let bound = handle.bound().await.unwrap();
        assert_eq!(bound.udp, bound.tcp);
        test(handle, bound.udp[0]).await;
    };
    let (served, ()) = tokio::join!(run, test);
    served.unwrap();
}

#[tokio::test]
async fn services_are_answered_over_both_transports() {
    let store = Store::new();
    store.apply(service("web", "10.96.0.1"));
    with_server(Server::builder(zone()), &store, async |handle, server| {
        handle.ready().await.unwrap();
        let name = "web.default.svc.cluster.local.";
        assert_eq!(answers(&by_udp(server, name, RecordType::A).await), ["A 10.96.0.1"]);
        assert_eq!(answers(&by_tcp(server, name, RecordType::A).await), ["A 10.96.0.1"]);
        let name = "1.0.96.10.in-addr.arpa.";
        assert_eq!(
            answers(&by_udp(server, name, RecordType::PTR).await),
            ["PTR web.default.svc.cluster.local."]
        );
        let stats = handle.stats();
        assert_eq!((stats.udp, stats.tcp, stats.dropped), (2, 1, 0));
    })
    .await;
}

#[tokio::test]
async fn an_answer_comes_from_the_address_that_was_asked_also_on_a_socket_for_all() {
    let store = Store::new();
    store.apply(service("web", "10.96.0.1"));
    for (all, asked) in [("0.0.0.0:0", "127.0.0.2"), ("[::]:0", "127.0.0.2"), ("[::]:0", "::1")] {
        if all.starts_with('[') && UdpSocket::bind("[::1]:0").await.is_err() {
            eprintln!("SKIP an_answer_comes_from_the_address_that_was_asked {all}: no IPv6 here");
            continue;
        }
        let server = Server::builder(zone()).udp(all).build().unwrap();
        let (handle, run) = server.drive(store.watch());
        let test = async move {
            let port = handle.ready().await.unwrap().udp[0].port();
            let server: SocketAddr = (asked.parse::<std::net::IpAddr>().unwrap(), port).into();
            // A connected socket hears that address only.
            let socket =
                UdpSocket::bind(if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" }).await.unwrap();
            socket.connect(server).await.unwrap();
            socket.send(&query("web.default.svc.cluster.local.", RecordType::A, 7)).await.unwrap();
            let mut reply = [0; 512];
            let length = socket.recv(&mut reply).await.unwrap();
            assert_eq!(answers(&Message::from_vec(&reply[..length]).unwrap()), ["A 10.96.0.1"]);
        };
        let (served, ()) = tokio::join!(run, test);
        served.unwrap();
    }
}

#[tokio::test]
async fn a_truncated_answer_is_whole_over_tcp_on_the_same_port() {
    let store = Store::new();
    store.apply(large());
    with_server(Server::builder(zone()), &store, async |_handle, server| {
        let truncated = by_udp(server, "large.default.svc.cluster.local.", RecordType::A).await;
        assert!(truncated.metadata.truncation);
        let whole = by_tcp(server, "large.default.svc.cluster.local.", RecordType::A).await;
        assert!(!whole.metadata.truncation);
        assert_eq!(whole.answers.len(), 60);
    })
    .await;
}

#[tokio::test]
async fn changes_are_followed() {
    let store = Store::new();
    with_server(Server::builder(zone()), &store, async |handle, server| {
        let name = "web.default.svc.cluster.local.";
        let before = by_udp(server, name, RecordType::A).await;
        assert_eq!(before.metadata.response_code, ResponseCode::ServFail, "nothing is known yet");
        assert!(!handle.status().synced);
        for ip in ["10.96.0.1", "10.96.0.2"] {
            handle.serving(store.apply(service("web", ip))).await.unwrap();
            assert_eq!(answers(&by_udp(server, name, RecordType::A).await), [format!("A {ip}")]);
        }
        let web = ObjectRef::new(Kind::Service, ObjectName::new("default", "web"));
        handle.serving(store.delete(&web)).await.unwrap();
        assert!(handle.status().synced);
        let gone = by_udp(server, name, RecordType::A).await;
        assert_eq!(gone.metadata.response_code, ResponseCode::NXDomain);
    })
    .await;
}

#[tokio::test]
async fn queries_on_one_connection_are_answered_without_waiting_for_each_other() {
    let store = Store::new();
    store.apply(service("web", "10.96.0.1"));
    // A server that never answers, in front of everything; the end of the test waits for it.
    const SHORT: Duration = Duration::from_millis(200);
    let network = FakeUpstream::new().silent("192.0.2.53:53".parse().unwrap());
    let forwarder = Forwarder::builder()
        .upstream("192.0.2.53")
        .patience(SHORT, SHORT)
        .network(network.clone())
        .build()
        .unwrap();
    with_server(Server::builder(zone()).forward(forwarder), &store, async |_handle, server| {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let mut message = Vec::new();
        frame(&query("www.example.com.", RecordType::A, 1), &mut message);
        for id in 2..102 {
            frame(&query("web.default.svc.cluster.local.", RecordType::A, id), &mut message);
        }
        stream.write_all(&message).await.unwrap();
        for id in 2..102 {
            assert_eq!(read_framed(&mut stream).await.metadata.id, id);
        }
        drop(stream);
    })
    .await;
    assert!(!network.asked().is_empty());
}

#[tokio::test]
async fn a_half_closed_connection_still_gets_its_answers() {
    let store = Store::new();
    store.apply(service("web", "10.96.0.1"));
    with_server(Server::builder(zone()), &store, async |_handle, server| {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let mut message = Vec::new();
        frame(&query("web.default.svc.cluster.local.", RecordType::A, 3), &mut message);
        stream.write_all(&message).await.unwrap();
        stream.shutdown().await.unwrap();
        assert_eq!(answers(&read_framed(&mut stream).await), ["A 10.96.0.1"]);
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0, "then the server closes");
    })
    .await;
}

#[tokio::test]
async fn a_query_announced_too_long_closes_the_connection() {
    let store = Store::new();
    with_server(Server::builder(zone()), &store, async |_handle, server| {
        let mut stream = TcpStream::connect(server).await.unwrap();
        stream.write_all(&[0xff, 0xff]).await.unwrap();
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap_or(0), 0);
    })
    .await;
}

#[tokio::test]
async fn idle_connections_make_room_for_those_that_wait() {
    let store = Store::new();
    store.apply(service("web", "10.96.0.1"));
    let builder = Server::builder(zone()).max_connections(1).idle_timeout(Duration::from_millis(20));
    with_server(builder, &store, async |_handle, server| {
        let mut idle = TcpStream::connect(server).await.unwrap();
        // One byte of a query keeps nobody waiting.
        idle.write_all(&[0]).await.unwrap();
        let answer = by_tcp(server, "web.default.svc.cluster.local.", RecordType::A).await;
        assert_eq!(answers(&answer), ["A 10.96.0.1"]);
        assert_eq!(idle.read(&mut [0; 1]).await.unwrap_or(0), 0);
    })
    .await;
}

#[tokio::test]
async fn messages_that_are_no_queries_do_not_disturb() {
    let store = Store::new();
    store.apply(service("web", "10.96.0.1"));
    with_server(Server::builder(zone()), &store, async |handle, server| {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        for junk in [&[][..], &[0; 5], &[0xff; 600]] {
            socket.send_to(junk, server).await.unwrap();
        }
        let answer = by_udp(server, "web.default.svc.cluster.local.", RecordType::A).await;
        assert_eq!(answers(&answer), ["A 10.96.0.1"]);
        assert_eq!(handle.stats().dropped, 3);
    })
    .await;
}

/// A name server for the outside, behind sockets on one port; it serves until dropped.
async fn outside(upstream: FakeUpstream) -> (SocketAddr, impl Future<Output = ()>) {
    let tcp = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = tcp.local_addr().unwrap();
    let udp = UdpSocket::bind(address).await.unwrap();
    let serve = async move {
        let mut query = [0; 4096];
        loop {
            tokio::select! {
                received = udp.recv_from(&mut query) => {
                    let (length, client) = received.unwrap();
                    let answer = upstream.answer(&query[..length], Transport::Udp).unwrap();
                    // A forged answer goes ahead: another id.
                    let mut forged = answer.clone();
                    forged[0] ^= 1;
                    udp.send_to(&forged, client).await.unwrap();
                    udp.send_to(&answer, client).await.unwrap();
                }
                accepted = tcp.accept() => {
                    let (mut stream, _) = accepted.unwrap();
                    let mut query = vec![0; usize::from(stream.read_u16().await.unwrap())];
                    stream.read_exact(&mut query).await.unwrap();
                    let mut message = Vec::new();
                    frame(&upstream.answer(&query, Transport::Tcp).unwrap(), &mut message);
                    stream.write_all(&message).await.unwrap();
                }
            }
        }
    };
    (address, serve)
}

#[tokio::test]
async fn other_names_are_forwarded_over_real_sockets() {
    let mut upstream = FakeUpstream::new().alias("www.example.com", "web.example.net");
    for n in 1..=60 {
        upstream = upstream.address("web.example.net", [192, 0, 2, n]);
    }
    let (address, serve) = outside(upstream).await;
    let forwarder = Forwarder::builder().upstream(address).build().unwrap();
    let store = Store::new();
    store.apply(external("web.example.net"));
    let test = with_server(Server::builder(zone()).forward(forwarder), &store, async |handle, server| {
        let absent = by_udp(server, "nowhere.example.com.", RecordType::A).await;
        assert_eq!(absent.metadata.response_code, ResponseCode::NXDomain);
        assert!(absent.metadata.recursion_available && !absent.metadata.authoritative);
        // Too long for the datagram: truncated; whole over TCP, for which the upstream had to be asked over TCP too.
        let truncated = by_udp(server, "www.example.com.", RecordType::A).await;
        assert!(truncated.metadata.truncation);
        let whole = by_tcp(server, "www.example.com.", RecordType::A).await;
        assert_eq!(whole.answers.len(), 61);
        let chased = by_tcp(server, "outside.default.svc.cluster.local.", RecordType::A).await;
        assert_eq!(chased.answers.len(), 61);
        assert!(
            matches!(&chased.answers[0].data, RData::CNAME(name) if name.0.to_string() == "web.example.net.")
        );
        let truncated = by_udp(server, "outside.default.svc.cluster.local.", RecordType::A).await;
        assert!(truncated.metadata.truncation);
        assert_eq!(handle.stats().forwarded, 5);
    });
    tokio::select! {
        () = test => {}
        () = serve => {}
    }
}

#[tokio::test]
async fn an_external_name_gets_the_addresses_of_its_target_and_follows_changes() {
    let store = Store::new();
    store.apply(external("old.example.com"));
    let network = FakeUpstream::new()
        .address("old.example.com", [192, 0, 2, 1])
        .alias("new.example.com", "www.example.net")
        .address("www.example.net", [192, 0, 2, 2]);
    let forwarder = Forwarder::builder().upstream("192.0.2.53").network(network.clone()).build().unwrap();
    with_server(Server::builder(zone()).forward(forwarder), &store, async |handle, server| {
        let name = "outside.default.svc.cluster.local.";
        let message = by_udp(server, name, RecordType::A).await;
        assert_eq!(answers(&message), ["CNAME old.example.com.", "A 192.0.2.1"]);
        assert_eq!(message.answers[0].name.to_string(), name);
        assert!(message.metadata.authoritative);
        handle.serving(store.apply(external("new.example.com"))).await.unwrap();
        let message = by_udp(server, name, RecordType::A).await;
        assert_eq!(answers(&message), ["CNAME new.example.com.", "CNAME www.example.net.", "A 192.0.2.2"]);
    })
    .await;
    let names: Vec<String> = network.asked().iter().map(|asked| asked.name.to_string()).collect();
    assert_eq!(names, ["old.example.com.", "new.example.com."]);
}

#[tokio::test]
async fn names_of_the_zone_are_never_forwarded() {
    let store = Store::new();
    store.apply(service("web", "10.96.0.1"));
    let network = FakeUpstream::new();
    let forwarder = Forwarder::builder().upstream("192.0.2.53").network(network.clone()).build().unwrap();
    with_server(Server::builder(zone()).forward(forwarder), &store, async |_handle, server| {
        for name in ["nope.default.svc.cluster.local.", "CLUSTER.local.", "9.9.96.10.in-addr.arpa."] {
            by_udp(server, name, RecordType::A).await;
        }
    })
    .await;
    assert_eq!(network.asked(), []);
}

#[tokio::test]
async fn a_server_stops_when_its_handle_is_dropped_and_gives_what_it_owes() {
    let store = Store::new();
    let (upstream, answered) =
        (FakeUpstream::new().address("www.example.com", [192, 0, 2, 1]), tokio::sync::Notify::new());
    let (address, serve) = outside(upstream).await;
    let forwarder = Forwarder::builder().upstream(address).build().unwrap();
    let server = Server::builder(zone()).forward(forwarder).udp("127.0.0.1:0").build().unwrap();
    let (handle, run) = server.drive(store.watch());
    let client = async {
        let bound = handle.bound().await.unwrap();
        let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
        socket.send_to(&query("www.example.com.", RecordType::A, 9), bound.udp[0]).await.unwrap();
        // Only now the upstream server begins to answer, and the handle goes.
        while handle.stats().forwarded == 0 {
            tokio::task::yield_now().await;
        }
        drop(handle);
        answered.notify_one();
        let length = socket.recv(&mut [0; 512]).await.unwrap();
        assert!(length > 12);
    };
    let serve = async {
        answered.notified().await;
        serve.await;
    };
    tokio::select! {
        (served, ()) = async { tokio::join!(run, client) } => served.unwrap(),
        () = serve => {}
    }
}

#[tokio::test]
async fn a_client_with_too_many_connections_keeps_nobody_else_out() {
    let store = Store::new();
    store.apply(service("web", "10.96.0.1"));
    let builder = Server::builder(zone()).max_connections_per_client(2);
    with_server(builder, &store, async |handle, server| {
        handle.ready().await.unwrap();
        let mut open = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(server).await.unwrap();
            let mut message = Vec::new();
            frame(&query("web.default.svc.cluster.local.", RecordType::A, 7), &mut message);
            stream.write_all(&message).await.unwrap();
            let _answer = read_framed(&mut stream).await;
            open.push(stream);
        }
        let mut third = TcpStream::connect(server).await.unwrap();
        assert!(third.read_u16().await.is_err(), "closed without an answer");
        let other = tokio::net::TcpSocket::new_v4().unwrap();
        other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut other = other.connect(server).await.unwrap();
        let mut message = Vec::new();
        frame(&query("web.default.svc.cluster.local.", RecordType::A, 7), &mut message);
        other.write_all(&message).await.unwrap();
        assert_eq!(answers(&read_framed(&mut other).await), ["A 10.96.0.1"]);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_found_is_unknown_until_everything_was_listed() {
    let store = Store::new();
    store.apply(service("web", "10.96.0.1"));
    with_server(Server::builder(zone()).synced_when_told(), &store, async |handle, server| {
        let code = async |name: &str| by_udp(server, name, RecordType::A).await.metadata.response_code;
        let (there, absent) = ("web.default.svc.cluster.local.", "db.default.svc.cluster.local.");
        assert_eq!((code(there).await, code(absent).await), (ResponseCode::NoError, ResponseCode::ServFail));
        store.apply(service("api", "10.96.0.2"));
        handle.serving(store.snapshot().revision()).await.unwrap();
        assert_eq!(code(absent).await, ResponseCode::ServFail);
        assert!(!handle.status().synced);
        handle.set_synced();
        handle.ready().await.unwrap();
        assert_eq!((code(there).await, code(absent).await), (ResponseCode::NoError, ResponseCode::NXDomain));
    })
    .await;
}
