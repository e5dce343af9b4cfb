//! Who may ask for what.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::{
    domains::Domains,
    message::{Name, RecordType},
};

/// Rules about clients; the first that holds counts, and where none does a client may ask.
///
/// ```
/// use svc_dns::{Access, Action};
///
/// let office = "192.0.2.0/24".parse()?;
/// let access = Access::new().rule(Action::Allow, [], [office]).rule(Action::Refuse, [], []);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    zones: Domains,
    rules: Vec<AccessRule>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct AccessRule {
    action: Action,
    /// None: all.
    kinds: Vec<RecordType>,
    /// None: all.
    networks: Vec<IpNet>,
}

/// What a client gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// Its answer.
    Allow,
    /// REFUSED.
    Refuse,
    /// NOERROR without records.
    Empty,
    /// Nothing.
    Drop,
}

impl Default for Access {
    fn default() -> Self {
        Self { zones: Domains::all(), rules: Vec::new() }
    }
}

impl Access {
    /// No rules: everybody may ask.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// About names in these domains only.
    #[must_use]
    pub fn zones<'n>(mut self, zones: impl IntoIterator<Item = &'n Name>) -> Self {
        self.zones = zones.into_iter().collect();
        self
    }

    /// Adds a rule behind those that are there, for these types (none: all) and clients in these networks (none: all).
    #[must_use]
    pub fn rule(
        mut self,
        action: Action,
        kinds: impl IntoIterator<Item = RecordType>,
        networks: impl IntoIterator<Item = IpNet>,
    ) -> Self {
        let (kinds, networks) = (kinds.into_iter().collect(), networks.into_iter().collect());
        self.rules.push(AccessRule { action, kinds, networks });
        self
    }

    /// What a client gets for a name in lower-case wire form.
    pub(crate) fn action(&self, name: &[u8], kind: RecordType, client: IpAddr) -> Action {
        if !self.zones.hold(name) {
            return Action::Allow;
        }
        let client = client.to_canonical();
        let holds = |rule: &&AccessRule| {
            (rule.kinds.is_empty() || rule.kinds.contains(&kind))
                && (rule.networks.is_empty() || rule.networks.iter().any(|network| network.contains(&client)))
        };
        self.rules.iter().find(holds).map_or(Action::Allow, |rule| rule.action)
    }
}
