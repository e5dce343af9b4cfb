//! The async loop that keeps one node's kernel in step with the leases.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::config::{Config, NetworkArg, OverlayBuilder};
use crate::dataplane::Dataplane;
use crate::error::{CleanUpError, Stopped};
use crate::registry::{Registry, Revision};
use crate::state::Status;
use crate::sys::System;

mod addresses;
mod advance;
mod lingering;
mod pods;
mod publishing;
mod readiness;
mod reconcile;
mod run;
mod underlay;

use lingering::Lingering;
pub use pods::Pods;
use pods::Request;
use publishing::Clock;
use run::{Driver, Files};
use underlay::Place;

/// One node's part of an overlay: build it, then [`drive`](Self::drive) it.
#[derive(Debug)]
#[must_use = "an overlay does nothing until it is driven"]
pub struct Overlay {
    config: Config,
    registry: Arc<dyn Registry>,
    files: Files,
    interval: Duration,
    place: Place,
    lingering: Lingering,
    sender: mpsc::UnboundedSender<Request>,
    receiver: mpsc::UnboundedReceiver<Request>,
}

impl Overlay {
    /// Begins with the whole overlay's network, such as `10.244.0.0/16`.
    pub fn builder<N>(network: N) -> OverlayBuilder
    where
        N: TryInto<NetworkArg>,
        N::Error: std::fmt::Display,
    {
        OverlayBuilder::new(network)
    }

    pub(crate) fn new(config: Config, builder: OverlayBuilder) -> Self {
        let (sender, receiver) = mpsc::unbounded_channel();
        let OverlayBuilder {
            registry, subnet_env, ipam_directory, reconcile: interval, linger, query, ..
        } = builder;
        let (files, place) = (Files { subnet_env, ipam_directory }, Place::new(query));
        let lingering = Lingering::new(linger);
        Overlay { config, registry, files, interval, place, lingering, sender, receiver }
    }

    /// The checked configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Attaches and detaches pods, once the overlay is driven.
    #[must_use]
    pub fn pods(&self) -> Pods {
        Pods::new(self.sender.clone())
    }

    /// Keeps the kernel in step for as long as the returned future is polled.
    ///
    /// The future has to be polled on threads in the node's network namespace; its sockets are opened on the first
    /// poll, in a tokio runtime with I/O and time. It makes short blocking calls: netlink answers within the call,
    /// attaching a pod takes a few milliseconds. It ends when the handle is dropped, and after
    /// [`Handle::clean_up`]. Dropping the future leaves the kernel as it is: traffic goes on, and a later overlay of
    /// the same configuration adopts everything.
    ///
    /// Should the underlay device lose this node's address and have another one of the family, the node moves there: the
    /// lease is published with it under the same subnet and MAC address, the VXLAN device is made anew, and all peers with it.
    /// One of the same network is taken at once and before others, of another network after a second; otherwise the order is
    /// that of [`Interface::addresses`](crate::Interface::addresses), of those that the query given to
    /// [`OverlayBuilder::interface`] finds. While there is none, what is programmed stays and the missing address is a
    /// [`Problem`](crate::Problem), also where [`OverlayBuilder::local`] holds it fast.
    pub fn drive(self) -> (Handle, impl Future<Output = ()> + Send) {
        self.drive_on(System::new())
    }

    /// As [`drive`](Self::drive), on another dataplane: [`Fake`](crate::fake::Fake) in tests.
    pub fn drive_on<D: Dataplane>(self, dataplane: D) -> (Handle, impl Future<Output = ()> + Send) {
        self.drive_with(dataplane, Clock::new())
    }

    fn drive_with<D: Dataplane>(
        self,
        dataplane: D,
        clock: Clock,
    ) -> (Handle, impl Future<Output = ()> + Send) {
        let (status, status_receiver) = watch::channel(Status::default());
        let (stop, stopped) = oneshot::channel();
        let handle = Handle { status: status_receiver, requests: self.sender.clone(), _stop: stop };
        let driver = Driver::new(self, clock, dataplane, status);
        (handle, driver.run(stopped))
    }
}

/// Watches and ends a driver; dropping it stops the driver and leaves the kernel as it is.
#[derive(Debug)]
#[must_use = "dropping the handle stops the driver"]
pub struct Handle {
    status: watch::Receiver<Status>,
    requests: mpsc::UnboundedSender<Request>,
    _stop: oneshot::Sender<()>,
}

impl Handle {
    /// How the overlay is doing now.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// Attaches and detaches pods.
    #[must_use]
    pub fn pods(&self) -> Pods {
        Pods::new(self.requests.clone())
    }

    /// Returns once the kernel holds some revision of the leases.
    ///
    /// # Errors
    ///
    /// [`Stopped`] when the driver ends before.
    pub async fn synced(&self) -> Result<Status, Stopped> {
        self.until(|status| status.programmed.is_some()).await
    }

    /// Returns once the kernel holds this revision of the leases or a later one.
    ///
    /// # Errors
    ///
    /// [`Stopped`] when the driver ends before.
    pub async fn programmed(&self, revision: Revision) -> Result<Status, Stopped> {
        self.until(|status| status.programmed.is_some_and(|programmed| programmed >= revision)).await
    }

    /// Returns once the status is as wanted. Cancel safe.
    ///
    /// # Errors
    ///
    /// [`Stopped`] when the driver ends before.
    pub async fn until(&self, wanted: impl FnMut(&Status) -> bool) -> Result<Status, Stopped> {
        let mut status = self.status.clone();
        let status = status.wait_for(wanted).await.map_err(|_| Stopped::new())?;
        Ok(status.clone())
    }

    /// Withdraws the lease, removes everything that is ours from the kernel (pods' ports too), puts changed sysctls
    /// back, and ends the driver.
    ///
    /// # Errors
    ///
    /// Everything that could not be removed; the rest is.
    pub async fn clean_up(self) -> Result<(), CleanUpError> {
        let (reply, answer) = oneshot::channel();
        let stopped = |_| CleanUpError::stopped();
        self.requests.send(Request::CleanUp { reply }).map_err(|_| CleanUpError::stopped())?;
        answer.await.map_err(stopped)?
    }
}

#[cfg(test)]
mod tests;
