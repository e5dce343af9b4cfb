use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;

const N: &str = "nginx.ingress.kubernetes.io";

fn local() -> IngressConfig {
    IngressConfig::builder().allow_local_targets(true).body_size(0).build().unwrap()
}

/// A server that tells of every request, and that answers none while `silent`.
async fn second(silent: bool) -> (SocketAddr, UnboundedReceiver<String>) {
    let (send, receive) = unbounded_channel();
    let address = backend(move |_, mut stream| {
        let send = send.clone();
        async move {
            while let Some(head) = read_head(&mut stream).await {
                let body = read_body(&mut stream, &head).await;
                send.send(format!("{head}{body}")).unwrap();
                if silent {
                    std::future::pending::<()>().await;
                }
                stream.write_all(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n").await.unwrap();
            }
        }
    });
    (address.await, receive)
}

async fn post(client: &mut Client, body: Vec<u8>) -> (StatusCode, String) {
    client.ready().await.unwrap();
    let request = Request::post("/a?b=c").header("host", "foo.example").header("x-own", "1");
    text(client.send_request(request.body(Full::from(body)).unwrap()).await.unwrap()).await
}

#[test]
fn another_server_gets_what_the_backend_gets() {
    let rows = [
        ("", "hello", "127.0.0.1"),
        ("mirror-request-body: 'off'", "", "127.0.0.1"),
        ("mirror-host: second.example", "hello", "second.example"),
    ];
    for (more, body, host) in rows {
        let more = if more.is_empty() { String::new() } else { format!(", {N}/{more}") };
        with_server(local(), "", |running| async move {
            let (address, mut copies) = second(false).await;
            let annotations = format!("{N}/mirror-target: 'http://{address}$request_uri'{more}");
            running.apply(&(ingress("foo.example", &annotations, "") + &service(&[echo().await]))).await;
            assert!(running.handle.report().is_clean(), "{}", running.handle.report());
            let mut client = client(running.http()).await;
            let (status, echoed) = post(&mut client, b"hello".to_vec()).await;
            assert!(status == 200 && echoed.ends_with("hello"), "{status} {echoed}");
            let copy = copies.recv().await.unwrap();
            let (head, copied) = copy.split_once("\r\n\r\n").unwrap();
            assert!(head.starts_with("POST /a?b=c HTTP/1.1\r\n") && head.contains("x-own: 1\r\n"), "{head}");
            assert!(
                head.contains(&format!("host: {host}")) && head.contains("x-real-ip: 127.0.0.1"),
                "{head}"
            );
            assert_eq!(copied, body);
            assert_eq!(fetch(&mut client, "foo.example", "/get").await.0, 200);
            assert!(copies.recv().await.unwrap().starts_with("GET /get HTTP/1.1\r\n"));
        });
    }
}

#[test]
fn no_request_waits_for_a_copy_and_large_ones_are_not_made() {
    with_server(local(), "", |running| async move {
        let (address, mut copies) = second(true).await;
        let annotations = format!("{N}/mirror-target: 'http://{address}/copy'");
        running.apply(&(ingress("foo.example", &annotations, "") + &service(&[echo().await]))).await;
        let mut client = client(running.http()).await;
        // Far more than are copied at one time, and no copy is ever answered.
        for _ in 0..100 {
            assert_eq!(fetch(&mut client, "foo.example", "/").await.0, 200);
        }
        assert!(copies.recv().await.unwrap().starts_with("GET /copy HTTP/1.1\r\n"));
    });
    with_server(local(), "", |running| async move {
        let (address, mut copies) = second(false).await;
        let annotations = format!("{N}/mirror-target: 'http://{address}/copy'");
        running.apply(&(ingress("foo.example", &annotations, "") + &service(&[echo().await]))).await;
        let mut client = client(running.http()).await;
        assert_eq!(post(&mut client, vec![b'x'; (1 << 20) + 1]).await.0, 200);
        assert_eq!(post(&mut client, b"small".to_vec()).await.0, 200);
        assert!(copies.recv().await.unwrap().ends_with("\r\n\r\nsmall"), "the large one was not copied");
    });
}

#[test]
fn this_machine_gets_no_copies_unless_that_is_allowed() {
    let annotations = format!("{N}/mirror-target: 'http://127.0.0.1:1/'");
    with_server(IngressConfig::default(), &ingress("foo.example", &annotations, ""), |running| async move {
        let report = running.handle.report().to_string();
        assert!(report.contains("mirror-target]: is at 127.0.0.1, which is this machine"), "{report}");
        running.apply(&service(&[echo().await])).await;
        assert_eq!(fetch(&mut client(running.http()).await, "foo.example", "/").await.0, 200);
    });
}
