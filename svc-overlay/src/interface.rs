//! Which of a host's links is the underlay, by whatever its people know of it: a name, an address, a pattern, or somebody who is
//! reached over it. The rules are those of flanneld's `--iface`, `--iface-regex` and `--iface-can-reach`.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::family::Family;

/// A host's links, in the kernel's order, and which of them leads out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interfaces {
    /// Those that are set up and are not the loopback.
    pub links: Vec<Interface>,
    /// The links of the default routes.
    pub default: BTreeMap<Family, String>,
    /// From which address others are reached, of those that were asked about.
    pub sources: BTreeMap<IpAddr, IpAddr>,
}

#[cfg(feature = "driver")]
impl Interfaces {
    /// Those of the calling thread's network namespace, and what a query has to know.
    ///
    /// # Errors
    ///
    /// The kernel could not be asked.
    pub fn list(query: &InterfaceQuery) -> Result<Self, crate::Error> {
        crate::sys::interfaces::list(query.targets())
    }
}

/// A link and its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its addresses, the best first: global ones, permanent ones. Deprecated and tentative ones are not among them.
    pub addresses: Vec<IpAddr>,
}

impl Interface {
    /// A link with these addresses.
    #[must_use]
    pub fn new(name: impl Into<String>, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        Interface { name: name.into(), addresses: addresses.into_iter().collect() }
    }
}

/// A link by name and address.
impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = self.addresses.iter().map(ToString::to_string).collect::<Vec<_>>();
        write!(f, "{} ({})", self.name, addresses.join(", "))
    }
}

/// What is known of the underlay's link. Without anything it is that of the default route.
///
/// ```
/// use svc_overlay::{Family, Interface, Interfaces, InterfaceQuery};
///
/// let mut host = Interfaces::default();
/// host.links.push(Interface::new("eth0", ["192.0.2.7".parse()?]));
/// host.links.push(Interface::new("eth1", ["172.20.10.2".parse()?]));
/// let chosen = InterfaceQuery::new().iface("172.20.10.2").choose(&host, &[Family::V4])?;
/// assert_eq!(chosen.name, "eth1");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
#[must_use]
pub struct InterfaceQuery {
    wanted: Vec<Wanted>,
}

type Pattern = Arc<dyn Fn(&str) -> bool + Send + Sync>;

#[derive(Clone)]
enum Wanted {
    Iface(String),
    Matching(String, Pattern),
    CanReach(IpAddr),
}

impl InterfaceQuery {
    /// Nothing is known yet.
    pub fn new() -> Self {
        InterfaceQuery::default()
    }

    /// The link of this name, or the one that has this address. What was said first is looked for first.
    pub fn iface(mut self, name_or_address: impl Into<String>) -> Self {
        self.wanted.push(Wanted::Iface(name_or_address.into()));
        self
    }

    /// The first link with an address, or else a name, of which this is true: a pattern, and how it is called in errors.
    pub fn matching(
        mut self,
        called: impl Into<String>,
        pattern: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.wanted.push(Wanted::Matching(called.into(), Arc::new(pattern)));
        self
    }

    /// The link over which this address is reached.
    pub fn can_reach(mut self, address: IpAddr) -> Self {
        self.wanted.push(Wanted::CanReach(address));
        self
    }

    /// Whom the kernel has to be asked about.
    pub fn targets(&self) -> impl Iterator<Item = IpAddr> {
        self.wanted.iter().filter_map(|wanted| match wanted {
            Wanted::CanReach(address) => Some(*address),
            _ => None,
        })
    }

    /// The link, with one address of each of these families, in their order.
    ///
    /// # Errors
    ///
    /// No link is as wanted, or none of those has an address of each family.
    pub fn choose(&self, host: &Interfaces, families: &[Family]) -> Result<Interface, InterfaceError> {
        if self.wanted.is_empty() {
            return by_default(host, families);
        }
        let found = self.wanted.iter().find_map(|wanted| wanted.find(host, families));
        found.ok_or_else(|| InterfaceError::new(self.to_string(), host, families))
    }
}

impl Wanted {
    fn find(&self, host: &Interfaces, families: &[Family]) -> Option<Interface> {
        match self {
            Wanted::Iface(text) => match text.parse() {
                Ok(address) => with_address(host, address, families),
                Err(_) => named(host, text).and_then(|link| complete(link, None, families)),
            },
            Wanted::Matching(_, pattern) => {
                let by_address = host.links.iter().find_map(|link| {
                    let ours = |address: &&IpAddr| families.contains(&Family::of(**address));
                    let mut addresses = link.addresses.iter().filter(ours);
                    let address = addresses.find(|address| pattern(&address.to_string()))?;
                    complete(link, Some(*address), families)
                });
                let mut named = host.links.iter().filter(|link| pattern(&link.name));
                by_address.or_else(|| named.find_map(|link| complete(link, None, families)))
            }
            Wanted::CanReach(target) => with_address(host, *host.sources.get(target)?, families),
        }
    }
}

impl fmt::Display for InterfaceQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.wanted.iter().map(|wanted| match wanted {
            Wanted::Iface(text) => text.clone(),
            Wanted::Matching(called, _) => format!("one that matches {called}"),
            Wanted::CanReach(address) => format!("the one that reaches {address}"),
        });
        f.write_str(&texts.collect::<Vec<_>>().join(" or "))
    }
}

impl fmt::Debug for InterfaceQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InterfaceQuery({self})")
    }
}

/// Of both families the default routes have to be on one link: a node has one underlay.
fn by_default(host: &Interfaces, families: &[Family]) -> Result<Interface, InterfaceError> {
    let wanted = "that of the default route".to_owned();
    let names: Option<Vec<_>> = families.iter().map(|family| host.default.get(family)).collect();
    let found = match names.as_deref() {
        Some([first, rest @ ..]) if rest.iter().all(|name| name == first) => named(host, first),
        _ => None,
    };
    let found = found.and_then(|link| complete(link, None, families));
    found.ok_or_else(|| InterfaceError::new(wanted, host, families))
}

fn named<'a>(host: &'a Interfaces, name: &str) -> Option<&'a Interface> {
    host.links.iter().find(|link| link.name == name)
}

fn with_address(host: &Interfaces, address: IpAddr, families: &[Family]) -> Option<Interface> {
    let link = host.links.iter().find(|link| link.addresses.contains(&address))?;
    complete(link, Some(address), families)
}

/// The link with one address of each family: the one that was asked for, else the best.
fn complete(link: &Interface, wanted: Option<IpAddr>, families: &[Family]) -> Option<Interface> {
    let best = |family: &Family| {
        let of_family = |address: &IpAddr| Family::of(*address) == *family;
        wanted.filter(of_family).or_else(|| link.addresses.iter().copied().find(of_family))
    };
    let addresses: Option<Vec<_>> = families.iter().map(best).collect();
    Some(Interface { name: link.name.clone(), addresses: addresses? })
}

/// No link is the underlay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("underlay interface: {wanted} is not here with {families}; there is {there}")]
#[non_exhaustive]
pub struct InterfaceError {
    wanted: String,
    families: String,
    there: String,
}

impl InterfaceError {
    fn new(wanted: String, host: &Interfaces, families: &[Family]) -> Self {
        let families: Vec<_> = families.iter().map(|family| format!("an {family} address")).collect();
        let there: Vec<_> = host.links.iter().map(ToString::to_string).collect();
        let there = if there.is_empty() { "none that is up".to_owned() } else { there.join(", ") };
        InterfaceError { wanted, families: families.join(" and "), there }
    }
}

#[cfg(test)]
mod tests;
