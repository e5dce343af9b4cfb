//! The explanation as a person reads it.

use std::fmt::{self, Display, Formatter};

use crate::table::PoolState;

use super::{Condition, Explanation, Forwarded, Outcome, Reason};

impl Display for Explanation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.route() {
            Some(route) => row(f, "rule", &route)?,
            None => row(f, "rule", &"none")?,
        }
        self.conditions().iter().try_for_each(|condition| row(f, "if", condition))?;
        if let Some(origin) = self.allowed_origin() {
            row(f, "CORS", &format!("pages of {} may read the reply", origin.to_str().unwrap_or("?")))?;
        }
        if let Outcome::Forwarded(forwarded) = self.outcome() {
            let Forwarded { host, target, .. } = &**forwarded;
            row(f, "asks for", &format!("{target} of host {host}"))?;
        }
        match (self.outcome(), self.client()) {
            (Outcome::Forbidden, Some(client)) => row(f, "answer", &forbidden(client)),
            (outcome, _) => row(f, "answer", outcome),
        }
    }
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Limits(status) => {
                write!(
                    f,
                    "the client is within limit-rps, limit-rpm and limit-connections, else {}",
                    status.as_u16()
                )
            }
            Self::ExternalAuth(url) => write!(f, "auth-url lets it pass: {url}"),
            Self::Certificate { secret, required: true } => {
                write!(f, "the client has shown a certificate by Secret {secret}, else 400")
            }
            Self::Certificate { secret, required: false } => {
                write!(f, "the client has shown no certificate, or one by Secret {secret}, else 400")
            }
            Self::Lot { canary, weight, total } => {
                write!(f, "it is none of the {weight} of {total} requests for canary Ingress {canary}")
            }
        }
    }
}

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(status) = self.status() {
            write!(f, "{}: ", status.as_u16())?;
        }
        match self {
            Self::Malformed(status) => f.write_str(status.canonical_reason().unwrap_or("malformed")),
            Self::NoRule => {
                f.write_str("no rule of a served Ingress takes it, and there is no default backend")
            }
            Self::Redirect { reason, location, .. } => write!(f, "{}, to {location}", by(*reason)),
            Self::BodyTooLarge(limit) => write!(f, "its body is larger than proxy-body-size, {limit} bytes"),
            Self::Denied(reason) => f.write_str(reason),
            Self::Preflight => f.write_str("the preflight of a page that may read the reply"),
            Self::Forbidden => f.write_str("its client is not let in"),
            Self::NoCertificate(refusal) => {
                write!(f, "{refusal}: nobody can over plain HTTP")
            }
            Self::NoLogin(secret) => write!(f, "basic authentication: no such login in Secret {secret}"),
            Self::PassedThrough(service, endpoints) => {
                let endpoints: Vec<_> = endpoints.iter().map(ToString::to_string).collect();
                write!(f, "TLS is passed through to Service {service}, by {}", endpoints.join(" or "))
            }
            Self::Unserved(state) => f.write_str(unserved(*state)),
            Self::Forwarded(forwarded) => Display::fmt(&**forwarded, f),
        }
    }
}

impl Display for Forwarded {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(canary) = &self.canary {
            write!(f, "canary Ingress {canary}, ")?;
        }
        write!(f, "Service {}, by ", self.service)?;
        match &self.external {
            Some(server) => write!(f, "an address of {server}"),
            None => {
                let endpoints: Vec<_> = self.endpoints.iter().map(ToString::to_string).collect();
                f.write_str(&endpoints.join(" or "))
            }
        }
    }
}

fn row(f: &mut Formatter<'_>, what: &str, text: &dyn Display) -> fmt::Result {
    writeln!(f, "{what:<9} {text}")
}

fn forbidden(client: std::net::IpAddr) -> String {
    format!("403: client {client} is not let in by allowlist-source-range or denylist-source-range")
}

fn by(reason: Reason) -> &'static str {
    match reason {
        Reason::AppRoot => "app-root",
        Reason::Www => "from-to-www-redirect",
        Reason::Slash => "the rule's path ends with a slash",
        Reason::Annotation => "permanent-redirect or temporal-redirect",
        Reason::Https => "ssl-redirect or force-ssl-redirect",
    }
}

fn unserved(state: PoolState) -> &'static str {
    match state {
        PoolState::Ready => "no endpoint was asked",
        PoolState::NoEndpoints => "no endpoint of the Service is ready",
        PoolState::NoService => "the Service does not exist",
        PoolState::NoPort => "the Service has no such port",
        PoolState::ExternalName => "the Service is an ExternalName without a name",
    }
}
