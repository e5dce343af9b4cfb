//! `$apr1$`: Apache's MD5 password hash, crypt(3)'s `$1$` with another magic, 1000 rounds.

use md5::{Digest as _, Md5};

const MAGIC: &str = "$apr1$";
const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The salt of a well-formed `$apr1$salt$hash`.
pub(super) fn salt(text: &str) -> Option<&str> {
    let (salt, hash) = text.strip_prefix(MAGIC)?.split_once('$')?;
    let valid = !salt.is_empty()
        && salt.len() <= 8
        && hash.len() == 22
        && hash.bytes().all(|b| ALPHABET.contains(&b));
    valid.then_some(salt)
}

/// The full text of the hash of a password.
pub(super) fn hash(password: &[u8], salt: &str) -> String {
    let mut digest = first(password, salt.as_bytes());
    for round in 0..1000 {
        digest = stretch(round, digest, password, salt.as_bytes());
    }
    format!("{MAGIC}{salt}${}", encode(&digest))
}

fn first(password: &[u8], salt: &[u8]) -> [u8; 16] {
    let inner: [u8; 16] =
        Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize().into();
    let mut outer = Md5::new().chain_update(password).chain_update(MAGIC).chain_update(salt);
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
        push_base64(&mut text, u32::from_be_bytes([0, high, middle, low]), 4);
    }
    push_base64(&mut text, u32::from(d[11]), 2);
    text
}

fn push_base64(text: &mut String, mut value: u32, digits: usize) {
    for _ in 0..digits {
        let index = usize::from((value & 0x3f) as u8);
        text.push(char::from(ALPHABET[index]));
        value >>= 6;
    }
}
