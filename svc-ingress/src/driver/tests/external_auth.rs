//! auth-url and its family.

use std::sync::{Arc, Mutex};

use super::*;

fn annotation(list: &[(&str, &str)]) -> String {
    let lines = list.iter().map(|(key, value)| format!("nginx.ingress.kubernetes.io/{key}: '{value}'"));
    lines.collect::<Vec<_>>().join(", ")
}

/// Heads of requests as they came.
type Heads = Arc<Mutex<Vec<String>>>;

/// A server that says who may pass; what it was asked is in `heads`.
async fn judge(heads: &Heads, answer: fn(&str) -> String) -> SocketAddr {
    let heads = Arc::clone(heads);
    backend(move |_, mut stream| {
        let heads = Arc::clone(&heads);
        async move {
            while let Some(head) = read_head(&mut stream).await {
                let reply = answer(&head);
                heads.lock().unwrap().push(head);
                stream.write_all(reply.as_bytes()).await.unwrap();
            }
        }
    })
    .await
}

/// 200 for `authorization: good`, 403 for `bad`, 500 for `broken`, 401 for others.
fn by_authorization(head: &str) -> String {
    let (status, more) = match head.lines().find_map(|line| line.strip_prefix("authorization: ")) {
        Some("good") => (200, "X-User: jane\r\nSet-Cookie: session=1\r\nSet-Cookie: more=2\r\n"),
        Some("bad") => (403, "WWW-Authenticate: no\r\nSet-Cookie: session=2\r\n"),
        Some("broken") => (500, ""),
        Some("elsewhere") => (302, "Location: https://login.example\r\n"),
        Some("cut") => return "HTTP/1.1 2".to_owned(),
        _ => (401, "WWW-Authenticate: Bearer realm=\"x\"\r\nSet-Cookie: session=3\r\n"),
    };
    format!("HTTP/1.1 {status} x\r\n{more}Content-Length: 5\r\n\r\nhello")
}

fn allowing() -> IngressConfig {
    IngressConfig::builder().allow_local_targets(true).read_timeout(Duration::from_secs(2)).build().unwrap()
}

async fn ask(address: SocketAddr, fields: &[(&str, &str)]) -> (Response<()>, String) {
    let mut request = Request::post("/private?x=1").header("host", "foo.example");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let reply = client(address).await.send_request(request.body(Full::from("body")).unwrap()).await.unwrap();
    let (parts, body) = reply.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(parts, ()), String::from_utf8(body.to_vec()).unwrap())
}

/// Runs a test with an Ingress whose `auth-url` is a judge's.
fn with_judge<F: Future<Output = ()>>(
    list: &'static [(&'static str, &'static str)],
    more: &'static str,
    test: impl FnOnce(Running, Heads) -> F,
) {
    with_server(allowing(), "", |running| async move {
        let heads = Heads::default();
        let judge = judge(&heads, by_authorization).await;
        let url = format!("http://{judge}/check?u=$request_uri");
        let annotations = annotation(&[&[("auth-url", url.as_str())], list].concat());
        running.apply(&(ingress("foo.example", &annotations, "") + &service(&[echo().await]) + more)).await;
        test(running, heads).await;
    });
}

#[test]
fn the_server_decides_who_passes() {
    with_judge(&[("auth-response-headers", "X-User,X-Groups")], "", |running, heads| async move {
        assert!(running.handle.report().is_clean(), "{}", running.handle.report());
        let spoofed = [("authorization", "good"), ("x-user", "root"), ("x-groups", "wheel")];
        let (reply, body) = ask(running.http(), &spoofed).await;
        assert_eq!(reply.status(), 200);
        assert!(
            body.contains("x-user: jane\r\n") && !body.contains("x-groups") && !body.contains("root"),
            "{body}"
        );
        assert!(body.contains("authorization: good\r\n") && body.ends_with("body"), "{body}");
        let cookies: Vec<_> = reply.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["session=1", "more=2"]);
        let rows = [
            ("bad", 403, None),
            ("none", 401, Some("Bearer realm=\"x\"")),
            ("broken", 500, None),
            ("elsewhere", 500, None),
            ("cut", 500, None),
        ];
        for (word, status, challenge) in rows {
            let (reply, body) = ask(running.http(), &[("authorization", word)]).await;
            assert_eq!(reply.status().as_u16(), status, "{word}");
            let challenges = reply.headers().get("www-authenticate").map(|value| value.to_str().unwrap());
            assert_eq!(challenges, challenge, "{word}");
            assert!(!reply.headers().contains_key("set-cookie") && !body.contains("hello"), "{word}");
        }
        let head = heads.lock().unwrap()[0].clone();
        assert!(head.starts_with("GET /check?u=/private?x=1 HTTP/1.1\r\nhost: 127.0.0.1\r\n"), "{head}");
        for line in [
            "x-original-url: http://foo.example/private?x=1\r\n",
            "x-original-method: POST\r\n",
            "x-real-ip: 127.0.0.1\r\n",
        ] {
            assert!(head.contains(line), "{head}");
        }
        assert!(!head.contains("content-length") && !head.contains("x-original-uri"), "{head}");
    });
}

