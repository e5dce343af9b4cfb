//! When a certificate ends (RFC 5280 section 4.1.2.5): the only field that rustls does not tell.

use super::der::{CertificateFields, element};

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Seconds from 1970 to the certificate's `notAfter`; `None` if it is none that can be read.
pub(super) fn not_after(certificate: &[u8]) -> Option<i64> {
    let (_, _, not_after) = element(CertificateFields::parse(certificate)?.validity)?;
    let (kind, time, _) = element(not_after)?;
    seconds(kind, std::str::from_utf8(time).ok()?)
}

fn seconds(kind: u8, time: &str) -> Option<i64> {
    let (year, rest) = match kind {
        UTC_TIME => {
            let (year, rest) = time.split_at_checked(2)?;
            let year: i64 = number(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = time.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    let rest = rest.strip_suffix('Z').filter(|rest| rest.len() == 10)?;
    let part = |at: usize| number(rest.get(at..at + 2)?);
    let (month, day, hour, minute, second) = (part(0)?, part(2)?, part(4)?, part(6)?, part(8)?);
    ((1..=12).contains(&month)).then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

fn number(digits: &str) -> Option<i64> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// From 1970 to a date of the Gregorian calendar. The year is taken to begin in March, so that its last day is the odd one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * year + leap_days + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_both_kinds_are_seconds_since_1970() {
        let rows = [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "000229120000Z", Some(951_825_600)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "991231235959Z", Some(946_684_799)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            // RFC 5280: no end that anybody knows.
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (GENERALIZED_TIME, "20501301000000Z", None),
            (UTC_TIME, "7001010000Z", None),
            (UTC_TIME, "70010100000+Z", None),
            (0x04, "700101000000Z", None),
        ];
        for (kind, time, expected) in rows {
            assert_eq!(seconds(kind, time), expected, "{time}");
        }
    }

    #[test]
    fn certificates_tell_their_end_and_pieces_of_them_nothing() {
        for year in [2031, 2075] {
            let mut params = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 3, 1);
            let expected = params.not_after.unix_timestamp();
            let issued = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap();
            assert_eq!(not_after(issued.der()), Some(expected));
            for length in 0..issued.der().len() {
                assert_eq!(not_after(&issued.der()[..length]), None, "{length} bytes");
            }
        }
    }
}
