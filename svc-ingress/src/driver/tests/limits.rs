//! limit-*: one budget for each client, over all workers.

use std::num::NonZeroUsize;

use super::*;

const RPM: &str = "nginx.ingress.kubernetes.io/limit-rpm";
const CONNECTIONS: &str = "nginx.ingress.kubernetes.io/limit-connections: \"1\"";

/// How many of the statuses are these.
fn count(statuses: &[StatusCode], status: u16) -> usize {
    statuses.iter().filter(|found| found.as_u16() == status).count()
}

#[test]
fn a_client_has_one_budget_over_all_workers_and_connections() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::new();
        // One a minute leaks: nothing of that during a test.
        let limited = format!("{RPM}: \"1\", nginx.ingress.kubernetes.io/limit-burst-multiplier: \"20\"");
        let limited = ingress("foo.example", &limited, "");
        store.apply(objects(&format!("{CLASS}{limited}{}", service(&[echo().await]))));
        let server = Server::builder().http("127.0.0.1:0").workers(NonZeroUsize::new(3).unwrap());
        let (handle, run) = server.build().unwrap().drive(store.watch());
        let running = tokio::spawn(run);
        let address = handle.ready().await.unwrap().http()[0];
        let mut statuses = Vec::new();
        for _ in 0..40 {
            statuses.push(fetch(&mut client(address).await, "foo.example", "/").await.0);
        }
        // One, and a burst of twenty; a slow machine may see one more leak.
        assert!((21..=22).contains(&count(&statuses, 200)), "{statuses:?}");
        assert_eq!(count(&statuses, 200) + count(&statuses, 503), 40);
        // A change elsewhere does not fill the budget again.
        let revision = store.apply(objects(&ingress("bar.example", "", "")));
        handle.serving(revision).await.unwrap();
        let revision = store.apply(objects(&service(&[echo().await])));
        handle.serving(revision).await.unwrap();
        assert_eq!(fetch(&mut client(address).await, "foo.example", "/").await.0, 503);
        assert_eq!(fetch(&mut client(address).await, "bar.example", "/").await.0, 200);
        drop(handle);
        running.await.unwrap().unwrap();
    });
}

#[test]
fn clients_are_told_apart_and_the_status_is_a_setting() {
    let clients = Clients::default().with_proxy_protocol(true);
    let config = IngressConfig::builder().clients(clients).limit_status(StatusCode::TOO_MANY_REQUESTS);
    let limited = ingress(
        "foo.example",
        &format!(
            "{RPM}: \"1\", nginx.ingress.kubernetes.io/limit-burst-multiplier: \"0\", nginx.ingress.kubernetes.io/limit-whitelist: 198.51.100.0/24"
        ),
        "",
    );
    with_server(config.build().unwrap(), &limited, |running| async move {
        running.apply(&service(&[echo().await])).await;
        let get = "GET / HTTP/1.1\r\nHost: foo.example\r\nConnection: close\r\n\r\n";
        let rows = [
            ("192.0.2.1", "200"),
            ("192.0.2.2", "200"),
            ("192.0.2.1", "429"),
            ("198.51.100.1", "200"),
            ("198.51.100.1", "200"),
        ];
        for (client, status) in rows {
            let request = format!("PROXY TCP4 {client} 203.0.113.1 41000 80\r\n{get}");
            let reply = raw(running.http(), request.as_bytes()).await;
            assert!(reply.starts_with(&format!("HTTP/1.1 {status}")), "{client} {reply}");
        }
    });
}

#[test]
fn a_request_is_under_way_until_its_reply_is_sent() {
    with_server(IngressConfig::default(), &ingress("foo.example", CONNECTIONS, ""), |running| async move {
        let (more, rest) = tokio::sync::oneshot::channel::<()>();
        let rest = std::sync::Mutex::new(Some(rest));
        let slow = backend(move |_, mut stream| {
            let rest = rest.lock().unwrap().take();
            async move {
                while read_head(&mut stream).await.is_some() {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na").await;
                    if let Some(rest) = rest {
                        let _ = rest.await;
                        let _ = stream.write_all(b"b").await;
                        return;
                    }
                    let _ = stream.write_all(b"c").await;
                }
            }
        });
        running.apply(&service(&[slow.await])).await;
        let (mut first, mut second) = (client(running.http()).await, client(running.http()).await);
        let reply = first.send_request(get("foo.example", "/")).await.unwrap();
        assert_eq!(fetch(&mut second, "foo.example", "/").await.0, 503);
        more.send(()).unwrap();
        assert_eq!(text(reply).await.1, "ab");
        // The router sees the end of what it sent a moment after the client does.
        while fetch(&mut second, "foo.example", "/").await.0 == 503 {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_tunnel_is_under_way_until_it_ends() {
    with_server(IngressConfig::default(), &ingress("foo.example", CONNECTIONS, ""), |running| async move {
        let switching = backend(|_, mut stream| async move {
            let head = read_head(&mut stream).await.unwrap();
            if head.contains("upgrade: echo") {
                let _ =
                    stream.write_all(b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n").await;
                let mut byte = [0; 1];
                while stream.read_exact(&mut byte).await.is_ok() {}
            } else {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
            }
        });
        running.apply(&service(&[switching.await])).await;
        let mut tunnel = TcpStream::connect(running.http()).await.unwrap();
        tunnel
            .write_all(b"GET / HTTP/1.1\r\nHost: foo.example\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n")
            .await
            .unwrap();
        assert!(read_head(&mut tunnel).await.unwrap().starts_with("HTTP/1.1 101"));
        let mut other = client(running.http()).await;
        assert_eq!(fetch(&mut other, "foo.example", "/").await.0, 503);
        drop(tunnel);
        while fetch(&mut other, "foo.example", "/").await.0 == 503 {
            tokio::task::yield_now().await;
        }
    });
}
