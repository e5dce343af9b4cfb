//! From one compiled plan to another, in the order in which a kernel can follow without refusing anybody.

use std::fmt;
use std::net::IpAddr;

use svc_ipvs::Command;
use svc_nft::Batch;

use super::DEVICE;

/// What differs. Displays as the lines that the tools would be given: `ipvsadm --restore`, `ip -batch`, `nft -f`.
///
/// The parts are applied in their order. Each is wholly in force before the next begins, so at no moment an address is the
/// node's own without its virtual servers, or a virtual server led to without the rules around it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Virtual servers and real servers that come, or are set otherwise.
    pub(crate) come: Vec<Command>,
    pub(crate) glue: Batch,
    pub(crate) bind: Vec<IpAddr>,
    pub(crate) unbind: Vec<IpAddr>,
    /// Real servers and virtual servers that go.
    pub(crate) go: Vec<Command>,
}

impl Change {
    /// Nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.come.is_empty()
            && self.glue.is_empty()
            && self.bind.is_empty()
            && self.unbind.is_empty()
            && self.go.is_empty()
    }

    /// First: virtual servers and real servers that come, or are set otherwise.
    #[must_use]
    pub fn coming(&self) -> &[Command] {
        &self.come
    }

    /// Second: the rules around them, at once.
    #[must_use]
    pub fn glue(&self) -> &Batch {
        &self.glue
    }

    /// Third: addresses to put on [`DEVICE`].
    #[must_use]
    pub fn bound(&self) -> &[IpAddr] {
        &self.bind
    }

    /// Fourth: addresses to take from it.
    #[must_use]
    pub fn unbound(&self) -> &[IpAddr] {
        &self.unbind
    }

    /// Last: real servers and virtual servers that go. Whoever has connections is first given weight 0 by who applies this.
    #[must_use]
    pub fn going(&self) -> &[Command] {
        &self.go
    }

    /// Takes commands in, each where it belongs.
    pub(crate) fn extend(&mut self, commands: impl IntoIterator<Item = Command>) {
        let goes =
            |command: &Command| matches!(command, Command::DeleteService(_) | Command::DeleteDestination(..));
        let (go, come): (Vec<_>, Vec<_>) = commands.into_iter().partition(goes);
        self.come.extend(come);
        self.go.extend(go);
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.come.iter().try_for_each(|command| writeln!(f, "{command}"))?;
        write!(f, "{}", self.glue)?;
        self.bind.iter().try_for_each(|address| write_address(f, "add", *address))?;
        self.unbind.iter().try_for_each(|address| write_address(f, "del", *address))?;
        self.go.iter().try_for_each(|command| writeln!(f, "{command}"))
    }
}

/// A line of `ip -batch`.
pub(super) fn write_address(f: &mut fmt::Formatter<'_>, verb: &str, address: IpAddr) -> fmt::Result {
    let bits = if address.is_ipv4() { 32 } else { 128 };
    writeln!(f, "address {verb} {address}/{bits} dev {DEVICE}")
}
