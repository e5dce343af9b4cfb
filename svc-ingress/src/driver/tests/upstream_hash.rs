//! `upstream-hash-by`: requests that are alike go to the same endpoint.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// So many backends that say their number.
async fn numbered(count: usize) -> Vec<SocketAddr> {
    let mut all = Vec::new();
    for number in 0..count {
        let script = move |_, mut stream: TcpStream| async move {
            while read_head(&mut stream).await.is_some() {
                let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
                let _ = stream.write_all(reply.as_bytes()).await;
            }
        };
        all.push(backend(script).await);
    }
    all
}

/// Which backends answer requests for each path.
async fn answers(server: &Running, paths: usize) -> BTreeMap<usize, BTreeSet<String>> {
    let mut client = client(server.http()).await;
    let mut all: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for round in 0..4 {
        for path in 0..paths {
            let (status, body) = fetch(&mut client, "web.example", &format!("/{path}?round={round}")).await;
            assert_eq!(status, StatusCode::OK);
            all.entry(path).or_default().insert(body);
        }
    }
    all
}

#[test]
fn alike_requests_go_to_one_endpoint_and_stay_there_when_another_goes() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut endpoints = runtime.block_on(numbered(4));
    let by_path = "nginx.ingress.kubernetes.io/upstream-hash-by: $uri";
    let manifests = service(&endpoints) + &ingress("web.example", by_path, "");
    with_server(IngressConfig::default(), &manifests, |server| async move {
        let before = answers(&server, 40).await;
        assert!(before.values().all(|of_path| of_path.len() == 1), "{before:?}");
        let used: BTreeSet<_> = before.values().flatten().collect();
        assert_eq!(used.len(), 4, "all endpoints are used");
        let gone = endpoints.pop().unwrap();
        server.store.delete(&svc_model::ObjectRef::new(
            svc_model::Kind::EndpointSlice,
            svc_model::ObjectName::new("shop", "web-3"),
        ));
        server.apply("{kind: Namespace, apiVersion: v1, metadata: {name: other}}").await;
        let after = answers(&server, 40).await;
        let moved =
            before.iter().filter(|(path, of_path)| !of_path.contains("3") && after[path] != **of_path);
        assert_eq!(moved.count(), 0, "{gone} is gone: {before:?} {after:?}");
    });
}

#[test]
fn a_subset_shares_its_requests() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let endpoints = runtime.block_on(numbered(4));
    let subset = "nginx.ingress.kubernetes.io/upstream-hash-by: $uri, nginx.ingress.kubernetes.io/upstream-hash-by-subset: 'true', nginx.ingress.kubernetes.io/upstream-hash-by-subset-size: '2'";
    let manifests = service(&endpoints) + &ingress("web.example", subset, "");
    with_server(IngressConfig::default(), &manifests, |server| async move {
        // An odd number: turns are taken by all requests together.
        let all = answers(&server, 21).await;
        assert!(all.values().all(|of_path| of_path.len() <= 2), "{all:?}");
        assert!(all.values().any(|of_path| of_path.len() == 2), "{all:?}");
    });
}

#[test]
fn an_endpoint_that_fails_is_made_good_by_the_next() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut endpoints = runtime.block_on(numbered(1));
    endpoints.push(
        runtime.block_on(async { TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() }),
    );
    let by_path = "nginx.ingress.kubernetes.io/upstream-hash-by: $uri";
    let manifests = service(&endpoints) + &ingress("web.example", by_path, "");
    with_server(IngressConfig::default(), &manifests, |server| async move {
        assert!(answers(&server, 10).await.values().all(|of_path| of_path.len() == 1));
    });
}
