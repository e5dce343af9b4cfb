//! The subnets of a network that nodes may lease, and which of them a node takes.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::family::Family;

/// How many free subnets the choice is made from, as flannel does: nodes that ask at the same moment rarely want the same
/// one, and the network fills from its beginning.
const CANDIDATES: usize = 100;

/// A range of equal subnets of one network: flannel's `SubnetLen`, `SubnetMin` and `SubnetMax`.
///
/// ```
/// let subnets = svc_overlay::Subnets::new("10.244.0.0/16".parse()?, None, None, None)?;
/// assert_eq!(subnets.to_string(), "10.244.1.0/24 to 10.244.255.0/24");
/// assert_eq!(subnets.count(), 255);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnets {
    network: IpNet,
    len: u8,
    /// The first addresses of the first and of the last subnet, as numbers.
    min: u128,
    max: u128,
}

/// A range that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubnetsError {
    /// The network has no room for subnets.
    #[error("{0} is too small to be divided; use {shortest} or shorter, or set the subnets' length", shortest = shortest(*.0))]
    Network(IpNet),
    /// The subnets' length does not fit the network.
    #[error("{0} is not in {first}-{last} (the network is {1})", first = .1.prefix_len() + 2, last = longest(*.1))]
    Len(u8, IpNet),
    /// The first subnet is none of the network's.
    #[error("{0}")]
    Min(String),
    /// The last subnet is none of the network's.
    #[error("{0}")]
    Max(String),
}

/// The longest prefix that a subnet may have: /30 leaves one pod beside gateway, network and broadcast address; flannel
/// allows /126 in IPv6.
fn longest(network: IpNet) -> u8 {
    match Family::of_net(network) {
        Family::V4 => 30,
        Family::V6 => 126,
    }
}

fn shortest(network: IpNet) -> &'static str {
    match Family::of_net(network) {
        Family::V4 => "/28",
        Family::V6 => "/124",
    }
}

impl Subnets {
    /// The subnets of `network` with prefix length `len`, from the one at `min` to the one at `max`.
    ///
    /// Without a length it is 24 (64 in IPv6) where the network has at least four such, else a quarter of the network.
    /// Without `min` the first subnet is left out, for its first address is the network's; without `max` all are used.
    ///
    /// # Errors
    ///
    /// The first argument that breaks flannel's rules: a length of at least the network's + 2 and at most 30 (126), bounds
    /// that lie in the network and on a subnet's first address, `min` not after `max`.
    pub fn new(
        network: IpNet,
        len: Option<u8>,
        min: Option<IpAddr>,
        max: Option<IpAddr>,
    ) -> Result<Self, SubnetsError> {
        let network = network.trunc();
        let len = checked_len(network, len)?;
        let step = step(network, len);
        let first = number(network.network()) + step;
        let last = number(network.broadcast()) & !(step - 1);
        let bound = |address: Option<IpAddr>, default| match address {
            Some(address) => checked_bound(network, len, address),
            None => Ok(default),
        };
        let min = bound(min, first).map_err(SubnetsError::Min)?;
        let max = bound(max, last).map_err(SubnetsError::Max)?;
        let subnets = Subnets { network, len, min, max };
        if min > max {
            let (min, max) = (subnets.at(min).network(), subnets.at(max).network());
            return Err(SubnetsError::Min(format!("{min} lies behind the last subnet {max}")));
        }
        Ok(subnets)
    }

    /// The network that they divide.
    #[must_use]
    pub fn network(&self) -> IpNet {
        self.network
    }

    /// Their prefix length.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "a prefix has a length")]
    pub fn len(&self) -> u8 {
        self.len
    }

