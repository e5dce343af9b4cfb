//! Durations as Go writes them.

use std::time::Duration;

/// In nanoseconds. `µs` is written in two ways.
const UNITS: [(&str, f64); 8] = [
    ("ns", 1.0),
    ("us", 1e3),
    ("\u{b5}s", 1e3),
    ("\u{3bc}s", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("m", 60e9),
    ("h", 3600e9),
];

/// Reads `1h30m`, `0.5s`, `0`; nothing below zero, and nothing above the 292 years that Go can tell.
pub(super) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|it: char| !it.is_ascii_digit() && it != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        // The longest unit that fits: `ms` is not minutes.
        let (unit, size) =
            UNITS.iter().filter(|(unit, _)| rest.starts_with(unit)).max_by_key(|(unit, _)| unit.len())?;
        nanos += number * size;
        rest = &rest[unit.len()..];
    }
    let most = 9.2e18;
    (!text.is_empty() && nanos <= most).then(|| Duration::from_secs_f64(nanos / 1e9))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        for (text, millis) in [
            ("30s", Some(30_000)),
            ("1h30m", Some(5_400_000)),
            ("24h0m0s", Some(86_400_000)),
            ("1.5s", Some(1500)),
            ("15ms", Some(15)),
            ("0s", Some(0)),
            ("0", Some(0)),
            ("1000us", Some(1)),
            ("30", None),
            ("s", None),
            ("", None),
            ("-1s", None),
            ("1 s", None),
            ("1d", None),
            (".s", None),
            ("9999999999h", None),
        ] {
            assert_eq!(parse(text), millis.map(Duration::from_millis), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_does_harm(text in "[0-9.hmsnuµ+-]{0,12}") {
            let _ = parse(&text);
        }
    }
}
