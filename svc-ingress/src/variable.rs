//! Text of annotations with `$variables` in it. The list of variables is closed, each is a value of its own, and what comes
//! out is never read as configuration.

use std::fmt;
use std::net::IpAddr;

use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, Method};

use crate::auth::Credentials;
use crate::authority::Authority;
use crate::path::{emit, normalise};
use crate::table::Location;

#[cfg(test)]
mod tests;

const MAX_TEXT: usize = 4096;

/// Text with variables, parsed.
#[derive(Clone, PartialEq, Eq)]
pub struct Interpolated {
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(Variable),
}

/// One of nginx's variables.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Variable {
    /// `$host`: the host that was asked for, without port.
    Host,
    /// `$http_host`: the host with the port.
    HttpHost,
    /// `$request_uri`: path and query as sent.
    RequestUri,
    /// `$escaped_request_uri`: the same in the form of a query's value.
    EscapedRequestUri,
    /// `$uri`: the path in its normal form, escaped.
    Uri,
    /// `$args`, `$query_string`: the query.
    Query,
    /// `$scheme`, `$pass_access_scheme`: `http` or `https`.
    Scheme,
    /// `$request_method`.
    Method,
    /// `$remote_addr`: the client.
    RemoteAddress,
    /// `$remote_user`: who logs in.
    RemoteUser,
    /// `$server_name`: the rule's host.
    ServerName,
    /// `$server_port`: the port that the client came to.
    ServerPort,
    /// `$namespace` of the Ingress.
    Namespace,
    /// `$ingress_name`.
    IngressName,
    /// `$service_name`.
    ServiceName,
    /// `$service_port`.
    ServicePort,
    /// `$http_NAME`: a field of the request.
    Field(HeaderName),
    /// `$cookie_NAME`.
    Cookie(String),
    /// `$arg_NAME`: a parameter of the query.
    Argument(String),
}

/// What variables stand for while one request is answered.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "whoever asks knows all of it")]
pub struct Scope<'a> {
    /// The host that was asked for.
    pub authority: &'a Authority,
    /// Path and query as sent.
    pub target: &'a str,
    /// The method.
    pub method: &'a Method,
    /// The fields as sent.
    pub headers: &'a HeaderMap,
    /// The client.
    pub client: IpAddr,
    /// The client came over TLS.
    pub https: bool,
    /// The port that the client came to.
    pub port: u16,
    /// The rule that takes the request.
    pub location: &'a Location,
}

impl Interpolated {
    /// Reads a text. A `$` has to begin a variable of the list.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains(' ') { Err("holds a space".to_owned()) } else { Self::parse_value(text) }
    }

    /// Reads a text that may hold spaces, such as a field's value.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse_value(text: &str) -> Result<Self, String> {
        if text.len() > MAX_TEXT || !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            return Err(format!(
                "holds what is not a printable character of ASCII, or over {MAX_TEXT} bytes"
            ));
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, from)) = rest.split_once('$') {
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let (name, after) = variable_name(from);
            pieces.push(Piece::Variable(Variable::parse(name)?));
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self { text: text.to_owned(), pieces })
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The variables in it.
    pub fn variables(&self) -> impl Iterator<Item = &Variable> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Variable(variable) => Some(variable),
            Piece::Text(_) => None,
        })
    }

    /// The text with the values of a request.
    #[must_use]
    pub fn fill(&self, scope: Scope<'_>) -> String {
        let mut filled = String::with_capacity(self.text.len() + 64);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Variable(variable) => scope.push(variable, &mut filled),
            }
        }
        filled
    }
}

