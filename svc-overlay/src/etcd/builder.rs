//! How etcd is reached, and who asks.

use std::time::Duration;

use super::*;

/// flannel's `--etcd-prefix`.
const PREFIX: &str = "/coreos.com/network";
/// flannel's time for leases, and how long before their end they are renewed.
const TTL: Duration = Duration::from_secs(24 * 60 * 60);
const MARGIN: Duration = Duration::from_secs(60 * 60);

/// Begun by [`Etcd::builder`].
#[derive(Clone)]
#[must_use]
pub struct EtcdBuilder {
    endpoints: Vec<String>,
    prefix: String,
    user: Option<(String, String)>,
    authorities: Option<String>,
    identity: Option<(String, String)>,
    server_name: Option<String>,
    ttl: Duration,
    margin: Duration,
}

/// Keys and passwords do not belong in logs.
impl fmt::Debug for EtcdBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EtcdBuilder { endpoints, prefix, ttl, margin, .. } = self;
        let user = self.user.as_ref().map(|(name, _)| name);
        let mut text = f.debug_struct("EtcdBuilder");
        text.field("endpoints", endpoints).field("prefix", prefix).field("user", &user);
        text.field("tls", &self.is_secure()).field("ttl", ttl).field("margin", margin).finish_non_exhaustive()
    }
}

impl EtcdBuilder {
    pub(super) fn new(endpoints: Vec<String>) -> Self {
        EtcdBuilder {
            endpoints,
            prefix: PREFIX.to_owned(),
            user: None,
            authorities: None,
            identity: None,
            server_name: None,
            ttl: TTL,
            margin: MARGIN,
        }
    }

    /// What all keys begin with (`/coreos.com/network`).
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// A user of etcd, and its password.
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.user = Some((name.into(), password.into()));
        self
    }

    /// The authorities that sign the servers' certificates, as PEM. This alone means TLS.
    pub fn authorities(mut self, pem: impl Into<String>) -> Self {
        self.authorities = Some(pem.into());
        self
    }

    /// The node's own certificate chain and key, as PEM, where the servers ask for one.
    pub fn identity(mut self, certificate: impl Into<String>, key: impl Into<String>) -> Self {
        self.identity = Some((certificate.into(), key.into()));
        self
    }

    /// The name in the servers' certificates, where it is not the endpoint's.
    pub fn server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// How long a lease lasts (24 hours) and how long before its end it is renewed (1 hour).
    pub fn lease_time(mut self, ttl: Duration, renewed_before: Duration) -> Self {
        (self.ttl, self.margin) = (ttl, renewed_before);
        self
    }

    /// Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// The setting that cannot be.
    pub fn build(mut self) -> Result<Etcd, ConfigError> {
        self.check()?;
        let secure = self.is_secure();
        let scheme = if secure { "https://" } else { "http://" };
        for endpoint in self.endpoints.iter_mut().filter(|endpoint| !endpoint.contains("://")) {
            endpoint.insert_str(0, scheme);
        }
        let options = self.options();
        let prefix = format!("/{}", self.prefix.trim_matches('/'));
        let store = Store::new(self.endpoints, prefix, options, (self.ttl, self.ttl - self.margin));
        Ok(Etcd { store: Arc::new(store) })
    }

    fn is_secure(&self) -> bool {
        self.authorities.is_some() || self.identity.is_some()
    }

    fn options(&self) -> ConnectOptions {
        // A connection that the network has lost is noticed by pings; etcd allows one each five seconds.
        let ping = (Duration::from_secs(10), Duration::from_secs(5));
        let options = ConnectOptions::new()
            .with_keep_alive(ping.0, ping.1)
            .with_connect_timeout(Duration::from_secs(5))
            .with_require_leader(true)
            .with_auto_token_refresh(true);
        let options = match &self.user {
            Some((name, password)) => options.with_user(name, password),
            None => options,
        };
        let mut tls = TlsOptions::new();
        if let Some(pem) = &self.authorities {
            tls = tls.ca_certificate(Certificate::from_pem(pem));
        }
        if let Some((certificate, key)) = &self.identity {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        if let Some(name) = &self.server_name {
            tls = tls.domain_name(name);
        }
        if self.is_secure() { options.with_tls(tls) } else { options }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let bad = |field, problem: String| Err(ConfigError::new(field, problem));
        if self.endpoints.is_empty() {
            return bad("etcd.endpoints", "none is given; such as http://10.0.0.1:2379".to_owned());
        }
        let plain = |endpoint: &&String| endpoint.starts_with("http://");
        if let Some(plain) = self.endpoints.iter().find(plain).filter(|_| self.is_secure()) {
            return bad(
                "etcd.endpoints",
                format!("{plain} is without TLS, but certificates are given: write https"),
            );
        }
        let secure = |endpoint: &&String| endpoint.starts_with("https://");
        if let Some(secure) = self.endpoints.iter().find(secure).filter(|_| self.authorities.is_none()) {
            return bad("etcd.authorities", format!("missing: {secure} has to prove who it is"));
        }
        if self.prefix.trim_matches('/').is_empty() {
            return bad("etcd.prefix", format!("{:?} is no prefix; flannel's is {PREFIX}", self.prefix));
        }
        let seconds = Duration::from_secs(1);
        if self.ttl < seconds || self.margin.is_zero() || self.margin >= self.ttl {
            let (ttl, margin) = (self.ttl, self.margin);
            return bad("etcd.lease_time", format!("renewal {margin:?} before the end of {ttl:?} cannot be"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_named() {
        let one = || Etcd::builder(["10.0.0.1:2379"]);
        for (builder, text) in [
            (Etcd::builder(Vec::<String>::new()), "etcd.endpoints: none is given"),
            (Etcd::builder(["http://a:1"]).authorities("ca"), "http://a:1 is without TLS"),
            (Etcd::builder(["https://a:1"]), "etcd.authorities: missing: https://a:1"),
            (Etcd::builder(["https://a:1"]).identity("c", "k"), "etcd.authorities: missing"),
            (one().prefix("//"), "etcd.prefix: \"//\""),
            (one().lease_time(MARGIN, MARGIN), "etcd.lease_time"),
            (one().lease_time(TTL, Duration::ZERO), "etcd.lease_time"),
        ] {
            let error = builder.build().unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }

    #[test]
    fn an_authority_alone_means_tls() {
        let text = |builder: EtcdBuilder| format!("{:?}", builder.build().unwrap());
        assert!(text(Etcd::builder(["10.0.0.1:2379"]).authorities("ca")).contains("https://10.0.0.1:2379"));
        assert!(text(Etcd::builder(["10.0.0.1:2379"])).contains("http://10.0.0.1:2379"));
    }

    #[test]
    fn secrets_are_not_printed() {
        let builder =
            Etcd::builder(["a:1"]).user("flannel", "hunter2").authorities("ca").identity("c", "s3cret");
        let text = format!("{builder:?} {:?}", builder.clone().build().unwrap());
        assert!(text.contains("flannel") && !text.contains("hunter2") && !text.contains("s3cret"), "{text}");
    }
}
