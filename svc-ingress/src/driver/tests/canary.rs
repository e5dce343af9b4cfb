//! canary and affinity: which pool, and which endpoint.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn annotation(list: &[(&str, &str)]) -> String {
    let lines = list.iter().map(|(key, value)| format!("nginx.ingress.kubernetes.io/{key}: '{value}'"));
    lines.collect::<Vec<_>>().join(", ")
}

/// A backend that says its name.
async fn named(name: &'static str) -> SocketAddr {
    backend(move |_, mut stream| async move {
        while read_head(&mut stream).await.is_some() {
            let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len());
            let _ = stream.write_all(reply.as_bytes()).await;
        }
    })
    .await
}

/// The main Ingress, and a canary of it to Service `next`.
fn main_and_canary(main: &[(&str, &str)], canary: &[(&str, &str)]) -> String {
    let canary = annotation(&[&[("canary", "true")], canary].concat());
    let canary = ingress("foo.example", &canary, "").replace("name: foo,", "name: next,");
    ingress("foo.example", &annotation(main), "")
        + &canary.replace("service: {name: web", "service: {name: next")
}

fn next(endpoints: &[SocketAddr]) -> String {
    service(endpoints).replace("name: web", "name: next").replace("service-name: web", "service-name: next")
}

/// The body, and the cookie that was set, as `name=value`.
async fn ask(address: SocketAddr, fields: &[(&str, &str)]) -> (String, Option<String>) {
    let mut request = Request::get("/").header("host", "foo.example");
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let reply = client(address).await.send_request(request.body(Full::default()).unwrap()).await.unwrap();
    let cookie = reply.headers().get("set-cookie").map(|cookie| cookie.to_str().unwrap().to_owned());
    let cookie = cookie.map(|cookie| cookie.split(';').next().unwrap().to_owned());
    (text(reply).await.1, cookie)
}

async fn main_or_next(address: SocketAddr, fields: &[(&str, &str)]) -> String {
    ask(address, fields).await.0
}

type Row<'a> = (&'a [(&'a str, &'a str)], &'a [(&'a str, &'a str)], &'a str);

#[test]
fn headers_decide_before_cookies_and_cookies_before_the_lot() {
    let header: &[(&str, &str)] =
        &[("canary-by-header", "X-Next"), ("canary-by-cookie", "next"), ("canary-weight", "100")];
    let value: &[(&str, &str)] = &[
        ("canary-by-header", "X-Next"),
        ("canary-by-header-value", "yes"),
        ("canary-by-header-pattern", "never"),
    ];
    let pattern: &[(&str, &str)] = &[
        ("canary-by-header", "X_Next"),
        ("canary-by-header-pattern", "v[0-9]+"),
        ("canary-by-cookie", "next"),
    ];
    let rows: [Row<'_>; 18] = [
        (header, &[], "next"),
        (header, &[("x-next", "never")], "main"),
        (header, &[("x-next", "always"), ("cookie", "next=never")], "next"),
        (header, &[("x-next", "perhaps"), ("cookie", "next=never")], "main"),
        (header, &[("cookie", "next=never")], "main"),
        (header, &[("cookie", "NEXT=never")], "main"),
        (header, &[("cookie", "next=perhaps")], "next"),
        (&[("canary-by-cookie", "next")], &[("cookie", "a=b; next=always")], "next"),
        (&[("canary-by-cookie", "next")], &[], "main"),
        (value, &[("x-next", "yes")], "next"),
        (value, &[("x-next", "always")], "main"),
        (value, &[("x-next", "never")], "main"),
        (pattern, &[("x-next", "abc-v12")], "next"),
        (pattern, &[("x-next", "v")], "main"),
        (pattern, &[("x-next", "v"), ("cookie", "next=always")], "next"),
        (&[("canary-weight", "0")], &[], "main"),
        (&[("canary-weight", "100")], &[], "next"),
        // A total below 100 is none.
        (&[("canary-weight", "100"), ("canary-weight-total", "50")], &[], "next"),
    ];
    for (annotations, fields, expected) in rows {
        with_server(IngressConfig::default(), &main_and_canary(&[], annotations), |running| async move {
            running.apply(&(service(&[named("main").await]) + &next(&[named("next").await]))).await;
            assert!(running.handle.report().is_clean(), "{}", running.handle.report());
            assert_eq!(main_or_next(running.http(), fields).await, expected, "{annotations:?} {fields:?}");
        });
    }
}

