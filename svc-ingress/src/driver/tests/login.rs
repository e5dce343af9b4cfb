use super::*;

const AUTH: &str = "nginx.ingress.kubernetes.io/auth-type: basic, nginx.ingress.kubernetes.io/auth-secret: users, nginx.ingress.kubernetes.io/auth-realm: Shop";

fn users(line: &str) -> String {
    format!(
        "---\nkind: Secret\napiVersion: v1\nmetadata: {{name: users, namespace: shop}}\nstringData: {{auth: '{line}'}}\n"
    )
}

async fn ask(client: &mut Client, login: Option<&str>) -> (Response<()>, String) {
    let mut request = Request::get("/").header("host", "foo.example");
    if let Some(login) = login {
        use base64::Engine as _;
        let encoded = base64::engine::general_purpose::STANDARD.encode(login);
        request = request.header("authorization", format!("Basic {encoded}"));
    }
    client.ready().await.unwrap();
    let response = client.send_request(request.body(Full::default()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (Response::from_parts(parts, ()), String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn a_login_is_asked_for_checked_and_kept_from_the_backend() {
    let bcrypt = bcrypt::hash("secret", 4).unwrap();
    let text = ingress("foo.example", AUTH, "") + &users(&format!("jane:{bcrypt}"));
    with_server(IngressConfig::default(), &text, |running| async move {
        running.apply(&service(&[echo().await])).await;
        let mut client = client(running.http()).await;
        for login in [None, Some("jane:wrong"), Some("john:secret"), Some("jane"), Some(":")] {
            let (response, _) = ask(&mut client, login).await;
            assert_eq!(response.status(), 401, "{login:?}");
            assert_eq!(response.headers()["www-authenticate"], "Basic realm=\"Shop\"");
        }
        for _ in 0..3 {
            let (response, body) = ask(&mut client, Some("jane:secret")).await;
            assert_eq!(response.status(), 200);
            assert!(!body.to_ascii_lowercase().contains("authorization"), "{body}");
        }
        running.apply(&users("jane:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=")).await;
        assert_eq!(ask(&mut client, Some("jane:secret")).await.0.status(), 401);
        assert_eq!(ask(&mut client, Some("jane:password")).await.0.status(), 200);
    });
}

#[test]
fn without_usable_users_only_that_location_is_closed() {
    let text = ingress("foo.example", AUTH, "") + &ingress("bar.example", "", "");
    with_server(IngressConfig::default(), &text, |running| async move {
        running.apply(&service(&[echo().await])).await;
        let mut client = client(running.http()).await;
        assert_eq!(ask(&mut client, Some("jane:secret")).await.0.status(), 503);
        assert_eq!(fetch(&mut client, "bar.example", "/").await.0, 200);
        for useless in ["jane:plaintext", "", "no colon"] {
            running.apply(&users(useless)).await;
            assert_eq!(ask(&mut client, Some("jane:plaintext")).await.0.status(), 503, "{useless}");
        }
        let report = running.handle.report().to_string();
        assert!(report.contains("Ingress shop/foo: metadata.annotations[nginx.ingress.kubernetes.io/auth-secret]: Secret shop/users"), "{report}");
        running.apply(&users("jane:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=")).await;
        assert_eq!(ask(&mut client, Some("jane:password")).await.0.status(), 200);
    });
}

#[test]
fn other_addresses_are_refused() {
    let range = |list: &str| {
        ingress("foo.example", &format!("nginx.ingress.kubernetes.io/whitelist-source-range: {list}"), "")
    };
    with_server(IngressConfig::default(), &range("10.0.0.0/8"), |running| async move {
        running.apply(&service(&[echo().await])).await;
        let mut client = client(running.http()).await;
        assert_eq!(fetch(&mut client, "foo.example", "/").await.0, 403);
        running.apply(&range("127.0.0.0/8")).await;
        assert_eq!(fetch(&mut client, "foo.example", "/").await.0, 200);
    });
}
