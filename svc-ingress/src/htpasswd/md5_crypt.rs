//! `$1$`, crypt(3)'s MD5 password hash of 1000 rounds, and `$apr1$`, which Apache made of it with another magic.

use md5::{Digest as _, Md5};

use super::base64::{is_encoded, push};

/// Magic and salt of a well-formed `$1$salt$hash` or `$apr1$salt$hash`.
pub(super) fn parse(text: &str) -> Option<(&str, &str)> {
    let magic = ["$1$", "$apr1$"].into_iter().find(|magic| text.starts_with(magic))?;
    let (salt, hash) = text.strip_prefix(magic)?.split_once('$')?;
    let valid = !salt.is_empty() && salt.len() <= 8 && hash.len() == 22 && is_encoded(hash);
    valid.then_some((magic, salt))
}

/// The full text of the hash of a password.
pub(super) fn hash(password: &[u8], magic: &str, salt: &str) -> String {
    let mut digest = first(password, magic, salt.as_bytes());
    for round in 0..1000 {
        digest = stretch(round, digest, password, salt.as_bytes());
    }
    format!("{magic}{salt}${}", encode(&digest))
}

fn first(password: &[u8], magic: &str, salt: &[u8]) -> [u8; 16] {
    let inner: [u8; 16] =
        Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize().into();
    let mut outer = Md5::new().chain_update(password).chain_update(magic).chain_update(salt);
    for chunk in password.chunks(16) {
        outer.update(inner.get(..chunk.len()).unwrap_or(&inner));
    }
    let mut bits = password.len();
    while bits > 0 {
        let byte = if bits & 1 == 1 { 0 } else { password.first().copied().unwrap_or_default() };
        outer.update([byte]);
        bits >>= 1;
    }
    outer.finalize().into()
}

fn stretch(round: u32, digest: [u8; 16], password: &[u8], salt: &[u8]) -> [u8; 16] {
    let odd = round & 1 == 1;
    let mut next = Md5::new();
    next.update(if odd { password } else { &digest });
    if !round.is_multiple_of(3) {
        next.update(salt);
    }
    if !round.is_multiple_of(7) {
        next.update(password);
    }
    next.update(if odd { &digest } else { password });
    next.finalize().into()
}

fn encode(d: &[u8; 16]) -> String {
    let groups = [
        [d[0], d[6], d[12]],
        [d[1], d[7], d[13]],
        [d[2], d[8], d[14]],
        [d[3], d[9], d[15]],
        [d[4], d[10], d[5]],
    ];
    let mut text = String::with_capacity(22);
    for [high, middle, low] in groups {
        push(&mut text, u32::from_be_bytes([0, high, middle, low]), 4);
    }
    push(&mut text, u32::from(d[11]), 2);
    text
}
