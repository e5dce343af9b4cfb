//! kubeconfig (client-go `clientcmd/api/v1`): the fields that say how to reach a cluster.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::cluster::{Address, Cluster, ClusterError, Source, Tls};
use crate::yaml;

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Kubeconfig {
    current_context: String,
    contexts: Vec<Named<ContextBody>>,
    clusters: Vec<Named<ClusterBody>>,
    users: Vec<Named<UserBody>>,
}

/// An entry of one of the lists; its body stands under a key of its own.
#[derive(Deserialize)]
struct Named<T> {
    name: String,
    #[serde(alias = "context", alias = "cluster", alias = "user")]
    body: T,
}

#[derive(Deserialize)]
struct ContextBody {
    cluster: String,
    #[serde(default)]
    user: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ClusterBody {
    server: String,
    #[serde(default)]
    tls_server_name: Option<String>,
    #[serde(default)]
    certificate_authority: Option<String>,
    #[serde(default)]
    certificate_authority_data: Option<String>,
    #[serde(default)]
    insecure_skip_tls_verify: bool,
    #[serde(default)]
    proxy_url: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct UserBody {
    client_certificate: Option<String>,
    client_certificate_data: Option<String>,
    client_key: Option<String>,
    client_key_data: Option<String>,
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<String>,
    exec: Option<serde::de::IgnoredAny>,
    auth_provider: Option<serde::de::IgnoredAny>,
    username: Option<serde::de::IgnoredAny>,
    r#as: Option<serde::de::IgnoredAny>,
}

/// The current context.
pub(super) fn parse(text: &str, directory: &Path) -> Result<Cluster, ClusterError> {
    let config: Kubeconfig =
        yaml::typed(text).map_err(|(field, message)| ClusterError::new(field, message))?;
    let current = &config.current_context;
    if current.is_empty() {
        return Err(ClusterError::new("current-context", "is not set: `kubectl config use-context` sets it"));
    }
    let context = find(&config.contexts, "contexts", current)?;
    let place = format!("clusters[{}].cluster", context.cluster);
    let body = find(&config.clusters, "clusters", &context.cluster)?;
    let user_place = format!("users[{}].user", context.user);
    let nobody = UserBody::default();
    let user = if context.user.is_empty() { &nobody } else { find(&config.users, "users", &context.user)? };

    let address: Address = body.server.parse().map_err(|error| at(&place, "server", error))?;
    refuse_unsupported(&place, body, &user_place, user)?;
    let identity = identity(&user_place, user, directory)?;
    let authorities = source(
        (&place, "certificate-authority"),
        (&body.certificate_authority, &body.certificate_authority_data),
        directory,
    )?;
    let tls = match authorities {
        _ if !address.secure => None,
        Some(authorities) => Some(Tls { server_name: body.tls_server_name.clone(), authorities, identity }),
        None => {
            let message = "is missing: the system's certificate authorities are not asked";
            return Err(ClusterError::new(format!("{place}.certificate-authority"), message));
        }
    };
    Ok(Cluster { address, tls, token: token(user, directory) })
}

fn find<'a, T>(entries: &'a [Named<T>], list: &str, name: &str) -> Result<&'a T, ClusterError> {
    let found = entries.iter().find(|entry| entry.name == name).map(|entry| &entry.body);
    found.ok_or_else(|| ClusterError::new(list, format!("there is no `{name}`")))
}

fn at(place: &str, field: &str, error: ClusterError) -> ClusterError {
    ClusterError::new(format!("{place}.{field}"), error.to_string())
}

