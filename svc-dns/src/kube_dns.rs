//! The `kube-dns` ConfigMap: stub domains and upstream servers as kube-dns took them.

use std::net::SocketAddr;

use crate::{
    Forwarder, ForwarderBuilder, Route, RouteBuilder, ServerAddress, error::ConfigError, message::Name,
};

mod json;

use self::json::Json;

/// Upstream servers: kube-dns took three.
const MOST_UPSTREAMS: usize = 3;

/// What the ConfigMap `kube-dns` in `kube-system` says.
///
/// ```
/// use svc_dns::KubeDns;
///
/// let config = KubeDns::parse(
///     Some(r#"{"corp.example": ["10.1.0.53", "10.2.0.53:5353"]}"#), // stubDomains
///     Some(r#"["172.20.10.53"]"#),                                  // upstreamNameservers
/// )?;
/// let forwarder = config.forwarder().build()?;
/// assert_eq!(forwarder.servers(&"www.corp.example".parse()?)[1].to_string(), "10.2.0.53:5353");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KubeDns {
    stubs: Vec<(Name, Vec<SocketAddr>)>,
    upstreams: Vec<SocketAddr>,
}

impl KubeDns {
    /// Reads the values of `stubDomains` and `upstreamNameservers`; a value that is not there says nothing.
    ///
    /// # Errors
    /// The first thing that cannot be: text that is not JSON of this shape, a name or an address that is none, more than three
    /// upstream servers.
    pub fn parse(stub_domains: Option<&str>, upstreams: Option<&str>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        if let Some(text) = stub_domains {
            for (domain, servers) in object(text)? {
                let servers = servers.strings().ok_or_else(|| wrong("stubDomains", text))?;
                config.stubs.push((domain.parse()?, addresses(&servers)?));
            }
        }
        if let Some(text) = upstreams {
            let servers = Json::parse(text).and_then(|json| json.strings());
            config.upstreams = addresses(&servers.ok_or_else(|| wrong("upstreamNameservers", text))?)?;
        }
        if config.upstreams.len() > MOST_UPSTREAMS {
            let given = config.upstreams.len().to_string();
            return Err(ConfigError::Range { field: "upstreamNameservers", given, range: "1 to 3 servers" });
        }
        Ok(config)
    }

    /// A forwarder with these servers.
    #[must_use]
    pub fn forwarder(&self) -> ForwarderBuilder {
        let mut forwarder = Forwarder::builder();
        for (domain, servers) in &self.stubs {
            let route = Route::builder(domain.clone());
            forwarder = forwarder.route(servers.iter().copied().fold(route, RouteBuilder::server));
        }
        self.upstreams.iter().copied().fold(forwarder, ForwarderBuilder::upstream)
    }

    /// The stub domains and their servers.
    #[must_use]
    pub fn stubs(&self) -> &[(Name, Vec<SocketAddr>)] {
        &self.stubs
    }

    /// The servers for all other names.
    #[must_use]
    pub fn upstreams(&self) -> &[SocketAddr] {
        &self.upstreams
    }
}

fn object(text: &str) -> Result<Vec<(String, Json)>, ConfigError> {
    match Json::parse(text) {
        Some(Json::Object(entries)) => Ok(entries),
        _ => Err(wrong("stubDomains", text)),
    }
}

fn wrong(field: &'static str, text: &str) -> ConfigError {
    let range = "JSON such as {\"corp.example\": [\"10.1.0.53\"]} or [\"10.1.0.53\"]";
    ConfigError::Range { field, given: format!("{text:?}"), range }
}

fn addresses(servers: &[String]) -> Result<Vec<SocketAddr>, ConfigError> {
    let address = |text: &String| match text.parse::<ServerAddress>()? {
        // What every node reads is no place for the interfaces of one.
        local if local.interface().is_some() => Err(ConfigError::Address { text: text.clone() }),
        address => Ok(address.socket()),
    };
    servers.iter().map(address).collect()
}

#[cfg(test)]
mod tests;
