//! `cache [TTL] [ZONES...] { success denial prefetch serve_stale servfail disable keepttl }`

use std::time::Duration;

use super::{
    Directive, Problems,
    words::{all_zones, duration},
};
use crate::{
    cache::{CacheConfig, CacheConfigBuilder, Prefetch, Stale},
    message::Name,
};

/// Least time, where nothing is said.
const LEAST: Duration = Duration::from_secs(5);
/// CoreDNS rounds small stores up to this.
const LEAST_CAPACITY: usize = 1024;

pub(super) fn cache(directive: &Directive, problems: &mut Problems) -> Option<CacheConfig> {
    let mut settings = Settings::new();
    let mut words = directive.words.as_slice();
    if let Some(seconds) = words.first().and_then(|word| word.parse::<u32>().ok()) {
        let ttl = Duration::from_secs(seconds.into());
        (settings.success.max, settings.denial.max) = (ttl, ttl);
        words = &words[1..];
        if seconds == 0 {
            problems
                .error(&directive.place, "cache: a time to live of 0 keeps nothing; leave the directive out");
        }
    }
    let zones = all_zones(directive, words, problems);
    settings.builder = zones.iter().fold(settings.builder, CacheConfigBuilder::zone);
    for option in &directive.body {
        settings = settings.option(directive, option, problems);
    }
    let (success, denial) = (settings.success, settings.denial);
    let built = settings
        .builder
        .capacity(success.capacity.max(LEAST_CAPACITY), denial.capacity.max(LEAST_CAPACITY))
        .success_ttl(success.min, success.max)
        .denial_ttl(denial.min, denial.max)
        .build();
    built.map_err(|error| problems.error(&directive.place, error.to_string())).ok()
}

struct Settings {
    builder: CacheConfigBuilder,
    success: Store,
    denial: Store,
}

struct Store {
    capacity: usize,
    min: Duration,
    max: Duration,
}

impl Settings {
    fn new() -> Self {
        let store = |max| Store { capacity: 9984, min: LEAST, max: Duration::from_secs(max) };
        Self { builder: CacheConfig::builder(), success: store(3600), denial: store(1800) }
    }

    fn option(mut self, cache: &Directive, option: &Directive, problems: &mut Problems) -> Self {
        match option.name.as_str() {
            "success" => self.success.set(option, problems),
            "denial" => self.denial.set(option, problems),
            "prefetch" => {
                if let Some(prefetch) = prefetch(option, problems) {
                    self.builder = self.builder.prefetch(prefetch);
                }
            }
            "serve_stale" => {
                if let Some(stale) = stale(option, problems) {
                    self.builder = self.builder.serve_stale(stale);
                }
            }
            "servfail" => {
                if let Some(ttl) = option.one("duration", duration, problems) {
                    self.builder = self.builder.servfail(ttl);
                }
            }
            "keepttl" => {
                option.nothing_behind(problems);
                self.builder = self.builder.keep_ttl(true);
            }
            "disable" => return self.disable(option, problems),
            _ => cache.unknown_option(option, problems),
        }
        self
    }

    /// `disable success|denial [ZONES...]`
    fn disable(mut self, option: &Directive, problems: &mut Problems) -> Self {
        let Some((what, zones)) = option.words.split_first() else {
            problems.error(&option.place, "cache: disable needs success or denial");
            return self;
        };
        let mut zones = all_zones(option, zones, problems);
        if option.words.len() == 1 {
            zones.push(Name::root());
        }
        let add = match what.as_str() {
            "success" => CacheConfigBuilder::no_success,
            "denial" => CacheConfigBuilder::no_denial,
            _ => {
                problems
                    .error(&option.place, format!("cache: disable takes success or denial, not {what:?}"));
                return self;
            }
        };
        self.builder = zones.iter().fold(self.builder, add);
        self
    }
}

impl Store {
    /// `CAPACITY [TTL] [MINTTL]`
    fn set(&mut self, option: &Directive, problems: &mut Problems) {
        let numbers: Option<Vec<u32>> = option.words.iter().map(|word| word.parse().ok()).collect();
        match numbers.as_deref() {
            Some([capacity, times @ ..]) if times.len() <= 2 => {
                self.capacity = usize::try_from(*capacity).unwrap_or(usize::MAX);
                let seconds =
                    |index| times.get(index).map(|&seconds: &u32| Duration::from_secs(seconds.into()));
                self.max = seconds(0).unwrap_or(self.max);
                self.min = seconds(1).unwrap_or(self.min);
            }
            _ => problems.error(
                &option.place,
                format!("cache: {} takes a capacity, the most and the least seconds", option.name),
            ),
        }
    }
}

/// `AMOUNT [[DURATION] [PERCENTAGE%]]`
fn prefetch(option: &Directive, problems: &mut Problems) -> Option<Prefetch> {
    let read = || {
        let (amount, rest) = option.words.split_first()?;
        let mut prefetch = Prefetch::after(amount.parse().ok()?);
        for word in rest {
            prefetch = match word.strip_suffix('%') {
                Some(percentage) => prefetch.percent(percentage.parse().ok()?),
                None => prefetch.within(duration(word)?),
            };
        }
        (rest.len() <= 2).then_some(prefetch)
    };
    let prefetch = read();
    if prefetch.is_none() {
        problems.error(&option.place, "cache: prefetch takes AMOUNT [DURATION] [PERCENTAGE%]");
    }
    prefetch
}

/// `[DURATION] [REFRESH_MODE]`. CoreDNS gives stale answers a time to live of 0.
fn stale(option: &Directive, problems: &mut Problems) -> Option<Stale> {
    let mut stale = Stale::up_to(Duration::from_secs(3600)).answer_ttl(Duration::ZERO);
    for word in &option.words {
        stale = match (word.as_str(), duration(word)) {
            ("immediate", _) => stale,
            ("verify", _) => stale.verify(Duration::from_secs(5)),
            // Behind `verify`: how long the servers have.
            (_, Some(time)) if stale.is_verified() => stale.verify(time),
            (_, Some(time)) => Stale::up_to(time).answer_ttl(Duration::ZERO),
            _ => {
                problems.error(
                    &option.place,
                    "cache: serve_stale takes [DURATION] [immediate|verify [DURATION]]",
                );
                return None;
            }
        };
    }
    Some(stale)
}
