//! `$5$` and `$6$`: crypt(3)'s password hashes over SHA-256 and SHA-512 (Drepper, "Unix crypt using SHA-256 and
//! SHA-512", version 0.6).

use std::fmt::Write as _;

use sha2::{Digest, Sha256, Sha512};

use super::base64::{is_encoded, push};

const ROUNDS: u32 = 5000;
// More would let one request hold a thread for seconds; 656 000 is the most that common tools write.
const MAX_ROUNDS: u32 = 1_000_000;
const MAX_SALT: usize = 16;

/// What a well-formed hash says of how it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recipe<'a> {
    sha512: bool,
    /// `rounds=` as written, which the result repeats.
    rounds: Option<u32>,
    salt: &'a str,
}

impl<'a> Recipe<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (sha512, rest) = match text.strip_prefix("$5$") {
            Some(rest) => (false, rest),
            None => (true, text.strip_prefix("$6$")?),
        };
        let (rounds, rest) = match rest.strip_prefix("rounds=") {
            Some(rest) => {
                let (rounds, rest) = rest.split_once('$')?;
                (Some(rounds.parse().ok()?), rest)
            }
            None => (None, rest),
        };
        let (salt, hash) = rest.split_once('$')?;
        let length = if sha512 { 86 } else { 43 };
        let sane = rounds.is_none_or(|rounds| (1000..=MAX_ROUNDS).contains(&rounds));
        let valid = salt.len() <= MAX_SALT && hash.len() == length && is_encoded(hash) && sane;
        valid.then_some(Self { sha512, rounds, salt })
    }

    /// The full text of the hash of a password.
    pub(super) fn hash(self, password: &[u8]) -> String {
        let rounds = self.rounds.unwrap_or(ROUNDS);
        let mut text = String::from(if self.sha512 { "$6$" } else { "$5$" });
        if self.rounds.is_some() {
            let _ = write!(text, "rounds={rounds}$");
        }
        let _ = write!(text, "{}$", self.salt);
        if self.sha512 {
            encode_512(&stretch::<Sha512>(password, self.salt.as_bytes(), rounds), &mut text);
        } else {
            encode_256(&stretch::<Sha256>(password, self.salt.as_bytes(), rounds), &mut text);
        }
        text
    }
}

fn stretch<D: Digest>(password: &[u8], salt: &[u8], rounds: u32) -> Vec<u8> {
    let mut digest = first::<D>(password, salt);
    let password = repeated::<D>(password, password.len());
    let times = 16 + usize::from(digest.first().copied().unwrap_or_default());
    let salt = repeated::<D>(salt, times);
    for round in 0..rounds {
        let odd = round & 1 == 1;
        let mut next = D::new();
        next.update(if odd { &password } else { &digest });
        if !round.is_multiple_of(3) {
            next.update(&salt);
        }
        if !round.is_multiple_of(7) {
            next.update(&password);
        }
        next.update(if odd { &digest } else { &password });
        digest = next.finalize().to_vec();
    }
    digest
}

fn first<D: Digest>(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let inner = D::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut outer = D::new().chain_update(password).chain_update(salt);
    for chunk in password.chunks(inner.len()) {
        outer.update(inner.get(..chunk.len()).unwrap_or(&inner));
    }
    let mut bits = password.len();
    while bits > 0 {
        if bits & 1 == 1 {
            outer.update(&inner);
        } else {
            outer.update(password);
        }
        bits >>= 1;
    }
    outer.finalize().to_vec()
}

/// The digest of so many repetitions of some bytes, itself repeated to their length.
fn repeated<D: Digest>(bytes: &[u8], times: usize) -> Vec<u8> {
    let mut digest = D::new();
    (0..times).for_each(|_| digest.update(bytes));
    digest.finalize().iter().copied().cycle().take(bytes.len()).collect()
}

fn encode_256(digest: &[u8], text: &mut String) {
    let byte = |at: usize| digest.get(at).copied().unwrap_or_default();
    let (mut a, mut b, mut c) = (0, 10, 20);
    for _ in 0..10 {
        push(text, u32::from_be_bytes([0, byte(a), byte(b), byte(c)]), 4);
        (a, b, c) = (c + 1, a + 1, b + 1);
    }
    push(text, u32::from_be_bytes([0, 0, byte(31), byte(30)]), 3);
}

fn encode_512(digest: &[u8], text: &mut String) {
    let byte = |at: usize| digest.get(at).copied().unwrap_or_default();
    let (mut a, mut b, mut c) = (0, 21, 42);
    for _ in 0..21 {
        push(text, u32::from_be_bytes([0, byte(a), byte(b), byte(c)]), 4);
        (a, b, c) = (b + 1, c + 1, a + 1);
    }
    push(text, u32::from(byte(63)), 2);
}
