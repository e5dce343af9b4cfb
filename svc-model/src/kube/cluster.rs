//! How an API server is reached, and who asks.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::kubeconfig;
use crate::sys::credentials;

/// An API server and the credentials for it. Files of certificates are read again for every connection, and those of tokens
/// for every request, so that they may rotate.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(crate) address: Address,
    pub(crate) tls: Option<Tls>,
    pub(crate) token: Option<Source>,
}

/// From an URL such as `https://[fd00::1]:6443/prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) secure: bool,
    /// Without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Before every path; without a slash at its end.
    pub(crate) prefix: String,
}

/// What TLS needs.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    /// The name in the server's certificate, where it is not the host.
    pub(crate) server_name: Option<String>,
    pub(crate) authorities: Source,
    /// Certificate chain and key.
    pub(crate) identity: Option<(Source, Source)>,
}

/// Bytes that stand here or in a file.
#[derive(Clone)]
pub(crate) enum Source {
    Data(Arc<[u8]>),
    File(PathBuf),
}

/// Keys and tokens do not belong in logs.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Data(_) => f.write_str("(data)"),
            Source::File(path) => path.fmt(f),
        }
    }
}

/// Why it is not known how to reach a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterError {
    place: String,
    message: String,
}

impl ClusterError {
    pub(crate) fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl std::error::Error for ClusterError {}

impl Cluster {
    /// The current context of a kubeconfig file. Blocks.
    ///
    /// # Errors
    /// The file cannot be read, or says something that is not supported (exec plugins, for one): the field is named.
    pub fn from_kubeconfig(path: impl AsRef<Path>) -> Result<Self, ClusterError> {
        let path = path.as_ref();
        let place = path.display().to_string();
        let text = credentials::read_text(path).map_err(|error| ClusterError::new(&place, error))?;
        kubeconfig::parse(&text, path.parent().unwrap_or(Path::new("")))
            .map_err(|error| ClusterError::new(format!("{place}: {}", error.place), error.message))
    }

    /// The current context of a kubeconfig; relative paths in it start at `directory`.
    ///
    /// ```
    /// use svc_model::kube::Cluster;
    ///
    /// let kubeconfig = "
    /// current-context: lab
    /// contexts: [{name: lab, context: {cluster: lab, user: agent}}]
    /// clusters: [{name: lab, cluster: {server: 'http://127.0.0.1:8001'}}]
    /// users: [{name: agent, user: {exec: {command: aws}}}]
    /// ";
    /// let error = Cluster::parse_kubeconfig(kubeconfig, ".").unwrap_err();
    /// assert!(error.to_string().starts_with("users[agent].user.exec: is not supported"));
    /// ```
    ///
    /// # Errors
    /// As [`from_kubeconfig`](Self::from_kubeconfig).
    pub fn parse_kubeconfig(text: &str, directory: impl AsRef<Path>) -> Result<Self, ClusterError> {
        kubeconfig::parse(text, directory.as_ref())
    }

    /// From inside a pod: its service account. The token is read again when it rotates. Blocks.
    ///
    /// # Errors
    /// This is no pod, or it has no service account.
    pub fn in_cluster() -> Result<Self, ClusterError> {
        Self::in_pod(credentials::variable, Path::new(credentials::SERVICE_ACCOUNT))
    }

    /// The variables that every pod has say where the API server is, the directory how to speak to it.
    pub(super) fn in_pod(
        variable: impl Fn(&'static str) -> Option<String>,
        service_account: &Path,
    ) -> Result<Self, ClusterError> {
        let required = |name| {
            let value = variable(name).filter(|value| !value.is_empty());
            value.ok_or_else(|| ClusterError::new(name, "is not set: this is no pod of a cluster"))
        };
        let (host, port) = (required("KUBERNETES_SERVICE_HOST")?, required("KUBERNETES_SERVICE_PORT")?);
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        Self::of_service_account(&format!("https://{host}:{port}"), service_account)
    }

    fn of_service_account(url: &str, directory: &Path) -> Result<Self, ClusterError> {
        let (token, ca) = (directory.join("token"), directory.join("ca.crt"));
        for file in [&token, &ca] {
            let place = file.display().to_string();
            credentials::read_text(file).map_err(|error| ClusterError::new(place, error))?;
        }
        let tls = Tls { server_name: None, authorities: Source::File(ca), identity: None };
        Ok(Self { address: url.parse()?, tls: Some(tls), token: Some(Source::File(token)) })
    }

    /// An API server without TLS and credentials, such as `http://127.0.0.1:8001` of `kubectl proxy`.
    ///
    /// # Errors
    /// It is no URL of this form.
    pub fn plain(url: &str) -> Result<Self, ClusterError> {
        let address: Address = url.parse()?;
        if address.secure {
            return Err(ClusterError::new(url, "needs certificates: use a kubeconfig"));
        }
        Ok(Self { address, tls: None, token: None })
    }
}

impl std::str::FromStr for Address {
    type Err = ClusterError;

    fn from_str(url: &str) -> Result<Self, ClusterError> {
        let invalid = || ClusterError::new(url, "is no server: write `https://host:port`");
        let (secure, rest) = match url.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            _ => return Err(invalid()),
        };
        let (authority, prefix) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| invalid())?),
            _ => (authority, if secure { 443 } else { 80 }),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let odd = |byte: u8| !(byte.is_ascii_alphanumeric() || b".-_:".contains(&byte));
        if bare.is_empty() || bare.bytes().any(odd) || prefix.bytes().any(|byte| !byte.is_ascii_graphic()) {
            return Err(invalid());
        }
        let prefix = prefix.trim_end_matches('/').to_owned();
        Ok(Self { secure, host: bare.to_owned(), port, prefix })
    }
}

impl Address {
    /// As the `Host` header has it.
    pub(crate) fn authority(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_from_urls() {
        for (url, authority, prefix) in [
            ("https://10.0.0.1:6443", "10.0.0.1:6443", ""),
            ("https://api.example", "api.example:443", ""),
            ("http://[fd00::1]:8080/", "[fd00::1]:8080", ""),
            ("https://[fd00::1]", "[fd00::1]:443", ""),
            ("https://rancher.example/k8s/clusters/c-1/", "rancher.example:443", "/k8s/clusters/c-1"),
        ] {
            let address: Address = url.parse().unwrap();
            assert_eq!((address.authority().as_str(), address.prefix.as_str()), (authority, prefix));
        }
        for url in ["10.0.0.1:6443", "ftp://a", "https://", "https://a:x", "https://a b", "https://a/ x"] {
            assert!(url.parse::<Address>().is_err(), "{url}");
        }
    }
}