fn refuse_unsupported(
    place: &str,
    cluster: &ClusterBody,
    user_place: &str,
    user: &UserBody,
) -> Result<(), ClusterError> {
    let token = "is not supported: put a token into `token` or `tokenFile`, or use a client certificate";
    for (place, field, is_set, cure) in [
        (
            place,
            "insecure-skip-tls-verify",
            cluster.insecure_skip_tls_verify,
            "is not supported: name the server's authority",
        ),
        (place, "proxy-url", cluster.proxy_url.is_some(), "is not supported: name the server itself"),
        (user_place, "exec", user.exec.is_some(), token),
        (user_place, "auth-provider", user.auth_provider.is_some(), token),
        (user_place, "username", user.username.is_some(), token),
        (user_place, "as", user.r#as.is_some(), "is not supported: use the credentials of that user"),
    ] {
        if is_set {
            return Err(ClusterError::new(format!("{place}.{field}"), cure));
        }
    }
    Ok(())
}

fn identity(
    place: &str,
    user: &UserBody,
    directory: &Path,
) -> Result<Option<(Source, Source)>, ClusterError> {
    let certificate = (&user.client_certificate, &user.client_certificate_data);
    let chain = source((place, "client-certificate"), certificate, directory)?;
    let key = source((place, "client-key"), (&user.client_key, &user.client_key_data), directory)?;
    match (chain, key) {
        (Some(chain), Some(key)) => Ok(Some((chain, key))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(ClusterError::new(format!("{place}.client-key"), "is missing")),
        (None, Some(_)) => Err(ClusterError::new(format!("{place}.client-certificate"), "is missing")),
    }
}

/// The data wins over the file, as in kubectl.
fn source(
    (place, field): (&str, &str),
    (file, data): (&Option<String>, &Option<String>),
    directory: &Path,
) -> Result<Option<Source>, ClusterError> {
    if let Some(data) = data.as_deref().filter(|data| !data.is_empty()) {
        let bytes = BASE64_STANDARD.decode(data.trim());
        let bytes =
            bytes.map_err(|error| ClusterError::new(format!("{place}.{field}-data"), error.to_string()))?;
        return Ok(Some(Source::Data(bytes.into())));
    }
    Ok(file.as_deref().filter(|file| !file.is_empty()).map(|file| Source::File(directory.join(file))))
}

/// The file wins over the token, as in kubectl.
fn token(user: &UserBody, directory: &Path) -> Option<Source> {
    let file = user.token_file.as_deref().filter(|file| !file.is_empty());
    let token = user.token.as_deref().filter(|token| !token.is_empty());
    let file = file.map(|file| Source::File(directory.join(file)));
    file.or_else(|| token.map(|token| Source::Data(token.as_bytes().into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeconfig(cluster: &str, user: &str) -> Result<Cluster, ClusterError> {
        parse(
            &format!(
                "
apiVersion: v1
kind: Config
current-context: here
contexts: [{{name: there, context: {{cluster: x, user: x}}}}, {{name: here, context: {{cluster: lab, user: me}}}}]
clusters: [{{name: lab, cluster: {{{cluster}}}}}]
users: [{{name: other, user: {{}}}}, {{name: me, user: {{{user}}}}}]
"
            ),
            Path::new("/etc/k"),
        )
    }

    #[test]
    fn data_and_files() {
        let server = "server: 'https://10.0.0.1:6443', certificate-authority: ca.pem";
        let user = "client-certificate-data: YQ==, client-certificate: ignored, client-key: /keys/a, token: t, tokenFile: tok";
        let Cluster { address, tls, token } = kubeconfig(server, user).unwrap();
        assert_eq!(address.authority(), "10.0.0.1:6443");
        let tls = tls.unwrap();
        assert_eq!(format!("{:?}", tls.authorities), "\"/etc/k/ca.pem\"");
        let (chain, key) = tls.identity.unwrap();
        assert_eq!(format!("{chain:?} {key:?} {:?}", token.unwrap()), "(data) \"/keys/a\" \"/etc/k/tok\"");
        assert!(matches!(chain, Source::Data(bytes) if &*bytes == b"a"));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_field() {
        let ok = "server: 'https://a', certificate-authority: ca";
        for (cluster, user, error) in [
            ("server: a", "", "clusters[lab].cluster.server: a: is no server"),
            ("server: 'https://a'", "", "clusters[lab].cluster.certificate-authority: is missing"),
            (
                &*format!("{ok}, insecure-skip-tls-verify: true"),
                "",
                "insecure-skip-tls-verify: is not supported",
            ),
            (&*format!("{ok}, certificate-authority-data: '?'"), "", "certificate-authority-data: "),
            (ok, "exec: {command: aws}", "users[me].user.exec: is not supported: put a token"),
            (ok, "client-key: a", "users[me].user.client-certificate: is missing"),
            (ok, "token: [1]", "users[1].user.token: invalid type"),
        ] {
            let found = kubeconfig(cluster, user).unwrap_err().to_string();
            assert!(found.contains(error), "{found}");
        }
        assert_eq!(
            parse("{}", Path::new("")).unwrap_err().to_string().split(':').next(),
            Some("current-context")
        );
        let nowhere = parse("current-context: x", Path::new("")).unwrap_err();
        assert_eq!(nowhere.to_string(), "contexts: there is no `x`");
    }
}
