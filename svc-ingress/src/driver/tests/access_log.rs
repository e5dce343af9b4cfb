//! The access log of a server: what its lines say of requests that were made.

use super::*;
use crate::access_log::AccessLog;

/// The lines of a server that has answered the requests of a test and has ended.
fn lines<F: Future<Output = ()>>(text: &str, test: impl FnOnce(SocketAddr) -> F) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (log, mut lines) = AccessLog::new().channel();
    runtime.block_on(async {
        let store = Store::new();
        store.apply(objects(&format!("{CLASS}{text}")));
        let server = Server::builder().http("127.0.0.1:0").access_log(log).build().unwrap();
        let (handle, run) = server.drive(store.watch());
        let test = async {
            let bound = handle.ready().await.unwrap();
            test(bound.http()[0]).await;
            drop(handle);
        };
        let (served, ()) = tokio::join!(run, test);
        served.unwrap();
    });
    drop(runtime);
    let mut text = Vec::new();
    while let Some(more) = lines.blocking_next() {
        text.extend(more);
    }
    String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
}

/// A line without its times.
fn timeless(line: &str) -> String {
    let (before, rest) = line.split_once('[').unwrap();
    let (_, rest) = rest.split_once(']').unwrap();
    let is_time = |word: &str| {
        word.trim_end_matches(',')
            .split_once('.')
            .is_some_and(|(_, part)| part.len() == 3 && part.parse::<u16>().is_ok())
    };
    let words: Vec<_> = rest.split(' ').filter(|word| !is_time(word)).collect();
    format!("{before}[]{}", words.join(" "))
}

#[test]
fn a_line_tells_who_asked_for_what_and_who_answered() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let answering = runtime.block_on(echo());
    let refusing =
        runtime.block_on(async { TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() });
    let silent = ingress("silent.example", "nginx.ingress.kubernetes.io/enable-access-log: 'false'", "");
    let denied =
        ingress("denied.example", "nginx.ingress.kubernetes.io/denylist-source-range: 127.0.0.0/8", "");
    let manifests = service(&[refusing, answering]) + &ingress("web.example", "", "") + &silent + &denied;
    let lines = lines(&manifests, async |address| {
        for host in ["silent.example", "denied.example", "none.example"] {
            fetch(&mut client(address).await, host, "/").await;
        }
        // Turns are taken: one of two at least begins with the endpoint that refuses.
        for id in ["one", "two"] {
            let request = Request::get("/a?b=c").header("host", "web.example").header("x-request-id", id);
            let request = request.header("cookie", "session=secret").body(Full::default()).unwrap();
            let reply = client(address).await.send_request(request).await.unwrap();
            assert_eq!(text(reply).await.0, StatusCode::OK);
        }
    });
    let told: Vec<_> = lines.iter().map(|line| timeless(line)).collect();
    let nobody = "\"GET / HTTP/1.1\" 403";
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(told[0].starts_with(&format!("127.0.0.1 - - [] {nobody} ")), "{told:#?}");
    assert!(told[0].contains(" [shop-web-80] [] - - - "), "{told:#?}");
    assert!(
        told[1].contains("\"GET / HTTP/1.1\" 404 ") && told[1].contains(" [upstream-default-backend] [] "),
        "{told:#?}"
    );
    let served = |line: &String| line.contains("\"GET /a?b=c HTTP/1.1\" 200 ") && !line.contains("secret");
    assert!(told[2..].iter().all(served), "{told:#?}");
    let retried: Vec<_> =
        told[2..].iter().filter(|line| line.contains(&format!(" {refusing}, {answering} "))).collect();
    assert!(!retried.is_empty() && retried.iter().all(|line| line.contains(" 502, 200 ")), "{told:#?}");
    let ids: Vec<_> = told[2..].iter().filter_map(|line| line.rsplit(' ').next()).collect();
    assert_eq!(ids, ["one", "two"]);
}

#[test]
fn a_client_that_goes_away_is_499() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (asked, is_asked) = tokio::sync::oneshot::channel();
    let asked = std::sync::Mutex::new(Some(asked));
    let never = runtime.block_on(backend(move |_, mut stream| {
        let asked = asked.lock().unwrap().take();
        async move {
            read_head(&mut stream).await;
            asked.map(|asked| asked.send(()));
            std::future::pending::<()>().await;
        }
    }));
    let manifests = service(&[never]) + &ingress("web.example", "", "");
    let lines = lines(&manifests, async |address| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: web.example\r\n\r\n").await.unwrap();
        is_asked.await.unwrap();
    });
    assert!(lines.len() == 1 && lines[0].contains("\"GET / HTTP/1.1\" 499 0 "), "{lines:?}");
}
