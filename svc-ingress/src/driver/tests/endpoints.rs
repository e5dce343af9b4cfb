use super::*;

#[test]
fn endpoints_take_turns() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        let named = |name: &'static str| {
            backend(move |_, mut stream| async move {
                while read_head(&mut stream).await.is_some() {
                    let _ = stream
                        .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{name}").as_bytes())
                        .await;
                }
            })
        };
        running.apply(&service(&[named("a").await, named("b").await])).await;
        let mut client = client(running.http()).await;
        let mut seen = String::new();
        for _ in 0..6 {
            seen.push_str(&fetch(&mut client, "foo.example", "/").await.1);
        }
        assert!(seen == "ababab" || seen == "bababa", "{seen}");
    });
}

#[test]
fn an_endpoint_that_cannot_be_reached_or_breaks_off_fails_no_request() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        let refused = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let broken = backend(|_, mut stream| async move {
            let _ = read_head(&mut stream).await;
        })
        .await;
        running.apply(&service(&[refused, broken, echo().await])).await;
        let mut client = client(running.http()).await;
        for _ in 0..6 {
            assert_eq!(fetch(&mut client, "foo.example", "/").await.0, 200);
        }
        // A POST is not sent twice, but may go to another endpoint where no connection was made.
        let mut failures = 0;
        for _ in 0..6 {
            client.ready().await.unwrap();
            let post = Request::post("/").header("host", "foo.example").body(Full::from("x")).unwrap();
            failures += usize::from(client.send_request(post).await.unwrap().status() == 502);
        }
        assert!((2..=4).contains(&failures), "{failures}");
    });
}

#[test]
fn a_pooled_connection_that_was_closed_is_not_noticed() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        let once = backend(|number, mut stream| async move {
            let _ = read_head(&mut stream).await;
            let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
            let _ = stream.write_all(reply.as_bytes()).await;
            // Takes the next request, and goes without an answer.
            let _ = read_head(&mut stream).await;
        })
        .await;
        running.apply(&service(&[once])).await;
        let mut client = client(running.http()).await;
        for number in 0..3 {
            let body = fetch(&mut client, "foo.example", "/").await.1;
            assert_eq!(body, number.to_string());
        }
    });
}

#[test]
fn a_post_is_never_sent_on_a_connection_that_has_ended() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        let once = backend(|number, mut stream| async move {
            let head = read_head(&mut stream).await.unwrap();
            read_body(&mut stream, &head).await;
            let reply = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
            let _ = stream.write_all(reply.as_bytes()).await;
        })
        .await;
        running.apply(&service(&[once])).await;
        let mut client = client(running.http()).await;
        for number in 0..5 {
            client.ready().await.unwrap();
            let post = Request::post("/").header("host", "foo.example").body(Full::from("x")).unwrap();
            let (status, body) = text(client.send_request(post).await.unwrap()).await;
            assert_eq!((status.as_u16(), body), (200, number.to_string()));
        }
    });
}

#[test]
fn endpoints_change_under_load_without_a_failed_request() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        let first = echo().await;
        running.apply(&service(&[first])).await;
        let address = running.http();
        let load = (0..8).map(|_| {
            tokio::spawn(async move {
                let mut client = client(address).await;
                for _ in 0..100 {
                    assert_eq!(fetch(&mut client, "foo.example", "/").await.0, 200);
                }
            })
        });
        let load: Vec<_> = load.collect();
        for _ in 0..20 {
            // The old endpoint vanishes with its connections as the new one comes.
            let (mortal, kill) = mortal().await;
            running.apply(&service(&[mortal])).await;
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            running.apply(&service(&[first])).await;
            kill.abort();
        }
        for client in load {
            client.await.unwrap();
        }
    });
}

/// An endpoint whose listener and connections all end at once when its task is aborted.
async fn mortal() -> (SocketAddr, tokio::task::AbortHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            connections.spawn(async move {
                while read_head(&mut stream).await.is_some() {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
                }
            });
        }
    });
    (address, task.abort_handle())
}

#[test]
fn a_connection_outlives_every_change_of_the_table() {
    with_server(IngressConfig::default(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[echo().await])).await;
        let mut client = client(running.http()).await;
        for number in 0..5 {
            assert_eq!(fetch(&mut client, "foo.example", "/").await.0, 200);
            let host = format!("host{number}.example");
            running.apply(&ingress(&host, "", "")).await;
            assert_eq!(fetch(&mut client, &host, "/").await.0, 200);
        }
        assert!(running.handle.report().is_clean());
    });
}

