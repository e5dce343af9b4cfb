//! What is reported of objects: the subresource `status`.

use super::change::Change;
use super::{ControlPlane, Outcome};
use crate::wire::Manifest;
use crate::{Object, Problem, Problems, defaults, read, validate, write};

impl ControlPlane {
    /// Writes the status of Services, Pods, Nodes and Ingresses that are there, as a PUT of the subresource `status` does: of each
    /// manifest nothing else counts, and a status that is not written is empty. Creation and updates leave the
    /// status alone (but for that of a new Node).
    ///
    /// Where there is a provider for a Service, it says what counts of `status.loadBalancer`.
    ///
    /// ```
    /// use svc_model::{ControlPlane, Kind, Object, ObjectName, ObjectRef, yaml};
    ///
    /// let pod = yaml::read("
    /// {apiVersion: v1, kind: Pod, metadata: {name: web-0}, status: {phase: Running, podIP: 10.244.2.65}}
    /// ");
    /// let mut control = ControlPlane::builder().build();
    /// let at = ObjectRef::new(Kind::Pod, ObjectName::new("default", "web-0"));
    /// let addresses = |control: &ControlPlane| match control.object(&at) {
    ///     Some(Object::Pod(pod)) => pod.ips().len(),
    ///     _ => 0,
    /// };
    /// assert!(control.apply(&pod).problems().is_empty());
    /// assert_eq!(addresses(&control), 0);
    /// assert!(control.update_status(pod.iter()).problems().is_empty());
    /// assert_eq!(addresses(&control), 1);
    /// ```
    pub fn update_status<'a>(&mut self, manifests: impl IntoIterator<Item = &'a Manifest>) -> Outcome {
        let mut change = Change::default();
        for manifest in manifests {
            if let Err(problems) = self.write_status(manifest, &mut change) {
                change.problems.extend(problems.into_vec());
            }
        }
        self.finish(change)
    }

    pub(super) fn write_status(&mut self, manifest: &Manifest, change: &mut Change) -> Result<(), Problems> {
        let at = manifest.reference();
        let refused = |message: &str| Problems::check(vec![Problem::new(&at, "", message)]);
        let Some(old) = self.objects.get(&at) else { return refused("does not exist: create it first") };
        let mut whole = write::manifest(old);
        if !take_status(&mut whole, manifest) {
            return refused("has no status");
        }
        defaults::status(&mut whole);
        validate::status(&whole)?;
        let Some(object) = read::stored(&whole)? else { return Ok(()) };
        if let Object::Service(service) = &object
            && self.is_served(service)
        {
            change.unbalanced.insert(service.name().clone());
        }
        self.put(object, change);
        Ok(())
    }
}

/// Whether the kind has a status.
fn take_status(into: &mut Manifest, from: &Manifest) -> bool {
    match (into, from) {
        (Manifest::Ingress(into), Manifest::Ingress(from)) => into.status.clone_from(&from.status),
        (Manifest::Node(into), Manifest::Node(from)) => into.status.clone_from(&from.status),
        (Manifest::Pod(into), Manifest::Pod(from)) => into.status.clone_from(&from.status),
        (Manifest::Service(into), Manifest::Service(from)) => into.status.clone_from(&from.status),
        _ => return false,
    }
    true
}
