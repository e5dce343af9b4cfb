//! The back ends that have to agree: each is held to the same reference, and so to the others.

mod iptables;
mod ipvs;
mod nftables;

use std::collections::BTreeSet;

use svc_model::ObjectName;
use svc_proxy::trace::Ruleset;
use svc_proxy::{Plan, ProxyMode};

/// A back end, in one of the ways it can be set up. Another one joins by another `impl` and a line in [`all`].
pub(crate) trait Subject: Sync {
    fn name(&self) -> &'static str;

    /// The mode of kube-proxy's that it is compared with.
    fn mode(&self) -> ProxyMode;

    /// The rules of a plan, on paper.
    fn rules(&self, plan: &Plan) -> Box<dyn Ruleset>;

    /// The ways into a kernel, by name.
    fn kernels(&self) -> &'static [&'static str];

    /// What such a way needs and does not find here.
    fn missing(&self, _way: &'static str) -> Option<String> {
        None
    }

    /// Something that holds the rules of a plan in a kernel, and follows.
    fn follower(&self, plan: &Plan, kernel: Kernel) -> Box<dyn Follower>;
}

/// The kernel that rules are put into.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kernel {
    Fake,
    /// The one that the test runs on, by one of [`Subject::kernels`].
    Real(&'static str),
}

/// Rules in a kernel, kept in step change by change.
pub(crate) trait Follower {
    fn follow(&mut self, plan: &Plan, changed: &BTreeSet<ObjectName>) -> Result<(), String>;

    /// The incremental rules as text.
    fn rules(&self) -> String;

    /// What the kernel holds, as text in an order that does not depend on how it came there.
    fn held(&mut self) -> String;

    /// What the kernel holds, on paper.
    fn on_paper(&mut self) -> Box<dyn Ruleset>;
}

pub(crate) fn all() -> Vec<&'static dyn Subject> {
    vec![
        &nftables::Nftables,
        &iptables::Iptables { flat: false },
        &iptables::Iptables { flat: true },
        &ipvs::Ipvs,
    ]
}