    /// How many there are; at least one.
    #[must_use]
    pub fn count(&self) -> u128 {
        (self.max - self.min) / self.step() + 1
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = IpNet> + use<> {
        let subnets = *self;
        let next = move |at: &u128| at.checked_add(subnets.step()).filter(|at| *at <= subnets.max);
        std::iter::successors(Some(self.min), next).map(move |at| subnets.at(at))
    }

    /// Whether a subnet is one of them.
    #[must_use]
    pub fn contains(&self, subnet: IpNet) -> bool {
        let at = number(subnet.network());
        Family::of_net(subnet) == Family::of_net(self.network)
            && subnet.prefix_len() == self.len
            && (self.min..=self.max).contains(&at)
            && at.is_multiple_of(self.step())
    }

    /// One that overlaps none of those that are taken: `wanted` if that is free, else one of the first 100 free ones, by
    /// `random`. None when all are taken. O(taken x log taken + those passed over).
    ///
    /// ```
    /// use ipnet::IpNet;
    /// let subnets = svc_overlay::Subnets::new("10.244.0.0/16".parse()?, None, None, None)?;
    /// let taken: IpNet = "10.244.1.0/24".parse()?;
    /// assert_eq!(subnets.choose([taken], None, 0), Some("10.244.2.0/24".parse()?));
    /// assert_eq!(subnets.choose([taken], Some("10.244.9.0/24".parse()?), 0), Some("10.244.9.0/24".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn choose(
        &self,
        taken: impl IntoIterator<Item = IpNet>,
        wanted: Option<IpNet>,
        random: u64,
    ) -> Option<IpNet> {
        let taken =
            Taken::new(taken.into_iter().filter(|net| Family::of_net(*net) == Family::of_net(self.network)));
        if let Some(wanted) = wanted.filter(|wanted| self.contains(*wanted) && taken.is_free(*wanted)) {
            return Some(wanted);
        }
        let free = self.free(&taken);
        let count = u64::try_from(free.len()).ok().filter(|count| *count > 0)?;
        free.get(usize::try_from(random % count).ok()?).copied()
    }

    /// The first free ones. A taken network is passed over whole, however many subnets it covers.
    fn free(&self, taken: &Taken) -> Vec<IpNet> {
        let mut free = Vec::new();
        let mut at = self.min;
        while at <= self.max && free.len() < CANDIDATES {
            let subnet = self.at(at);
            let next = match taken.last_in_the_way(subnet) {
                Some(last) => (last & !(self.step() - 1)).checked_add(self.step()),
                None => {
                    free.push(subnet);
                    at.checked_add(self.step())
                }
            };
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
        free
    }

    fn step(&self) -> u128 {
        step(self.network, self.len)
    }

    fn at(&self, number: u128) -> IpNet {
        let address = address(Family::of_net(self.network), number);
        // The length was checked against the family.
        IpNet::new(address, self.len).unwrap_or(self.network)
    }
}

/// The networks that others hold, ordered.
struct Taken(Vec<(u128, u128)>);

impl Taken {
    fn new(nets: impl Iterator<Item = IpNet>) -> Self {
        let mut ranges: Vec<_> = nets.map(|net| (number(net.network()), number(net.broadcast()))).collect();
        ranges.sort_unstable();
        // Two prefixes are apart or one holds the other: without the inner ones all are apart.
        let mut end = None;
        ranges.retain(|(_, last)| {
            let inner = end.is_some_and(|end| *last <= end);
            end = end.max(Some(*last));
            !inner
        });
        Taken(ranges)
    }

    fn is_free(&self, subnet: IpNet) -> bool {
        self.last_in_the_way(subnet).is_none()
    }

    /// The last address of the last network that overlaps a subnet.
    fn last_in_the_way(&self, subnet: IpNet) -> Option<u128> {
        let (first, last) = (number(subnet.network()), number(subnet.broadcast()));
        let before_end = self.0.partition_point(|(taken, _)| *taken <= last);
        let (_, taken_last) = *self.0.get(before_end.checked_sub(1)?)?;
        (taken_last >= first).then_some(taken_last)
    }
}

fn checked_len(network: IpNet, len: Option<u8>) -> Result<u8, SubnetsError> {
    let prefix = network.prefix_len();
    let usual = if Family::of_net(network) == Family::V4 { 24 } else { 64 };
    match len {
        None if prefix + 2 <= usual => Ok(usual),
        None if prefix + 2 <= longest(network) => Ok(prefix + 2),
        None => Err(SubnetsError::Network(network)),
        Some(len) if (prefix + 2..=longest(network)).contains(&len) => Ok(len),
        Some(len) => Err(SubnetsError::Len(len, network)),
    }
}

fn checked_bound(network: IpNet, len: u8, address: IpAddr) -> Result<u128, String> {
    if !network.contains(&address) {
        return Err(format!("{address} lies outside the network {network}"));
    }
    let number = number(address);
    if !number.is_multiple_of(step(network, len)) {
        return Err(format!("{address} is not the first address of a /{len}"));
    }
    Ok(number)
}

/// How many addresses a subnet has.
fn step(network: IpNet, len: u8) -> u128 {
    1 << (network.max_prefix_len() - len)
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u32::from(address).into(),
        IpAddr::V6(address) => address.into(),
    }
}

fn address(family: Family, number: u128) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(u32::try_from(number).unwrap_or(u32::MAX).into()),
        Family::V6 => IpAddr::V6(number.into()),
    }
}

impl fmt::Display for Subnets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.at(self.min), self.at(self.max))
    }
}

#[cfg(test)]
mod proptests;
#[cfg(test)]
mod tests;
