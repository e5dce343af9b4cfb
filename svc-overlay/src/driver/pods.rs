//! Attaching and detaching pods, on the driver's thread.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};

use ipnet::IpNet;
use tokio::sync::{mpsc, oneshot};

use super::addresses::Addresses;
use super::run::Driver;
use crate::dataplane::Dataplane;
use crate::error::{CleanUpError, Error, PodError};
use crate::kernel::Kernel;
use crate::operation::{Changes, Operation};
use crate::plan::{Obstacle, Plan};
use crate::pod::{AttachOptions, Attachment, PodId, Port};
use crate::registry::LeaseSet;

/// The addresses of each pod, IPv4 first.
type PodAddresses = BTreeMap<PodId, Vec<IpAddr>>;

/// What others ask of the driver.
#[derive(Debug)]
pub(super) enum Request {
    Attach {
        pod: PodId,
        netns: OwnedFd,
        options: AttachOptions,
        reply: oneshot::Sender<Result<Attachment, PodError>>,
    },
    Detach {
        pod: PodId,
        reply: oneshot::Sender<Result<(), PodError>>,
    },
    List {
        reply: oneshot::Sender<Result<PodAddresses, PodError>>,
    },
    CleanUp {
        reply: oneshot::Sender<Result<(), CleanUpError>>,
    },
}

/// Attaches pods to a driven overlay. Cheap to clone; usable from any thread.
#[derive(Clone, Debug)]
pub struct Pods {
    requests: mpsc::UnboundedSender<Request>,
}

impl Pods {
    pub(super) fn new(requests: mpsc::UnboundedSender<Request>) -> Self {
        Pods { requests }
    }

    /// Gives the pod that lives in the network namespace `netns` an interface, an address and a way to everything.
    ///
    /// Returns once packets pass. Not cancelled by dropping the future: detach the pod then.
    ///
    /// # Errors
    ///
    /// [`PodError`]; everything done before it was undone.
    pub async fn attach(
        &self,
        pod: PodId,
        netns: impl AsFd,
        options: AttachOptions,
    ) -> Result<Attachment, PodError> {
        let netns = netns.as_fd().try_clone_to_owned().map_err(|cause| PodError::Kernel {
            cause: Error::new("duplicate", "the network namespace's descriptor", cause),
            pod: pod.clone(),
        })?;
        self.ask(|reply| Request::Attach { pod, netns, options, reply }).await
    }

    /// Removes the pod's interface and frees its address. The pod's network namespace may be gone already.
    ///
    /// # Errors
    ///
    /// [`PodError::NotAttached`], or the kernel refused.
    pub async fn detach(&self, pod: &PodId) -> Result<(), PodError> {
        let pod = pod.clone();
        self.ask(|reply| Request::Detach { pod, reply }).await
    }

    /// The attached pods and their addresses.
    ///
    /// # Errors
    ///
    /// The kernel could not be asked.
    pub async fn list(&self) -> Result<BTreeMap<PodId, Vec<IpAddr>>, PodError> {
        self.ask(|reply| Request::List { reply }).await
    }

    async fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<T, PodError>>) -> Request,
    ) -> Result<T, PodError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).map_err(|_| PodError::Stopped)?;
        answer.await.map_err(|_| PodError::Stopped)?
    }
}

impl<D: Dataplane> Driver<D> {
    pub(super) fn attach(
        &mut self,
        pod: &PodId,
        netns: &OwnedFd,
        options: &AttachOptions,
    ) -> Result<Attachment, PodError> {
        let kernel = self.list_for(pod)?;
        let plan = self.pod_plan(pod, &kernel)?;
        let addresses = self.acquire(pod, &kernel, &options.addresses)?;
        let port = Port::new(pod, addresses, plan.bridge(), options);
        let attached = self.prepare(pod, &plan, &kernel).and_then(|()| {
            let failed = |cause| PodError::Kernel { pod: pod.clone(), cause };
            self.dataplane.plug(netns.as_fd(), &port).map_err(failed)
        });
        if let Err(error) = attached {
            self.release(pod, &kernel);
            return Err(error);
        }
        Ok(Attachment { pod: pod.clone(), port })
    }

