//! What a program asks of a kernel.

use std::fmt;

use crate::{Command, Error, Info, Listed, ListedDestination, Refusal, Service, ServiceId, Stats, Timeouts};

/// A kernel's IPVS, or something that behaves like it: [`Socket`](crate::Socket) or [`fake::Kernel`](crate::fake::Kernel).
pub trait Dataplane: fmt::Debug {
    /// Applies the commands in order, each by itself, and says which were refused.
    ///
    /// # Errors
    ///
    /// The kernel could not be asked; how many commands took effect is not known then. List and compare.
    fn apply(&mut self, commands: &[Command]) -> Result<Vec<Refusal>, Error>;

    /// All virtual servers of the network namespace, whoever made them.
    ///
    /// # Errors
    ///
    /// The kernel could not be asked.
    fn services(&mut self) -> Result<Vec<(Service, Stats)>, Error>;

    /// The destinations of one; none where there is no such virtual server.
    ///
    /// # Errors
    ///
    /// The kernel could not be asked.
    fn destinations(&mut self, of: ServiceId) -> Result<Vec<ListedDestination>, Error>;

    /// Version and size.
    ///
    /// # Errors
    ///
    /// The kernel could not be asked.
    fn info(&mut self) -> Result<Info, Error>;

    /// How long idle connections are kept.
    ///
    /// # Errors
    ///
    /// The kernel could not be asked.
    fn timeouts(&mut self) -> Result<Timeouts, Error>;

    /// All virtual servers with their destinations, in the order of their [`ServiceId`]. Takes one request for each
    /// virtual server and one more.
    ///
    /// # Errors
    ///
    /// The kernel could not be asked.
    fn list(&mut self) -> Result<Vec<Listed>, Error> {
        let mut services = self.services()?;
        services.sort_by_key(|(service, _)| service.id());
        let listed = services.into_iter().map(|(service, stats)| {
            let destinations = self.destinations(service.id())?;
            Ok(destinations.into_iter().fold(Listed::new(service).with_stats(stats), Listed::with))
        });
        listed.collect()
    }
}
