//! enable-cors and cors-*.

use super::*;

const ENABLE: &str = "nginx.ingress.kubernetes.io/enable-cors: \"true\"";

fn annotations(list: &[(&str, &str)]) -> String {
    let more = list.iter().map(|(key, value)| format!(", nginx.ingress.kubernetes.io/{key}: '{value}'"));
    format!("{ENABLE}{}", more.collect::<String>())
}

/// A backend with CORS fields of its own.
async fn opinionated() -> SocketAddr {
    backend(|_, mut stream| async move {
        while read_head(&mut stream).await.is_some() {
            let fields = "Access-Control-Allow-Origin: https://backend\r\nAccess-Control-Allow-Credentials: false\r\nAccess-Control-Max-Age: 1";
            let reply = format!("HTTP/1.1 200 OK\r\n{fields}\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.write_all(reply.as_bytes()).await;
        }
    })
    .await
}

async fn ask(address: SocketAddr, method: &str, origin: Option<&str>) -> Response<()> {
    let mut request = Request::builder().method(method).uri("/").header("host", "foo.example");
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    let reply = client(address).await.send_request(request.body(Full::default()).unwrap()).await.unwrap();
    let (parts, body) = reply.into_parts();
    body.collect().await.unwrap();
    Response::from_parts(parts, ())
}

fn field<'a>(reply: &'a Response<()>, name: &str) -> Option<&'a str> {
    assert!(reply.headers().get_all(name).iter().count() <= 1, "{name} once");
    reply.headers().get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn origins_are_allowed_as_the_list_says() {
    let list = "https://foo.example, http://*.bar.example:8080 ,null, myapp://x";
    let rows = [
        ("https://foo.example", true),
        ("HTTPS://FOO.example", true),
        ("http://foo.example", false),
        ("https://foo.example:443", false),
        ("https://foo.example.evil.example", false),
        ("https://a.foo.example", false),
        ("http://a.bar.example:8080", true),
        ("http://a-1.bar.example:8080", true),
        ("http://a.bar.example", false),
        ("http://a.b.bar.example:8080", false),
        ("http://.bar.example:8080", false),
        ("http://bar.example:8080", false),
        ("http://evil.example/.bar.example:8080", false),
        ("null", true),
        ("myapp://x", true),
        ("", false),
    ];
    let text = ingress("foo.example", &annotations(&[("cors-allow-origin", list)]), "");
    with_server(IngressConfig::default(), &text, |running| async move {
        running.apply(&service(&[opinionated().await])).await;
        for (origin, allowed) in rows {
            let reply = ask(running.http(), "GET", Some(origin)).await;
            let expected = if allowed { origin } else { "https://backend" };
            assert_eq!(field(&reply, "access-control-allow-origin"), Some(expected), "{origin}");
            let reply = ask(running.http(), "OPTIONS", Some(origin)).await;
            assert_eq!(reply.status().as_u16(), if allowed { 204 } else { 200 }, "{origin}");
        }
        let reply = ask(running.http(), "GET", None).await;
        assert_eq!(field(&reply, "access-control-allow-origin"), Some("https://backend"));
    });
}

#[test]
fn without_a_list_every_origin_is_allowed_and_the_defaults_are_said() {
    with_server(IngressConfig::default(), &ingress("foo.example", ENABLE, ""), |running| async move {
        running.apply(&service(&[opinionated().await])).await;
        for (method, origin, status) in
            [("GET", None, 200), ("GET", Some("x://y"), 200), ("OPTIONS", None, 204)]
        {
            let reply = ask(running.http(), method, origin).await;
            assert_eq!(reply.status().as_u16(), status);
            let said = [
                ("access-control-allow-origin", Some("*")),
                ("access-control-allow-credentials", Some("true")),
                ("access-control-allow-methods", Some("GET, PUT, POST, DELETE, PATCH, OPTIONS")),
                (
                    "access-control-allow-headers",
                    Some(
                        "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization",
                    ),
                ),
                ("access-control-max-age", Some("1728000")),
                ("access-control-expose-headers", None),
            ];
            for (name, value) in said {
                assert_eq!(field(&reply, name), value, "{method} {name}");
            }
            if method == "OPTIONS" {
                assert_eq!(field(&reply, "content-type"), Some("text/plain charset=UTF-8"));
            }
        }
    });
}

#[test]
fn annotations_say_otherwise_and_a_backend_keeps_what_they_leave() {
    let list = [
        ("cors-allow-methods", "PUT, GET"),
        ("cors-allow-headers", "X-One,X-Two"),
        ("cors-expose-headers", "*, X-Three"),
        ("cors-allow-credentials", "false"),
        ("cors-max-age", "600"),
    ];
    let text = ingress("foo.example", &annotations(&list), "");
    with_server(IngressConfig::default(), &text, |running| async move {
        running.apply(&service(&[opinionated().await])).await;
        let reply = ask(running.http(), "GET", Some("https://x")).await;
        assert_eq!(field(&reply, "access-control-allow-methods"), Some("PUT, GET"));
        assert_eq!(field(&reply, "access-control-allow-headers"), Some("X-One,X-Two"));
        assert_eq!(field(&reply, "access-control-expose-headers"), Some("*, X-Three"));
        assert_eq!(field(&reply, "access-control-max-age"), Some("600"));
        assert_eq!(field(&reply, "access-control-allow-credentials"), Some("false"), "the backend's");
        let preflight = ask(running.http(), "OPTIONS", Some("https://x")).await;
        assert_eq!(field(&preflight, "access-control-allow-credentials"), None);
    });
}

#[test]
fn preflights_come_before_limits_addresses_and_logins_and_refusals_can_be_read() {
    let closed = [
        ("limit-rpm", "1"),
        ("limit-burst-multiplier", "0"),
        ("whitelist-source-range", "127.0.0.0/8"),
        ("auth-type", "basic"),
        ("auth-secret", "absent"),
    ];
    let (open, denied) = (&closed[..3], &closed[..]);
    let text = ingress("foo.example", &annotations(open), "");
    let denied = ingress("foo.example", &annotations(denied), "");
    with_server(IngressConfig::default(), &text, |running| async move {
        running.apply(&service(&[opinionated().await])).await;
        for _ in 0..3 {
            assert_eq!(ask(running.http(), "OPTIONS", Some("https://x")).await.status(), 204);
        }
        assert_eq!(ask(running.http(), "GET", Some("https://x")).await.status(), 200);
        let limited = ask(running.http(), "GET", Some("https://x")).await;
        assert_eq!(
            (limited.status().as_u16(), field(&limited, "access-control-allow-origin")),
            (503, Some("*"))
        );
        // A location that is denied for its annotations has nothing but 503.
        running.apply(&denied).await;
        let reply = ask(running.http(), "OPTIONS", Some("https://x")).await;
        assert_eq!((reply.status().as_u16(), field(&reply, "access-control-allow-origin")), (503, None));
    });
}
