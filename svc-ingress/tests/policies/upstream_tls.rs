//! Endpoints that speak TLS, with an nginx as the endpoint and another one beside our router.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair,
    KeyUsagePurpose,
};
use svc_ingress::IngressConfig;

use super::certificates::secret;
use super::harness::{Nginx, Ours, curl, ingress, is_installed, service};

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str, issuer: Option<&Issuer>) -> Issuer {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    match issuer {
        Some(issuer) => CertifiedIssuer::signed_by(params, key, issuer).unwrap(),
        None => CertifiedIssuer::self_signed(params, key).unwrap(),
    }
}

/// Certificate and key for a name.
fn leaf(name: &str, issuer: &Issuer) -> (String, String) {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, issuer).unwrap().pem(), key.serialize_pem())
}

/// An endpoint that says what it sees of the router; with what is signed by `root`.
fn endpoint(chain: &str, key: &str, root: &Issuer) -> Nginx {
    let server = "server { listen SECURE ssl; server_name web.shop.svc; ssl_protocols TLSv1.2 TLSv1.3;
        ssl_certificate DIR/web.crt; ssl_certificate_key DIR/web.key; ssl_client_certificate DIR/ca.crt; ssl_verify_client optional;
        location / { return 200 '[$ssl_server_name] [$ssl_protocol] [$ssl_cipher] [$ssl_client_verify] [$ssl_client_s_dn] [$connection]'; } }";
    Nginx::new(server, "", &[("web.crt", chain), ("web.key", key), ("ca.crt", &root.pem())])
}

fn router(endpoint: &Nginx, annotations: &[&str], secrets: &str) -> Ours {
    let annotations = [&["backend-protocol: HTTPS"], annotations].concat();
    let objects =
        ingress("foo", "foo.example", &annotations, "web") + &service("web", endpoint.https) + secrets;
    Ours::with(IngressConfig::default(), &objects)
}

