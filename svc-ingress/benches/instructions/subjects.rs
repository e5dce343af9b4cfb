//! What is counted, each so that a process can do it a number of times.

use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use svc_ingress::forward::{Client, ToBackend};
use svc_ingress::upstream::{Event, Expected, RequestFraming, RequestHead, ResponseDecoder};
use svc_ingress::{IngressConfig, RouteTable, Server};
use svc_model::store::Store;
use svc_model::{Object, Snapshot, yaml};

use super::{Failure, load};

const HOSTS: usize = 1_000;
const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nContent-Length: 1024\r\n\r\n";

pub(super) fn run(subject: &str, times: u64) -> Result<(), Failure> {
    match subject {
        "route" => route(times),
        "request head" => request_head(times),
        "response head" => response_head(times)?,
        "request" => requests(times)?,
        "load" => load::run(times)?,
        other => return Err(format!("no subject {other}").into()),
    }
    Ok(())
}

fn route(times: u64) {
    let hosts: String = (0..HOSTS).map(|number| load::ingress(&format!("h{number}.example.test"))).collect();
    let snapshot: Snapshot = read(&format!("{}{hosts}", load::CLASS)).into_iter().collect();
    let table = RouteTable::new(&snapshot, &IngressConfig::default());
    let host = format!("h{}.example.test", HOSTS / 2);
    assert!(table.route(&host, "/app/x").is_some(), "a route");
    for _ in 0..times {
        black_box(table.route(black_box(&host), black_box("/app/42?from=mail")));
    }
}

fn request_head(times: u64) {
    let fields = [("user-agent", "wrk/4.1"), ("accept", "*/*"), ("cookie", "a=b"), ("x-other", "some text")];
    let headers: HeaderMap = fields
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect();
    let client = Client::new("192.0.2.7", false, 80, "h0.example.test");
    let mut buffer = BytesMut::new();
    for _ in 0..times {
        let head = RequestHead::new(&Method::GET, "/app/x", "h0.example.test", RequestFraming::Empty);
        let fields = ToBackend::new(black_box(&headers), client, None, "0123456789abcdef0123456789abcdef");
        head.emit(&fields, &mut buffer);
        black_box(&buffer);
        buffer.clear();
    }
}

fn response_head(times: u64) -> Result<(), Failure> {
    let mut buffer = BytesMut::new();
    for _ in 0..times {
        buffer.extend_from_slice(black_box(RESPONSE));
        let event = ResponseDecoder::new(Expected::Body).poll_event(&mut buffer)?;
        assert!(matches!(black_box(event), Some(Event::Head(_))), "a head");
    }
    Ok(())
}

fn read(manifests: &str) -> Vec<Object> {
    let (objects, problems) = yaml::read(manifests).stored();
    assert!(problems.is_empty(), "{problems:?}");
    objects
}

/// The router in this process, with metrics; clients and the backend in another one, which is not counted.
fn requests(times: u64) -> Result<(), Failure> {
    let mut load = Command::new(std::env::current_exe()?);
    load.args(["load", &times.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut load = load.spawn()?;
    let (mut input, output) = load.stdin.take().zip(load.stdout.take()).ok_or("no pipes")?;
    let mut output = BufReader::new(output);
    let mut backend = String::new();
    output.read_line(&mut backend)?;
    let store = Store::new();
    store.apply(read(&load::objects(backend.trim().parse()?)));
    let server = Server::builder().http("127.0.0.1:0").metrics("127.0.0.1:0").build()?;
    let (handle, run) = server.drive(store.watch());
    let (ended, end) = tokio::sync::oneshot::channel();
    // Waits for the load to end, as its output then does, without a timer or a signal.
    let waiting = std::thread::spawn(move || ended.send(output.read_line(&mut String::new())));
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let loaded = async {
            let bound = handle.ready().await?;
            writeln!(input, "{}", bound.http()[0])?;
            Ok::<_, Failure>(end.await??)
        };
        tokio::select! {
            loaded = loaded => loaded.map(drop),
            served = run => Ok(served?),
        }
    })?;
    let _told = waiting.join();
    if load.wait()?.success() { Ok(()) } else { Err("the load failed".into()) }
}