#[test]
fn fake_endpoints_need_no_socket() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let network = crate::fake::Network::new();
        let endpoint = "10.1.2.3:80".parse().unwrap();
        let mut listener = network.listen(endpoint);
        let store = Store::new();
        store.apply(objects(&format!("{CLASS}{}{}", ingress("foo.example", "", ""), service(&[endpoint]))));
        let server = Server::builder().http("127.0.0.1:0").connect(network).build().unwrap();
        let (handle, run) = server.drive(store.watch());
        tokio::spawn(run);
        tokio::spawn(async move {
            let mut stream = listener.accept().await.unwrap();
            let _ = read_head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nto the end").await;
        });
        let address = handle.ready().await.unwrap().http()[0];
        let reply = fetch(&mut client(address).await, "foo.example", "/").await;
        assert_eq!(reply, (StatusCode::OK, "to the end".to_owned()));
    });
}

#[test]
fn dropping_the_handle_answers_what_is_under_way_and_ends() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = Store::new();
        let (asked, is_asked) = tokio::sync::oneshot::channel::<()>();
        let (answer, may_answer) = tokio::sync::oneshot::channel::<()>();
        let once = std::sync::Mutex::new(Some((asked, may_answer)));
        let slow = backend(move |_, mut stream| {
            let once = once.lock().unwrap().take();
            async move {
                let (asked, may_answer) = once.unwrap();
                let _ = read_head(&mut stream).await;
                asked.send(()).unwrap();
                may_answer.await.unwrap();
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate").await;
            }
        })
        .await;
        store.apply(objects(&format!("{CLASS}{}{}", ingress("foo.example", "", ""), service(&[slow]))));
        let server = Server::builder().http("127.0.0.1:0").build().unwrap();
        let (handle, run) = server.drive(store.watch());
        let run = tokio::spawn(run);
        let address = handle.ready().await.unwrap().http()[0];
        let mut client = client(address).await;
        let request = tokio::spawn(async move { fetch(&mut client, "foo.example", "/").await });
        is_asked.await.unwrap();
        drop(handle);
        answer.send(()).unwrap();
        assert_eq!(request.await.unwrap().1, "late");
        run.await.unwrap().unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    });
}

#[test]
fn an_address_in_use_is_named() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let holder = std::net::TcpListener::bind(taken).unwrap();
        let server = Server::builder().http(taken).build().unwrap();
        let (handle, run) = server.drive(Store::new().watch());
        let error = run.await.unwrap_err();
        assert!(error.is_in_use() && error.to_string().contains(&taken.to_string()), "{error}");
        assert!(handle.ready().await.is_err());
        drop(holder);
        assert!(Server::builder().build().is_err() && Server::builder().http("nonsense").build().is_err());
    });
}

#[test]
fn a_listening_socket_outlives_its_server() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let store = Store::new();
        store.apply(objects(&format!(
            "{CLASS}{}{}",
            ingress("foo.example", "", ""),
            service(&[echo().await])
        )));
        for _ in 0..2 {
            // Connected before anybody serves: the socket's owner keeps it open.
            let early = TcpStream::connect(address).await.unwrap();
            let server = Server::builder().http(socket.try_clone().unwrap()).build().unwrap();
            let (handle, run) = server.drive(store.watch());
            let run = tokio::spawn(run);
            let mut client = client_over(early).await;
            assert_eq!(fetch(&mut client, "foo.example", "/").await.0, 200);
            drop((client, handle));
            run.await.unwrap().unwrap();
        }
    });
}

/// A Service `web` of this name instead of endpoints.
fn external(name: &str) -> String {
    format!(
        "---\nkind: Service\napiVersion: v1\nmetadata: {{name: web, namespace: shop}}\nspec: {{type: ExternalName, externalName: {name}}}\n"
    )
}

#[test]
fn a_service_of_a_name_is_asked_at_the_addresses_of_that_name() {
    for (local, name, status) in [
        (true, "localhost", 200),
        (true, "127.0.0.1", 200),
        (false, "localhost", 503),
        (false, "127.0.0.1", 503),
        (true, "no-such-name.invalid", 503),
    ] {
        let config = IngressConfig::builder().allow_local_targets(local).build().unwrap();
        with_server(config, "", |running| async move {
            let backend = echo().await;
            let port = format!("number: {}", backend.port());
            let rule = ingress("foo.example", "", "").replace("number: 80", &port);
            running.apply(&(rule + &external(name))).await;
            let mut client = client(running.http()).await;
            for _ in 0..2 {
                let (found, body) = fetch(&mut client, "foo.example", "/").await;
                assert_eq!(found, status, "{local} {name}");
                // The client's own, as with every other Service.
                assert_eq!(body.contains("host: foo.example\r\n"), status == 200, "{body}");
            }
            // A Service with endpoints takes its place.
            running
                .apply(&service(&[backend]).replace("port: 80", &format!("port: {}", backend.port())))
                .await;
            assert_eq!(fetch(&mut client, "foo.example", "/").await.0, 200);
        });
    }
}