#[test]
fn the_request_has_one_name_for_server_and_backend() {
    with_judge(&[("auth-method", "POST")], "", |running, heads| async move {
        let (_, body) = ask(running.http(), &[("authorization", "good")]).await;
        let id =
            |head: &str| head.lines().find_map(|line| line.strip_prefix("x-request-id: ").map(str::to_owned));
        let head = heads.lock().unwrap()[0].clone();
        assert!(id(&head).is_some_and(|id| id.len() == 32) && id(&head) == id(&body), "{head}{body}");
        assert!(
            head.starts_with("POST /check") && head.contains("x-original-uri: /private?x=1\r\n"),
            "{head}"
        );
    });
}

#[test]
fn who_is_not_logged_in_is_sent_to_do_so() {
    with_judge(&[("auth-signin", "https://login.example/start?a=b")], "", |running, _| async move {
        let (reply, _) = ask(running.http(), &[]).await;
        assert_eq!(reply.status(), 302);
        assert_eq!(
            reply.headers()["location"],
            "https://login.example/start?a=b&rd=http://foo.example%2Fprivate%3Fx%3D1"
        );
        assert_eq!(reply.headers()["set-cookie"], "session=3");
        assert_eq!(ask(running.http(), &[("authorization", "bad")]).await.0.status(), 403);
        assert_eq!(ask(running.http(), &[("authorization", "good")]).await.0.status(), 200);
    });
}

#[test]
fn cookies_are_always_passed_on_if_asked_for() {
    with_judge(&[("auth-always-set-cookie", "true")], "", |running, _| async move {
        assert_eq!(
            ask(running.http(), &[("authorization", "bad")]).await.0.headers()["set-cookie"],
            "session=2"
        );
    });
}

#[test]
fn answers_are_kept_for_requests_with_the_same_key() {
    let cached =
        &[("auth-cache-key", "$http_x_key$http_authorization"), ("auth-cache-duration", "200 403 10m")];
    with_judge(cached, "", |running, heads| async move {
        let count = || heads.lock().unwrap().len();
        for _ in 0..3 {
            assert_eq!(
                ask(running.http(), &[("authorization", "bad"), ("x-key", "1")]).await.0.status(),
                403
            );
        }
        // A 403 with a cookie is not for others, and neither is a 200 with one.
        assert_eq!(count(), 3);
    });
    with_server(allowing(), "", |running| async move {
        let heads = Heads::default();
        let judge = judge(&heads, |head| {
            let status = if head.contains("x-key: closed") { 401 } else { 200 };
            format!("HTTP/1.1 {status} x\r\nX-User: jane\r\nContent-Length: 0\r\n\r\n")
        });
        let url = format!("http://{}/", judge.await);
        let list = [
            ("auth-url", url.as_str()),
            ("auth-cache-key", "$http_x_key"),
            ("auth-response-headers", "X-User"),
        ];
        let text =
            ingress("foo.example", &annotation(&list), "") + &ingress("bar.example", &annotation(&list), "");
        running.apply(&(text + &service(&[echo().await]))).await;
        let count = || heads.lock().unwrap().len();
        for (key, status) in [("open", 200), ("open", 200), ("closed", 401), ("closed", 401), ("open", 200)] {
            let (reply, body) = ask(running.http(), &[("x-key", key)]).await;
            assert_eq!(reply.status().as_u16(), status);
            assert_eq!(body.contains("x-user: jane\r\n"), status == 200, "{body}");
        }
        assert_eq!(count(), 2, "each key once");
        let bar = Request::get("/")
            .header("host", "bar.example")
            .header("x-key", "open")
            .body(Full::default())
            .unwrap();
        assert_eq!(client(running.http()).await.send_request(bar).await.unwrap().status(), 200);
        assert_eq!(count(), 3, "another rule has answers of its own");
    });
}

