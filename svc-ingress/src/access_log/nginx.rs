//! The default of ingress-nginx's `log-format-upstream`:
//! `$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"
//! $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr
//! $upstream_response_length $upstream_response_time $upstream_status $req_id`.

use http::HeaderValue;

use crate::calendar::Moment;

use super::text::{address, endpoint, escaped, hexadecimal, number, seconds, two};
use super::{Entry, Try};

/// What ingress-nginx calls the pool of requests that no rule takes.
const NO_RULE: &str = "upstream-default-backend";

pub(super) fn emit(entry: &Entry, line: &mut Vec<u8>) {
    address(entry.client, line);
    line.extend_from_slice(b" - ");
    escape(entry.user.as_deref().unwrap_or("-").as_bytes(), line);
    line.extend_from_slice(b" [");
    time(entry, line);
    line.extend_from_slice(b"] \"");
    line.extend_from_slice(entry.method.as_str().as_bytes());
    line.push(b' ');
    escape(entry.target().as_bytes(), line);
    line.push(b' ');
    line.extend_from_slice(entry.protocol().as_bytes());
    line.extend_from_slice(b"\" ");
    number(entry.status.into(), line);
    line.push(b' ');
    number(entry.bytes, line);
    line.extend_from_slice(b" \"");
    field(entry.referer.as_ref(), line);
    line.extend_from_slice(b"\" \"");
    field(entry.user_agent.as_ref(), line);
    line.extend_from_slice(b"\" ");
    number(entry.request_length, line);
    line.push(b' ');
    seconds(entry.took, line);
    upstreams(entry, line);
    each(&entry.tries, line, |tried, line| endpoint(tried.endpoint, line));
    each(&entry.tries, line, |tried, line| number(tried.bytes, line));
    each(&entry.tries, line, |tried, line| seconds(tried.took, line));
    each(&entry.tries, line, |tried, line| number(tried.status.into(), line));
    field(entry.request_id.as_ref(), line);
    line.push(b'\n');
}

/// `27/Nov/2026:20:15:13 +0000`.
fn time(entry: &Entry, line: &mut Vec<u8>) {
    let at = Moment::since_1970(i64::try_from(entry.at.as_secs()).unwrap_or(i64::MAX));
    two(at.day, line);
    line.push(b'/');
    line.extend_from_slice(at.month_name().as_bytes());
    line.push(b'/');
    number(at.year.unsigned_abs(), line);
    for part in [at.hour, at.minute, at.second] {
        line.push(b':');
        two(part, line);
    }
    line.extend_from_slice(b" +0000");
}

fn upstreams(entry: &Entry, line: &mut Vec<u8>) {
    let (name, alternative) = entry.upstreams().unwrap_or_else(|| (NO_RULE.to_owned(), None));
    line.extend_from_slice(b" [");
    line.extend_from_slice(name.as_bytes());
    line.extend_from_slice(b"] [");
    line.extend_from_slice(alternative.unwrap_or_default().as_bytes());
    line.extend_from_slice(b"] ");
}

/// One value for each endpoint that was asked, and a space.
fn each(tries: &[Try], line: &mut Vec<u8>, mut one: impl FnMut(&Try, &mut Vec<u8>)) {
    if tries.is_empty() {
        line.push(b'-');
    }
    for (index, tried) in tries.iter().enumerate() {
        if index > 0 {
            line.extend_from_slice(b", ");
        }
        one(tried, line);
    }
    line.push(b' ');
}

fn field(value: Option<&HeaderValue>, line: &mut Vec<u8>) {
    match value.map(HeaderValue::as_bytes) {
        None | Some(b"") => line.push(b'-'),
        Some(value) => escape(value, line),
    }
}

/// As nginx does by default: what could end a line or a quoted value is written in hexadecimal digits.
fn escape(text: &[u8], line: &mut Vec<u8>) {
    let is_plain = |byte| !matches!(byte, b'"' | b'\\' | ..32 | 127..);
    let escape = |byte, line: &mut Vec<u8>| {
        line.extend_from_slice(b"\\x");
        hexadecimal(byte, line);
    };
    escaped(text, is_plain, escape, line);
}
