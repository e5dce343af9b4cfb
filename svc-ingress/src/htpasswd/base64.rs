//! The digits that crypt(3) writes its hashes in: not RFC 4648's.

const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Nothing but such digits.
pub(super) fn is_encoded(text: &str) -> bool {
    text.bytes().all(|byte| DIGITS.contains(&byte))
}

/// What a digit stands for.
pub(super) fn value(digit: u8) -> Option<u8> {
    let index = DIGITS.iter().position(|known| *known == digit)?;
    u8::try_from(index).ok()
}

/// The digit of the low six bits.
pub(super) fn digit(value: u8) -> char {
    char::from(DIGITS[usize::from(value & 0x3f)])
}

/// Appends `count` digits, the lowest six bits first.
pub(super) fn push(text: &mut String, mut value: u32, count: usize) {
    for _ in 0..count {
        text.push(digit((value & 0x3f) as u8));
        value >>= 6;
    }
}
