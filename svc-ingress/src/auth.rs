//! Basic authentication (RFC 7617): credentials from a header, and which of them were verified before.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use sha1::{Digest as _, Sha1};

#[cfg(test)]
mod tests;

const MAX_LOGINS: usize = 4096;
const BLOCK: usize = 64;

/// A user and a password as a client sent them. `Debug` shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: String,
    password: String,
}

impl Credentials {
    /// Reads an `Authorization` field; `None` unless it is well-formed `Basic`.
    #[must_use]
    pub fn parse(value: &HeaderValue) -> Option<Self> {
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        let decoded = STANDARD.decode(encoded.trim()).ok()?;
        let text = String::from_utf8(decoded).ok()?;
        let (user, password) = text.split_once(':')?;
        let basic = scheme.eq_ignore_ascii_case("basic");
        basic.then(|| Self { user: user.to_owned(), password: password.to_owned() })
    }

    /// The user.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// Logins that were verified: bcrypt costs 100 ms, looking here a microsecond. What is kept is a keyed hash of user,
/// password and stored hash, so that it holds no password and an edited Secret is asked again.
pub struct VerifiedLogins {
    key: [u8; BLOCK],
    known: BTreeSet<[u8; 20]>,
    order: VecDeque<[u8; 20]>,
}

impl VerifiedLogins {
    /// Nobody verified. `key` has to be random.
    #[must_use]
    pub fn new(key: [u8; BLOCK]) -> Self {
        Self { key, known: BTreeSet::new(), order: VecDeque::new() }
    }

    /// These credentials were verified against this stored hash.
    #[must_use]
    pub fn contains(&self, credentials: &Credentials, stored: &str) -> bool {
        self.known.contains(&self.digest(credentials, stored))
    }

    /// Remembers them; the oldest of 4096 is forgotten.
    pub fn insert(&mut self, credentials: &Credentials, stored: &str) {
        let digest = self.digest(credentials, stored);
        if !self.known.insert(digest) {
            return;
        }
        self.order.push_back(digest);
        if self.order.len() > MAX_LOGINS
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    /// HMAC-SHA-1 (RFC 2104). A length before each part keeps (`ab`, `c`) from being (`a`, `bc`).
    fn digest(&self, credentials: &Credentials, stored: &str) -> [u8; 20] {
        let pad = |with: u8| self.key.map(|byte| byte ^ with);
        let mut inner = Sha1::new().chain_update(pad(0x36));
        for part in [&credentials.user, &credentials.password, stored] {
            inner.update((part.len() as u64).to_be_bytes());
            inner.update(part.as_bytes());
        }
        Sha1::new().chain_update(pad(0x5c)).chain_update(inner.finalize()).finalize().into()
    }
}

impl fmt::Debug for VerifiedLogins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedLogins").field("known", &self.known.len()).finish_non_exhaustive()
    }
}
