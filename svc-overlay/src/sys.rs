//! The kernel's side: netlink sockets, `/proc/sys`, and the threads that enter a pod's network namespace.

use std::io;
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use crate::dataplane::Dataplane;
use crate::error::Error;
use crate::interface::Interfaces;
use crate::kernel::{Kernel, Scope};
use crate::operation::Operation;
use crate::pod::Port;

pub(crate) mod clock;
mod dump;
mod ethtool;
mod events;
pub(crate) mod files;
pub(crate) mod interfaces;
mod links;
mod messages;
mod netlink;
mod netns;
mod port;
mod port_owner;
pub(crate) mod reservations;
mod rules;
mod sysctl;

use events::Events;
use netlink::Netlink;

/// How many operations go to the kernel in one system call: their answers must fit the receive buffer.
const BATCH: usize = 128;

/// The kernel of the network namespace in which it is first used.
///
/// Sockets are opened on first use, on the thread that uses it; sysctls are those of the calling thread's network
/// namespace. So it has to be used on threads of one namespace.
#[derive(Debug, Default)]
pub struct System {
    netlink: Option<Netlink>,
    events: Option<Events>,
}

impl System {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new() -> Self {
        System::default()
    }

    fn netlink(&mut self) -> Result<&mut Netlink, Error> {
        if self.netlink.is_none() {
            let socket = Netlink::open().map_err(|cause| Error::new("open", "netlink socket", cause))?;
            self.netlink = Some(socket);
        }
        let closed = || Error::new("open", "netlink socket", io::ErrorKind::NotConnected.into());
        self.netlink.as_mut().ok_or_else(closed)
    }
}

impl Dataplane for System {
    fn list(&mut self, scope: &Scope) -> Result<Kernel, Error> {
        // Subscribed before the dump is taken: what changes during it is reported.
        match &mut self.events {
            Some(events) => events.follow(scope),
            None => self.events = Some(Events::open(scope)?),
        }
        let mut kernel = dump::list(self.netlink()?, scope)?;
        kernel.sysctls = sysctl::read_all(&scope.sysctls)?;
        kernel.rules = rules::list(&scope.table)?;
        if scope.checksum_offload {
            let names = kernel.devices.keys();
            kernel.checksum_offload = names
                .map(|name| Ok((name.clone(), ethtool::checksum_offload(name)?)))
                .collect::<Result<_, Error>>()?;
        }
        if let Some(events) = &mut self.events {
            // Of one that is gone it is still told when it comes back.
            events.underlay = kernel.underlay.as_ref().map(|underlay| underlay.index).or(events.underlay);
            events.devices = kernel.devices.values().map(|device| device.index).collect();
        }
        Ok(kernel)
    }

    fn interfaces(&mut self, targets: &[IpAddr]) -> Result<Interfaces, Error> {
        interfaces::list(targets.iter().copied())
    }

    fn apply(&mut self, operations: &[Operation]) -> Vec<Result<(), Error>> {
        let mut results = Vec::with_capacity(operations.len());
        for run in operations.chunk_by(|a, b| batched(a) && batched(b)) {
            match run {
                [Operation::SetSysctl { key, value }] => results.push(sysctl::write(key, value)),
                [Operation::SetRules(rules)] => results.push(rules::replace(rules)),
                [Operation::DeleteRules(table)] => results.push(rules::delete(table)),
                [Operation::SetChecksumOffload { device, on }] => {
                    results.push(ethtool::set_checksum_offload(device, *on));
                }
                run => run.chunks(BATCH).for_each(|chunk| results.extend(self.apply_batch(chunk))),
            }
        }
        if let Some(events) = &mut self.events {
            let made = operations.iter().zip(&results).filter(|(_, result)| result.is_ok());
            made.for_each(|(operation, _)| events.expect(operation));
        }
        results
    }

    fn plug(&mut self, netns: BorrowedFd<'_>, port: &Port) -> Result<(), Error> {
        port::plug(self.netlink()?, netns, port)
    }

    async fn changed(&mut self) {
        match &mut self.events {
            Some(events) => events.changed().await,
            None => std::future::pending().await,
        }
    }
}

impl System {
    fn apply_batch(&mut self, operations: &[Operation]) -> Vec<Result<(), Error>> {
        let name = |cause: io::Error, operation: &Operation| Error::new("apply", operation, cause);
        match self.netlink() {
            Ok(netlink) => {
                let results = links::apply(netlink, operations).into_iter().zip(operations);
                let named = results.map(|(result, operation)| {
                    result.map_err(|cause| with_owner(netlink, operation, name(cause, operation)))
                });
                named.collect()
            }
            Err(error) => {
                let code = error.to_string();
                let failed = || io::Error::other(code.clone());
                operations.iter().map(|operation| Err(name(failed(), operation))).collect()
            }
        }
    }
}

/// Says who has the port that a device cannot have.
fn with_owner(netlink: &mut Netlink, operation: &Operation, error: Error) -> Error {
    match operation {
        Operation::AddDevice(device, _) | Operation::SetDevice(device) if error.is_address_in_use() => {
            let owner = port_owner::of(netlink, device).unwrap_or_else(|| "somebody".to_owned());
            error.with_hint(format!(
                "UDP port {} is held by {owner}; end that, or choose another port",
                device.port
            ))
        }
        _ => error,
    }
}

/// Whether an operation is one or more netlink route messages, and names no link that the same batch makes.
fn batched(operation: &Operation) -> bool {
    matches!(
        operation,
        Operation::SetNeighbour(_)
            | Operation::DeleteNeighbour(_)
            | Operation::SetFdb(_)
            | Operation::DeleteFdb(_)
            | Operation::AddRoute(_)
            | Operation::ReplaceRoute(_)
            | Operation::DeleteRoute(_)
    )
}
