//! `tls CERT KEY [CA] { client_auth MODE }` of a server, `tls [CERT KEY] [CA]` of a `forward`.

use super::{Directive, Place, Problems, hosts::under};

/// What a server shows clients: paths of PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsPlan {
    /// The certificate chain.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// Authorities that clients have to have a certificate of, and whether they may do without.
    pub clients: Option<(String, bool)>,
    /// Where it stands.
    pub place: Place,
}

/// How servers are asked over TLS: paths of PEM files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "nobody is asked over TLS"))]
pub(super) struct TlsForward {
    /// The name in their certificate.
    pub(super) server_name: Option<String>,
    /// A certificate to show them, and its key.
    pub(super) identity: Option<(String, String)>,
    /// Who is believed; `None`: whom the system believes.
    pub(super) authorities: Option<String>,
}

pub(super) fn tls(directive: &Directive, root: &str, problems: &mut Problems) -> Option<TlsPlan> {
    let [certificate, key, authorities @ ..] = directive.words.as_slice() else {
        problems.error(&directive.place, "tls takes CERT KEY [CA]");
        return None;
    };
    let authorities = match authorities {
        [] => None,
        [authorities] => Some(under(root, authorities)),
        _ => {
            problems.error(&directive.place, "tls takes CERT KEY [CA]");
            return None;
        }
    };
    let mut shown = None;
    for option in &directive.body {
        if option.name == "client_auth" && authorities.is_none() {
            problems.error(&option.place, "tls: client_auth needs the authorities: tls CERT KEY CA");
            continue;
        }
        match (option.name.as_str(), option.words.iter().map(String::as_str).collect::<Vec<_>>().as_slice()) {
            ("client_auth", ["nocert"]) => shown = None,
            ("client_auth", ["require_and_verify"]) => shown = Some(false),
            ("client_auth", ["verify_if_given"]) => shown = Some(true),
            ("client_auth", ["request" | "require"]) => problems.error(
                &option.place,
                "tls: client_auth: certificates are verified or not asked for: write verify_if_given or require_and_verify",
            ),
            ("client_auth", _) => {
                problems.error(&option.place, "tls: client_auth takes nocert, verify_if_given or require_and_verify");
            }
            _ => directive.unknown_option(option, problems),
        }
    }
    Some(TlsPlan {
        certificate: under(root, certificate),
        key: under(root, key),
        clients: authorities.zip(shown),
        place: directive.place.clone(),
    })
}

impl TlsForward {
    /// `tls`, `tls CA`, `tls CERT KEY`, `tls CERT KEY CA`
    pub(super) fn files(&mut self, option: &Directive, root: &str, problems: &mut Problems) {
        let paths: Vec<String> = option.words.iter().map(|path| under(root, path)).collect();
        match paths.as_slice() {
            [] => {}
            [authorities] => self.authorities = Some(authorities.clone()),
            [certificate, key, rest @ ..] if rest.len() < 2 => {
                self.identity = Some((certificate.clone(), key.clone()));
                self.authorities = rest.first().cloned();
            }
            _ => problems.error(&option.place, "forward: tls takes [CERT KEY] [CA]"),
        }
    }
}