#[test]
fn a_config_map_says_more_to_the_server() {
    let map = "
---
kind: ConfigMap
apiVersion: v1
metadata: {name: more, namespace: shop}
data: {X-Team: 'blue $host', X-Real-IP: hidden}
";
    with_judge(&[("auth-proxy-set-headers", "shop/more")], map, |running, heads| async move {
        assert_eq!(ask(running.http(), &[("authorization", "good")]).await.0.status(), 200);
        let head = heads.lock().unwrap()[0].clone();
        assert!(
            head.contains("x-team: blue foo.example\r\n") && head.contains("x-real-ip: hidden\r\n"),
            "{head}"
        );
        running.apply(&map.replace("blue", "green")).await;
        assert_eq!(ask(running.http(), &[("authorization", "good")]).await.0.status(), 200);
        assert!(heads.lock().unwrap()[1].contains("x-team: green foo.example\r\n"));
        running.apply(&map.replace("X-Team", "X Team")).await;
        assert_eq!(ask(running.http(), &[("authorization", "good")]).await.0.status(), 503);
    });
    with_judge(&[("auth-proxy-set-headers", "absent")], "", |running, heads| async move {
        assert_eq!(ask(running.http(), &[("authorization", "good")]).await.0.status(), 503);
        assert!(heads.lock().unwrap().is_empty());
        assert!(running.handle.report().to_string().contains("ConfigMap shop/absent does not exist"));
    });
}

#[test]
fn a_server_that_cannot_be_asked_lets_nobody_pass() {
    let rows = [
        // Nobody listens there, no such name, the machine itself where that is not allowed.
        (allowing(), "http://127.0.0.1:1/", 500),
        (allowing(), "http://no-such-name.invalid/", 500),
        (IngressConfig::default(), "http://127.0.0.1:1/", 503),
        (IngressConfig::default(), "http://localhost:1/", 503),
        (IngressConfig::default(), "http://$host/", 500),
    ];
    for (config, url, status) in rows {
        let text = ingress("foo.example", &annotation(&[("auth-url", url)]), "");
        with_server(config, &text, |running| async move {
            running.apply(&service(&[echo().await])).await;
            assert_eq!(ask(running.http(), &[]).await.0.status().as_u16(), status, "{url}");
        });
    }
}

#[test]
fn clients_do_not_choose_the_server_by_the_host_they_name() {
    let list = annotation(&[("auth-url", "http://$host/check")]);
    let any = ingress("any.example", &list, "").replace("host: any.example, ", "");
    with_server(allowing(), &any, |running| async move {
        running.apply(&service(&[echo().await])).await;
        let mut client = client(running.http()).await;
        assert_eq!(fetch(&mut client, "127.0.0.1", "/").await.0, 503);
        assert!(running.handle.report().to_string().contains("clients would choose who lets them in"));
    });
}

#[test]
fn acme_challenges_need_no_login() {
    with_server(allowing(), "", |running| async move {
        let list = annotation(&[("auth-url", "http://127.0.0.1:1/")]);
        let text =
            ingress("foo.example", &list, "").replace("path: /,", "path: /.well-known/acme-challenge/x,");
        running.apply(&(text + &service(&[echo().await]))).await;
        let mut client = client(running.http()).await;
        assert_eq!(fetch(&mut client, "foo.example", "/.well-known/acme-challenge/x").await.0, 200);
    });
}

#[test]
fn nobody_waits_for_the_body_of_an_answer() {
    with_server(allowing(), "", |running| async move {
        let slow = backend(|_, mut stream| async move {
            let _ = read_head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").await;
            // Until the router goes away.
            let _ = read_head(&mut stream).await;
        });
        let url = format!("http://{}/", slow.await);
        let text = ingress("foo.example", &annotation(&[("auth-url", &url)]), "");
        running.apply(&(text + &service(&[echo().await]))).await;
        for _ in 0..2 {
            assert_eq!(ask(running.http(), &[]).await.0.status(), 200);
        }
    });
}

#[test]
fn one_server_decides_for_all_that_name_none() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let config = IngressConfig::builder().allow_local_targets(true);
    let config = config.global_auth([("auth-url", url.as_str()), ("auth-response-headers", "X-User")]);
    let open = annotation(&[("enable-global-auth", "false")]);
    let text = ingress("foo.example", "", "") + &ingress("open.example", &open, "");
    with_server(config.build().unwrap(), &text, |running| async move {
        let listener = TcpListener::from_std(listener).unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                while let Some(head) = read_head(&mut stream).await {
                    stream.write_all(by_authorization(&head).as_bytes()).await.unwrap();
                }
            }
        });
        running.apply(&service(&[echo().await])).await;
        let (refused, _) = ask(running.http(), &[]).await;
        assert_eq!(refused.status(), 401);
        let (passed, body) = ask(running.http(), &[("authorization", "good")]).await;
        assert!(passed.status() == 200 && body.contains("x-user: jane"), "{body}");
        let mut client = client(running.http()).await;
        assert_eq!(fetch(&mut client, "open.example", "/").await.0, 200);
    });
    let wrong = IngressConfig::builder().global_auth([("auth-url", "ftp://auth.example")]).build();
    let message = wrong.unwrap_err().to_string();
    assert!(message.starts_with("global_auth auth-url does not begin with `http://`"), "{message}");
}
