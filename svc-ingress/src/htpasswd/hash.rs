//! One stored hash.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::sha_crypt::Recipe;
use super::{des_crypt, md5_crypt};

/// A hash in a form that nginx verifies; the text is kept as stored.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Hash {
    text: String,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `$2a$`, `$2b$`, `$2y$`.
    Bcrypt,
    /// `{SHA}`: base64 of the password's SHA-1.
    Sha1,
    /// `{SSHA}`: base64 of the SHA-1 of password and salt, then the salt.
    SaltedSha1,
    /// `{PLAIN}`: the password.
    Plain,
    /// `$1$` and `$apr1$`.
    Md5,
    /// `$5$` and `$6$`.
    Sha2,
    /// The first crypt(3).
    Des,
}

// A hash with a higher cost would let one request hold a thread for minutes.
const MAX_BCRYPT_COST: u32 = 16;
// The time of some hashes grows with the square of the password's length.
const MAX_PASSWORD: usize = 1024;

impl Hash {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let kind = match text {
            t if is_bcrypt(t) => Kind::Bcrypt,
            t if t.strip_prefix("{SHA}").is_some_and(is_sha1) => Kind::Sha1,
            t if salted_sha1(t).is_some() => Kind::SaltedSha1,
            t if t.starts_with("{PLAIN}") => Kind::Plain,
            t if md5_crypt::parse(t).is_some() => Kind::Md5,
            t if Recipe::parse(t).is_some() => Kind::Sha2,
            t if des_crypt::salt(t).is_some() => Kind::Des,
            _ => return None,
        };
        Some(Self { text: text.to_owned(), kind })
    }

    pub(super) fn verify(&self, password: &str) -> bool {
        if password.len() > MAX_PASSWORD {
            return false;
        }
        // A password longer than bcrypt's 72 bytes is cut, as crypt(3) does.
        if self.kind == Kind::Bcrypt {
            return bcrypt::verify(password, &self.text).unwrap_or(false);
        }
        self.of(password).is_some_and(|text| equal(text.as_bytes(), self.text.as_bytes()))
    }

    /// The text that would be stored for a password, made in the way that this one was.
    fn of(&self, password: &str) -> Option<String> {
        let bytes = password.as_bytes();
        match self.kind {
            Kind::Bcrypt => None,
            Kind::Sha1 => Some(format!("{{SHA}}{}", STANDARD.encode(Sha1::digest(bytes)))),
            Kind::SaltedSha1 => {
                let salt = salted_sha1(&self.text)?;
                let digest = Sha1::new().chain_update(bytes).chain_update(&salt).finalize();
                Some(format!("{{SSHA}}{}", STANDARD.encode([digest.as_slice(), &salt].concat())))
            }
            Kind::Plain => Some(format!("{{PLAIN}}{password}")),
            Kind::Md5 => {
                md5_crypt::parse(&self.text).map(|(magic, salt)| md5_crypt::hash(bytes, magic, salt))
            }
            Kind::Sha2 => Recipe::parse(&self.text).map(|recipe| recipe.hash(bytes)),
            Kind::Des => des_crypt::salt(&self.text).map(|salt| des_crypt::hash(bytes, salt)),
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

/// The salt of a well-formed `{SSHA}`.
fn salted_sha1(text: &str) -> Option<Vec<u8>> {
    let decoded = STANDARD.decode(text.strip_prefix("{SSHA}")?).ok()?;
    let (_, salt) = decoded.split_at_checked(20)?;
    Some(salt.to_vec())
}

/// Compares in a time that depends only on the length.
fn equal(left: &[u8], right: &[u8]) -> bool {
    let differ = left.iter().zip(right).fold(0, |acc, (l, r)| std::hint::black_box(acc | (l ^ r)));
    left.len() == right.len() && differ == 0
}
