//! Names and addresses, as the API server accepts them.

use std::net::IpAddr;

use crate::problem::Findings;

/// RFC 1123 label: names of Services, namespaces, ports and host names.
pub(super) fn dns_label(text: &str) -> Result<(), String> {
    let rule = "is not a DNS label (at most 63 of a-z, 0-9 and `-`, a letter or digit first and last)";
    if is_label(text) { Ok(()) } else { Err(format!("`{text}` {rule}")) }
}

/// RFC 1123 subdomain: names of most objects, and host names with dots.
pub(super) fn dns_subdomain(text: &str) -> Result<(), String> {
    let rule = "is not a DNS name (at most 253 of a-z, 0-9, `-` and `.`, a letter or digit first and last in each part)";
    let valid = text.len() <= 253 && text.split('.').all(is_label_of_any_length);
    if valid { Ok(()) } else { Err(format!("`{text}` {rule}")) }
}

/// RFC 6335 service name, which `targetPort` and container ports use.
pub(super) fn port_name(text: &str) -> Result<(), String> {
    let rule = "is not a port name (at most 15 of a-z, 0-9 and `-`, with a letter, no `-` first, last or twice in a row)";
    let valid = text.len() <= 15
        && is_label_of_any_length(text)
        && !text.contains("--")
        && text.bytes().any(|byte| byte.is_ascii_lowercase());
    if valid { Ok(()) } else { Err(format!("`{text}` {rule}")) }
}

/// `name` or `dns.prefix/name`: keys of labels and annotations, load-balancer classes, application protocols.
pub(super) fn qualified(text: &str) -> Result<(), String> {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    let valid = !name.is_empty() && is_label_value(name) && prefix.is_none_or(|it| dns_subdomain(it).is_ok());
    let rule =
        "is not a qualified name (`name` or `example.com/name`; at most 63 letters, digits, `-`, `_`, `.`)";
    if valid { Ok(()) } else { Err(format!("`{text}` {rule}")) }
}

/// `example.com/path`: the names of Ingress controllers.
pub(super) fn domain_prefixed(text: &str) -> Result<(), String> {
    let valid = text.len() <= 250
        && text.split_once('/').is_some_and(|(domain, path)| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~!$&'()*+,;=:@%".contains(&byte);
            dns_subdomain(domain).is_ok() && !path.is_empty() && path.bytes().all(plain)
        });
    let rule = "is not a domain and a path (`example.com/controller`; at most 250 bytes)";
    if valid { Ok(()) } else { Err(format!("`{text}` {rule}")) }
}

/// What can stand in the path of a request to the API.
pub(super) fn path_segment(text: &str) -> Result<(), String> {
    let valid = !text.is_empty() && text != "." && text != ".." && !text.contains(['/', '%']);
    if valid { Ok(()) } else { Err(format!("`{text}` is not a name (no `/`, no `%`, not `.` or `..`)")) }
}

pub(super) fn secret_key(text: &str) -> Result<(), String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let valid =
        !text.is_empty() && text.len() <= 253 && text.bytes().all(plain) && text != "." && text != "..";
    if valid { Ok(()) } else { Err(format!("`{text}` is not a key (letters, digits, `-`, `_`, `.`)")) }
}

/// Keys and values of labels and selectors.
pub(super) fn labels<'a>(
    field: &str,
    labels: impl Iterator<Item = (&'a String, &'a String)>,
    findings: &mut Findings<'_>,
) {
    for (key, value) in labels {
        findings.parsed(&format!("{field}.{key}"), qualified(key));
        findings.require(is_label_value(value), &format!("{field}.{key}"), || {
            format!(
                "`{value}` is not a label value (at most 63 letters, digits, `-`, `_`, `.`, a letter or digit first and last)"
            )
        });
    }
}

/// An address in its one canonical spelling: what a new object must use (KEP-4858).
pub(super) fn canonical_address(text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = text.parse().map_err(|_| match crate::read::address(text) {
        Ok(address) => format!("`{text}` is not canonical: write {address}"),
        Err(error) => error,
    })?;
    let canonical = address.to_canonical().to_string();
    if canonical == text { Ok(address) } else { Err(format!("`{text}` is not canonical: write {canonical}")) }
}

/// An address that packets from elsewhere can be sent to.
pub(super) fn usable(address: IpAddr) -> Result<IpAddr, String> {
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local() || address.octets()[..3] == [224, 0, 0],
        IpAddr::V6(address) => {
            let first = address.segments()[0];
            first & 0xffc0 == 0xfe80 || (first & 0xff0f == 0xff02)
        }
    };
    match address {
        _ if address.is_unspecified() => {
            Err(format!("{address} is the unspecified address: it names no host"))
        }
        _ if address.is_loopback() => Err(format!("{address} is a loopback address: every host has its own")),
        _ if link_local => Err(format!("{address} is link-local: it is not reached from elsewhere")),
        _ => Ok(address),
    }
}

fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_label_of_any_length(text)
}

fn is_label_of_any_length(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.iter().all(|byte| plain(*byte) || *byte == b'-')
        && bytes.first().is_some_and(|first| plain(*first))
        && bytes.last().is_some_and(|last| plain(*last))
}

fn is_label_value(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
        && bytes.first().is_none_or(u8::is_ascii_alphanumeric)
        && bytes.last().is_none_or(u8::is_ascii_alphanumeric)
}
