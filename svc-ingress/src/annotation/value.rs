//! The forms that annotation values have.

use std::net::IpAddr;
use std::time::Duration;

use http::HeaderValue;
use ipnet::IpNet;
use svc_model::ObjectName;

/// As Go's strconv.ParseBool, which ingress-nginx uses.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err("is neither `true` nor `false`".to_owned()),
    }
}

/// As nginx writes it.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err("is neither `on` nor `off`".to_owned()),
    }
}

/// Whole seconds, at least one; a final `s` is allowed.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    match text.strip_suffix('s').unwrap_or(text).parse::<u32>() {
        Ok(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds.into())),
        _ => Err("is not a number of seconds above 0".to_owned()),
    }
}

/// Whole seconds, 0 for no limit.
pub(super) fn seconds_or_none(text: &str) -> Result<Duration, String> {
    if text == "0" { Ok(Duration::ZERO) } else { seconds(text) }
}

/// How many tries, 0 for no limit.
pub(super) fn tries(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| "is not a number of tries, 0 for no limit".to_owned())
}

/// Bytes with an optional unit k, m or g; 0 for no limit.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let units = [(['k', 'K'], 1 << 10), (['m', 'M'], 1 << 20), (['g', 'G'], 1 << 30)];
    let unit =
        units.iter().find_map(|(letters, unit)| text.strip_suffix(letters).map(|number| (number, *unit)));
    let (number, unit): (_, u64) = unit.unwrap_or((text, 1));
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let bytes = number.parse::<u64>().ok().filter(|_| digits).and_then(|number| number.checked_mul(unit));
    bytes.ok_or_else(|| "is not a size such as `8m`".to_owned())
}

/// Whether endpoints are chosen by how fast they answer.
pub(super) fn by_latency(text: &str) -> Result<bool, String> {
    match text {
        "ewma" => Ok(true),
        "round_robin" => Ok(false),
        _ => Err("is neither `round_robin` nor `ewma`".to_owned()),
    }
}

/// Whether one of several conditions is enough.
pub(super) fn satisfy(text: &str) -> Result<bool, String> {
    match text {
        "any" => Ok(true),
        "all" => Ok(false),
        _ => Err("is neither `any` nor `all`".to_owned()),
    }
}

/// The beginning of a path, as the value of a field.
pub(super) fn prefix(text: &str) -> Result<HeaderValue, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._~-%".contains(&byte));
    match HeaderValue::from_str(text) {
        Ok(value) if plain => Ok(value),
        _ => Err("is not the beginning of a path such as `/shop`".to_owned()),
    }
}

/// A comma-separated list of networks and addresses.
pub(super) fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let parsed = entries.map(|entry| {
        let address = || entry.parse::<IpAddr>().map(IpNet::from);
        entry
            .parse::<IpNet>()
            .or_else(|_| address())
            .map_err(|_| format!("`{entry}` is no network such as 10.0.0.0/8"))
    });
    parsed.collect()
}

/// A number, 0 for none. Ingress-nginx takes a negative one for none too.
pub(super) fn count(text: &str) -> Result<u32, String> {
    let negative = text.strip_prefix('-').is_some_and(|digits| digits.parse::<u32>().is_ok());
    if negative { Ok(0) } else { text.parse().map_err(|_| "is not a whole number".to_owned()) }
}

/// How many authorities may stand between a certificate and one that is believed.
pub(super) fn depth(text: &str) -> Result<usize, String> {
    text.parse::<u8>().map(usize::from).map_err(|_| "is not a number of authorities below 256".to_owned())
}

/// A number of any sign.
pub(super) fn integer(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| "is not a whole number".to_owned())
}

/// A name of a cookie or a parameter.
pub(super) fn token(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if text.len() <= 256 && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("is not a name of letters, digits and `-._~`".to_owned())
    }
}

/// The value of an attribute of a cookie.
pub(super) fn cookie_attribute(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b';' && byte != b',';
    if text.len() <= 1024 && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("holds a space, a semicolon, a comma or what is no ASCII".to_owned())
    }
}

/// An object of a kind, `name` or `namespace/name`; in the Ingress's own namespace unless others are allowed.
pub(super) fn object(kind: &str, text: &str, namespace: &str, others: bool) -> Result<ObjectName, String> {
    let (own, name) = text.split_once('/').unwrap_or((namespace, text));
    let plain = |text: &str| {
        let byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
        !text.is_empty() && text.len() <= 253 && text.bytes().all(byte)
    };
    if !plain(own) || !plain(name) {
        return Err(format!("is not a {kind}'s name"));
    }
    if own != namespace && !others {
        return Err(format!("is in namespace {own}: the {kind} has to be in the Ingress's own, {namespace}"));
    }
    Ok(ObjectName::new(own, name))
}

/// Text that may stand between quotes in a header.
pub(super) fn realm(text: &str) -> Result<String, String> {
    let printable = |c: char| !c.is_control() && c != '"' && c != '\\';
    if text.len() > 256 || !text.chars().all(printable) {
        return Err("holds a quote, a backslash or a control character, or is over 256 bytes".to_owned());
    }
    Ok(text.to_owned())
}