/// The name after a `$`, perhaps in braces, and what follows it.
fn variable_name(text: &str) -> (&str, &str) {
    if let Some((name, after)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) {
        return (name, after);
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    text.split_at(end)
}

impl Variable {
    /// It stands for a host, or for what the Ingress says: it can be part of a server's name.
    #[must_use]
    pub fn is_of_host(&self) -> bool {
        use Variable::{Host, HttpHost, IngressName, Namespace, ServerName, ServiceName, ServicePort};
        matches!(self, Host | HttpHost | IngressName | Namespace | ServerName | ServiceName | ServicePort)
    }

    fn parse(name: &str) -> Result<Self, String> {
        let field = |name: &str| name.replace('_', "-").parse().ok().map(Self::Field);
        let part = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        let found = match name {
            "host" => Some(Self::Host),
            "http_host" | "best_http_host" => Some(Self::HttpHost),
            "request_uri" => Some(Self::RequestUri),
            "escaped_request_uri" => Some(Self::EscapedRequestUri),
            "uri" => Some(Self::Uri),
            "args" | "query_string" => Some(Self::Query),
            "scheme" | "pass_access_scheme" => Some(Self::Scheme),
            "request_method" => Some(Self::Method),
            "remote_addr" => Some(Self::RemoteAddress),
            "remote_user" => Some(Self::RemoteUser),
            "server_name" => Some(Self::ServerName),
            "server_port" => Some(Self::ServerPort),
            "namespace" => Some(Self::Namespace),
            "ingress_name" => Some(Self::IngressName),
            "service_name" => Some(Self::ServiceName),
            "service_port" => Some(Self::ServicePort),
            _ => match name.split_once('_') {
                Some(("http", name)) => field(name),
                Some(("cookie", name)) => part(name).map(Self::Cookie),
                Some(("arg", name)) => part(name).map(Self::Argument),
                _ => None,
            },
        };
        found.ok_or_else(|| format!("names `${name}`, which is none of the variables that are known"))
    }
}

impl Scope<'_> {
    fn push(self, variable: &Variable, filled: &mut String) {
        match variable {
            Variable::Host => filled.push_str(self.authority.host()),
            Variable::HttpHost => filled.push_str(&self.authority.to_string()),
            Variable::RequestUri => filled.push_str(self.target),
            Variable::EscapedRequestUri => escape(self.target, filled),
            Variable::Uri => {
                if let Ok(path) = normalise(self.target) {
                    emit(&path, filled);
                }
            }
            Variable::Query => filled.push_str(self.query()),
            Variable::Scheme => filled.push_str(if self.https { "https" } else { "http" }),
            Variable::Method => filled.push_str(self.method.as_str()),
            Variable::RemoteAddress => filled.push_str(&self.client.to_string()),
            Variable::RemoteUser => {
                let credentials = self.headers.get(AUTHORIZATION).and_then(Credentials::parse);
                filled.push_str(credentials.as_ref().map_or("", Credentials::user));
            }
            Variable::ServerName => filled.push_str(self.location.host()),
            Variable::ServerPort => filled.push_str(&self.port.to_string()),
            Variable::Namespace => filled.push_str(self.location.pool().service().namespace()),
            Variable::IngressName => filled.push_str(self.location.ingress().map_or("", |name| name.name())),
            Variable::ServiceName => filled.push_str(self.location.pool().service().name()),
            Variable::ServicePort => filled.push_str(self.location.pool().port()),
            Variable::Field(name) => filled.push_str(&field(self.headers, name).unwrap_or_default()),
            Variable::Cookie(name) => filled.push_str(cookie(self.headers, name).unwrap_or_default()),
            Variable::Argument(name) => filled.push_str(self.argument(name)),
        }
    }

    fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    fn argument(&self, name: &str) -> &str {
        let pairs = self.query().split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value)
    }
}

/// A field's values as one, as nginx has them.
#[must_use]
pub fn field(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> =
        headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// A cookie's value; its name in any case, as nginx has it.
#[must_use]
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    cookies(headers).find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// All cookies of a request.
pub fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let values = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (key.trim(), value.trim()))
}

/// Appends a text so that it can be a value in a query.
pub(crate) fn escape(text: &str, escaped: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte))
            }
            byte => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
}

impl fmt::Debug for Interpolated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl fmt::Display for Interpolated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
