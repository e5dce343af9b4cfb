//! Which certificate a host has, and which one a client gets.

use super::RouteTable;
use super::tests::{ingress, service, snapshot};
use crate::config::IngressConfig;
use crate::tls::Certificate;

/// A Secret of a certificate for these names, which ended long ago: that is the client's affair.
fn secret(name: &str, names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = rcgen::CertificateParams::new(names).unwrap();
    params.not_before = rcgen::date_time_ymd(2001, 1, 1);
    params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    let indent = |pem: &str| pem.lines().map(|line| format!("    {line}\n")).collect::<String>();
    format!(
        "---\nkind: Secret\napiVersion: v1\nmetadata: {{name: {name}, namespace: shop}}\nstringData:\n  tls.crt: |\n{}  tls.key: |\n{}",
        indent(&certificate),
        indent(&key.serialize_pem())
    )
}

fn with_tls(name: &str, host: &str, tls: &str) -> String {
    ingress(name, host, "", &[("Prefix", "/")]).replace("rules:", &format!("tls: [{tls}], rules:"))
}

fn table(text: &str) -> RouteTable {
    let config = IngressConfig::builder().default_certificate("shop/other").build().unwrap();
    RouteTable::new(&snapshot(&format!("{}{text}", service("web", 1))), &config)
}

/// What is given for a name is told by what else it is for.
fn given(table: &RouteTable, name: Option<&str>) -> &'static str {
    let is_for = |certificate: &Certificate| {
        ["foo.example", "a.wild.example", "both.example", "other.example"]
            .into_iter()
            .find(|name| certificate.covers(name))
    };
    table.certificate(name).and_then(is_for).unwrap_or("none")
}

#[test]
fn a_host_has_the_certificate_of_its_entry_or_else_one_that_is_for_it() {
    let secrets = secret("foo", &["foo.example"])
        + &secret("wild", &["*.wild.example"])
        + &secret("both", &["both.example", "foo.example", "a.wild.example"])
        + &secret("other", &["other.example"]);
    let rows = [
        // Host, entries of `spec.tls`, the certificate, problems.
        ("foo.example", "{hosts: [foo.example], secretName: foo}", "foo.example", 0),
        ("foo.example", "{hosts: [FOO.example], secretName: foo}", "foo.example", 0),
        ("foo.example", "{hosts: [foo.example], secretName: foo}, {secretName: both}", "foo.example", 0),
        // No entry lists it, or that entry names no Secret: any that is for it.
        ("foo.example", "{secretName: wild}, {secretName: foo}", "foo.example", 0),
        ("foo.example", "{hosts: [foo.example]}, {secretName: foo}", "foo.example", 0),
        ("a.wild.example", "{hosts: ['*.wild.example'], secretName: wild}", "a.wild.example", 0),
        // What is missing, or for others, gives way to the default.
        ("foo.example", "{hosts: [foo.example], secretName: absent}", "other.example", 1),
        ("foo.example", "{hosts: [foo.example], secretName: wild}", "other.example", 1),
        ("foo.example", "{hosts: [foo.example]}", "other.example", 0),
        ("b.a.wild.example", "{hosts: ['*.wild.example'], secretName: wild}", "other.example", 0),
    ];
    for (host, tls, expected, problems) in rows {
        let table = table(&(with_tls("web", host, tls) + &secrets));
        assert_eq!(given(&table, Some(host)), expected, "{host} with {tls}");
        assert_eq!(table.report().problems().len(), problems, "{tls}: {}", table.report());
        assert!(table.route(host, "/").is_some(), "{tls}");
    }
}

#[test]
fn the_oldest_ingress_with_a_certificate_has_the_host() {
    let created = |text: String, time: &str| {
        text.replace("annotations: {}", &format!("creationTimestamp: '{time}', annotations: {{}}"))
    };
    let foo = with_tls("foo", "foo.example", "{hosts: [foo.example], secretName: foo}");
    let both = with_tls("both", "foo.example", "{hosts: [foo.example], secretName: both}");
    let secrets = secret("foo", &["foo.example"])
        + &secret("both", &["foo.example", "both.example"])
        + &secret("other", &["other.example"]);
    for (first, second, for_both) in [("2001", "2002", false), ("2002", "2001", true)] {
        let text = created(foo.clone(), &format!("{first}-01-01T00:00:00Z"))
            + &created(both.clone(), &format!("{second}-01-01T00:00:00Z"))
            + &secrets;
        let table = table(&text);
        assert_eq!(table.certificate(Some("foo.example")).unwrap().covers("both.example"), for_both);
    }
}

#[test]
fn names_are_looked_up_whole_then_by_their_wildcard_then_by_default() {
    let text = with_tls("foo", "foo.example", "{hosts: [foo.example], secretName: foo}")
        + &with_tls("wild", "*.wild.example", "{hosts: ['*.wild.example'], secretName: wild}")
        + &secret("foo", &["foo.example"])
        + &secret("wild", &["*.wild.example"])
        + &secret("other", &["other.example"]);
    let table = table(&text);
    let rows = [
        (Some("foo.example"), "foo.example"),
        (Some("FOO.Example."), "foo.example"),
        (Some("a.wild.example"), "a.wild.example"),
        (Some("B.WILD.example"), "a.wild.example"),
        (Some("b.a.wild.example"), "other.example"),
        (Some("wild.example"), "other.example"),
        (Some("absent.example"), "other.example"),
        (None, "other.example"),
    ];
    for (name, expected) in rows {
        assert_eq!(given(&table, name), expected, "{name:?}");
    }
}