#[test]
fn an_expression_that_is_none_ends_the_search() {
    let broken: &[(&str, &str)] = &[
        ("canary-by-header", "X-Next"),
        ("canary-by-header-pattern", "(?=v)"),
        ("canary-by-cookie", "next"),
    ];
    with_server(IngressConfig::default(), &main_and_canary(&[], broken), |running| async move {
        running.apply(&(service(&[named("main").await]) + &next(&[named("next").await]))).await;
        assert!(running.handle.report().to_string().contains("canary-by-header-pattern"));
        let cookie = ("cookie", "next=always");
        assert_eq!(main_or_next(running.http(), &[("x-next", "v"), cookie]).await, "main");
        assert_eq!(main_or_next(running.http(), &[cookie]).await, "next");
    });
}

#[test]
fn a_share_of_requests_goes_by_lot() {
    let quarter: &[(&str, &str)] = &[("canary-weight", "250"), ("canary-weight-total", "1000")];
    with_server(IngressConfig::default(), &main_and_canary(&[], quarter), |running| async move {
        running.apply(&(service(&[named("main").await]) + &next(&[named("next").await]))).await;
        let mut client = client(running.http()).await;
        let mut count = 0;
        for _ in 0..800 {
            count += usize::from(fetch(&mut client, "foo.example", "/").await.1 == "next");
        }
        // Six standard deviations around 200.
        assert!((126..=274).contains(&count), "{count}");
    });
}

#[test]
fn a_canary_serves_nothing_of_its_own() {
    let always: &[(&str, &str)] = &[("canary-weight", "100")];
    let other = ingress("bar.example", &annotation(&[("canary", "true"), ("canary-weight", "100")]), "");
    let wild = ingress("*.wild.example", "", "")
        .replace("name: *,", "name: wild,")
        .replace("host: *", "host: \"*")
        .replace("wild.example,", "wild.example\",");
    let under = ingress("a.wild.example", &annotation(&[("canary", "true")]), "");
    let text = main_and_canary(&[], always) + &other + &wild + &under;
    with_server(IngressConfig::default(), &text, |running| async move {
        running.apply(&(service(&[named("main").await]) + &next(&[named("next").await]))).await;
        let mut client = client(running.http()).await;
        assert_eq!(fetch(&mut client, "bar.example", "/").await.0, 404);
        assert_eq!(fetch(&mut client, "a.wild.example", "/").await.1, "main");
        let report = running.handle.report().to_string();
        assert!(
            report.contains("Ingress shop/bar: spec.rules[0].http.paths[0].path: `/` is of a canary"),
            "{report}"
        );
        // Without endpoints it takes nothing; without the main Ingress it is nothing.
        running.apply(&next(&[]).replace("endpoints: []", "")).await;
        assert_eq!(fetch(&mut client, "foo.example", "/").await.0, 200);
    });
}

#[test]
fn canaries_come_and_go_with_their_objects() {
    let always: &[(&str, &str)] = &[("canary-weight", "100")];
    with_server(IngressConfig::default(), &main_and_canary(&[], always), |running| async move {
        running.apply(&(service(&[named("main").await]) + &next(&[named("next").await]))).await;
        assert_eq!(main_or_next(running.http(), &[]).await, "next");
        running.apply(&main_and_canary(&[], &[("canary-weight", "0")])).await;
        assert_eq!(main_or_next(running.http(), &[]).await, "main");
        running.apply(&main_and_canary(&[], always)).await;
        assert_eq!(main_or_next(running.http(), &[]).await, "next");
        running.apply(&(service(&[named("newer").await]) + &next(&[named("newest").await]))).await;
        let names: BTreeSet<String> = [main_or_next(running.http(), &[]).await].into();
        assert!(names.iter().all(|name| name.starts_with("newest") || name == "next"), "{names:?}");
    });
}

const COOKIE: (&str, &str) = ("affinity", "cookie");

