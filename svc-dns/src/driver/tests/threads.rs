//! Threads of their own for datagrams.

use super::*;

#[tokio::test]
async fn threads_answer_every_query_that_the_kernel_took_also_after_the_stop() {
    let store = Store::new();
    store.apply(service("web", "10.96.0.1"));
    with_server(Server::builder(zone()).threads(2), &store, async |handle, server| {
        handle.ready().await.unwrap();
        let clients: Vec<UdpSocket> =
            futures_util::future::join_all((0..8).map(|_| UdpSocket::bind("127.0.0.1:0")))
                .await
                .into_iter()
                .map(Result::unwrap)
                .collect();
        // As many as the socket buffer holds: none of them may be lost.
        for id in 0..100 {
            for client in &clients {
                let query = query("web.default.svc.cluster.local.", RecordType::A, id);
                client.send_to(&query, server).await.unwrap();
            }
        }
        handle.stop();
        for client in &clients {
            let mut seen = std::collections::BTreeSet::new();
            while seen.len() < 100 {
                let mut reply = [0; 512];
                let length = client.recv(&mut reply).await.unwrap();
                let reply = Message::from_vec(&reply[..length]).unwrap();
                assert_eq!(answers(&reply), ["A 10.96.0.1"]);
                seen.insert(reply.metadata.id);
            }
        }
        assert_eq!(handle.stats().udp, 800);
    })
    .await;
}

#[tokio::test]
async fn threads_answer_from_the_address_that_was_asked_also_on_a_socket_for_all() {
    let store = Store::new();
    store.apply(service("web", "10.96.0.1"));
    for (all, asked) in [("0.0.0.0:0", ["127.0.0.2", "127.0.0.3"]), ("[::]:0", ["127.0.0.2", "::1"])] {
        if all.starts_with('[') && UdpSocket::bind("[::1]:0").await.is_err() {
            eprintln!("SKIP threads_answer_from_the_address_that_was_asked {all}: no IPv6 here");
            continue;
        }
        let (handle, run) = Server::builder(zone()).threads(1).udp(all).build().unwrap().drive(store.watch());
        let test = async move {
            let port = handle.ready().await.unwrap().udp[0].port();
            let mut clients = Vec::new();
            // Turn by turn, so that a batch holds queries to both.
            for turn in 0..40 {
                let server: SocketAddr = (asked[turn % 2].parse::<std::net::IpAddr>().unwrap(), port).into();
                let own = if server.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
                let client = UdpSocket::bind(own).await.unwrap();
                // It hears that address only.
                client.connect(server).await.unwrap();
                client.send(&query("web.default.svc.cluster.local.", RecordType::A, 3)).await.unwrap();
                clients.push(client);
            }
            for client in clients {
                let mut reply = [0; 512];
                let length = client.recv(&mut reply).await.unwrap();
                assert_eq!(answers(&Message::from_vec(&reply[..length]).unwrap()), ["A 10.96.0.1"]);
            }
        };
        tokio::join!(run, test).0.unwrap();
    }
}

#[tokio::test]
async fn threads_leave_foreign_names_to_the_forwarder() {
    let store = Store::new();
    store.apply(service("web", "10.96.0.1"));
    let upstream = FakeUpstream::new().address("example.org", [192, 0, 2, 1]);
    let forwarder = Forwarder::builder().upstream("198.51.100.1").network(upstream).build().unwrap();
    let builder = Server::builder(zone()).threads(1).forward(forwarder);
    with_server(builder, &store, async |handle, server| {
        let reply = by_udp(server, "example.org.", RecordType::A).await;
        assert_eq!(answers(&reply), ["A 192.0.2.1"]);
        assert_eq!(handle.stats().forwarded, 1);
    })
    .await;
}

#[tokio::test]
async fn threads_do_not_share_a_port_with_another_server() {
    let store = Store::new();
    with_server(Server::builder(zone()).threads(2), &store, async |_handle, server| {
        let second = Server::builder(zone()).threads(2).udp(server).build().unwrap();
        let (_second, run) = second.drive(Store::new().watch());
        assert!(run.await.unwrap_err().is_exists());
    })
    .await;
}