    /// An address of each family, or none at all.
    fn acquire(&mut self, pod: &PodId, kernel: &Kernel, wanted: &[IpAddr]) -> Result<Vec<IpNet>, PodError> {
        let addresses = self.addresses(pod, kernel)?;
        addresses.acquire(pod, wanted)
    }

    fn release(&mut self, pod: &PodId, kernel: &Kernel) -> usize {
        self.addresses(pod, kernel).map_or(0, |addresses| addresses.release(pod))
    }

    pub(super) fn detach(&mut self, pod: &PodId) -> Result<(), PodError> {
        let kernel = self.list_for(pod)?;
        let port = kernel.ports.iter().find(|port| port.pod == *pod);
        if let Some(port) = port {
            self.make(pod, &Operation::DeleteLink(port.interface.clone()))?;
        }
        match (self.release(pod, &kernel), port) {
            (0, None) => Err(PodError::NotAttached { pod: pod.clone() }),
            _ => Ok(()),
        }
    }

    pub(super) fn list_pods(&mut self) -> Result<PodAddresses, PodError> {
        let kernel = self.list_for(&PodId::new("", ""))?;
        let mut pods = PodAddresses::new();
        for (address, pod) in self.addresses(&PodId::new("", ""), &kernel)?.iter() {
            pods.entry(pod.clone()).or_default().push(address);
        }
        Ok(pods)
    }

    fn list_for(&mut self, pod: &PodId) -> Result<Kernel, PodError> {
        let failed = |cause| PodError::Kernel { pod: pod.clone(), cause };
        self.list().map_err(failed)
    }

    fn pod_plan(&self, pod: &PodId, kernel: &Kernel) -> Result<Plan, PodError> {
        let no_underlay = || PodError::NoUnderlay { pod: pod.clone(), address: self.config.stacks[0].local };
        // An address that is gone for a moment takes no MTU along.
        let underlay = kernel.underlay.as_ref().or(self.place.seen()).ok_or_else(no_underlay)?;
        let leases = self.leases.clone().unwrap_or_default();
        let plan = self.plan(underlay, &LeaseSet::new(leases.revision(), []));
        let bridge = Obstacle::ForeignLink(plan.bridge().name.clone());
        match plan.obstacles(kernel).into_iter().find(|obstacle| *obstacle == bridge) {
            Some(obstacle) => Err(PodError::Obstacle { pod: pod.clone(), obstacle }),
            None => Ok(plan),
        }
    }

    /// The bridge, and what the host needs to forward. A new bridge has sysctls only once it is there.
    fn prepare(&mut self, pod: &PodId, plan: &Plan, kernel: &Kernel) -> Result<(), PodError> {
        self.make_all_of(pod, &plan.diff_bridge(kernel))?;
        if kernel.bridge.is_some() {
            return Ok(());
        }
        let kernel = self.list_for(pod)?;
        self.make_all_of(pod, &plan.diff_bridge(&kernel))
    }

    fn make_all_of(&mut self, pod: &PodId, changes: &Changes) -> Result<(), PodError> {
        changes.operations().iter().try_for_each(|operation| match self.make(pod, operation) {
            Err(_) if operation.is_optional() => Ok(()),
            result => result,
        })
    }

    fn make(&mut self, pod: &PodId, operation: &Operation) -> Result<(), PodError> {
        let result = self.dataplane.apply(std::slice::from_ref(operation)).pop().unwrap_or(Ok(()));
        match result {
            Err(error) if matches!(operation, Operation::DeleteLink(_)) && error.is_not_found() => Ok(()),
            result => result.map_err(|cause| PodError::Kernel { pod: pod.clone(), cause }),
        }
    }

    /// Who has which address; after a restart that is read from the ports' marks and the files.
    fn addresses(&mut self, pod: &PodId, kernel: &Kernel) -> Result<&mut Addresses, PodError> {
        if self.addresses.is_none() {
            let subnets = self.config.stacks.iter().map(|stack| stack.subnet);
            let found = Addresses::find(subnets, kernel, self.files.ipam_directory.as_deref());
            let failed = |cause| PodError::Kernel { pod: pod.clone(), cause };
            self.addresses = Some(found.map_err(failed)?);
        }
        self.addresses.as_mut().ok_or(PodError::Stopped)
    }
}
