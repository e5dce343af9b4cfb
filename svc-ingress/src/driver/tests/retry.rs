//! proxy-next-upstream: which endpoint is asked after which.

use http::Method;

use super::*;

/// Reads a request and goes away.
async fn dying() -> SocketAddr {
    backend(|_, mut stream| async move {
        if let Some(head) = read_head(&mut stream).await {
            read_body(&mut stream, &head).await;
        }
    })
    .await
}

/// Answers every request with this.
async fn saying(reply: &'static str) -> SocketAddr {
    backend(move |_, mut stream| async move {
        while let Some(head) = read_head(&mut stream).await {
            read_body(&mut stream, &head).await;
            let _ = stream.write_all(reply.as_bytes()).await;
        }
    })
    .await
}

async fn refusing() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

const DOWN: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\ndown";
const NONSENSE: &str = "what?\r\n\r\n";

#[test]
fn endpoints_are_tried_as_far_as_the_annotation_says() {
    let annotation = |words: &str| format!("nginx.ingress.kubernetes.io/proxy-next-upstream: \"{words}\"");
    let post = Method::POST;
    let rows = [
        // annotation, first endpoint, method, body, status
        (String::new(), closed as Bad, Method::GET, "", 200),
        (String::new(), closed as Bad, post.clone(), "hello", 200),
        (String::new(), gone as Bad, Method::GET, "", 200),
        (String::new(), gone as Bad, Method::PUT, "hello", 200),
        (String::new(), gone as Bad, post.clone(), "hello", 502),
        (annotation("error non_idempotent"), gone as Bad, post.clone(), "hello", 200),
        (annotation("off"), closed as Bad, Method::GET, "", 502),
        (String::new(), down as Bad, Method::GET, "", 503),
        (annotation("http_503"), down as Bad, Method::GET, "", 200),
        (annotation("http_503"), down as Bad, post.clone(), "hello", 503),
        (annotation("http_503 non_idempotent"), down as Bad, post, "hello", 200),
        (String::new(), nonsense as Bad, Method::GET, "", 502),
        (annotation("invalid_header"), nonsense as Bad, Method::GET, "", 200),
    ];
    for (annotation, bad, method, body, status) in rows {
        let text_of = ingress("foo.example", &annotation, "");
        with_server(IngressConfig::default(), &text_of, |running| async move {
            // With two endpoints, one of two requests begins with the bad one.
            running.apply(&service(&[bad().await, echo().await])).await;
            let mut statuses = Vec::new();
            for _ in 0..2 {
                let request = Request::builder().method(&method).uri("/").header("host", "foo.example");
                let request = request.body(Full::from(body)).unwrap();
                let (code, text) =
                    text(client(running.http()).await.send_request(request).await.unwrap()).await;
                assert!(code != 200 || text.ends_with(&format!("\r\n\r\n{body}")), "{text}");
                statuses.push(code.as_u16());
            }
            statuses.sort_unstable();
            assert_eq!(statuses, [200, status], "{annotation} {method}");
        });
    }
}

type Bad = fn() -> std::pin::Pin<Box<dyn Future<Output = SocketAddr>>>;

macro_rules! boxed {
    ($($name:ident = $made:expr;)*) => { $(
        fn $name() -> std::pin::Pin<Box<dyn Future<Output = SocketAddr>>> {
            Box::pin(async { $made.await })
        }
    )* };
}

boxed! {
    closed = refusing();
    gone = dying();
    down = saying(DOWN);
    nonsense = saying(NONSENSE);
}

#[test]
fn tries_are_counted_and_each_asks_another_endpoint() {
    let annotation = "nginx.ingress.kubernetes.io/proxy-next-upstream-tries: \"2\"";
    with_server(IngressConfig::default(), &ingress("foo.example", annotation, ""), |running| async move {
        let bad = [dying().await, dying().await, dying().await];
        running.apply(&service(&[bad[0], bad[1], bad[2], echo().await])).await;
        let mut good = 0;
        for _ in 0..4 {
            let (status, _) = fetch(&mut client(running.http()).await, "foo.example", "/").await;
            good += i32::from(status == 200);
        }
        // Of four first endpoints in turn only two come to the good one within two tries.
        assert_eq!(good, 2);
    });
}

#[test]
fn a_body_too_large_to_be_kept_is_not_sent_twice() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[dying().await, dying().await])).await;
        let large = Request::put("/").header("host", "foo.example").body(Full::from(vec![b'x'; 200_000]));
        let response = client(running.http()).await.send_request(large.unwrap()).await.unwrap();
        assert_eq!(response.status(), 502);
    });
}
