//! One stored hash.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::apr1;

/// A hash in a supported form; the text is kept as stored.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Hash {
    text: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bcrypt,
    Sha1,
    Apr1,
}

// A hash with a higher cost would let one request hold a thread for minutes.
const MAX_BCRYPT_COST: u32 = 16;

impl Hash {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let kind = match text {
            t if is_bcrypt(t) => Kind::Bcrypt,
            t if t.strip_prefix("{SHA}").is_some_and(is_sha1) => Kind::Sha1,
            t if apr1::salt(t).is_some() => Kind::Apr1,
            _ => return None,
        };
        Some(Self { text: text.to_owned(), kind })
    }

    pub(super) fn verify(&self, password: &str) -> bool {
        match self.kind {
            // A password longer than bcrypt's 72 bytes is cut, as crypt(3) does.
            Kind::Bcrypt => bcrypt::verify(password, &self.text).unwrap_or(false),
            Kind::Sha1 => {
                let digest = format!("{{SHA}}{}", STANDARD.encode(Sha1::digest(password.as_bytes())));
                equal(digest.as_bytes(), self.text.as_bytes())
            }
            Kind::Apr1 => apr1::salt(&self.text).is_some_and(|salt| {
                equal(apr1::hash(password.as_bytes(), salt).as_bytes(), self.text.as_bytes())
            }),
        }
    }

    #[cfg(feature = "driver")]
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

fn is_bcrypt(text: &str) -> bool {
    let known = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix));
    known && text.parse::<bcrypt::HashParts>().is_ok_and(|parts| parts.get_cost() <= MAX_BCRYPT_COST)
}

fn is_sha1(encoded: &str) -> bool {
    STANDARD.decode(encoded).is_ok_and(|digest| digest.len() == 20)
}

/// Compares in a time that depends only on the length.
fn equal(left: &[u8], right: &[u8]) -> bool {
    let differ = left.iter().zip(right).fold(0, |acc, (l, r)| std::hint::black_box(acc | (l ^ r)));
    left.len() == right.len() && differ == 0
}
