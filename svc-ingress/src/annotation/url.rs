//! URLs with variables, of which clients do not choose the server.

use std::net::IpAddr;

use crate::authority::Authority;
use crate::target;
use crate::variable::{Interpolated, Variable};

/// A URL in its parts, each with variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) https: bool,
    pub(super) authority: Interpolated,
    pub(super) target: Interpolated,
}

impl Url {
    /// Reads it; `local` lets it be on this machine.
    pub(super) fn parse(text: &str, local: bool) -> Result<Self, String> {
        let (https, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return Err("does not begin with `http://` or `https://`".to_owned()),
        };
        let whole_target = "$request_uri";
        let ends = [rest.find(['/', '?']), rest.find(whole_target)];
        let end = ends.into_iter().flatten().min().unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let rooted = target.starts_with('/') || target.starts_with(whole_target);
        let target = if rooted { target.to_owned() } else { format!("/{target}") };
        if target.contains('#') {
            return Err("has a fragment".to_owned());
        }
        let authority = Interpolated::parse(authority)?;
        if !authority.variables().all(Variable::is_of_host) {
            let message = "names a server by a variable that clients choose: only `$host` and what the Ingress says may stand there";
            return Err(message.to_owned());
        }
        if authority.variables().next().is_none() {
            let parsed = Authority::parse(authority.as_str()).ok_or("does not name a server")?;
            if !local && is_local_name(parsed.host()) {
                return Err(format!(
                    "is at {}, which is this machine: `allow_local_targets` would permit it",
                    parsed.host()
                ));
            }
        }
        Ok(Self { https, authority, target: Interpolated::parse(&target)? })
    }
}

fn is_local_name(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || host.ends_with(".localhost") || address.is_ok_and(target::is_local)
}
