//! flannel's network configuration: the JSON under etcd's `<prefix>/config` or in `net-conf.json`.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::{Map, Value};

use crate::config::{DEFAULT_PORT, DEFAULT_VNI};

/// A network configuration, checked and with flannel's defaults filled in.
///
/// Keys are taken in any case and unknown ones are ignored, as flannel does. A missing `Backend` means vxlan, as
/// flannel's documentation says.
///
/// ```
/// let conf = svc_overlay::NetConf::parse(r#"{"Network": "10.244.0.0/16", "Backend": {"Type": "vxlan"}}"#)?;
/// assert_eq!((conf.subnet_len(), conf.vni(), conf.port()), (24, 1, 8472));
/// assert_eq!(conf.subnets().next().map(|net| net.to_string()).as_deref(), Some("10.244.1.0/24"));
/// # Ok::<(), svc_overlay::NetConfError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetConf {
    network: Ipv4Net,
    subnet_len: u8,
    subnet_min: Ipv4Addr,
    subnet_max: Ipv4Addr,
    vni: u32,
    port: u16,
    mtu: Option<u32>,
}

/// A configuration that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetConfError {
    /// Not JSON, or not an object.
    #[error("net-conf: {0}")]
    Json(String),
    /// A key that is missing or has a value that cannot be.
    #[error("net-conf {key}: {problem}")]
    Key {
        /// The key, with its object: `Backend.VNI`.
        key: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
}

impl NetConf {
    /// Reads and checks the JSON.
    ///
    /// # Errors
    ///
    /// The first key that breaks a rule.
    pub fn parse(text: &str) -> Result<Self, NetConfError> {
        let json = |error: serde_json::Error| NetConfError::Json(error.to_string());
        let root: Map<String, Value> = serde_json::from_str(text).map_err(json)?;
        if boolean(&root, "EnableIPv6")?.unwrap_or(false) {
            return Err(bad("EnableIPv6", "dual stack is not supported yet; set it to false"));
        }
        let network: Ipv4Net = parsed(&root, "Network")?.ok_or_else(|| bad("Network", "missing"))?;
        let network = network.trunc();
        let subnet_len = subnet_len(&root, network)?;
        let (first, last) = bounds(network, subnet_len);
        let subnet_min = boundary(&root, "SubnetMin", network, subnet_len)?.unwrap_or(first);
        let subnet_max = boundary(&root, "SubnetMax", network, subnet_len)?.unwrap_or(last);
        if subnet_min > subnet_max {
            return Err(bad("SubnetMin", format!("{subnet_min} is greater than SubnetMax {subnet_max}")));
        }
        let (vni, port, mtu) = backend(&root)?;
        Ok(NetConf { network, subnet_len, subnet_min, subnet_max, vni, port, mtu })
    }

    /// The whole overlay's network.
    #[must_use]
    pub fn network(&self) -> Ipv4Net {
        self.network
    }

    /// The prefix length of each node's subnet.
    #[must_use]
    pub fn subnet_len(&self) -> u8 {
        self.subnet_len
    }

    /// The VXLAN network identifier.
    #[must_use]
    pub fn vni(&self) -> u32 {
        self.vni
    }

    /// The UDP port; `0` in the configuration means the kernel's default, 8472.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The underlay's MTU, where it was set.
    #[must_use]
    pub fn mtu(&self) -> Option<u32> {
        self.mtu
    }

    /// The subnets that nodes may lease, in order. The network's first one is left out by default.
    pub fn subnets(&self) -> impl Iterator<Item = Ipv4Net> + use<> {
        let (len, max) = (self.subnet_len, u32::from(self.subnet_max));
        let step = 1u32 << (32 - u32::from(len));
        let next = move |address: &u32| address.checked_add(step).filter(|address| *address <= max);
        std::iter::successors(Some(u32::from(self.subnet_min)), next)
            .filter_map(move |address| Ipv4Net::new(address.into(), len).ok())
    }
}

