//! Pages of another Service in place of errors.

use super::*;

const PAGES: &str = "nginx.ingress.kubernetes.io/default-backend: pages";

/// A backend that answers with the status in its path.
async fn answering() -> SocketAddr {
    backend(|_, mut stream| async move {
        while let Some(head) = read_head(&mut stream).await {
            let _ = read_body(&mut stream, &head).await;
            let code = head.split(['/', '?', ' ']).nth(2).unwrap_or("200").to_owned();
            let reply =
                format!("HTTP/1.1 {code} x\r\nWWW-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nmine");
            let _ = stream.write_all(reply.as_bytes()).await;
        }
    })
    .await
}

/// Pages that all say 200, with the request's head.
fn pages(at: SocketAddr) -> String {
    service(&[at]).replace("name: web", "name: pages").replace("service-name: web", "service-name: pages")
}

#[test]
fn listed_errors_of_a_backend_get_a_page_that_knows_what_was_asked() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (web, page) = runtime.block_on(async { (answering().await, echo().await) });
    let annotations = format!("{PAGES}, nginx.ingress.kubernetes.io/custom-http-errors: '401,404'");
    let manifests = service(&[web]) + &pages(page) + &ingress("web.example", &annotations, "");
    with_server(IngressConfig::default(), &manifests, |server| async move {
        let mut client = client(server.http()).await;
        let mut ask = async |path: &str| {
            client.ready().await.unwrap();
            let request = Request::post(path).header("host", "web.example").header("accept", "text/html");
            let request = request.header("cookie", "a=b").body(Full::from("body")).unwrap();
            client.send_request(request).await.unwrap()
        };
        let (status, page) = text(ask("/404?x=y").await).await;
        assert_eq!(status, StatusCode::OK, "the page says so");
        let wanted = [
            "GET / HTTP/1.1",
            "x-code: 404",
            "x-original-uri: /404?x=y",
            "x-namespace: shop",
            "x-ingress-name: web",
            "x-service-name: web",
            "x-service-port: 80",
            "x-format: text/html",
            "host: web.example",
        ];
        assert!(wanted.iter().all(|field| page.contains(field)) && !page.contains("cookie"), "{page}");
        assert_eq!(text(ask("/500").await).await, (StatusCode::INTERNAL_SERVER_ERROR, "mine".to_owned()));
        let denied = ask("/401").await;
        assert_eq!(denied.headers()["www-authenticate"], "Basic");
        let (status, page) = text(denied).await;
        assert!(status == StatusCode::UNAUTHORIZED && page.contains("x-code: 401"), "{status} {page}");
    });
}

#[test]
fn a_service_without_endpoints_gets_a_page_and_a_denial_never_does() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let page = runtime.block_on(echo());
    let closed = format!(
        "{PAGES}, nginx.ingress.kubernetes.io/custom-http-errors: '403,503', nginx.ingress.kubernetes.io/denylist-source-range: 127.0.0.0/8"
    );
    let manifests = service(&[])
        + &pages(page)
        + &ingress("web.example", PAGES, "")
        + &ingress("closed.example", &closed, "");
    with_server(IngressConfig::default(), &manifests, |server| async move {
        let mut client = client(server.http()).await;
        let (status, page) = fetch(&mut client, "web.example", "/a").await;
        assert!(status == StatusCode::OK && page.contains("x-code: 503"), "{status} {page}");
        let (status, own) = fetch(&mut client, "closed.example", "/").await;
        assert!(status == StatusCode::FORBIDDEN && !own.contains("x-code"), "{own}");
        server.apply(&pages("127.0.0.1:1".parse().unwrap())).await;
        assert_eq!(fetch(&mut client, "web.example", "/a").await.0, StatusCode::SERVICE_UNAVAILABLE);
    });
}
