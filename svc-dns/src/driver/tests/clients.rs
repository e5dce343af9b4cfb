//! Clients as C libraries are, and clients that take their time.

use std::collections::BTreeMap;

use super::*;

/// musl's resolver: A and AAAA at once on one socket that is not connected, answers in any order told apart by their ids, and the
/// truncated ones again over TCP (1.2.4; older ones take what there is).
async fn musl(server: SocketAddr, name: &str, falls_back: bool) -> BTreeMap<RecordType, Vec<String>> {
    let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
    let asked = [(11, RecordType::A), (12, RecordType::AAAA)];
    for (id, kind) in asked {
        socket.send_to(&query(name, kind, id), server).await.unwrap();
    }
    let mut found = BTreeMap::new();
    while found.len() < asked.len() {
        let mut reply = vec![0; 768];
        let (length, from) = socket.recv_from(&mut reply).await.unwrap();
        assert_eq!(from, server, "musl drops what comes from elsewhere");
        let reply = Message::from_vec(&reply[..length]).unwrap();
        let (_, kind) = asked.into_iter().find(|(id, _)| *id == reply.metadata.id).unwrap();
        // NXDOMAIN for one of the two would spoil both.
        assert_eq!(reply.metadata.response_code, ResponseCode::NoError, "{name} {kind}");
        let whole =
            if reply.metadata.truncation && falls_back { by_tcp(server, name, kind).await } else { reply };
        found.insert(kind, answers(&whole));
    }
    found
}

#[tokio::test]
async fn both_families_are_asked_for_at_once_on_one_socket() {
    for threads in [0, 2] {
        let store = Store::new();
        store.apply(service("web", "10.96.0.1"));
        store.apply(large());
        with_server(Server::builder(zone()).threads(threads), &store, async |handle, server| {
            handle.serving(store.snapshot().revision()).await.unwrap();
            let web = musl(server, "web.default.svc.cluster.local.", true).await;
            assert_eq!(web[&RecordType::A], ["A 10.96.0.1"]);
            assert!(web[&RecordType::AAAA].is_empty());
            let name = "large.default.svc.cluster.local.";
            assert_eq!(musl(server, name, true).await[&RecordType::A].len(), 60);
            // Who does not come back over TCP has some addresses all the same.
            let some = musl(server, name, false).await[&RecordType::A].len();
            assert!(some > 20, "{some}");
        })
        .await;
    }
}

/// Opens connections that are never read from, and asks for much.
async fn slow(server: SocketAddr, name: &str, kind: RecordType, questions: u16) -> TcpStream {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let mut messages = Vec::new();
    (0..questions).for_each(|id| frame(&query(name, kind, id), &mut messages));
    stream.write_all(&messages).await.unwrap();
    stream
}

#[tokio::test]
async fn clients_that_do_not_read_hold_nobody_up() {
    let store = Store::new();
    for n in 0..2000 {
        store.apply(service(&format!("s{n}"), &format!("10.96.{}.{}", n / 250, n % 250 + 1)));
    }
    store.apply(large());
    let zone = Zone::builder("cluster.local").transfer_to("127.0.0.0/8").build().unwrap();
    with_server(Server::builder(zone), &store, async |handle, server| {
        handle.serving(store.snapshot().revision()).await.unwrap();
        let mut stuck = Vec::new();
        for _ in 0..10 {
            stuck.push(slow(server, "cluster.local.", RecordType::AXFR, 3).await);
            stuck.push(slow(server, "large.default.svc.cluster.local.", RecordType::A, 60).await);
            // Half a query, and nothing more.
            let mut half = TcpStream::connect(server).await.unwrap();
            half.write_all(&[0, 40, 1, 2, 3]).await.unwrap();
            stuck.push(half);
        }
        let name = "s7.default.svc.cluster.local.";
        assert_eq!(answers(&by_tcp(server, name, RecordType::A).await), ["A 10.96.0.8"]);
        assert_eq!(answers(&by_udp(server, name, RecordType::A).await), ["A 10.96.0.8"]);
        // A zone goes to whoever reads it, to its end, while the others are stuck.
        let mut reader = slow(server, "cluster.local.", RecordType::AXFR, 1).await;
        let mut ends = 0;
        while ends < 2 {
            let message = read_framed(&mut reader).await;
            ends += message.answers.iter().filter(|record| record.record_type() == RecordType::SOA).count();
        }
        drop(stuck);
    })
    .await;
}

#[tokio::test]
async fn a_zone_is_sent_in_order_to_a_client_that_reads_slowly() {
    let store = Store::new();
    for n in 0..2000 {
        store.apply(service(&format!("s{n:04}"), &format!("10.96.{}.{}", n / 250, n % 250 + 1)));
    }
    let zone = Zone::builder("cluster.local").transfer_to("127.0.0.0/8").build().unwrap();
    with_server(Server::builder(zone), &store, async |handle, server| {
        handle.serving(store.snapshot().revision()).await.unwrap();
        let mut stream = slow(server, "cluster.local.", RecordType::AXFR, 1).await;
        let mut names = Vec::new();
        let mut ends = 0;
        while ends < 2 {
            // Between two messages everybody else has a turn, and the zone changes.
            by_udp(server, "s0007.default.svc.cluster.local.", RecordType::A).await;
            store.apply(service("later", &format!("10.96.200.{}", names.len() % 200 + 1)));
            let message = read_framed(&mut stream).await;
            ends += message.answers.iter().filter(|record| record.record_type() == RecordType::SOA).count();
            let addresses = message.answers.iter().filter(|record| record.record_type() == RecordType::A);
            names.extend(addresses.map(|record| record.name.to_string()));
        }
        let mut sorted = names.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(names.iter().filter(|name| name.starts_with('s')).count(), 2000);
        assert_eq!(names, sorted, "each once, in order, of one state of the zone");
    })
    .await;
}
