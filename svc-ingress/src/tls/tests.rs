use svc_model::{Object, yaml};

use super::{Certificate, CertificateError};

fn parse(certificate: &str, key: &str) -> Result<Certificate, CertificateError> {
    let quoted = |text: &str| text.replace('\n', "\\n");
    let text = format!(
        "kind: Secret\napiVersion: v1\nmetadata: {{name: c, namespace: n}}\nstringData: {{{}}}\n",
        [("tls.crt", certificate), ("tls.key", key)]
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}: \"{}\"", quoted(value)))
            .collect::<Vec<_>>()
            .join(", ")
    );
    let (objects, problems) = yaml::read(&text).stored();
    assert_eq!(problems, []);
    let Some(Object::Secret(secret)) = objects.first() else { panic!("a Secret") };
    Certificate::from_secret(secret)
}

fn issue(names: &[&str]) -> (String, String) {
    let issued =
        rcgen::generate_simple_self_signed(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
    let issued = issued.unwrap();
    (issued.cert.pem(), issued.signing_key.serialize_pem())
}

#[test]
fn a_certificate_covers_the_names_in_it() {
    let (certificate, key) = issue(&["foo.example", "*.wild.example"]);
    let certificate = parse(&certificate, &key).unwrap();
    let rows = [
        ("foo.example", true),
        ("bar.example", false),
        ("a.wild.example", true),
        ("*.wild.example", true),
        ("a.b.wild.example", false),
        ("*.example", false),
        ("not a name", false),
    ];
    for (host, covers) in rows {
        assert_eq!(certificate.covers(host), covers, "{host}");
    }
    assert!(!format!("{certificate:?}").contains("PRIVATE"));
}

#[test]
fn what_is_wrong_with_a_secret_is_named() {
    let ((certificate, key), (_, other)) = (issue(&["a"]), issue(&["a"]));
    let rows = [
        (certificate.as_str(), "", CertificateError::Missing { key: "tls.key" }),
        ("", key.as_str(), CertificateError::Missing { key: "tls.crt" }),
        ("nonsense", &key, CertificateError::Pem { key: "tls.crt" }),
        (&certificate, "nonsense", CertificateError::Pem { key: "tls.key" }),
        (&certificate, &certificate, CertificateError::Pem { key: "tls.key" }),
        (&certificate, &other, CertificateError::Mismatch),
    ];
    for (certificate, key, error) in rows {
        assert_eq!(parse(certificate, key).unwrap_err(), error);
    }
}
