use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const PREFIX: &str = "nginx.ingress.kubernetes.io";

#[test]
fn further_fields_of_replies_are_those_that_are_allowed() {
    let config = IngressConfig::builder().allow_response_header(http::HeaderName::from_static("x-allowed"));
    let annotation = format!("{PREFIX}/custom-headers: more");
    let map = "---\nkind: ConfigMap\napiVersion: v1\nmetadata: {name: more, namespace: shop}\ndata: {X-Allowed: 'yes', X-Other: 'no', Server: own}\n";
    let text = ingress("foo.example", &annotation, "");
    with_server(config.build().unwrap(), &text, |running| async move {
        let named = running.handle.report().to_string();
        assert!(named.contains("ConfigMap shop/more does not exist"), "{named}");
        running.apply(&(service(&[echo().await]) + map)).await;
        let report = running.handle.report().to_string();
        assert!(
            report.contains("entry `X-Other` is none of the fields that the configuration allows"),
            "{report}"
        );
        assert!(report.contains("entry `Server` is none") && !report.contains("X-Allowed"), "{report}");
        let mut client = client(running.http()).await;
        let reply = client.send_request(get("foo.example", "/")).await.unwrap();
        assert_eq!(reply.headers()["x-allowed"], "yes");
        assert!(!reply.headers().contains_key("x-other") && !reply.headers().contains_key("server"));
    });
}

#[test]
fn a_slow_reply_arrives_whole() {
    let annotations = format!("{PREFIX}/limit-rate: '512', {PREFIX}/limit-rate-after: '64'");
    with_server(IngressConfig::default(), &ingress("foo.example", &annotations, ""), |running| async move {
        let large = backend(|_, mut stream| async move {
            while read_head(&mut stream).await.is_some() {
                let body: String = ('a'..='z').cycle().take(200_000).collect();
                let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                stream.write_all(reply.as_bytes()).await.unwrap();
            }
        });
        running.apply(&service(&[large.await])).await;
        let mut client = client(running.http()).await;
        let begun = std::time::Instant::now();
        let (status, body) = fetch(&mut client, "foo.example", "/").await;
        assert!(status == 200 && body.chars().eq(('a'..='z').cycle().take(200_000)));
        // The last piece, of 64 KiB at most, may go once those before it have had their time.
        assert!(begun.elapsed() > Duration::from_millis(100), "faster than is allowed");
        assert_eq!(fetch(&mut client, "foo.example", "/").await.0, 200, "the connection is still good");
    });
}

#[test]
fn an_endpoint_that_fails_is_left_alone_where_latency_decides() {
    let annotation = format!("{PREFIX}/load-balance: ewma");
    with_server(IngressConfig::default(), &ingress("foo.example", &annotation, ""), |running| async move {
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let broken = backend(move |_, stream| {
            count.fetch_add(1, Ordering::Relaxed);
            async move { drop(stream) }
        });
        running.apply(&service(&[broken.await, echo().await])).await;
        let mut client = client(running.http()).await;
        for _ in 0..50 {
            assert_eq!(fetch(&mut client, "foo.example", "/").await.0, 200);
        }
        // Unless the machine stood still for a minute in between.
        assert!((1..10).contains(&asked.load(Ordering::Relaxed)), "{asked:?}");
    });
}
