//! What load balancers and proxies in front say of the client.

use super::*;

fn behind_balancer() -> IngressConfig {
    IngressConfig::builder().clients(Clients::default().with_proxy_protocol(true)).build().unwrap()
}

const GET: &str = "GET / HTTP/1.1\r\nHost: foo.example\r\nConnection: close\r\n\r\n";

#[test]
fn a_proxy_protocol_header_names_the_client() {
    with_server(behind_balancer(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[echo().await])).await;
        let line = "PROXY TCP4 192.0.2.7 198.51.100.1 41000 443\r\n";
        let binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\xa0\x28\x01\xbb";
        for header in [line.as_bytes(), binary] {
            let reply = raw(running.http(), &[header, GET.as_bytes()].concat()).await;
            let told = [
                "x-forwarded-for: 192.0.2.7\r\n",
                "x-real-ip: 192.0.2.7\r\n",
                "x-forwarded-port: 443\r\n",
                // TLS ended in the load balancer.
                "x-forwarded-proto: https\r\n",
            ];
            for field in told {
                assert!(reply.contains(field), "{field} in {reply}");
            }
        }
        let unknown = raw(running.http(), format!("PROXY UNKNOWN\r\n{GET}").as_bytes()).await;
        assert!(unknown.contains("x-forwarded-for: 127.0.0.1\r\n"), "{unknown}");
        assert!(unknown.contains("x-forwarded-proto: http\r\n"), "{unknown}");
    });
}

#[test]
fn a_connection_without_the_header_is_dropped() {
    with_server(behind_balancer(), &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[echo().await])).await;
        for bytes in [GET, "PROXY TCP4 nonsense\r\n", "\r\n\r\n\0\r\nQUIT\nxxxxxxxx"] {
            assert_eq!(raw(running.http(), bytes.as_bytes()).await, "", "{bytes:?}");
            assert_eq!(raw(running.https(), bytes.as_bytes()).await, "", "{bytes:?}");
        }
    });
}

#[test]
fn the_header_comes_before_tls_and_byte_by_byte() {
    let config = behind_balancer();
    with_server(config, &ingress("foo.example", "", ""), |running| async move {
        running.apply(&service(&[echo().await])).await;
        let mut stream = TcpStream::connect(running.http()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for byte in format!("PROXY TCP6 2001:db8::7 ::1 1 80\r\n{GET}").as_bytes() {
            stream.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        assert!(reply.contains("x-forwarded-for: 2001:db8::7\r\n"), "{reply}");
        let mut stream = TcpStream::connect(running.https()).await.unwrap();
        stream.write_all(b"PROXY TCP4 192.0.2.7 198.51.100.1 41000 8443\r\n").await.unwrap();
        let stream = super::tls::unverified(stream, "foo.example").await;
        let (_, body) = fetch(&mut client_over(stream).await, "foo.example", "/").await;
        assert!(body.contains("x-forwarded-for: 192.0.2.7\r\n"), "{body}");
        assert!(body.contains("x-forwarded-proto: https\r\n"), "{body}");
    });
}

fn trusting(network: &str, full: bool) -> IngressConfig {
    let clients = Clients::default().with_trusted(network.parse().unwrap()).with_full_forwarded_for(full);
    IngressConfig::builder().clients(clients).build().unwrap()
}

#[test]
fn forwarded_fields_are_believed_from_trusted_proxies_only() {
    let fields = "X-Forwarded-For: 203.0.113.9, 127.0.0.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: shop.example:8443, x\r\nX-Forwarded-Port: 8443\r\n";
    let request = format!("GET / HTTP/1.1\r\nHost: foo.example\r\n{fields}Connection: close\r\n\r\n");
    let believed = [
        "host: shop.example:8443\r\n",
        "x-forwarded-for: 203.0.113.9\r\n",
        "x-real-ip: 203.0.113.9\r\n",
        "x-forwarded-proto: https\r\n",
        "x-forwarded-port: 8443\r\n",
        "x-forwarded-host: shop.example:8443\r\n",
    ];
    let refused = ["host: foo.example\r\n", "x-forwarded-for: 127.0.0.1\r\n", "x-forwarded-proto: http\r\n"];
    let full = ["x-forwarded-for: 203.0.113.9, 127.0.0.9, 127.0.0.1\r\n", "x-real-ip: 203.0.113.9\r\n"];
    let rows = [
        (trusting("127.0.0.0/8", false), &believed[..]),
        (trusting("10.0.0.0/8", false), &refused[..]),
        (trusting("127.0.0.0/8", true), &full[..]),
    ];
    for (config, told) in rows {
        let request = request.clone();
        with_server(config, &ingress("foo.example", "", ""), |running| async move {
            running.apply(&service(&[echo().await])).await;
            let reply = raw(running.http(), request.as_bytes()).await;
            for field in told {
                assert!(reply.contains(field), "{field} in {reply}");
            }
            assert!(reply.contains("x-original-forwarded-for: 203.0.113.9, 127.0.0.9\r\n"), "{reply}");
        });
    }
}

#[test]
fn a_backend_is_told_the_prefix_of_a_path_that_is_rewritten_and_no_other() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let at = runtime.block_on(echo());
    let prefix = "nginx.ingress.kubernetes.io/x-forwarded-prefix: /shop";
    let rewritten = format!("{prefix}, nginx.ingress.kubernetes.io/rewrite-target: /new");
    let manifests =
        service(&[at]) + &ingress("plain.example", prefix, "") + &ingress("new.example", &rewritten, "");
    with_server(IngressConfig::default(), &manifests, |server| async move {
        let mut client = client(server.http()).await;
        let (_, head) = fetch(&mut client, "new.example", "/").await;
        assert!(head.contains("GET /new ") && head.contains("x-forwarded-prefix: /shop\r\n"), "{head}");
        let (_, head) = fetch(&mut client, "plain.example", "/").await;
        assert!(!head.contains("x-forwarded-prefix"), "{head}");
    });
}
