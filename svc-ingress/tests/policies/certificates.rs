//! Certificates of clients: curl, openssl and Python show some, and what becomes of them is what becomes of them behind nginx.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SerialNumber, date_time_ymd,
};
use svc_ingress::IngressConfig;

use super::harness::{Backend, Nginx, Ours, Reply, curl, curl_url, echo, ingress, is_installed, service};

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn root(name: &str) -> Issuer {
    CertifiedIssuer::self_signed(authority_params(name), KeyPair::generate().unwrap()).unwrap()
}

fn between(name: &str, issuer: &Issuer) -> Issuer {
    CertifiedIssuer::signed_by(authority_params(name), KeyPair::generate().unwrap(), issuer).unwrap()
}

/// A client's certificate, the rest of its chain, and its key, in the files that curl is given.
fn client(directory: &Path, file: &str, mut params: CertificateParams, issuers: &[&Issuer]) {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let leaf = match issuers.first() {
        Some(issuer) => params.signed_by(&key, issuer),
        None => params.self_signed(&key),
    };
    // Of the chain all but the root, which nobody sends.
    let others = issuers.split_last().map_or(&[][..], |(_, others)| others);
    let chain: String =
        std::iter::once(leaf.unwrap().pem()).chain(others.iter().map(|ca| ca.pem())).collect();
    std::fs::write(directory.join(format!("{file}.crt")), chain).unwrap();
    std::fs::write(directory.join(format!("{file}.key")), key.serialize_pem()).unwrap();
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

pub(crate) fn secret(name: &str, data: &[(&str, &str)]) -> String {
    let data: String = data.iter().map(|(key, text)| format!("  {key}: |\n{}", indent(text))).collect();
    format!(
        "---\nkind: Secret\napiVersion: v1\nmetadata: {{name: {name}, namespace: shop}}\nstringData:\n{data}"
    )
}

/// A certificate of the server's own, for all of these hosts.
pub(crate) fn server_secret(hosts: &[&str]) -> (String, String, String) {
    let issued =
        rcgen::generate_simple_self_signed(hosts.iter().map(|host| (*host).to_owned()).collect::<Vec<_>>());
    let issued = issued.unwrap();
    let (certificate, key) = (issued.cert.pem(), issued.signing_key.serialize_pem());
    (secret("web-tls", &[("tls.crt", &certificate), ("tls.key", &key)]), certificate, key)
}

/// An Ingress of a host with the certificate of the server.
pub(crate) fn secure(name: &str, host: &str, annotations: &[&str]) -> String {
    let tls = format!("  ingressClassName: nginx\n  tls: [{{hosts: [{host}], secretName: web-tls}}]\n");
    ingress(name, host, annotations, "web").replace("  ingressClassName: nginx\n", &tls)
}

/// What curl gets for a host over TLS, with the certificate in these files.
fn ask(address: std::net::SocketAddr, url: &str, directory: &Path, file: &str, more: &[&str]) -> Reply {
    let (certificate, key) = (directory.join(format!("{file}.crt")), directory.join(format!("{file}.key")));
    let shown = [certificate.to_str().unwrap(), key.to_str().unwrap()];
    let shown = if file.is_empty() { vec![] } else { vec!["--cert", shown[0], "--key", shown[1]] };
    curl_url(address, url, &[&["--insecure"], &shown[..], more].concat())
}

/// What the backend was told of the certificate.
fn told(reply: &Reply) -> BTreeMap<String, String> {
    let fields = reply.body.lines().filter_map(|line| line.split_once(": "));
    let ours = fields.filter(|(name, _)| name.starts_with("ssl-client-"));
    ours.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// As ingress-nginx writes it.
fn nginx(backend: std::net::SocketAddr, directives: &str, files: &[(&str, &str)]) -> Nginx {
    let server = format!(
        "server {{ listen SECURE ssl; server_name foo.example; ssl_certificate DIR/web.crt; ssl_certificate_key DIR/web.key;
           ssl_client_certificate DIR/ca.crt; {directives}
           location / {{ proxy_set_header ssl-client-cert $ssl_client_escaped_cert; proxy_set_header ssl-client-verify $ssl_client_verify;
             proxy_set_header ssl-client-subject-dn $ssl_client_s_dn; proxy_set_header ssl-client-issuer-dn $ssl_client_i_dn;
             proxy_pass http://{backend}; }} }}"
    );
    Nginx::new(&server, "", files)
}

/// One of each kind.
fn clients(directory: &Path, root: &Issuer) {
    let (first, stranger) = (between("first", root), self::root("stranger"));
    let second = between("second", &first);
    let mut odd = params("good, \"old\" <client>; with + and \\");
    odd.distinguished_name.push(DnType::OrganizationName, " M\u{fc}ller & S\u{f6}hne ");
    odd.distinguished_name.push(DnType::OrganizationalUnitName, "#1=one");
    odd.distinguished_name.push(DnType::CountryName, "DE");
    client(directory, "good", odd, &[root]);
    client(directory, "by-one", params("by-one"), &[&first, root]);
    client(directory, "by-two", params("by-two"), &[&second, &first, root]);
    let mut old = params("old");
    (old.not_before, old.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    client(directory, "old", old, &[root]);
    let mut young = params("young");
    (young.not_before, young.not_after) = (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1));
    client(directory, "young", young, &[root]);
    client(directory, "strange", params("strange"), &[&stranger]);
    client(directory, "strange-by-one", params("strange-by-one"), &[&between("other", &stranger), &stranger]);
    client(directory, "self", params("self"), &[]);
}

const CLIENTS: [&str; 9] =
    ["", "good", "by-one", "by-two", "old", "young", "strange", "strange-by-one", "self"];

#[test]
fn certificates_come_to_what_they_come_to_behind_nginx() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let (backend, directory, root) = (Backend::new(echo), tempfile::tempdir().unwrap(), root("authority"));
    clients(directory.path(), &root);
    let (web, certificate, key) = server_secret(&["foo.example"]);
    let files = [("web.crt", certificate.as_str()), ("web.key", &key), ("ca.crt", &root.pem())];
    let rows = [("on", "1"), ("on", "2"), ("optional", "1"), ("optional_no_ca", "1"), ("off", "1")];
    for (verify, depth) in rows {
        let annotations = [
            "auth-tls-secret: shop/authority",
            "auth-tls-pass-certificate-to-upstream: 'true'",
            &format!("auth-tls-verify-client: '{verify}'"),
            &format!("auth-tls-verify-depth: '{depth}'"),
        ];
        let objects = secure("foo", "foo.example", &annotations) + &service("web", backend.address) + &web;
        let ours = Ours::with(
            IngressConfig::default(),
            &(objects + &secret("authority", &[("ca.crt", &root.pem())])),
        );
        let directives = format!("ssl_verify_client {verify}; ssl_verify_depth {depth};");
        let nginx = nginx(backend.address, &directives, &files);
        for file in CLIENTS {
            let forged = [
                "--header",
                "ssl-client-verify: SUCCESS",
                "--header",
                "ssl-client-cert: x",
                "--header",
                "SSL-Client-Subject-DN: CN=x",
            ];
            let ask = |address| ask(address, "https://foo.example/", directory.path(), file, &forged);
            let (mine, theirs) = (ask(ours.https), ask(nginx.https));
            assert_eq!(mine.status, theirs.status, "{verify} {depth} {file}\n{mine:?}\n{theirs:?}");
            assert_eq!(told(&mine), told(&theirs), "{verify} {depth} {file}");
            let served = mine.status == 200;
            assert_eq!(served, told(&mine).contains_key("ssl-client-verify"), "{verify} {depth} {file}");
        }
    }
}

#[test]
fn a_revoked_certificate_is_refused_and_so_is_one_that_no_list_speaks_of() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let (backend, directory, root) = (Backend::new(echo), tempfile::tempdir().unwrap(), root("authority"));
    clients(directory.path(), &root);
    let mut gone = params("gone");
    gone.serial_number = Some(SerialNumber::from(77));
    client(directory.path(), "gone", gone, &[&root]);
    let list = |until: i32| {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(77),
            revocation_time: date_time_ymd(2020, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(until, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&root).unwrap().pem().unwrap()
    };
    let (web, certificate, key) = server_secret(&["foo.example"]);
    for (until, good) in [(2090, 200), (2021, 400)] {
        let crl = list(until);
        let annotations = ["auth-tls-secret: authority"];
        let objects = secure("foo", "foo.example", &annotations) + &service("web", backend.address) + &web;
        let authority = secret("authority", &[("ca.crt", &root.pem()), ("ca.crl", &crl)]);
        let ours = Ours::with(IngressConfig::default(), &(objects + &authority));
        let files =
            [("web.crt", certificate.as_str()), ("web.key", &key), ("ca.crt", &root.pem()), ("ca.crl", &crl)];
        let nginx =
            nginx(backend.address, "ssl_verify_client on; ssl_verify_depth 1; ssl_crl DIR/ca.crl;", &files);
        for (file, status) in [("good", good), ("gone", 400), ("by-one", 400), ("", 400)] {
            let ask = |address| ask(address, "https://foo.example/", directory.path(), file, &[]).status;
            assert_eq!(
                (ask(ours.https), ask(nginx.https)),
                (status.try_into().unwrap(), status.try_into().unwrap()),
                "{until} {file}"
            );
        }
    }
}

#[test]
fn names_are_matched_and_others_sent_to_the_error_page_as_by_nginx() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let (backend, directory, root) = (Backend::new(echo), tempfile::tempdir().unwrap(), root("authority"));
    let mut good = params("good-7");
    good.distinguished_name.push(DnType::OrganizationName, "Shop");
    client(directory.path(), "good", good, &[&root]);
    client(directory.path(), "bad", params("goof"), &[&root]);
    client(directory.path(), "strange", params("good-7"), &[&self::root("stranger")]);
    let (web, certificate, key) = server_secret(&["foo.example"]);
    let annotations = [
        "auth-tls-secret: authority",
        "auth-tls-match-cn: CN=good-[0-9]",
        "auth-tls-error-page: https://shop.example/no-certificate",
    ];
    let objects = secure("foo", "foo.example", &annotations) + &service("web", backend.address) + &web;
    let authority = secret("authority", &[("ca.crt", &root.pem())]);
    let ours = Ours::with(IngressConfig::default(), &(objects + &authority));
    let files = [("web.crt", certificate.as_str()), ("web.key", &key), ("ca.crt", &root.pem())];
    let directives =
        "ssl_verify_client on; ssl_verify_depth 1; error_page 495 496 = https://shop.example/no-certificate;
        if ($ssl_client_s_dn !~ CN=good-[0-9]) { return 403; }";
    let nginx = nginx(backend.address, directives, &files);
    for (file, status) in [("good", 200), ("bad", 403), ("strange", 302), ("", 302)] {
        let ask = |address| ask(address, "https://foo.example/a", directory.path(), file, &[]);
        let (mine, theirs) = (ask(ours.https), ask(nginx.https));
        assert_eq!((mine.status.as_u16(), theirs.status.as_u16()), (status, status), "{file}");
        assert_eq!(mine.fields.get("location"), theirs.fields.get("location"), "{file}");
    }
    // What nginx would take for a common name is another field of the name.
    let mut posing = params("nobody");
    posing.distinguished_name.push(DnType::OrganizationName, "CN=good-7");
    client(directory.path(), "posing", posing, &[&root]);
    assert_eq!(ask(ours.https, "https://foo.example/", directory.path(), "posing", &[]).status, 403);
}

#[test]
fn one_hosts_certificate_opens_no_other_host() {
    if !is_installed("curl") {
        return;
    }
    let (backend, directory) = (Backend::new(echo), tempfile::tempdir().unwrap());
    let (root, other) = (root("authority"), self::root("other"));
    client(directory.path(), "good", params("good"), &[&root]);
    let (web, ..) = server_secret(&["foo.example", "bar.example", "open.example", "*.wild.example"]);
    let objects = [
        secure("foo", "foo.example", &["auth-tls-secret: authority"]),
        secure("bar", "bar.example", &["auth-tls-secret: other"]),
        secure("wild", "'*.wild.example'", &["auth-tls-secret: authority"]),
        secure("open", "open.example", &[]),
        service("web", backend.address),
        web,
        secret("authority", &[("ca.crt", &root.pem())]),
        secret("other", &[("ca.crt", &other.pem())]),
    ];
    let ours = Ours::with(IngressConfig::default(), &objects.concat());
    let rows = [
        ("foo.example", "foo.example", 200),
        ("foo.example", "FOO.example.:443", 200),
        ("foo.example", "bar.example", 421),
        ("foo.example", "open.example", 421),
        ("foo.example", "nowhere.example", 421),
        ("open.example", "foo.example", 421),
        ("nowhere.example", "foo.example", 421),
        ("open.example", "open.example", 200),
        ("open.example", "nowhere.example", 404),
        ("a.wild.example", "b.wild.example", 200),
        ("a.wild.example", "foo.example", 421),
        ("bar.example", "bar.example", 400),
    ];
    for version in ["--http1.1", "--http2"] {
        for (name, host, status) in rows {
            let host = format!("Host: {host}");
            let more = [version, "--header", &host];
            let reply = ask(ours.https, &format!("https://{name}/"), directory.path(), "good", &more);
            assert_eq!(reply.status, status, "{version} {name} {host}");
        }
    }
    // Without a name in the handshake.
    let address = format!("https://{}/", ours.https);
    let reply = curl_url(ours.https, &address, &["--insecure", "--header", "Host: foo.example"]);
    assert_eq!(reply.status, 421);
    let reply = curl_url(ours.https, &address, &["--insecure", "--header", "Host: open.example"]);
    assert_eq!(reply.status, 200);
}

#[test]
fn authorities_change_while_connections_stay() {
    if !is_installed("curl") {
        return;
    }
    let (backend, directory) = (Backend::new(echo), tempfile::tempdir().unwrap());
    let (first, second) = (root("first"), root("second"));
    client(directory.path(), "first", params("client"), &[&first]);
    client(directory.path(), "second", params("client"), &[&second]);
    let (web, ..) = server_secret(&["foo.example"]);
    let objects = [
        secure("foo", "foo.example", &["auth-tls-secret: authority"]),
        service("web", backend.address),
        web,
        secret("authority", &[("ca.crt", &first.pem())]),
    ];
    let ours = Ours::with(IngressConfig::default(), &objects.concat());
    let status = |file| ask(ours.https, "https://foo.example/", directory.path(), file, &[]).status.as_u16();
    assert_eq!([status("first"), status("second")], [200, 400]);
    ours.apply(&secret("authority", &[("ca.crt", &second.pem())]));
    assert_eq!([status("first"), status("second")], [400, 200]);
    ours.apply(&secret("authority", &[("ca.crt", &(first.pem() + &second.pem()))]));
    assert_eq!([status("first"), status("second"), status("")], [200, 200, 400]);
    ours.apply(&secret("authority", &[("ca.crt", "nonsense")]));
    assert_eq!([status("first"), status("second"), status("")], [503, 503, 503]);
}

#[test]
fn plain_http_leads_to_tls_or_nowhere() {
    if !is_installed("curl") {
        return;
    }
    let (backend, root) = (Backend::new(echo), root("authority"));
    let (web, ..) = server_secret(&["foo.example"]);
    let rows = [
        (vec!["auth-tls-secret: authority"], 308),
        (vec!["auth-tls-secret: authority", "ssl-redirect: 'false'"], 400),
        (
            vec!["auth-tls-secret: authority", "ssl-redirect: 'false'", "auth-tls-verify-client: optional"],
            200,
        ),
        (
            vec![
                "auth-tls-secret: authority",
                "ssl-redirect: 'false'",
                "auth-tls-verify-client: optional",
                "auth-tls-match-cn: CN=a",
            ],
            403,
        ),
    ];
    for (annotations, status) in rows {
        let objects = secure("foo", "foo.example", &annotations) + &service("web", backend.address) + &web;
        let authority = secret("authority", &[("ca.crt", &root.pem())]);
        let ours = Ours::with(IngressConfig::default(), &(objects + &authority));
        let reply = curl(ours.http, "/", &["--header", "ssl-client-verify: SUCCESS"]);
        assert_eq!(reply.status, status, "{annotations:?}");
        assert!(told(&reply).is_empty(), "{reply:?}");
    }
}

#[test]
fn openssl_is_asked_for_a_certificate_by_hosts_that_want_one_only_and_python_shows_one() {
    if !is_installed("openssl") || !is_installed("python3") {
        return;
    }
    let (backend, directory, root) = (Backend::new(echo), tempfile::tempdir().unwrap(), root("authority"));
    client(directory.path(), "good", params("good"), &[&root]);
    let (web, certificate, _) = server_secret(&["foo.example", "open.example"]);
    std::fs::write(directory.path().join("web.crt"), certificate).unwrap();
    let objects = [
        secure("foo", "foo.example", &["auth-tls-secret: authority"]),
        secure("open", "open.example", &[]),
        service("web", backend.address),
        web,
        secret("authority", &[("ca.crt", &root.pem())]),
    ];
    let ours = Ours::with(IngressConfig::default(), &objects.concat());
    for version in ["-tls1_2", "-tls1_3"] {
        for (name, asked) in [("foo.example", true), ("open.example", false)] {
            let output = Command::new("openssl")
                .args(["s_client", version, "-connect", &ours.https.to_string(), "-servername", name])
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(
                text.contains("Acceptable client certificate CA names\nCN = authority"),
                asked,
                "{text}"
            );
            assert_eq!(text.contains("No client certificate CA names sent"), !asked, "{text}");
        }
    }
    let script = "
import http.client, socket, ssl, sys
home, port = sys.argv[1], int(sys.argv[2])
for shown in (False, True):
    context = ssl.create_default_context(cafile=home + '/web.crt')
    if shown:
        context.load_cert_chain(home + '/good.crt', home + '/good.key')
    stream = context.wrap_socket(socket.create_connection(('127.0.0.1', port)), server_hostname='foo.example')
    client = http.client.HTTPSConnection('foo.example')
    client.sock = stream
    client.request('GET', '/')
    reply = client.getresponse()
    print(reply.status, 'ssl-client-verify: SUCCESS' in reply.read().decode())
";
    let output = Command::new("python3")
        .args(["-c", script, directory.path().to_str().unwrap(), &ours.https.port().to_string()])
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "400 False\n200 True\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
