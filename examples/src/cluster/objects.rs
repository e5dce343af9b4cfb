//! Objects: manifests in, everything that follows from them in force.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use svc_model::yaml::{self, Manifests};
use svc_model::{Kind, Object, ObjectName, ObjectRef, Outcome, Problem, Revision, Service};

use super::Cluster;

impl Cluster {
    /// Applies manifests: pods are started, and every kernel, DNS and Ingress has the change when this returns.
    ///
    /// # Errors
    /// Any object is refused, or the change is not in force within ten seconds.
    pub async fn apply(&mut self, text: &str) -> anyhow::Result<()> {
        let problems = self.apply_manifests(&yaml::read(text)).await?;
        if let Some(problem) = problems.first() {
            bail!("{problem}");
        }
        Ok(())
    }

    /// Applies manifests of which some may be refused: their problems. The others are in force when this returns.
    ///
    /// # Errors
    /// The change is not in force within ten seconds.
    pub async fn apply_manifests(&mut self, manifests: &Manifests) -> anyhow::Result<Vec<Problem>> {
        let outcome = self.control.apply(manifests);
        self.brought.extend(outcome.set().iter().map(Object::reference));
        outcome.commit(&self.store);
        let mut problems = outcome.problems().to_vec();
        problems.extend(self.start_pods(&outcome).await);
        self.settled(self.store.snapshot().revision()).await?;
        Ok(problems)
    }

    /// Makes the cluster's objects those of the manifests: what came by an earlier call and is missing now goes. The base
    /// stays. Returns what was refused.
    ///
    /// # Errors
    /// The change is not in force within ten seconds.
    pub async fn replace_manifests(&mut self, manifests: &Manifests) -> anyhow::Result<Vec<Problem>> {
        let outcome = self.control.replace(manifests);
        outcome.commit(&self.store);
        let mut problems = outcome.problems().to_vec();
        problems.extend(self.start_pods(&outcome).await);
        // What goes has left the endpoints before it stops.
        self.settled(self.store.snapshot().revision()).await?;
        for reference in outcome.removed().iter().filter(|reference| reference.kind == Kind::Pod) {
            if self.pods.contains_key(&reference.name)
                && let Err(error) = self.stop_pod(&reference.name).await
            {
                problems.push(Problem::new(reference, "", format!("{error:#}")));
            }
        }
        Ok(problems)
    }

    /// Deletes a Service.
    ///
    /// # Errors
    /// The change is not in force within ten seconds.
    pub async fn delete_service(&mut self, name: &str) -> anyhow::Result<()> {
        let reference = ObjectRef::new(Kind::Service, name.parse()?);
        let revision = self.control.delete(&reference).commit(&self.store);
        self.settled(revision).await
    }

    /// A Service as it stands.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn service(&self, name: &str) -> anyhow::Result<Arc<Service>> {
        let name: ObjectName = name.parse()?;
        self.store.snapshot().service(&name).cloned().with_context(|| format!("there is no Service {name}"))
    }

    /// The virtual address of a Service, with a port.
    ///
    /// # Errors
    /// There is no such Service, or it has no virtual address.
    pub fn cluster_ip(&self, name: &str, port: u16) -> anyhow::Result<SocketAddr> {
        let service = self.service(name)?;
        let address =
            service.cluster_ips().first().with_context(|| format!("Service {name} has no address"))?;
        Ok(SocketAddr::new(*address, port))
    }

    /// Waits until `revision` is in force everywhere: the kernels first, then those who announce it.
    pub(super) async fn settled(&self, revision: Revision) -> anyhow::Result<()> {
        self.proxies_settled(revision).await?;
        self.workloads_settled(revision).await
    }

    /// Puts objects in the store without the control plane, as a fault would: for the tour's own test.
    ///
    /// # Errors
    /// The change is not in force within ten seconds.
    pub async fn tamper(&mut self, removed: Vec<ObjectRef>) -> anyhow::Result<()> {
        let revision = self.store.update([], removed);
        self.settled(revision).await
    }

    /// Deletes what came after the base, newest first.
    pub(super) async fn forget_brought(&mut self) -> anyhow::Result<()> {
        let mut brought = std::mem::take(&mut self.brought);
        brought.reverse();
        let mut revision = self.store.snapshot().revision();
        for reference in &brought {
            revision = self.control.delete(reference).commit(&self.store);
        }
        // What a fault removed behind the control plane's back is gone for good with its owner.
        let mut result = self.settled(revision).await;
        for reference in brought.into_iter().filter(|reference| reference.kind == Kind::Pod) {
            if self.pods.contains_key(&reference.name) {
                result = result.and(self.stop_pod(&reference.name).await);
            }
        }
        result
    }

    /// Starts the new pods of an outcome and reports their addresses to the control plane. A pod that cannot be started
    /// is a problem of its own.
    async fn start_pods(&mut self, outcome: &Outcome) -> Vec<Problem> {
        let mut problems = Vec::new();
        for object in outcome.set() {
            let Object::Pod(pod) = object else { continue };
            if self.pods.contains_key(pod.name()) {
                continue;
            }
            match self.start_pod(pod).await {
                Ok((node, address)) => {
                    self.control.pod_bound(pod.name(), &node).commit(&self.store);
                    self.control.pod_network(pod.name(), &[address]).commit(&self.store);
                }
                Err(error) => problems.push(Problem::new(&object.reference(), "", format!("{error:#}"))),
            }
        }
        problems
    }
}
