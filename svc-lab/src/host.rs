//! A host or a pod: one network namespace, and what can be done in it.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use ipnet::IpNet;

use crate::error::Error;
use crate::lab::parse_net;
use crate::link;
use crate::netns::{Netns, Task};
use crate::process::HostCommand;
use crate::sysctl;

/// A network namespace with a thread and a tokio runtime of its own.
///
/// Cheap to clone. When the last clone is dropped, its tasks and processes are ended and the namespace goes;
/// [`remove`](Host::remove) does so at once and waits.
#[derive(Clone, Debug)]
pub struct Host {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    netns: Netns,
    addresses: Vec<IpNet>,
    /// The switch's namespace and the name of the port there.
    port: Option<(Netns, String)>,
}

impl Host {
    pub(crate) fn new(netns: Netns, addresses: Vec<IpNet>, port: Option<(Netns, String)>) -> Self {
        Self { inner: Arc::new(Inner { netns, addresses, port }) }
    }

    pub(crate) fn inside(&self) -> &Netns {
        &self.inner.netns
    }

    /// The name it was created by.
    #[must_use]
    pub fn name(&self) -> &str {
        self.inner.netns.name()
    }

    /// The first address it was created with.
    ///
    /// # Panics
    ///
    /// For a pod, which is created without.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        let first = self.inner.addresses.first();
        first
            .unwrap_or_else(|| panic!("{:?} is a pod: it was created without an address", self.name()))
            .addr()
    }

    /// Runs a future on the host's thread, whose sockets are therefore the host's. The closure travels, so it is
    /// `Send`; the future it makes need not be. `tokio::spawn` and `spawn_local` work in it.
    ///
    /// Dropping the call aborts the future. Blocking in it blocks this host alone.
    ///
    /// # Panics
    ///
    /// If the future panics, with the same panic; or if the host is removed meanwhile.
    pub async fn run<F, Fut>(&self, make: F) -> Fut::Output
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future + 'static,
        Fut::Output: Send + 'static,
    {
        self.spawn(make).await
    }

    /// Starts a future on the host's thread and returns at once; see [`run`](Host::run).
    pub fn spawn<F, Fut>(&self, make: F) -> Task<Fut::Output>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future + 'static,
        Fut::Output: Send + 'static,
    {
        self.inner.netns.task(make)
    }

    /// Begins a process in the host. Takes a command of `std` or of `tokio`.
    pub fn command(&self, command: impl Into<tokio::process::Command>) -> HostCommand {
        HostCommand::new(self.inner.netns.clone(), command.into())
    }

    /// The namespace, to move links into.
    #[must_use]
    pub fn netns(&self) -> BorrowedFd<'_> {
        self.inner.netns.file().as_fd()
    }

    /// The command by which a person outside the lab enters this host. It works for the user that started the lab,
    /// and for root, as long as the lab lives.
    #[must_use]
    pub fn nsenter(&self) -> String {
        format!("nsenter --preserve-credentials --user --net --target {}", self.inner.netns.outer_tid())
    }

    /// Adds an address to a link, `host.add_address("eth0", "10.0.0.1/24")` say.
    ///
    /// # Errors
    ///
    /// If it cannot be parsed, there is no such link, or it has the address.
    pub async fn add_address(&self, link: &str, address: impl fmt::Display) -> Result<(), Error> {
        link::add_address(self.inside(), link, parse_net(self.name(), &address.to_string())?).await
    }

    /// Deletes an address of a link.
    ///
    /// # Errors
    ///
    /// If it cannot be parsed, or there is no such link or address.
    pub async fn del_address(&self, link: &str, address: impl fmt::Display) -> Result<(), Error> {
        link::del_address(self.inside(), link, parse_net(self.name(), &address.to_string())?).await
    }

    /// Adds a route: `host.add_route("10.96.0.0/12", "172.20.10.2")`; the destination may be `default`.
    ///
    /// # Errors
    ///
    /// If it cannot be parsed, the gateway cannot be reached, or there is such a route.
    pub async fn add_route(&self, to: impl fmt::Display, via: impl fmt::Display) -> Result<(), Error> {
        let (to, via) = self.parsed_route(&to.to_string(), &via.to_string())?;
        link::add_route(self.inside(), to, via).await
    }

    /// Deletes a route.
    ///
    /// # Errors
    ///
    /// If it cannot be parsed, or there is no such route.
    pub async fn del_route(&self, to: impl fmt::Display, via: impl fmt::Display) -> Result<(), Error> {
        let (to, via) = self.parsed_route(&to.to_string(), &via.to_string())?;
        link::del_route(self.inside(), to, via).await
    }

    /// The value of a sysctl, `net/ipv4/ip_forward` or `net.ipv4.ip_forward` say, without its line end.
    ///
    /// # Errors
    ///
    /// If there is none of that name.
    pub async fn sysctl(&self, name: &str) -> Result<String, Error> {
        sysctl::read(self.inside(), name).await
    }

    /// Sets a sysctl. Those under `net` are the host's own.
    ///
    /// # Errors
    ///
    /// If there is none of that name, or it refuses the value.
    pub async fn set_sysctl(&self, name: &str, value: impl fmt::Display) -> Result<(), Error> {
        sysctl::write(self.inside(), name, &value.to_string()).await
    }

    /// Unplugs the host, ends its tasks and processes and waits until they have ended. The namespace itself goes with
    /// the last clone.
    ///
    /// # Errors
    ///
    /// If the kernel refuses to delete the host's cable.
    pub async fn remove(self) -> Result<(), Error> {
        let unplugged = match &self.inner.port {
            Some((switch, port)) => link::delete(switch, port).await,
            None => Ok(()),
        };
        self.inner.netns.stop().await;
        match unplugged {
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        }
    }

    fn parsed_route(&self, to: &str, via: &str) -> Result<(IpNet, IpAddr), Error> {
        let wrong = |what: &str, text: &str, want: &str| {
            Error::text("parse", format_args!("{what} {text:?} of a route of host {:?}", self.name()), want)
        };
        let via: IpAddr = via.parse().map_err(|_| wrong("gateway", via, "want an address"))?;
        let to = match to {
            "default" if via.is_ipv4() => IpNet::V4(ipnet::Ipv4Net::default()),
            "default" => IpNet::V6(ipnet::Ipv6Net::default()),
            _ => parse_destination(to)
                .ok_or_else(|| wrong("destination", to, "want 10.0.0.0/8, 10.0.0.1 or default"))?,
        };
        Ok((to, via))
    }
}

fn parse_destination(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}
