//! `ssl-passthrough`: curl and openssl in front, an nginx that ends TLS behind.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use svc_ingress::IngressConfig;

use super::certificates::{secret, secure, server_secret};
use super::harness::{Backend, Nginx, Ours, curl_url, echo, ingress, is_installed, service};

const PASSED: &[&str] = &["ssl-passthrough: 'true'"];

fn enabled() -> svc_ingress::config::IngressConfigBuilder {
    IngressConfig::builder().ssl_passthrough(true)
}

/// An endpoint that ends TLS itself, with a PROXY protocol header before it or not.
fn endpoint(proxied: bool) -> Nginx {
    let (_, certificate, key) = server_secret(&["foo.example"]);
    let listen = if proxied { "ssl proxy_protocol" } else { "ssl" };
    let server = format!(
        "server {{ listen SECURE {listen}; server_name foo.example; ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate DIR/web.crt; ssl_certificate_key DIR/web.key;
           location / {{ return 200 'endpoint $ssl_server_name [$proxy_protocol_addr]'; }} }}"
    );
    Nginx::new(&server, "", &[("web.crt", &certificate), ("web.key", &key)])
}

#[test]
fn tls_goes_to_the_endpoint_as_it_is_and_other_hosts_are_served_as_ever() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let (endpoint, backend) = (endpoint(false), Backend::new(echo));
    let (web, ..) = server_secret(&["open.example"]);
    let objects = [
        ingress("foo", "foo.example", PASSED, "passed"),
        service("passed", endpoint.https),
        secure("open", "open.example", &[]),
        service("web", backend.address),
        web,
    ];
    let ours = Ours::with(enabled().build().unwrap(), &objects.concat());
    for version in [&["--tlsv1.3"][..], &["--tls-max", "1.2"]] {
        let arguments = [&["--insecure"], version].concat();
        let reply = curl_url(ours.https, "https://foo.example/", &arguments);
        assert_eq!(reply.body, "endpoint foo.example []");
        let reply = curl_url(ours.https, "https://open.example/", &arguments);
        assert!(reply.status == 200 && reply.body.starts_with("GET /"), "{reply:?}");
        // What ends here goes nowhere in plain text.
        let arguments = [&arguments[..], &["--header", "Host: foo.example"]].concat();
        assert_eq!(curl_url(ours.https, "https://open.example/", &arguments).status, 421);
    }
    // No name, and no TLS: answered by whoever ends TLS here.
    let address = format!("https://{}/", ours.https);
    assert_eq!(curl_url(ours.https, &address, &["--insecure", "--header", "Host: open.example"]).status, 200);
    let mut stream = TcpStream::connect(ours.https).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: foo.example\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    // It may end while the server runs, and begin.
    ours.apply(&(ingress("foo", "foo.example", &[], "web") + &secret("unused", &[("a", "b")])));
    let reply = curl_url(ours.https, "https://foo.example/", &["--insecure"]);
    assert!(reply.body.starts_with("GET /"), "{reply:?}");
    ours.apply(&ingress("foo", "foo.example", PASSED, "passed"));
    assert!(curl_url(ours.https, "https://foo.example/", &["--insecure"]).body.starts_with("endpoint"));
}

#[test]
fn the_endpoint_may_be_told_who_the_client_is() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let endpoint = endpoint(true);
    let objects = ingress("foo", "foo.example", PASSED, "passed") + &service("passed", endpoint.https);
    let config = enabled().passthrough_with_proxy_header(true).build().unwrap();
    let ours = Ours::with(config, &objects);
    let reply = curl_url(ours.https, "https://foo.example/", &["--insecure"]);
    assert_eq!(reply.body, "endpoint foo.example [127.0.0.1]");
}

#[test]
fn a_handshake_that_comes_byte_by_byte_is_passed_too() {
    if !is_installed("nginx") || !is_installed("python3") {
        return;
    }
    let endpoint = endpoint(false);
    let objects = ingress("foo", "foo.example", PASSED, "passed") + &service("passed", endpoint.https);
    let ours = Ours::with(enabled().build().unwrap(), &objects);
    // A client whose every byte is a segment, and whose message is in records of 50 bytes.
    let script = "
import socket, ssl, sys
stream = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = context.wrap_bio(incoming, outgoing, server_hostname='foo.example')
first = True
def run(step):
    global first
    while True:
        try:
            result = step()
            stream.sendall(outgoing.read())
            return result
        except ssl.SSLWantReadError:
            data = outgoing.read()
            if first:
                first = False
                message = data[5:]
                pieces = [message[i:i + 50] for i in range(0, len(message), 50)]
                data = b''.join(b'\\x16\\x03\\x01' + len(piece).to_bytes(2, 'big') + piece for piece in pieces)
                for byte in data:
                    stream.send(bytes([byte]))
            else:
                stream.sendall(data)
            incoming.write(stream.recv(65536))
run(tls.do_handshake)
run(lambda: tls.write(b'GET / HTTP/1.0\\r\\nHost: foo.example\\r\\n\\r\\n'))
said = b''
while b'endpoint' not in said:
    said += run(lambda: tls.read(65536))
print(said.decode())
";
    let output = std::process::Command::new("python3")
        .args(["-c", script, &ours.https.port().to_string()])
        .output()
        .unwrap();
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("endpoint foo.example"), "{said} {error}");
}
