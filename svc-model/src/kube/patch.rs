//! Writing to an API server: one patch of one object.

use std::fmt;

use super::cluster::Cluster;
use super::driver::{MAX_ERROR_BYTES, whole};
use super::resource::Resource;
use super::{decode, decode::Status};
use crate::sys::api;
use crate::{Kind, ObjectRef};

/// Why an object was not patched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatchError {
    object: String,
    /// The HTTP status; none where there was no answer.
    code: Option<u16>,
    message: String,
}

impl PatchError {
    /// There is no such object.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.code == Some(404)
    }

    /// The credentials or the rights do not suffice.
    #[must_use]
    pub fn is_permission_denied(&self) -> bool {
        matches!(self.code, Some(401 | 403))
    }

    /// The server was not reached, or has no time: it may go well the next time.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.code.is_none_or(|code| code == 409 || code == 429 || code >= 500)
    }
}

impl fmt::Display for PatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.object, self.message)
    }
}

impl std::error::Error for PatchError {}

impl Cluster {
    /// Changes an object, or a subresource of it such as `status`, by a JSON merge patch (RFC 7396): what the patch names is
    /// set, what it has `null` for is removed, everything else stays. In a tokio runtime with I/O and time. Dropping the
    /// future leaves it open whether the patch was made.
    ///
    /// # Errors
    /// The server cannot be reached or refuses; a right that is missing is named.
    ///
    /// ```no_run
    /// use svc_model::kube::Cluster;
    /// use svc_model::{Kind, ObjectName, ObjectRef};
    ///
    /// # async fn annotate() -> Result<(), Box<dyn std::error::Error>> {
    /// let node = ObjectRef::new(Kind::Node, ObjectName::cluster("server2"));
    /// let patch = r#"{"metadata": {"annotations": {"example.com/rack": "7"}}}"#;
    /// Cluster::in_cluster()?.merge_patch(&node, Some("status"), patch).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn merge_patch(
        &self,
        object: &ObjectRef,
        subresource: Option<&str>,
        patch: &str,
    ) -> Result<(), PatchError> {
        self.patch(object, subresource, "application/merge-patch+json", patch).await
    }

    /// The same by a strategic merge patch: lists that Kubernetes knows a key of are merged item by item, so that one condition
    /// of an object's status can be set (its key is `type`) and those of others stay.
    ///
    /// # Errors
    /// As of [`merge_patch`](Self::merge_patch).
    pub async fn strategic_merge_patch(
        &self,
        object: &ObjectRef,
        subresource: Option<&str>,
        patch: &str,
    ) -> Result<(), PatchError> {
        self.patch(object, subresource, "application/strategic-merge-patch+json", patch).await
    }

    async fn patch(
        &self,
        object: &ObjectRef,
        subresource: Option<&str>,
        media_type: &'static str,
        patch: &str,
    ) -> Result<(), PatchError> {
        let error = |code, message| PatchError { object: object.to_string(), code, message };
        let unreachable = |why| error(None, format!("the API server cannot be reached: {why}"));
        let path = Resource::object(object, subresource);
        let mut answer = api::patch(self, &path, media_type, patch).await.map_err(unreachable)?;
        if (200..300).contains(&answer.code) {
            return Ok(());
        }
        // Of what cannot be read the code is left.
        let body = whole(&mut answer, MAX_ERROR_BYTES).await.ok().flatten().unwrap_or_default();
        let refused = refused(object.kind, subresource, answer.code, &decode::status(&body));
        Err(error(Some(answer.code), refused))
    }
}

fn refused(kind: Kind, subresource: Option<&str>, code: u16, status: &Status) -> String {
    let message = &status.message;
    let resource = Resource::all(kind);
    let part = subresource.map(|part| format!("/{part}")).unwrap_or_default();
    match code {
        401 => format!("the API server does not accept the credentials (401): {message}"),
        403 => {
            let (group, plural) = (resource.group(), resource.plural());
            let rule = format!("{{apiGroups: [\"{group}\"], resources: [{plural}{part}], verbs: [patch]}}");
            format!("may not be patched (403): a role needs the rule {rule}: {message}")
        }
        404 => format!("does not exist (404): {message}"),
        _ => format!("the API server refuses the patch ({code}): {message}"),
    }
}
