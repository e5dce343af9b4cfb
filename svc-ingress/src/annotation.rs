//! `nginx.ingress.kubernetes.io/*`: each annotation parsed once into a type. Nothing here is ever text in a template.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use svc_model::ObjectName;

use crate::backend::{BackendProtocol, NextUpstream};
use crate::config::{IngressConfig, Mode};
use crate::rewrite::RewriteTarget;

mod value;

#[cfg(test)]
mod tests;

/// The prefix of all annotations that are read.
pub const PREFIX: &str = "nginx.ingress.kubernetes.io/";

/// Who may log in, and how that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicAuth {
    secret: ObjectName,
    realm: String,
    secret_type: AuthSecretType,
}

/// `auth-secret-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthSecretType {
    /// The key `auth` holds an htpasswd file.
    File,
    /// Each key is a user, its value the hash.
    Map,
}

impl BasicAuth {
    /// The Secret.
    #[must_use]
    pub fn secret(&self) -> &ObjectName {
        &self.secret
    }

    /// The realm that clients show to their user.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The Secret's form.
    #[must_use]
    pub fn secret_type(&self) -> AuthSecretType {
        self.secret_type
    }
}

/// What the annotations of one Ingress ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policies {
    pub(crate) ssl_redirect: bool,
    pub(crate) force_ssl_redirect: bool,
    pub(crate) preserve_trailing_slash: bool,
    pub(crate) use_regex: bool,
    pub(crate) rewrite_target: Option<RewriteTarget>,
    pub(crate) auth: Option<BasicAuth>,
    pub(crate) allow: Vec<IpNet>,
    pub(crate) deny: Vec<IpNet>,
    pub(crate) body_size: u64,
    pub(crate) connect_timeout: Duration,
    pub(crate) read_timeout: Duration,
    pub(crate) send_timeout: Duration,
    pub(crate) protocol: BackendProtocol,
    pub(crate) next_upstream: NextUpstream,
    pub(crate) canary: bool,
    pub(crate) denied: Option<String>,
}

/// An annotation that is not obeyed, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AnnotationProblem {
    pub(crate) key: String,
    pub(crate) message: String,
}

impl Policies {
    /// What holds without annotations.
    #[must_use]
    pub fn new(config: &IngressConfig) -> Self {
        Self {
            ssl_redirect: config.mode() == Mode::Nginx,
            force_ssl_redirect: false,
            preserve_trailing_slash: false,
            use_regex: false,
            rewrite_target: None,
            auth: None,
            allow: Vec::new(),
            deny: Vec::new(),
            body_size: config.body_size(),
            connect_timeout: config.connect_timeout(),
            read_timeout: config.read_timeout(),
            send_timeout: config.send_timeout(),
            protocol: BackendProtocol::Http,
            next_upstream: NextUpstream::default(),
            canary: false,
            denied: None,
        }
    }

    /// Plain HTTP is redirected where the host has TLS.
    #[must_use]
    pub fn ssl_redirect(&self) -> bool {
        self.ssl_redirect
    }

    /// Plain HTTP is redirected in any case.
    #[must_use]
    pub fn force_ssl_redirect(&self) -> bool {
        self.force_ssl_redirect
    }

    /// Paths are regular expressions.
    #[must_use]
    pub fn use_regex(&self) -> bool {
        self.use_regex
    }

    /// What the backend sees instead of the path.
    #[must_use]
    pub fn rewrite_target(&self) -> Option<&RewriteTarget> {
        self.rewrite_target.as_ref()
    }

    /// Basic authentication.
    #[must_use]
    pub fn auth(&self) -> Option<&BasicAuth> {
        self.auth.as_ref()
    }

    /// The largest request body in bytes; 0 for no limit.
    #[must_use]
    pub fn body_size(&self) -> u64 {
        self.body_size
    }

    /// How long a connection to an endpoint may take.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    /// The longest pause between two reads from an endpoint.
    #[must_use]
    pub fn read_timeout(&self) -> Duration {
        self.read_timeout
    }

    /// The longest pause between two writes to an endpoint.
    #[must_use]
    pub fn send_timeout(&self) -> Duration {
        self.send_timeout
    }

    /// What the endpoints speak.
    #[must_use]
    pub fn protocol(&self) -> BackendProtocol {
        self.protocol
    }

    /// When another endpoint is asked.
    #[must_use]
    pub fn next_upstream(&self) -> &NextUpstream {
        &self.next_upstream
    }

    /// Why every request is answered 503: an annotation that protects the backend cannot be obeyed.
    #[must_use]
    pub fn denied(&self) -> Option<&str> {
        self.denied.as_deref()
    }

    /// Whether `denylist-source-range` and `whitelist-source-range` let the client through.
    #[must_use]
    pub fn admits(&self, client: IpAddr) -> bool {
        let client = client.to_canonical();
        let listed = |list: &[IpNet]| list.iter().any(|net| net.contains(&client));
        !listed(&self.deny) && (self.allow.is_empty() || listed(&self.allow))
    }