/// 24 where the network has room for several such, else a quarter of it each.
fn subnet_len(root: &Map<String, Value>, network: Ipv4Net) -> Result<u8, NetConfError> {
    let prefix = network.prefix_len();
    let Some(len) = number(root, "SubnetLen")?.filter(|len| *len != 0) else {
        return match prefix {
            0..=22 => Ok(24),
            23..=28 => Ok(prefix + 2),
            _ => Err(bad("Network", format!("{network} is too small; use /28 or shorter"))),
        };
    };
    let range = u64::from(prefix) + 2..=30;
    let problem = || format!("{len} is not in {}-30 (Network is {network})", range.start());
    u8::try_from(len)
        .ok()
        .filter(|len| range.contains(&u64::from(*len)))
        .ok_or_else(|| bad("SubnetLen", problem()))
}

/// Base addresses of the second and of the last subnet.
fn bounds(network: Ipv4Net, len: u8) -> (Ipv4Addr, Ipv4Addr) {
    let step = 1u32 << (32 - u32::from(len));
    let first = u32::from(network.network()).saturating_add(step);
    let last = u32::from(network.broadcast()) & !(step - 1);
    (first.into(), last.into())
}

fn boundary(
    root: &Map<String, Value>,
    key: &'static str,
    network: Ipv4Net,
    len: u8,
) -> Result<Option<Ipv4Addr>, NetConfError> {
    let Some(address) = parsed::<Ipv4Addr>(root, key)? else { return Ok(None) };
    if !network.contains(&address) {
        return Err(bad(key, format!("{address} lies outside Network {network}")));
    }
    match Ipv4Net::new(address, len) {
        Ok(net) if net.network() == address => Ok(Some(address)),
        _ => Err(bad(key, format!("{address} is not the first address of a /{len}"))),
    }
}

fn backend(root: &Map<String, Value>) -> Result<(u32, u16, Option<u32>), NetConfError> {
    let empty = Map::new();
    let backend = match find(root, "Backend") {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(backend)) => backend,
        Some(other) => return Err(bad("Backend", format!("{other} is not an object"))),
    };
    let kind = string(backend, "Type", "Backend.Type")?.unwrap_or("vxlan");
    if !kind.eq_ignore_ascii_case("vxlan") {
        return Err(bad("Backend.Type", format!("{kind:?} is not supported; use \"vxlan\"")));
    }
    let limited = |key, name, max: u64| match number(backend, key)? {
        Some(value) if value > max => Err(bad(name, format!("{value} is greater than {max}"))),
        value => Ok(value.unwrap_or(0)),
    };
    let vni = u32::try_from(limited("VNI", "Backend.VNI", (1 << 24) - 1)?).unwrap_or(0);
    let port = u16::try_from(limited("Port", "Backend.Port", u16::MAX.into())?).unwrap_or(0);
    let mtu = u32::try_from(limited("MTU", "Backend.MTU", u16::MAX.into())?).unwrap_or(0);
    let or = |value, default| if value == 0 { default } else { value };
    Ok((or(vni, DEFAULT_VNI), if port == 0 { DEFAULT_PORT } else { port }, (mtu != 0).then_some(mtu)))
}

/// The value of a key in any case; an exact match goes first.
fn find<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    let any_case = || object.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| value);
    object.get(key).or_else(any_case)
}

fn string<'a>(
    object: &'a Map<String, Value>,
    key: &str,
    name: &'static str,
) -> Result<Option<&'a str>, NetConfError> {
    match find(object, key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(bad(name, format!("{other} is not a string"))),
    }
}

fn parsed<T: std::str::FromStr>(
    object: &Map<String, Value>,
    key: &'static str,
) -> Result<Option<T>, NetConfError> {
    let Some(text) = string(object, key, key)? else { return Ok(None) };
    let example = if key == "Network" { "10.244.0.0/16" } else { "10.244.1.0" };
    text.parse().map(Some).map_err(|_| bad(key, format!("{text:?} is not of the form {example}")))
}

fn number(object: &Map<String, Value>, key: &'static str) -> Result<Option<u64>, NetConfError> {
    match find(object, key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(number) => Ok(Some(number)),
            None => Err(bad(key, format!("{value} is not a whole number"))),
        },
    }
}

fn boolean(object: &Map<String, Value>, key: &'static str) -> Result<Option<bool>, NetConfError> {
    match find(object, key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(on)) => Ok(Some(*on)),
        Some(other) => Err(bad(key, format!("{other} is neither true nor false"))),
    }
}

fn bad(key: &'static str, problem: impl Into<String>) -> NetConfError {
    NetConfError::Key { key, problem: problem.into() }
}

#[cfg(test)]
mod tests;
