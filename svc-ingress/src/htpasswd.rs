//! htpasswd files: who may log in. Hashes are read once; checking one is a pure function that may take 100 ms.
//!
//! | stored | is |
//! |---|---|
//! | `$2a$`, `$2b$`, `$2y$` | bcrypt, up to cost 16 |
//! | `$apr1$` | Apache's MD5 |
//! | `$1$`, `$5$`, `$6$` | crypt(3)'s MD5, SHA-256 and SHA-512, up to 1 000 000 rounds |
//! | 13 characters | crypt(3)'s DES |
//! | `{SHA}`, `{SSHA}` | SHA-1, without and with salt |
//! | `{PLAIN}` | the password itself |

use std::collections::BTreeMap;
use std::fmt;

#[cfg(test)]
mod tests;

mod base64;
mod des_crypt;
mod hash;
mod md5_crypt;
mod sha_crypt;

use hash::Hash;

/// The users of one htpasswd Secret. Neither `Debug` nor any error shows a hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Htpasswd {
    users: BTreeMap<String, Hash>,
}

/// A line that lets nobody in. The line's text is not part of it: it may be a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HtpasswdError {
    /// The file is not UTF-8.
    #[error("is not UTF-8 text")]
    NotText,
    /// No `:` in the line.
    #[error("line {line} is not `user:hash`")]
    Line {
        /// The line, from 1.
        line: usize,
    },
    /// No hash of a known form.
    #[error("line {line} has no hash of a known form: this user cannot log in; write it with `htpasswd -B`")]
    Hash {
        /// The line, from 1.
        line: usize,
    },
    /// No user at all can log in.
    #[error("has no user with a hash of a known form")]
    Empty,
}

impl Htpasswd {
    /// Reads an htpasswd file: one `user:hash` a line, `#` comments, text after a second `:` ignored, the first line of
    /// a user wins. Lines that cannot be used are returned beside it; they lock out only their user.
    #[must_use]
    pub fn parse(file: &[u8]) -> (Self, Vec<HtpasswdError>) {
        let Ok(text) = std::str::from_utf8(file) else {
            return (Self { users: BTreeMap::new() }, vec![HtpasswdError::NotText]);
        };
        let mut users = BTreeMap::new();
        let mut problems = Vec::new();
        for (index, line) in text.lines().enumerate() {
            match parse_line(line.trim_end(), index + 1) {
                Ok(Some((user, hash))) => drop(users.entry(user).or_insert(hash)),
                Ok(None) => {}
                Err(problem) => problems.push(problem),
            }
        }
        (Self { users }, problems)
    }

    /// Reads an `auth-map` Secret: each key is a user, its value the hash.
    #[must_use]
    pub fn from_map<'a>(
        entries: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> (Self, Vec<HtpasswdError>) {
        let mut users = BTreeMap::new();
        let mut problems = Vec::new();
        for (index, (user, hash)) in entries.into_iter().enumerate() {
            match std::str::from_utf8(hash).ok().and_then(|text| Hash::parse(text.trim())) {
                Some(hash) => drop(users.insert(user.to_owned(), hash)),
                None => problems.push(HtpasswdError::Hash { line: index + 1 }),
            }
        }
        (Self { users }, problems)
    }

    /// Whether nobody can log in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Whether the user exists and the password fits. A bcrypt hash costs tens to hundreds of milliseconds. A user who does
    /// not exist costs as much: how long an answer takes does not tell who does.
    #[must_use]
    pub fn verify(&self, user: &str, password: &str) -> bool {
        let (hash, exists) = self.compared(user);
        let fits = hash.is_some_and(|hash| hash.verify(password));
        fits && exists
    }

    /// The stored hash of a user, as key material for a cache of verified logins.
    #[cfg(feature = "driver")]
    pub(crate) fn stored(&self, user: &str) -> Option<&str> {
        self.users.get(user).map(Hash::text)
    }

    /// The hash that a user's password is compared with, and whether it is the user's own.
    fn compared(&self, user: &str) -> (Option<&Hash>, bool) {
        match self.users.get(user) {
            Some(hash) => (Some(hash), true),
            None => (self.users.values().next(), false),
        }
    }
}

impl fmt::Debug for Htpasswd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Htpasswd").field("users", &self.users.len()).finish_non_exhaustive()
    }
}

fn parse_line(text: &str, line: usize) -> Result<Option<(String, Hash)>, HtpasswdError> {
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let (user, rest) = text.split_once(':').ok_or(HtpasswdError::Line { line })?;
    let hash = rest.split(':').next().unwrap_or_default();
    Ok(Some((user.to_owned(), Hash::parse(hash).ok_or(HtpasswdError::Hash { line })?)))
}
