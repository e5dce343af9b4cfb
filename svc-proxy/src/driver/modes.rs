//! The modes that there are: the one in force, and what others may have left.

use svc_model::Snapshot;

use super::iptables::Iptables;
use super::ipvs::Ipvs;
use super::mode::{Keep, Keeper, Remains};
use super::nftables::Nft;
use crate::iptables::Variant;
use crate::sysctl::settle::{Before, Setting};
use crate::{Dataplane, Error, Node, Plan, iptables, ipvs, nftables};

/// How rules reach the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// nftables over netlink.
    #[default]
    Nftables,
    /// The programs `iptables-restore` and `ip6tables-restore`.
    Iptables,
    /// Virtual servers of IPVS, over netlink, with a table of nftables around them.
    Ipvs,
}

impl Backend {
    /// As kube-proxy's `mode` has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Backend::Nftables => "nftables",
            Backend::Iptables => "iptables",
            Backend::Ipvs => "ipvs",
        }
    }
}

impl std::fmt::Display for Backend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// The mode wanted, and the settings of all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Modes {
    pub(super) backend: Backend,
    pub(super) nftables: nftables::Backend,
    pub(super) iptables: iptables::Backend,
    pub(super) ipvs: ipvs::Backend,
    /// What a plain `iptables-restore` programs unless set.
    pub(super) variant: Option<Variant>,
    pub(super) adopt: bool,
}

/// Where rules of a mode are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Nftables,
    Iptables(Variant),
    Ipvs,
}

impl Place {
    const ALL: [Place; 4] =
        [Place::Nftables, Place::Iptables(Variant::Legacy), Place::Iptables(Variant::Nft), Place::Ipvs];
}

impl Modes {
    /// The kernel settings that the mode wanted needs beside those of all.
    pub(super) fn needs(&self, node: &Node) -> Vec<Setting> {
        match self.backend {
            Backend::Ipvs => super::ipvs::needs(&self.ipvs, node.compat()),
            _ => Vec::new(),
        }
    }

    /// The mode wanted, with rules of the objects of a snapshot.
    pub(super) fn start(&self, snapshot: &Snapshot, node: &Node) -> Box<dyn Keep> {
        self.keep(Plan::new(snapshot, node))
    }

    /// The mode wanted, with rules of a plan.
    pub(super) fn keep(&self, plan: Plan) -> Box<dyn Keep> {
        match self.backend {
            Backend::Nftables => Box::new(Keeper::new(plan, Nft::new(self.nftables.clone()))),
            Backend::Iptables => {
                let mode = Iptables::new(self.iptables.clone(), self.variant, self.adopt);
                Box::new(Keeper::new(plan, mode))
            }
            Backend::Ipvs => Box::new(Keeper::new(plan, Ipvs::new(self.ipvs.clone(), self.adopt))),
        }
    }

    /// Where rules of the mode wanted are.
    fn place(&self, kernel: &mut dyn Dataplane) -> Result<Place, Error> {
        Ok(match (self.backend, self.variant) {
            (Backend::Nftables, _) => Place::Nftables,
            (Backend::Ipvs, _) => Place::Ipvs,
            (Backend::Iptables, Some(variant)) => Place::Iptables(variant),
            (Backend::Iptables, None) => Place::Iptables(kernel.iptables().default_variant()?),
        })
    }

    fn remains(&self, place: Place) -> Box<dyn Remains> {
        match place {
            Place::Nftables => Box::new(Nft::new(self.nftables.clone())),
            Place::Ipvs => Box::new(Ipvs::new(self.ipvs.clone(), false)),
            Place::Iptables(variant) => Box::new(Iptables::new(self.iptables.clone(), Some(variant), false)),
        }
    }

    /// What any mode has the kernel remember of settings.
    pub(super) fn recollect(&self, kernel: &mut dyn Dataplane) -> Before {
        let mut before = Before::new();
        for place in Place::ALL {
            match self.remains(place).recollect(kernel) {
                Ok(remembered) => before.extend(remembered),
                Err(error) => tracing::debug!(%error, ?place, "what settings were cannot be read"),
            }
        }
        before
    }

    /// Removes what modes other than the one wanted left. What is somebody else's stays, without a word.
    pub(super) fn remove_others(&self, kernel: &mut dyn Dataplane, at_once: bool) -> Vec<Error> {
        let wanted = match self.place(kernel) {
            Ok(wanted) => wanted,
            Err(error) => return vec![error],
        };
        let others = Place::ALL.into_iter().filter(|place| *place != wanted);
        others.flat_map(|place| self.remove_ours(place, kernel, at_once)).collect()
    }

    /// Removes what is there of the mode wanted.
    pub(super) fn remove(&self, kernel: &mut dyn Dataplane) -> Vec<Error> {
        match self.place(kernel) {
            Ok(place) => self.remains(place).remove(kernel, true),
            Err(error) => vec![error],
        }
    }

    fn remove_ours(&self, place: Place, kernel: &mut dyn Dataplane, at_once: bool) -> Vec<Error> {
        let mut errors = self.remains(place).remove(kernel, at_once);
        errors.retain(|error| !error.is_foreign() && !is_absent(error));
        errors
    }
}

/// Without the program there is nothing that this crate could have put there by it.
fn is_absent(error: &Error) -> bool {
    match error {
        Error::Iptables(error) => error.is_missing(),
        Error::Ipvs(error) => error.is_unsupported(),
        _ => false,
    }
}
