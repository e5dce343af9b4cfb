//! A JSON object for each request, under nginx's names of its variables.

use std::borrow::Cow;

use http::HeaderValue;

use crate::calendar::Moment;

use super::text::{address, endpoint, escaped, hexadecimal, number, seconds, three, two};
use super::{Entry, Try};

pub(super) fn emit(entry: &Entry, line: &mut Vec<u8>) {
    line.extend_from_slice(b"{\"time\":\"");
    time(entry, line);
    line.extend_from_slice(b"\",\"remote_addr\":\"");
    address(entry.client, line);
    line.push(b'"');
    text("remote_user", entry.user.as_deref(), line);
    text("request_method", Some(entry.method.as_str()), line);
    field("http_host", entry.host.as_ref(), line);
    text("request_uri", Some(entry.target()), line);
    text("server_protocol", Some(entry.protocol()), line);
    member("status", line);
    number(entry.status.into(), line);
    member("body_bytes_sent", line);
    number(entry.bytes, line);
    field("http_referer", entry.referer.as_ref(), line);
    field("http_user_agent", entry.user_agent.as_ref(), line);
    member("request_length", line);
    number(entry.request_length, line);
    member("request_time", line);
    seconds(entry.took, line);
    let ingress = entry.location.as_ref().and_then(|location| location.ingress());
    text("namespace", ingress.map(|ingress| ingress.namespace()), line);
    text("ingress_name", ingress.map(|ingress| ingress.name()), line);
    let (name, alternative) = entry.upstreams().unzip();
    text("proxy_upstream_name", name.as_deref(), line);
    text("proxy_alternative_upstream_name", alternative.flatten().as_deref(), line);
    member("upstream", line);
    line.push(b'[');
    entry.tries.iter().enumerate().for_each(|(index, tried)| upstream(index, tried, line));
    line.push(b']');
    field("req_id", entry.request_id.as_ref(), line);
    line.extend_from_slice(b"}\n");
}

/// `2026-11-27T20:15:13.042Z`.
fn time(entry: &Entry, line: &mut Vec<u8>) {
    let at = Moment::since_1970(i64::try_from(entry.at.as_secs()).unwrap_or(i64::MAX));
    number(at.year.unsigned_abs(), line);
    for (before, part) in
        [(b'-', at.month), (b'-', at.day), (b'T', at.hour), (b':', at.minute), (b':', at.second)]
    {
        line.push(before);
        two(part, line);
    }
    line.push(b'.');
    three(entry.at.subsec_millis(), line);
    line.push(b'Z');
}

fn upstream(index: usize, tried: &Try, line: &mut Vec<u8>) {
    line.extend_from_slice(if index > 0 { b",{\"addr\":\"" } else { b"{\"addr\":\"" });
    endpoint(tried.endpoint, line);
    line.push(b'"');
    member("status", line);
    number(tried.status.into(), line);
    member("response_length", line);
    number(tried.bytes, line);
    member("response_time", line);
    seconds(tried.took, line);
    line.push(b'}');
}

fn field(name: &str, value: Option<&HeaderValue>, line: &mut Vec<u8>) {
    // Nearly every value is ASCII, and then it is not looked at twice.
    let value = value.map(|value| {
        value.to_str().map_or_else(|_| String::from_utf8_lossy(value.as_bytes()), Cow::Borrowed)
    });
    text(name, value.as_deref(), line);
}

fn member(name: &str, line: &mut Vec<u8>) {
    line.extend_from_slice(b",\"");
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(b"\":");
}

/// A member whose value is a string, or `null`.
fn text(name: &str, value: Option<&str>, line: &mut Vec<u8>) {
    member(name, line);
    let Some(value) = value else { return line.extend_from_slice(b"null") };
    line.push(b'"');
    let is_plain = |byte| !matches!(byte, b'"' | b'\\' | ..32 | 127);
    let escape = |byte, line: &mut Vec<u8>| match byte {
        b'"' | b'\\' => line.extend_from_slice(&[b'\\', byte]),
        _ => {
            line.extend_from_slice(b"\\u00");
            hexadecimal(byte, line);
        }
    };
    escaped(value.as_bytes(), is_plain, escape, line);
    line.push(b'"');
}
