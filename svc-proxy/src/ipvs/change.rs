//! From one compiled plan to another, in the order in which a kernel can follow without refusing anybody.

use std::net::IpAddr;

use svc_ipvs::Command;
use svc_nft::Batch;

/// What differs. Displays as the lines that programs would be given, those of each under a comment that names it:
/// `nft --file`, `ip -batch`, `ipvsadm --restore`.
///
/// The parts are applied in this order, each wholly in force before the next begins: [`glue`](Self::glue),
/// [`bound`](Self::bound), [`coming`](Self::coming), [`going`](Self::going), [`unbound`](Self::unbound). So no virtual server is
/// led to without the rules around it, and whoever finds one at an address of the device knows whose it is.
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

    /// Virtual servers and real servers that come, or are set otherwise.
    #[must_use]
    pub fn coming(&self) -> &[Command] {
        &self.come
    }

    /// The rules around them, all at once.
    #[must_use]
    pub fn glue(&self) -> &Batch {
        &self.glue
    }

    /// Addresses to put on [`DEVICE`](super::DEVICE).
    #[must_use]
    pub fn bound(&self) -> &[IpAddr] {
        &self.bind
    }

    /// Addresses to take from it, once no virtual server is there.
    #[must_use]
    pub fn unbound(&self) -> &[IpAddr] {
        &self.unbind
    }

    /// Real servers and virtual servers that go. Whoever has connections is first given weight 0 by who applies this.
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
