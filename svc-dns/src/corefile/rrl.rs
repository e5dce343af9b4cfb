//! `rrl [ZONES...] { ... }`: response-rate limiting, as the plugin of that name outside CoreDNS's own repository has it.

use std::time::Duration;

use super::{
    Directive, Problems,
    words::{all_zones, duration},
};
use crate::{message::Name, rate::RateLimit};

pub(super) fn rrl(directive: &Directive, zones: &[Name], problems: &mut Problems) -> Option<RateLimit> {
    let own = all_zones(directive, &directive.words, problems);
    let mut limit = RateLimit::per_second(0).zones(if own.is_empty() { zones } else { &own });
    // The plugin holds nothing back where nothing is said about it: no answer is truncated.
    limit = limit.slip(0);
    let mut prefixes = (24, 56);
    for option in &directive.body {
        let number = |problems: &mut Problems| {
            option.one("number", |word| word.parse::<u32>().ok(), problems).unwrap_or_default()
        };
        let rate = |problems: &mut Problems| rate(option, problems);
        let bits = |problems: &mut Problems| {
            option.one("number of bits", |word| word.parse::<u8>().ok(), problems).unwrap_or_default()
        };
        limit = match option.name.as_str() {
            "responses-per-second" => limit.answers(rate(problems)),
            "nodata-per-second" => limit.nodata(rate(problems)),
            "nxdomains-per-second" => limit.nxdomains(rate(problems)),
            "errors-per-second" => limit.errors(rate(problems)),
            "slip-ratio" => limit.slip(number(problems)),
            "window" => {
                limit.window(option.one("duration", duration, problems).unwrap_or(Duration::from_secs(15)))
            }
            "max-table-size" => limit.table_size(usize::try_from(number(problems)).unwrap_or_default()),
            "report-only" => limit.report_only(true),
            "ipv4-prefix-length" => {
                prefixes.0 = bits(problems);
                limit
            }
            "ipv6-prefix-length" => {
                prefixes.1 = bits(problems);
                limit
            }
            "referrals-per-second" => {
                problems
                    .warning(&option.place, "rrl: referrals-per-second is left out: there are no referrals");
                limit
            }
            "requests-per-second" => {
                problems.error(
                    &option.place,
                    "rrl: requests-per-second is not supported: answers are limited, by responses-per-second and its kin",
                );
                limit
            }
            _ => {
                directive.unknown_option(option, problems);
                limit
            }
        };
    }
    match limit.prefixes(prefixes.0, prefixes.1).build() {
        Ok(limit) => Some(limit),
        Err(error) => {
            problems.error(&directive.place, format!("rrl: {error}"));
            None
        }
    }
}

/// Allowances may have fractions there: an answer in ten seconds is none here.
fn rate(option: &Directive, problems: &mut Problems) -> u32 {
    let read = |word: &str| word.parse::<f64>().ok().filter(|rate| (0.0..=1e6).contains(rate));
    let rate = option.one("number of answers a second", read, problems).unwrap_or_default();
    if rate > 0.0 && rate < 1.0 {
        problems.warning(&option.place, format!("rrl: {}: 1 a second is the least", option.name));
    }
    // At most a million: it fits.
    if rate > 0.0 { format!("{:.0}", rate.max(1.0)).parse().unwrap_or(1) } else { 0 }
}
