//! Session cookies: which endpoint a key stands for, and the cookie that says it.

use std::net::{IpAddr, SocketAddr};

use http::HeaderValue;
use md5::{Digest as _, Md5};

use crate::annotation::{Affinity, AffinityMode, SameSite};
use crate::calendar::Moment;
use crate::table::Pool;

#[cfg(test)]
mod tests;

/// How many keys are tried for an endpoint that has not failed; as in ingress-nginx.
const MAX_KEYS: u64 = 20;

/// A session cookie's value, `<key>|<pool>`: the key stands for an endpoint, the rest for the pool that it was given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionKey<'a> {
    /// What stands for the endpoint.
    pub key: &'a str,
    /// Which pool gave it, if it says that.
    pub pool: Option<&'a str>,
}

impl<'a> SessionKey<'a> {
    /// Reads a cookie's value; `None` if it is empty.
    #[must_use]
    pub fn parse(value: &'a str) -> Option<Self> {
        let mut parts = value.split('|');
        let key = parts.next().filter(|key| !key.is_empty())?;
        Some(Self { key, pool: parts.next() })
    }

    /// The pool gave it.
    #[must_use]
    pub fn is_of(&self, pool: &Pool) -> bool {
        self.pool.is_some_and(|digest| digest == pool.digest())
    }
}

/// The endpoint that a key stands for.
#[must_use]
pub fn endpoint_of(pool: &Pool, mode: AffinityMode, key: &str) -> Option<SocketAddr> {
    match mode {
        AffinityMode::Balanced => nearest(pool.endpoints(), key),
        AffinityMode::Persistent => {
            let name = pool.name();
            pool.endpoints().iter().copied().find(|endpoint| endpoint_digest(&name, *endpoint) == key)
        }
    }
}

/// An endpoint for a session that begins: none of those that failed. `seed` is a number that nobody can guess.
#[must_use]
pub fn choose(pool: &Pool, mode: AffinityMode, seed: u64, failed: &[SocketAddr]) -> Option<SocketAddr> {
    match mode {
        AffinityMode::Balanced => {
            let endpoints = keys(seed).filter_map(|key| nearest(pool.endpoints(), &key));
            endpoints.into_iter().find(|endpoint| !failed.contains(endpoint))
        }
        AffinityMode::Persistent => {
            let left: Vec<_> =
                pool.endpoints().iter().filter(|endpoint| !failed.contains(endpoint)).collect();
            let index = usize::try_from(seed % left.len().max(1) as u64).ok()?;
            left.get(index).map(|endpoint| **endpoint)
        }
    }
}

/// The endpoints with the greatest weights for a key, at most `count`, the greatest first: of `upstream-hash-by`.
#[must_use]
pub fn by_key(pool: &Pool, key: &str, count: usize) -> Vec<SocketAddr> {
    let key = hash(key.as_bytes());
    let mut endpoints = pool.endpoints().to_vec();
    endpoints.sort_by_key(|endpoint| std::cmp::Reverse((mix(key ^ weight(*endpoint)), *endpoint)));
    endpoints.truncate(count);
    endpoints
}

/// A key that stands for an endpoint which [`choose`] chose with this seed.
#[must_use]
pub fn key_of(pool: &Pool, mode: AffinityMode, seed: u64, endpoint: SocketAddr) -> Option<String> {
    match mode {
        AffinityMode::Balanced => keys(seed).find(|key| nearest(pool.endpoints(), key) == Some(endpoint)),
        AffinityMode::Persistent => Some(endpoint_digest(&pool.name(), endpoint)),
    }
}

fn keys(seed: u64) -> impl Iterator<Item = String> {
    (0..MAX_KEYS).map(move |number| format!("{seed:016x}{:016x}", mix(seed ^ mix(number))))
}

/// The endpoint with the greatest weight for the key (rendezvous hashing): when one comes or goes, only its own keys move, and
/// every router decides alike.
fn nearest(endpoints: &[SocketAddr], key: &str) -> Option<SocketAddr> {
    let key = hash(key.as_bytes());
    endpoints.iter().copied().max_by_key(|endpoint| (mix(key ^ weight(*endpoint)), *endpoint))
}

fn weight(endpoint: SocketAddr) -> u64 {
    let address = match endpoint.ip().to_canonical() {
        IpAddr::V4(address) => hash(&address.octets()),
        IpAddr::V6(address) => hash(&address.octets()),
    };
    mix(address ^ u64::from(endpoint.port()))
}

/// FNV-1a: spreads well enough before [`mix`], and is the same in every build.
fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The finaliser of SplitMix64.
fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The endpoint's address, so that clients do not learn it; as in ingress-nginx.
fn endpoint_digest(name: &str, endpoint: SocketAddr) -> String {
    hex(&[name.as_bytes(), endpoint.to_string().as_bytes()])
}

/// What stands for a pool in cookies: `md5(md5(name) + name)`, as in ingress-nginx.
#[must_use]
pub fn pool_digest(name: &str) -> String {
    hex(&[hex(&[name.as_bytes()]).as_bytes(), name.as_bytes()])
}

fn hex(parts: &[&[u8]]) -> String {
    let mut md5 = Md5::new();
    parts.iter().for_each(|part| md5.update(part));
    md5.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the cookie of a reply depends on.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "whoever asks knows all of it")]
pub struct Setting<'a> {
    /// The rule's path.
    pub path: &'a str,
    /// The client's browser, as it says.
    pub user_agent: Option<&'a str>,
    /// The client came over TLS.
    pub https: bool,
    /// The time, in seconds since 1970.
    pub now: i64,
}

/// The `Set-Cookie` of a session; `None` if a part of it may not stand in a header.
#[must_use]
pub fn set_cookie(affinity: &Affinity, key: &str, pool: &Pool, setting: Setting<'_>) -> Option<HeaderValue> {
    let mut text = format!("{}={key}|{}", affinity.name(), pool.digest());
    let mut add = |part: String| {
        text.push_str("; ");
        text.push_str(&part);
    };
    if let Some(seconds) = affinity.expires() {
        add(format!("Expires={}", cookie_time(setting.now.saturating_add(seconds))));
    }
    if let Some(seconds) = affinity.max_age() {
        add(format!("Max-Age={seconds}"));
    }
    if let Some(domain) = affinity.domain() {
        add(format!("Domain={domain}"));
    }
    add(format!("Path={}", affinity.path().unwrap_or(setting.path)));
    if affinity.secure() || setting.https {
        add("Secure".to_owned());
    }
    add("HttpOnly".to_owned());
    if let Some(same_site) = affinity.same_site(setting.user_agent) {
        let word = match same_site {
            SameSite::None => "None",
            SameSite::Lax => "Lax",
            SameSite::Strict => "Strict",
        };
        add(format!("SameSite={word}"));
    }
    HeaderValue::from_str(&text).ok()
}

/// Seconds since 1970 in the form of cookies, as nginx writes it: `Thu, 01-Jan-70 00:00:00 GMT`.
fn cookie_time(seconds: i64) -> String {
    let at = Moment::since_1970(seconds);
    let year = if at.year > 2037 { at.year.to_string() } else { format!("{:02}", at.year % 100) };
    format!(
        "{}, {:02}-{}-{year} {:02}:{:02}:{:02} GMT",
        at.day_name(),
        at.day,
        at.month_name(),
        at.hour,
        at.minute,
        at.second
    )
}
