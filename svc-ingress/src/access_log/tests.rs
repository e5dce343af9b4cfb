use std::time::Duration;

use http::{HeaderValue, Request, Version};

use super::{AccessLog, Entry, Format, Try};

/// A request with everything that may and may not be told.
fn entry() -> Entry {
    let request = Request::post("/cart?id=1&q=x")
        .version(Version::HTTP_11)
        .header("host", "shop.example")
        // jane:password
        .header("authorization", "Basic amFuZTpwYXNzd29yZA==")
        .header("cookie", "session=secret")
        .header("referer", "https://a.example/\\")
        .header("user-agent", HeaderValue::from_bytes(b"curl\xff\"").unwrap())
        .body(());
    let mut entry = Entry::new(&request.unwrap(), "192.0.2.1".parse().unwrap());
    let tried = |port, status, bytes, millis| Try {
        endpoint: ([10, 1, 1, 1], port).into(),
        status,
        bytes,
        took: Duration::from_millis(millis),
    };
    entry.tries = vec![tried(80, 502, 0, 1), tried(81, 200, 7, 1012)];
    (entry.request_length, entry.status, entry.bytes) = (172, 200, 7);
    (entry.took, entry.at) = (Duration::from_millis(1020), Duration::from_millis(1_795_810_513_042));
    entry.request_id = Some(HeaderValue::from_static("abc"));
    entry
}

fn line(entry: &Entry, format: Format) -> String {
    let mut line = Vec::new();
    entry.emit(format, &mut line);
    String::from_utf8(line).unwrap()
}

#[test]
fn a_line_is_that_of_ingress_nginx() {
    let expected = "192.0.2.1 - jane [27/Nov/2026:20:15:13 +0000] \"POST /cart?id=1&q=x HTTP/1.1\" 200 7 \
        \"https://a.example/\\x5C\" \"curl\\xFF\\x22\" 172 1.020 [upstream-default-backend] [] \
        10.1.1.1:80, 10.1.1.1:81 0, 7 0.001, 1.012 502, 200 abc\n";
    assert_eq!(line(&entry(), Format::Nginx), expected);
    let mut bare = Entry::new(&Request::get("/").body(()).unwrap(), "::1".parse().unwrap());
    bare.at = Duration::ZERO;
    let expected = "::1 - - [01/Jan/1970:00:00:00 +0000] \"GET / HTTP/1.1\" 499 0 \"-\" \"-\" 0 0.000 \
        [upstream-default-backend] [] - - - - -\n";
    assert_eq!(line(&bare, Format::Nginx), expected);
}

#[test]
fn a_json_line_says_the_same() {
    let expected = "{\"time\":\"2026-11-27T20:15:13.042Z\",\"remote_addr\":\"192.0.2.1\",\"remote_user\":\"jane\",\
        \"request_method\":\"POST\",\"http_host\":\"shop.example\",\"request_uri\":\"/cart?id=1&q=x\",\
        \"server_protocol\":\"HTTP/1.1\",\"status\":200,\"body_bytes_sent\":7,\
        \"http_referer\":\"https://a.example/\\\\\",\"http_user_agent\":\"curl\u{fffd}\\\"\",\"request_length\":172,\
        \"request_time\":1.020,\"namespace\":null,\"ingress_name\":null,\"proxy_upstream_name\":null,\
        \"proxy_alternative_upstream_name\":null,\"upstream\":[\
        {\"addr\":\"10.1.1.1:80\",\"status\":502,\"response_length\":0,\"response_time\":0.001},\
        {\"addr\":\"10.1.1.1:81\",\"status\":200,\"response_length\":7,\"response_time\":1.012}],\"req_id\":\"abc\"}\n";
    assert_eq!(line(&entry(), Format::Json), expected);
}

#[test]
fn no_secret_is_told() {
    for format in [Format::Nginx, Format::Json] {
        let line = line(&entry(), format);
        assert!(!line.contains("password") && !line.contains("amFu") && !line.contains("secret"), "{line}");
    }
}

#[test]
fn a_reader_gets_every_line_and_the_end() {
    let (log, mut lines) = AccessLog::new().channel();
    let mut read = 0;
    std::thread::scope(|scope| {
        for worker in 0..3 {
            let log = log.clone();
            scope.spawn(move || (0..500).for_each(|_| log.write(worker, &entry())));
        }
        drop(log);
        while let Some(text) = lines.blocking_next() {
            assert!(text.ends_with(b"\n"));
            read += text.iter().filter(|byte| **byte == b'\n').count();
        }
    });
    assert_eq!((read, lines.lost()), (1500, 0));
}

#[test]
fn what_nobody_reads_is_lost_and_counted() {
    let (log, mut lines) = AccessLog::new().channel();
    (0..10_000).for_each(|_| log.write(0, &entry()));
    let lost = log.lost();
    assert!(lost > 0);
    drop(log);
    let read = lines.blocking_next().unwrap().iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(read as u64 + lost, 10_000);
    assert_eq!(lines.blocking_next(), None);
}

#[test]
fn one_of_so_many_is_wanted_for_each_worker() {
    let (log, _lines) = AccessLog::new().sample(10).channel();
    for worker in [0, 1] {
        assert_eq!((0..100).filter(|_| log.wants(worker)).count(), 10);
    }
}

#[test]
fn numbers_and_addresses_are_written_as_display_writes_them() {
    use super::text::{address, endpoint, number, seconds};
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut line = Vec::new();
        write(&mut line);
        String::from_utf8(line).unwrap()
    };
    for value in [0, 7, 10, 255, 65_535, u64::MAX] {
        assert_eq!(written(&|line| number(value, line)), value.to_string());
    }
    for text in ["0.0.0.0:0", "192.0.2.255:65535", "[2001:db8::1]:80", "[::ffff:192.0.2.1]:1"] {
        let socket: std::net::SocketAddr = text.parse().unwrap();
        assert_eq!(written(&|line| endpoint(socket, line)), text);
        assert_eq!(written(&|line| address(socket.ip(), line)), socket.ip().to_string());
    }
    assert_eq!(written(&|line| seconds(Duration::from_millis(61_007), line)), "61.007");
}