#[test]
fn a_client_stays_with_its_endpoint() {
    for mode in ["balanced", "persistent"] {
        let text = ingress("foo.example", &annotation(&[COOKIE, ("affinity-mode", mode)]), "");
        with_server(IngressConfig::default(), &text, |running| async move {
            let endpoints = [named("a").await, named("b").await, named("c").await];
            running.apply(&service(&endpoints)).await;
            let mut sessions = BTreeMap::new();
            for _ in 0..40 {
                let (name, cookie) = ask(running.http(), &[]).await;
                sessions.insert(cookie.unwrap(), name);
            }
            let names: BTreeSet<_> = sessions.values().cloned().collect();
            assert_eq!(names.len(), 3, "every endpoint has sessions");
            for (cookie, name) in &sessions {
                let answer = ask(running.http(), &[("cookie", cookie)]).await;
                assert_eq!(answer, (name.clone(), None), "and no cookie is set again");
            }
            // One endpoint goes: its sessions begin anew, those of others stay.
            running.apply(&service(&endpoints[..2])).await;
            let reach = sessions.iter().filter(|(_, name)| *name != "c");
            for (cookie, name) in reach {
                assert_eq!(ask(running.http(), &[("cookie", cookie)]).await, (name.clone(), None), "{mode}");
            }
        });
    }
}

#[test]
fn a_session_leaves_an_endpoint_that_fails_only_if_it_is_to() {
    for (change, status) in [("false", 502), ("true", 200)] {
        let list = [COOKIE, ("affinity-mode", "persistent"), ("session-cookie-change-on-failure", change)];
        let text = ingress("foo.example", &annotation(&list), "");
        with_server(IngressConfig::default(), &text, |running| async move {
            let (kept, dead) = (named("a").await, TcpListener::bind("127.0.0.1:0").await.unwrap());
            let gone = dead.local_addr().unwrap();
            drop(dead);
            running.apply(&service(&[kept, gone])).await;
            // What the router would have set for it; `shop-web-80` is the pool.
            let pool = crate::session::pool_digest("shop-web-80");
            let key = {
                use md5::{Digest as _, Md5};
                let digest = Md5::digest(format!("shop-web-80{gone}"));
                digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
            };
            let cookie = format!("INGRESSCOOKIE={key}|{pool}");
            let request = Request::get("/").header("host", "foo.example").header("cookie", cookie);
            let reply = client(running.http())
                .await
                .send_request(request.body(Full::default()).unwrap())
                .await
                .unwrap();
            assert_eq!(reply.status().as_u16(), status);
            assert_eq!(reply.headers().contains_key("set-cookie"), status == 200, "{change}");
        });
    }
}

#[test]
fn sessions_and_canaries_decide_together() {
    let always: &[(&str, &str)] = &[("canary-by-header", "X-Next")];
    let fields =
        |cookie: &str, word: &'static str| [("cookie", cookie.to_owned()), ("x-next", word.to_owned())];
    with_server(IngressConfig::default(), &main_and_canary(&[COOKIE], always), |running| async move {
        running.apply(&(service(&[named("main").await]) + &next(&[named("next").await]))).await;
        let (name, of_main) = ask(running.http(), &[]).await;
        assert_eq!(name, "main");
        let (name, of_next) = ask(running.http(), &[("x-next", "always")]).await;
        assert_eq!(name, "next");
        for (cookie, word, expected) in [(&of_main, "always", "main"), (&of_next, "never", "next")] {
            let fields = fields(cookie.as_deref().unwrap(), word);
            let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            assert_eq!(ask(running.http(), &fields).await, (expected.to_owned(), None), "{word}");
        }
    });
    let legacy: &[(&str, &str)] = &[("canary-by-header", "X-Next"), ("affinity-canary-behavior", "legacy")];
    with_server(IngressConfig::default(), &main_and_canary(&[COOKIE], legacy), |running| async move {
        running.apply(&(service(&[named("main").await]) + &next(&[named("next").await]))).await;
        assert_eq!(ask(running.http(), &[("x-next", "always")]).await, ("next".to_owned(), None));
        let (_, of_main) = ask(running.http(), &[]).await;
        assert!(of_main.is_some());
    });
}
