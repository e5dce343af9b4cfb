//! What snippets were used for. They are never obeyed; this tells which typed annotation says the same.

use std::collections::BTreeSet;

/// Snippets, whose values are directives of nginx.
pub(crate) const SNIPPETS: [&str; 2] = ["configuration-snippet", "server-snippet"];

/// The names of the directives in a snippet, at any depth, each once and in alphabetic order.
#[must_use]
pub fn directives(snippet: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    let mut rest = snippet;
    let mut begins = true;
    while let Some((word, after)) = next_token(rest) {
        match word {
            ";" | "{" | "}" => begins = true,
            name if begins => {
                names.insert(name);
                begins = false;
            }
            _ => {}
        }
        rest = after;
    }
    names
}

/// The annotation that says what a directive of nginx does, or what else to do; `None` where there is nothing.
#[must_use]
pub fn instead_of_directive(name: &str) -> Option<&'static str> {
    let text = match name {
        "add_header" | "more_set_headers" | "more_clear_headers" | "proxy_hide_header" => {
            "`enable-cors` for CORS; let the backend send or leave out other fields"
        }
        "allow" => "`allowlist-source-range`",
        "deny" => "`denylist-source-range`",
        "auth_basic" | "auth_basic_user_file" => "`auth-type: basic` and `auth-secret`",
        "auth_request" | "auth_request_set" => "`auth-url` and `auth-response-headers`",
        "client_max_body_size" => "`proxy-body-size`",
        "limit_conn" => "`limit-connections`",
        "limit_req" => "`limit-rps` or `limit-rpm`",
        "location" => "a path in `spec.rules`, in an Ingress of its own where its annotations differ",
        "proxy_buffering"
        | "proxy_buffers"
        | "proxy_buffer_size"
        | "proxy_request_buffering"
        | "client_body_buffer_size"
        | "gzip"
        | "gzip_types"
        | "gzip_proxied" => "nothing: bodies are streamed as they are",
        "proxy_connect_timeout" => "`proxy-connect-timeout`",
        "proxy_read_timeout" => "`proxy-read-timeout`",
        "proxy_send_timeout" => "`proxy-send-timeout`",
        "proxy_next_upstream" => "`proxy-next-upstream`",
        "proxy_http_version" => "nothing: connections are kept, upgrades are recognised",
        "proxy_pass" => "a Service as the rule's backend",
        "proxy_set_header" | "more_set_input_headers" => {
            "`upstream-vhost` for `Host`; `X-Forwarded-*` and `X-Real-IP` are set anyway"
        }
        "return" => "`permanent-redirect` or `temporal-redirect`",
        "rewrite" => "`rewrite-target` or `app-root`",
        "server_name" => "`server-alias`",
        _ => return None,
    };
    Some(text)
}

/// The next word or sign, without quotes, and what is after it. Comments and white space are passed over.
fn next_token(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let first = text.chars().next()?;
    match first {
        '#' => next_token(text.split_once('\n')?.1),
        ';' | '{' | '}' => Some(text.split_at(1)),
        '"' | '\'' => {
            let end = closing(&text[1..], first)?;
            Some((&text[1..=end], &text[end + 2..]))
        }
        _ => {
            let end = text.find(|c: char| c.is_whitespace() || matches!(c, ';' | '{' | '}'));
            Some(text.split_at(end.unwrap_or(text.len())))
        }
    }
}

/// Where a quoted word ends: at its quote, unless a backslash is before that.
fn closing(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn directives_are_found_in_blocks_beside_quotes_and_comments() {
        let snippet = r#"
            more_set_headers "X-A: b; c"; # return 1;
            if ($host ~ "^a{2}\"") { return 301 https://x.example/; }
            location /b{proxy_pass http://b;}
        "#;
        let found: Vec<_> = directives(snippet).into_iter().collect();
        assert_eq!(found, ["if", "location", "more_set_headers", "proxy_pass", "return"]);
        assert!(directives("").is_empty());
        assert!(directives("# nothing").is_empty());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in r#"[ a"'\\;{}#\n\u{e9}]{0,40}"#) {
            let _ = directives(&text);
        }
    }
}
