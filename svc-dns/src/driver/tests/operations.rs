//! What those who run a server see of it: health, readiness, metrics, limits, logs.

use super::*;

/// Asks the pages of a server as a probe does.
async fn page(server: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

fn status(page: &str) -> &str {
    page.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn health_readiness_and_metrics_are_told_over_http() {
    let store = Store::new();
    let builder = Server::builder(zone()).threads(1).operations("127.0.0.1:0");
    let watched = store.clone();
    with_server(builder, &store, async |handle, server| {
        let pages = handle.bound().await.unwrap().operations[0];
        assert_eq!(status(&page(pages, "/health").await), "200");
        let ready = page(pages, "/ready").await;
        assert!(ready.starts_with("HTTP/1.1 503 ") && ready.ends_with("\r\nkubernetes"), "{ready}");
        let reply = by_udp(server, "web.default.svc.cluster.local.", RecordType::A).await;
        assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
        watched.apply(service("web", "10.96.0.1"));
        handle.ready().await.unwrap();
        assert_eq!(status(&page(pages, "/ready").await), "200");
        let _answer = by_udp(server, "web.default.svc.cluster.local.", RecordType::A).await;
        let line = format!(
            "coredns_dns_responses_total{{server=\"dns://{server}\",zone=\"cluster.local.\",view=\"\",rcode=\"NOERROR\",plugin=\"kubernetes\"}} 1"
        );
        let metrics = page(pages, "/metrics").await;
        assert!(metrics.contains(&line), "{metrics}");
        assert_eq!(status(&page(pages, "/nothing").await), "404");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_lame_duck_answers_and_is_not_ready() {
    let store = Store::new();
    store.apply(service("web", "10.96.0.1"));
    let hour = Duration::from_secs(3600);
    let builder = Server::builder(zone()).operations("127.0.0.1:0").lameduck(hour);
    let started = tokio::time::Instant::now();
    with_server(builder, &store, async |handle, server| {
        let pages = handle.ready().await.unwrap().operations[0];
        handle.stop();
        while !handle.status().stopping {
            tokio::task::yield_now().await;
        }
        let ready = page(pages, "/ready").await;
        assert!(ready.starts_with("HTTP/1.1 503 ") && ready.ends_with("\r\nlameduck"), "{ready}");
        let reply = by_udp(server, "web.default.svc.cluster.local.", RecordType::A).await;
        assert_eq!(answers(&reply), ["A 10.96.0.1"]);
    })
    .await;
    assert!(started.elapsed() >= hour);
}

#[tokio::test]
async fn several_servers_have_one_page() {
    let store = Store::new();
    let build = || Server::builder(zone()).listen("127.0.0.1:0").synced(true).build().unwrap();
    let ((one, run_one), (other, run_other)) =
        (build().drive(store.watch()), build().drive(Store::new().watch()));
    let pages = Pages::of(&[one.clone(), other.clone()]);
    let (address, told) = pages.serve("127.0.0.1:0".parse().unwrap()).unwrap();
    let test = async move {
        let servers = [one.ready().await.unwrap().udp[0], other.ready().await.unwrap().udp[0]];
        for server in servers {
            by_udp(server, "web.default.svc.cluster.local.", RecordType::A).await;
        }
        assert_eq!(status(&page(address, "/ready").await), "200");
        let metrics = page(address, "/metrics").await;
        for server in servers {
            let line =
                format!("coredns_dns_requests_total{{server=\"dns://{server}\",zone=\"cluster.local.\"");
            assert!(metrics.contains(&line), "{metrics}");
        }
    };
    tokio::select! {
        (a, b) = async { tokio::join!(run_one, run_other) } => panic!("{a:?} {b:?}"),
        () = told => {}
        () = test => {}
    }
}

#[tokio::test]
async fn floods_get_truncated_answers_and_silence_and_tcp_goes_on() {
    for threads in [0, 1] {
        let store = Store::new();
        store.apply(service("web", "10.96.0.1"));
        let limit = RateLimit::per_second(5).slip(2).build().unwrap();
        let builder = Server::builder(zone()).threads(threads).rate_limit(limit);
        with_server(builder, &store, async |handle, server| {
            handle.ready().await.unwrap();
            let name = "web.default.svc.cluster.local.";
            let socket = UdpSocket::bind(("127.0.0.1", 0)).await.unwrap();
            for id in 0..25 {
                socket.send_to(&query(name, RecordType::A, id), server).await.unwrap();
            }
            let (mut whole, mut cut) = (0, 0);
            // Five whole, and half of the other twenty.
            while whole + cut < 15 {
                let mut reply = vec![0; 512];
                let length = socket.recv(&mut reply).await.unwrap();
                let reply = Message::from_vec(&reply[..length]).unwrap();
                if reply.metadata.truncation { cut += 1 } else { whole += 1 }
            }
            assert_eq!((whole, cut), (5, 10));
            assert_eq!(handle.stats().limited, 20);
            assert_eq!(answers(&by_tcp(server, name, RecordType::A).await), ["A 10.96.0.1"]);
            let line = format!("coredns_rrl_responses_exceeded_total{{server=\"dns://{server}\"}} 20");
            assert!(handle.metrics().contains(&line), "{}", handle.metrics());
        })
        .await;
    }
}

#[tokio::test]
async fn queries_are_logged_on_every_way() {
    for threads in [0, 1] {
        let store = Store::new();
        store.apply(service("web", "10.96.0.1"));
        let upstream = FakeUpstream::new().address("www.example.com", [192, 0, 2, 1]);
        let forwarder = Forwarder::builder().upstream("192.0.2.53").network(upstream).build().unwrap();
        let (log, mut events) = crate::QueryLog::new().rule([], []).channel();
        let builder = Server::builder(zone()).threads(threads).query_log(log).forward(forwarder);
        with_server(builder, &store, async |handle, server| {
            handle.ready().await.unwrap();
            by_udp(server, "web.default.svc.cluster.local.", RecordType::A).await;
            by_tcp(server, "no.default.svc.cluster.local.", RecordType::AAAA).await;
            by_udp(server, "www.example.com.", RecordType::A).await;
            by_tcp(server, "www.example.com.", RecordType::A).await;
            for (line, code) in [
                ("\"A IN web.default.svc.cluster.local. udp ", "\" NOERROR qr,aa,rd"),
                ("\"AAAA IN no.default.svc.cluster.local. tcp ", "\" NXDOMAIN qr,aa,rd"),
                ("\"A IN www.example.com. udp ", "\" NOERROR qr,rd"),
                ("\"A IN www.example.com. tcp ", "\" NOERROR qr,rd"),
            ] {
                let event = events.next().await.unwrap().to_string();
                assert!(event.contains(line) && event.contains(code), "{event}");
            }
        })
        .await;
    }
}
