use super::tls::{certificate, tls, unverified};
use super::*;
use crate::explain::{Explanation, Question};

/// Two Ingresses of one host; the annotations are of the older one.
fn objects(annotations: &str, more: &str) -> String {
    let (_, secret) = certificate("foo-tls", &["foo.example", "open.example"]);
    let older = "nginx.ingress.kubernetes.io/ssl-redirect: \"false\", ".to_owned() + annotations;
    let younger = ingress("foo.example", "", &tls("foo.example", "foo-tls"));
    let younger =
        younger.replace("{name: foo,", "{name: younger, creationTimestamp: '2026-02-02T00:00:00Z',");
    let younger = younger.replace("path: /,", "path: /younger,");
    let older = ingress("foo.example", &older, &tls("foo.example", "foo-tls"));
    let older = older.replace("{name: foo,", "{name: foo, creationTimestamp: '2026-01-01T00:00:00Z',");
    older + &younger + &ingress("open.example", "", &tls("open.example", "foo-tls")) + &secret + more
}

async fn status(running: &Running, host: &'static str, path: &str) -> u16 {
    let stream = TcpStream::connect(running.https()).await.unwrap();
    let mut client = client_over(unverified(stream, host).await).await;
    fetch(&mut client, host, path).await.0.as_u16()
}

#[test]
fn a_host_whose_authorities_cannot_be_had_is_closed_and_no_other() {
    let (authority, _) = certificate("unused", &["authority"]);
    drop(authority);
    let key = |key: &str, value: &str| format!("nginx.ingress.kubernetes.io/{key}: \"{value}\"");
    let secret = |data: &str| {
        format!(
            "---\nkind: Secret\napiVersion: v1\nmetadata: {{name: authority, namespace: shop}}\nstringData: {{{data}}}\n"
        )
    };
    let named = key("auth-tls-secret", "shop/authority");
    let rows = [
        (named.clone(), String::new(), "Secret shop/authority does not exist"),
        (named.clone(), secret("ca.pem: x"), "Secret shop/authority has no `ca.crt`"),
        (named.clone(), secret("ca.crt: x"), "Secret shop/authority `ca.crt` is not PEM"),
        (key("auth-tls-secret", "other/authority"), String::new(), "is in namespace other"),
        (key("auth-tls-verify-client", "on"), String::new(), "needs auth-tls-secret"),
        (named.clone() + ", " + &key("auth-tls-match-cn", "shop"), String::new(), "is not `CN=`"),
        (named + ", " + &key("auth-tls-error-page", "/page"), String::new(), "is not a URL"),
    ];
    for (annotations, more, message) in rows {
        let text = objects(&annotations, &more);
        with_server(IngressConfig::default(), &text, |running| async move {
            running.apply(&service(&[echo().await])).await;
            let report = running.handle.report().to_string();
            assert!(report.contains(message) && report.contains("answered 503"), "{report}");
            assert_eq!(status(&running, "foo.example", "/").await, 503, "{message}");
            assert_eq!(status(&running, "foo.example", "/younger").await, 503, "{message}");
            assert_eq!(status(&running, "open.example", "/").await, 200, "{message}");
            let plain = get("foo.example", "/");
            let reply = client(running.http()).await.send_request(plain).await.unwrap();
            assert_eq!(reply.status(), 503, "{message}");
        });
    }
}

#[test]
fn the_older_ingress_of_a_host_says_which_certificates_are_shown() {
    let issued = rcgen::generate_simple_self_signed(["authority".to_owned()]).unwrap();
    let pem: String = issued.cert.pem().lines().map(|line| format!("    {line}\n")).collect();
    let secret = format!(
        "---\nkind: Secret\napiVersion: v1\nmetadata: {{name: authority, namespace: shop}}\nstringData:\n  ca.crt: |\n{pem}"
    );
    let asked = "nginx.ingress.kubernetes.io/auth-tls-secret: authority";
    let text = objects(asked, &secret);
    let other = text.replacen("annotations: {}", "annotations: {nginx.ingress.kubernetes.io/auth-tls-secret: authority, nginx.ingress.kubernetes.io/auth-tls-verify-client: 'off'}", 1);
    assert_ne!(text, other);
    with_server(IngressConfig::default(), &other, |running| async move {
        running.apply(&service(&[echo().await])).await;
        let report = running.handle.report().to_string();
        assert!(report.contains("Ingress shop/younger: metadata.annotations[nginx.ingress.kubernetes.io/auth-tls-secret]: is ignored for foo.example: its older Ingress shop/foo says which certificates clients show"), "{report}");
        for path in ["/", "/younger", "/nowhere"] {
            assert_eq!(status(&running, "foo.example", path).await, 400);
        }
        assert_eq!(status(&running, "open.example", "/").await, 200);
        let request = Request::get("https://foo.example/").body(()).unwrap();
        let plain = Question::new(&request, "192.0.2.1".parse().unwrap());
        let explained = |question| Explanation::new(&running.handle.table(), &question).to_string();
        let refused = "answer    400: the client has shown no certificate: nobody can over plain HTTP\n";
        assert!(explained(plain.clone()).ends_with(refused), "{}", explained(plain));
        let condition = "if        the client has shown a certificate by Secret shop/authority, else 400\n";
        assert!(explained(plain.clone().over_tls()).contains(condition), "{}", explained(plain.over_tls()));
    });
}