    /// Reads the annotations of an Ingress in `namespace`. Whatever cannot be obeyed is returned beside the policies;
    /// where it protects the backend, the policies deny every request.
    pub(crate) fn parse(
        annotations: &BTreeMap<String, String>,
        namespace: &str,
        config: &IngressConfig,
    ) -> (Self, Vec<AnnotationProblem>) {
        let mut policies = Self::new(config);
        let mut problems = Vec::new();
        for (name, value) in annotations {
            let Some(key) = name.strip_prefix(PREFIX) else { continue };
            if let Err(message) = policies.set(key, value.trim()) {
                problems.push(policies.refuse(key, &message));
            }
        }
        if let Err((key, message)) = policies.set_auth(annotations, namespace, config) {
            problems.push(policies.refuse(key, &message));
        }
        (policies, problems)
    }

    fn set(&mut self, key: &str, text: &str) -> Result<(), String> {
        match key {
            "ssl-redirect" => self.ssl_redirect = value::boolean(text)?,
            "force-ssl-redirect" => self.force_ssl_redirect = value::boolean(text)?,
            "preserve-trailing-slash" => self.preserve_trailing_slash = value::boolean(text)?,
            "use-regex" => self.use_regex = value::boolean(text)?,
            "rewrite-target" => {
                let target = RewriteTarget::parse(text);
                self.rewrite_target = Some(target.ok_or("is not a path such as `/` or `/$2`")?);
            }
            "whitelist-source-range" | "allowlist-source-range" => self.allow = value::networks(text)?,
            "denylist-source-range" => self.deny = value::networks(text)?,
            "proxy-body-size" => self.body_size = value::size(text)?,
            "proxy-connect-timeout" => self.connect_timeout = value::seconds(text)?,
            "proxy-read-timeout" => self.read_timeout = value::seconds(text)?,
            "proxy-send-timeout" => self.send_timeout = value::seconds(text)?,
            "backend-protocol" => self.protocol = text.parse()?,
            "proxy-next-upstream" => {
                self.next_upstream = self.next_upstream.clone().with_causes(text.parse()?);
            }
            "proxy-next-upstream-tries" => {
                let tries = text.parse().map_err(|_| "is not a number of tries, 0 for no limit")?;
                self.next_upstream = self.next_upstream.clone().with_tries(tries);
            }
            "proxy-next-upstream-timeout" => {
                let timeout = if text == "0" { Duration::ZERO } else { value::seconds(text)? };
                self.next_upstream = self.next_upstream.clone().with_timeout(timeout);
            }
            "canary" => self.canary = value::boolean(text)?,
            "auth-type" | "auth-secret" | "auth-realm" | "auth-secret-type" => {}
            "proxy-buffering"
            | "proxy-request-buffering"
            | "client-body-buffer-size"
            | "proxy-buffer-size" => {}
            key if key.ends_with("-snippet") => {
                return Err("is never obeyed: it is configuration text".to_owned());
            }
            _ => return Err("is not supported".to_owned()),
        }
        Ok(())
    }

    fn set_auth(
        &mut self,
        annotations: &BTreeMap<String, String>,
        namespace: &str,
        config: &IngressConfig,
    ) -> Result<(), (&'static str, String)> {
        let text = |key: &str| annotations.get(&format!("{PREFIX}{key}")).map(|value| value.trim());
        match text("auth-type") {
            None | Some("") => return Ok(()),
            Some("basic") => {}
            Some(_) => return Err(("auth-type", "is not supported: only `basic` is".to_owned())),
        }
        let secret =
            text("auth-secret").ok_or(("auth-secret", "is missing: name the htpasswd Secret".to_owned()))?;
        let secret = value::secret(secret, namespace, config.allows_cross_namespace())
            .map_err(|message| ("auth-secret", message))?;
        let secret_type = match text("auth-secret-type") {
            None | Some("" | "auth-file") => AuthSecretType::File,
            Some("auth-map") => AuthSecretType::Map,
            Some(_) => return Err(("auth-secret-type", "is neither `auth-file` nor `auth-map`".to_owned())),
        };
        let realm = value::realm(text("auth-realm").unwrap_or_default())
            .map_err(|message| ("auth-realm", message))?;
        self.auth = Some(BasicAuth { secret, realm, secret_type });
        Ok(())
    }

    /// Notes what cannot be obeyed, and denies all requests if it protects the backend.
    fn refuse(&mut self, key: &str, message: &str) -> AnnotationProblem {
        let closes = protects(key);
        if closes && self.denied.is_none() {
            self.denied = Some(format!("{PREFIX}{key} {message}"));
        }
        let then = if closes { "the requests of this Ingress are answered 503" } else { "it is ignored" };
        AnnotationProblem { key: key.to_owned(), message: format!("{message}; {then}") }
    }
}

/// Annotations without which the backend would be open to more than its owner wants, or would get what it cannot read.
fn protects(key: &str) -> bool {
    let family = ["auth-", "whitelist-source-range", "allowlist-source-range", "denylist-source-range"];
    let other = [
        "satisfy",
        "backend-protocol",
        "enable-global-auth",
        "ssl-passthrough",
        "rewrite-target",
        "use-regex",
    ];
    (family.iter().any(|prefix| key.starts_with(prefix)) && key != "auth-snippet") || other.contains(&key)
}
