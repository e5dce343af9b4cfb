//! Moments as text, in UTC: those that Kubernetes writes, and those that kube-proxy says.

use std::time::{Duration, SystemTime};

/// Reads `2026-01-31T12:00:00Z`, with or without a fraction and with any offset (RFC 3339). Nothing before 1970.
pub(crate) fn parse(text: &str) -> Option<SystemTime> {
    let (date, time) = text.split_once(['T', 't'])?;
    let [year, month, day] = numbers(date, '-')?;
    let (time, offset) = split_offset(time)?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let [hour, minute, second] = numbers(time, ':')?;
    let in_range =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    if !in_range || fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    let nanos = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::new(u64::try_from(seconds).ok()?, nanos))
}

/// As Go prints a time: `2026-01-31 12:00:00.5 +0000 UTC`; its zero time for `None`.
#[cfg_attr(not(feature = "health"), allow(dead_code, reason = "said by the health server"))]
pub(crate) fn print(time: Option<SystemTime>) -> String {
    let since = time.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    let Some(since) = since else { return "0001-01-01 00:00:00 +0000 UTC".to_owned() };
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let fraction = format!(".{:09}", since.subsec_nanos());
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction} +0000 UTC")
}

fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    let mut parts = text.split(separator).map(|part| {
        let digits = !part.is_empty() && part.len() <= 4 && part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse().ok()).flatten()
    });
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

/// The time, and by how many seconds it is ahead of UTC.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(time) = time.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let at = time.rfind(['+', '-'])?;
    let [hours, minutes, _] = numbers(&format!("{}:0", time.get(at + 1..)?), ':')?;
    let seconds = hours * 3600 + minutes * 60;
    Some((time.get(..at)?, if time[at..].starts_with('-') { -seconds } else { seconds }))
}

/// Days since 1970-01-01 of the Gregorian calendar. Years are counted from March, so that the leap day is the last one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg_attr(not(feature = "health"), allow(dead_code, reason = "said by the health server"))]
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    (era * 400 + year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64, nanos: u32) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::new(seconds, nanos)
    }

    #[test]
    fn what_kubernetes_writes_is_read() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(at(0, 0))),
            ("2000-02-29T23:59:59Z", Some(at(951_868_799, 0))),
            ("2026-11-26T20:40:00.25Z", Some(at(1_795_725_600, 250_000_000))),
            ("2026-11-26T21:40:00.250000000+01:00", Some(at(1_795_725_600, 250_000_000))),
            ("2026-11-26T20:40:00", None),
            ("2026-13-26T20:40:00Z", None),
            ("2026-11-26T20:40:00.Z", None),
            ("1969-12-31T23:59:59Z", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn moments_are_printed_as_go_does() {
        for (time, expected) in [
            (None, "0001-01-01 00:00:00 +0000 UTC"),
            (Some(at(951_868_799, 0)), "2000-02-29 23:59:59 +0000 UTC"),
            (Some(at(1_795_725_600, 250_000_000)), "2026-11-26 20:40:00.25 +0000 UTC"),
        ] {
            assert_eq!(print(time), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_is_read_again(seconds in 0..100_000_000_000_u64, nanos in 0..1_000_000_000_u32) {
            let time = at(seconds, nanos);
            let text = print(Some(time)).replace(" +0000 UTC", "Z").replacen(' ', "T", 1);
            proptest::prop_assert_eq!(parse(&text), Some(time), "{}", text);
        }

        #[test]
        fn no_text_does_harm(text in ".{0,40}") {
            let _ = parse(&text);
        }
    }
}
