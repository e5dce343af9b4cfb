//! The search path of a client, walked by the server: `www.example.com.default.svc.cluster.local` is answered with what the client
//! would find in the end, instead of NXDOMAIN for each step.

use std::net::IpAddr;

use crate::{
    message::{Name, Query, QuestionName},
    responder::Responder,
};

/// Whose search path is walked: that of pods, whose namespaces are known by their addresses.
///
/// A pod that is gone may have left its address to another one: the path is that of the pod the store knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Autopath {
    /// Behind the cluster's own domains: those of the node.
    node_search: Vec<Name>,
}

/// A name that the client would try next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) name: Name,
    /// It is in the cluster's zone: nobody else is ever asked for it.
    pub(crate) own: bool,
}

impl Autopath {
    /// The path of pods: `<namespace>.svc.<zone>`, `svc.<zone>`, `<zone>`, the name itself.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Domains of the node that pods search behind the cluster's: `search` of the node's resolv.conf.
    #[must_use]
    pub fn node_search(mut self, domains: impl IntoIterator<Item = Name>) -> Self {
        self.node_search.extend(domains);
        self
    }

    /// What the client would try after this name; `None` when it does not begin its search path here.
    pub(crate) fn candidates(
        &self,
        responder: &Responder,
        query: &Query<'_>,
        client: IpAddr,
    ) -> Option<Vec<Candidate>> {
        let asked = query.question().spelling();
        let zone = responder.zone_of(&query.question().name().clone())?;
        let pod = responder.pod_at(client)?;
        let first: Name = format!("{}.svc.{zone}", pod.namespace()).parse().ok()?;
        let base = labels_before(&asked, &first)?;
        let cluster = [format!("svc.{zone}").parse().ok()?, zone.clone()];
        let search = cluster.iter().chain(&self.node_search).cloned().chain([Name::root()]);
        let joined = search.filter_map(|domain| join(base, &domain));
        let own = |name: &Name| responder.zone_of(&QuestionName::from(name)).is_some();
        Some(joined.map(|name| Candidate { own: own(&name), name }).collect())
    }
}

/// The labels of a name in front of a domain; `None` when there are none, or it is not in the domain.
fn labels_before<'n>(name: &'n Name, domain: &Name) -> Option<&'n [u8]> {
    let at = name.wire().len().checked_sub(domain.wire().len()).filter(|&at| at > 0)?;
    name.is_within(domain).then(|| &name.wire()[..at])
}

/// `None` when the name would be too long.
fn join(labels: &[u8], domain: &Name) -> Option<Name> {
    let whole = [labels, domain.wire()].concat();
    (whole.len() <= Name::MAX_LEN).then(|| Name::from_wire(&whole))
}

#[cfg(test)]
mod tests;
