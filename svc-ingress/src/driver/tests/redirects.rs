//! Redirects by annotation, further names, and the host that backends are asked for.

use super::*;

fn annotation(list: &[(&str, &str)]) -> String {
    let lines = list.iter().map(|(key, value)| format!("nginx.ingress.kubernetes.io/{key}: '{value}'"));
    lines.collect::<Vec<_>>().join(", ")
}

async fn location(address: SocketAddr, host: &str, path: &str) -> (u16, Option<String>) {
    let reply = client(address).await.send_request(get(host, path)).await.unwrap();
    let location = reply.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    (reply.status().as_u16(), location)
}

/// Annotations, the status and the `Location`.
type Row<'a> = (&'a [(&'a str, &'a str)], u16, &'a str);

#[test]
fn a_location_is_redirected_as_a_whole() {
    let rows: [Row<'_>; 9] = [
        (&[("permanent-redirect", "https://other.example/x")], 301, "https://other.example/x"),
        (
            &[("permanent-redirect", "https://other.example"), ("permanent-redirect-code", "308")],
            308,
            "https://other.example",
        ),
        (&[("temporal-redirect", "http://other.example/")], 302, "http://other.example/"),
        (
            &[("temporal-redirect", "http://other.example/"), ("temporal-redirect-code", "307")],
            307,
            "http://other.example/",
        ),
        (
            &[("temporal-redirect", "http://t.example"), ("permanent-redirect", "http://p.example")],
            302,
            "http://t.example",
        ),
        (
            &[("permanent-redirect", "https://other.example$request_uri")],
            301,
            "https://other.example/a%20b?c=d",
        ),
        (&[("permanent-redirect", "https://$host/new$uri")], 301, "https://foo.example/new/a%20b"),
        // Before the redirect to HTTPS.
        (
            &[("force-ssl-redirect", "true"), ("permanent-redirect", "https://other.example")],
            301,
            "https://other.example",
        ),
        (&[("force-ssl-redirect", "true")], 308, "https://foo.example/a%20b?c=d"),
    ];
    for (annotations, status, to) in rows {
        let text = ingress("foo.example", &annotation(annotations), "");
        with_server(IngressConfig::default(), &text, |running| async move {
            running.apply(&service(&[echo().await])).await;
            assert!(running.handle.report().is_clean());
            assert_eq!(
                location(running.http(), "foo.example", "/a%20b?c=d").await,
                (status, Some(to.to_owned()))
            );
        });
    }
}

#[test]
fn what_is_no_redirect_is_reported_and_ignored() {
    let rows = [
        ("permanent-redirect", "other.example"),
        ("permanent-redirect", "javascript:x"),
        ("permanent-redirect", "https://other.example/$pid"),
        ("permanent-redirect", "https://other.example/ x"),
        ("temporal-redirect", "//other.example"),
        ("app-root", "https://other.example"),
        ("app-root", "/$host"),
        ("server-alias", "a b"),
        ("server-alias", "~(?=x)"),
        ("upstream-vhost", "$http_x_host"),
        ("upstream-vhost", "a/b"),
    ];
    for (key, value) in rows {
        let text = ingress("foo.example", &annotation(&[(key, value)]), "");
        with_server(IngressConfig::default(), &text, |running| async move {
            running.apply(&service(&[echo().await])).await;
            assert_eq!(location(running.http(), "foo.example", "/").await, (200, None), "{key} {value}");
            let report = running.handle.report().to_string();
            assert!(report.contains(key) && report.contains("ignored"), "{report}");
        });
    }
}