/// Annotations, nginx's directives for the same, and what both come to.
type Row<'a> = (&'a [&'a str], &'a str, u16, &'a str);

const BY_ROOT: &str =
    "proxy_ssl_verify on; proxy_ssl_trusted_certificate DIR/root.crt; proxy_ssl_name web.shop.svc;";

/// Has our router and nginx ask an endpoint.
fn compare(rows: &[Row<'_>]) {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let (root, other) = (authority("root", None), authority("other", None));
    let (certificate, key) = leaf("web.shop.svc", &root);
    let (own, own_key) = leaf("router", &root);
    let endpoint = endpoint(&certificate, &key, &root);
    let (root, other) = (root.pem(), other.pem());
    let secrets = secret("root", &[("ca.crt", &root)])
        + &secret("other", &[("ca.crt", &other)])
        + &secret("own", &[("tls.crt", &own), ("tls.key", &own_key)]);
    let files =
        [("root.crt", root.as_str()), ("other.crt", &other), ("own.crt", &own), ("own.key", &own_key)];
    for (annotations, directives, status, text) in rows {
        let ours = router(&endpoint, annotations, &secrets);
        let spoken = "proxy_ssl_protocols TLSv1.2 TLSv1.3;";
        let spoken = if directives.contains("proxy_ssl_protocols") { "" } else { spoken };
        let location =
            format!("location / {{ {spoken} {directives} proxy_pass https://{}; }}", endpoint.https);
        let nginx = Nginx::new("", &location, &files);
        let (mine, theirs) = (curl(ours.http, "/", &[]), curl(nginx.http, "/", &[]));
        assert_eq!((mine.status.as_u16(), theirs.status.as_u16()), (*status, *status), "{annotations:?}");
        if *status == 200 {
            assert!(mine.body.contains(text), "{annotations:?}: {}", mine.body);
            assert!(theirs.body.contains(text), "{annotations:?}: {}", theirs.body);
        }
    }
}

#[test]
fn endpoints_are_believed_that_nginx_believes() {
    let verify = ["proxy-ssl-secret: root", "proxy-ssl-verify: 'on'"];
    let renamed = [&verify[..], &["proxy-ssl-name: other.example"]].concat();
    compare(&[
        (&[], "", 200, "[] [TLSv1.3]"),
        (&verify, BY_ROOT, 200, "[] [TLSv1.3]"),
        (
            &["proxy-ssl-secret: other", "proxy-ssl-verify: 'on'"],
            &BY_ROOT.replace("root.crt", "other.crt"),
            502,
            "",
        ),
        (&["proxy-ssl-secret: other", "proxy-ssl-verify: 'off'"], "", 200, "[] [TLSv1.3]"),
        (&renamed, &BY_ROOT.replace("web.shop.svc", "other.example"), 502, ""),
    ]);
}

#[test]
fn endpoints_are_told_and_shown_what_nginx_tells_and_shows() {
    let chosen = "proxy_ssl_protocols TLSv1.2; proxy_ssl_ciphers";
    compare(&[
        (
            &["proxy-ssl-secret: root", "proxy-ssl-verify: 'on'", "proxy-ssl-server-name: 'on'"],
            &format!("{BY_ROOT} proxy_ssl_server_name on;"),
            200,
            "[web.shop.svc] [TLSv1.3]",
        ),
        (
            &["proxy-ssl-name: told.example", "proxy-ssl-server-name: 'on'"],
            "proxy_ssl_name told.example; proxy_ssl_server_name on;",
            200,
            "[told.example] [TLSv1.3]",
        ),
        (
            &["proxy-ssl-secret: own"],
            "proxy_ssl_certificate DIR/own.crt; proxy_ssl_certificate_key DIR/own.key;",
            200,
            "[SUCCESS] [CN=router]",
        ),
        (&["proxy-ssl-protocols: TLSv1.2"], "proxy_ssl_protocols TLSv1.2;", 200, "[] [TLSv1.2]"),
        (
            &["proxy-ssl-protocols: TLSv1.2", "proxy-ssl-ciphers: ECDHE-ECDSA-AES256-GCM-SHA384"],
            &format!("{chosen} ECDHE-ECDSA-AES256-GCM-SHA384;"),
            200,
            "[TLSv1.2] [ECDHE-ECDSA-AES256-GCM-SHA384]",
        ),
        // The endpoint's certificate has a key of the other kind.
        (
            &["proxy-ssl-protocols: TLSv1.2", "proxy-ssl-ciphers: ECDHE-RSA-AES256-GCM-SHA384"],
            &format!("{chosen} ECDHE-RSA-AES256-GCM-SHA384;"),
            502,
            "",
        ),
    ]);
}

#[test]
fn chains_of_endpoints_are_as_long_as_is_allowed() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let root = authority("root", None);
    let first = authority("first", Some(&root));
    let second = authority("second", Some(&first));
    let (certificate, key) = leaf("web.shop.svc", &second);
    let endpoint = endpoint(&(certificate + &second.pem() + &first.pem()), &key, &root);
    let root_pem = root.pem();
    for (depth, status) in [("1", 502), ("2", 200)] {
        let annotations = [
            "proxy-ssl-secret: root",
            "proxy-ssl-verify: 'on'",
            &format!("proxy-ssl-verify-depth: '{depth}'"),
        ];
        let ours = router(&endpoint, &annotations, &secret("root", &[("ca.crt", &root_pem)]));
        let location = format!(
            "location / {{ proxy_ssl_verify on; proxy_ssl_verify_depth {depth}; proxy_ssl_trusted_certificate DIR/root.crt;
               proxy_ssl_name web.shop.svc; proxy_pass https://{}; }}",
            endpoint.https
        );
        let nginx = Nginx::new("", &location, &[("root.crt", &root_pem)]);
        let (mine, theirs) = (curl(ours.http, "/", &[]).status, curl(nginx.http, "/", &[]).status);
        assert_eq!((mine.as_u16(), theirs.as_u16()), (status, status), "{depth}");
    }
}

#[test]
fn connections_to_one_endpoint_are_not_shared_between_policies_and_authorities_may_change() {
    if !is_installed("nginx") || !is_installed("curl") {
        return;
    }
    let (root, other) = (authority("root", None), authority("other", None));
    let (certificate, key) = leaf("web.shop.svc", &root);
    let (own, own_key) = leaf("router", &root);
    let endpoint = endpoint(&certificate, &key, &root);
    let https = "backend-protocol: HTTPS";
    let shown = ["proxy-ssl-secret: own", https];
    let verified = ["proxy-ssl-secret: root", "proxy-ssl-verify: 'on'", https];
    let objects = [
        ingress("foo", "foo.example", &shown, "web"),
        ingress("bar", "bar.example", &[https], "web"),
        ingress("baz", "baz.example", &verified, "web"),
        service("web", endpoint.https),
        secret("own", &[("tls.crt", &own), ("tls.key", &own_key)]),
        secret("root", &[("ca.crt", &root.pem())]),
    ];
    let ours = Ours::with(IngressConfig::default(), &objects.concat());
    let ask = |host: &str| {
        let reply = curl(ours.http, "/", &["--header", &format!("Host: {host}")]);
        let number = reply.body.rsplit('[').next().unwrap().to_owned();
        (reply.status.as_u16(), reply.body.contains("[SUCCESS]"), number)
    };
    let (foo, bar, baz) = (ask("foo.example"), ask("bar.example"), ask("baz.example"));
    assert_eq!([(foo.0, foo.1), (bar.0, bar.1), (baz.0, baz.1)], [(200, true), (200, false), (200, false)]);
    assert!(foo.2 != bar.2 && bar.2 != baz.2);
    // Each is kept for its own requests.
    assert_eq!([ask("foo.example"), ask("bar.example"), ask("baz.example")], [foo.clone(), bar.clone(), baz]);
    ours.apply(&secret("root", &[("ca.crt", &other.pem())]));
    assert_eq!(ask("baz.example").0, 502);
    assert_eq!([ask("foo.example"), ask("bar.example")], [foo, bar]);
}
