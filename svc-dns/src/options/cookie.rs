//! Server cookies that other servers with the same secret know, too (RFC 9018).

use std::{hash::Hasher as _, net::IpAddr};

use siphasher::sip::SipHasher24;

use super::Trust;

/// Both cookies: the client's, version and reserved bytes, a time, a hash.
pub(super) type Cookie = [u8; 24];

/// Of the client's cookie.
const OWN: usize = 8;
/// Version 1, and three bytes that mean nothing yet.
const VERSION: [u8; 4] = [1, 0, 0, 0];
/// A cookie is good for an hour, and replaced after half of it (RFC 9018 section 4.3).
const OLDEST: i32 = 3600;
const OLD: i32 = 1800;
/// Clocks of servers differ.
const EARLIEST: i32 = -300;

/// Makes cookies, and knows its own.
#[derive(Clone)]
pub(super) struct Jar(SipHasher24);

/// The secret is nobody's business.
impl std::fmt::Debug for Jar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Jar")
    }
}

impl Jar {
    pub(super) fn new(secret: [u8; 16]) -> Self {
        Self(SipHasher24::new_with_key(&secret))
    }

    /// What a client is told for what it sent: its own cookie, with one of ours behind it or not. `None` if that is no cookie.
    pub(super) fn bake(&self, sent: &[u8], client: IpAddr, now: u32) -> Option<(Cookie, Trust)> {
        let (own, ours) = sent.split_at_checked(OWN)?;
        if !matches!(ours.len(), 0 | 8..=32) {
            return None;
        }
        let client = client.to_canonical();
        let kept = <&[u8; 16]>::try_from(ours).ok().filter(|ours| self.made(own, ours, client, now));
        let is_young = |ours: &&[u8; 16]| age(ours, now) <= OLD;
        let mut cookie = [0; 24];
        cookie[..OWN].copy_from_slice(own);
        match kept.filter(is_young) {
            Some(ours) => cookie[OWN..].copy_from_slice(ours),
            None => {
                cookie[OWN..OWN + 4].copy_from_slice(&VERSION);
                cookie[OWN + 4..OWN + 8].copy_from_slice(&now.to_be_bytes());
                let hash = self.hash(&cookie[..16], client);
                cookie[16..].copy_from_slice(&hash);
            }
        }
        Some((cookie, if kept.is_some() { Trust::Known } else { Trust::None }))
    }

    /// Whether it is of ours, for this client, and not too old.
    fn made(&self, own: &[u8], ours: &[u8; 16], client: IpAddr, now: u32) -> bool {
        let mut front = [0; 16];
        front[..OWN].copy_from_slice(own);
        front[OWN..].copy_from_slice(&ours[..8]);
        ours[0] == VERSION[0]
            && (EARLIEST..=OLDEST).contains(&age(ours, now))
            && self.hash(&front, client) == ours[8..]
    }

    /// Over the client's cookie, what stands in front of the hash in ours, and the client's address.
    fn hash(&self, front: &[u8], client: IpAddr) -> [u8; 8] {
        let mut hasher = self.0;
        hasher.write(front);
        match client {
            IpAddr::V4(v4) => hasher.write(&v4.octets()),
            IpAddr::V6(v6) => hasher.write(&v6.octets()),
        }
        hasher.finish().to_le_bytes()
    }
}

/// Seconds; times wrap around (RFC 1982).
fn age(ours: &[u8; 16], now: u32) -> i32 {
    let made = u32::from_be_bytes([ours[4], ours[5], ours[6], ours[7]]);
    now.wrapping_sub(made).cast_signed()
}