#[test]
fn the_root_of_a_host_leads_to_its_application() {
    let text =
        ingress("foo.example", &annotation(&[("app-root", "/app")]), "").replace("path: /,", "path: /app,");
    with_server(IngressConfig::default(), &text, |running| async move {
        running.apply(&service(&[echo().await])).await;
        let port = running.http().port();
        let to = Some(format!("http://foo.example:{port}/app"));
        assert_eq!(location(running.http(), &format!("foo.example:{port}"), "/").await, (302, to.clone()));
        assert_eq!(location(running.http(), &format!("foo.example:{port}"), "/?x=y").await, (302, to));
        assert_eq!(location(running.http(), "foo.example", "/app").await, (200, None));
        assert_eq!(location(running.http(), "foo.example", "/other").await, (404, None));
    });
}

#[test]
fn the_name_with_www_or_without_leads_to_the_one_that_is_served() {
    let www = [("from-to-www-redirect", "true")];
    let text =
        ingress("foo.example", &annotation(&www), "") + &ingress("www.bar.example", &annotation(&www), "");
    with_server(IngressConfig::default(), &text, |running| async move {
        running.apply(&service(&[echo().await])).await;
        let port = running.http().port();
        let to = |host: &str, rest: &str| (308, Some(format!("http://{host}:{port}{rest}")));
        assert_eq!(
            location(running.http(), "www.foo.example", "/a/b?c=d/").await,
            to("foo.example", "/a/b?c=d")
        );
        assert_eq!(location(running.http(), "www.foo.example", "/").await, to("foo.example", ""));
        assert_eq!(location(running.http(), "bar.example", "/a/").await, to("www.bar.example", "/a"));
        assert_eq!(location(running.http(), "foo.example", "/").await, (200, None));
        assert_eq!(location(running.http(), "www.bar.example", "/").await, (200, None));
        // A host of its own is served; when it goes the redirect is back.
        let own = ingress("www.foo.example", "", "").replace("name: www,", "name: own,");
        running.apply(&own).await;
        assert_eq!(location(running.http(), "www.foo.example", "/").await, (200, None));
        running.apply(&own.replace("www.foo.example", "elsewhere.example")).await;
        assert_eq!(location(running.http(), "www.foo.example", "/x").await, to("foo.example", "/x"));
        running.apply(&ingress("foo.example", "", "")).await;
        assert_eq!(location(running.http(), "www.foo.example", "/").await, (404, None));
    });
}

#[test]
fn aliases_are_served_as_the_host_is() {
    let list = [("server-alias", "alias.example, *.wild.example, ~^v[0-9]+[.]example$, other.example")];
    let text = ingress("foo.example", &annotation(&list), "")
        + &ingress("other.example", "", "").replace("name: web,", "name: absent,");
    with_server(IngressConfig::default(), &text, |running| async move {
        running.apply(&service(&[echo().await])).await;
        let rows = [
            ("foo.example", 200),
            ("alias.example", 200),
            ("ALIAS.example.", 200),
            ("a.wild.example", 200),
            ("a.b.wild.example", 404),
            ("wild.example", 404),
            ("v12.example", 200),
            ("v.example", 404),
            ("xv12.example", 404),
            // A real host is its own.
            ("other.example", 503),
        ];
        for (host, status) in rows {
            assert_eq!(location(running.http(), host, "/").await.0, status, "{host}");
        }
        running.apply(&ingress("foo.example", "", "")).await;
        assert_eq!(location(running.http(), "alias.example", "/").await.0, 404);
        assert_eq!(location(running.http(), "v12.example", "/").await.0, 404);
    });
}

#[test]
fn the_backend_is_asked_for_another_host() {
    let rows = [
        ("web.internal", "host: web.internal\r\n"),
        ("$service_name.$namespace.svc:8080", "host: web.shop.svc:8080\r\n"),
    ];
    for (value, line) in rows {
        let text = ingress("foo.example", &annotation(&[("upstream-vhost", value)]), "");
        with_server(IngressConfig::default(), &text, |running| async move {
            running.apply(&service(&[echo().await])).await;
            let (_, body) = fetch(&mut client(running.http()).await, "foo.example", "/").await;
            assert!(body.contains(line) && body.contains("x-forwarded-host: foo.example\r\n"), "{body}");
        });
    }
}
