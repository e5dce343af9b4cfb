//! The cache against a reference that keeps everything and looks through all of it.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    tests::{key, now, reply},
    *,
};
use crate::message::RecordType;

#[derive(Clone, Debug)]
enum Step {
    Keep { name: u8, what: What, ttl: u32 },
    Find { name: u8 },
    Wait { seconds: u64 },
    Fail { name: u8 },
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Records,
    Denial,
    Failure,
}

fn step() -> impl Strategy<Value = Step> {
    let what = prop_oneof![Just(What::Records), Just(What::Denial), Just(What::Failure)];
    prop_oneof![
        (0..6_u8, what, 0..200_u32).prop_map(|(name, what, ttl)| Step::Keep { name, what, ttl }),
        (0..6_u8).prop_map(|name| Step::Find { name }),
        (0..60_u64).prop_map(|seconds| Step::Wait { seconds }),
        (0..6_u8).prop_map(|name| Step::Fail { name }),
    ]
}

const WINDOW: u64 = 100;

/// One entry a name: what it says, since when, until when.
#[derive(Default)]
struct Reference {
    entries: BTreeMap<u8, (What, u64, u64)>,
}

impl Reference {
    fn useful(&self, name: u8, now: u64) -> Option<(What, u64, u64)> {
        let &(what, since, until) = self.entries.get(&name)?;
        let window = if what == What::Failure { 0 } else { WINDOW };
        (now < until + window).then_some((what, since, until))
    }

    fn keep(&mut self, name: u8, what: What, ttl: u32, now: u64) {
        let seconds = match what {
            What::Records => ttl.clamp(5, 3600),
            // The minimum of the SOA record.
            What::Denial => ttl.min(60).clamp(5, 1800),
            What::Failure => 5,
        };
        let better = self.useful(name, now).is_some_and(|(old, ..)| old != What::Failure);
        if what != What::Failure || !better {
            self.entries.insert(name, (what, now, now + u64::from(seconds)));
        }
    }
}

proptest! {
    #[test]
    fn a_cache_says_what_a_simple_reference_says(steps in prop::collection::vec(step(), 1..200)) {
        let cache = Cache::new(
            CacheConfig::builder().serve_stale(Stale::up_to(Duration::from_secs(WINDOW))).build().unwrap(),
        );
        let start = now();
        let mut reference = Reference::default();
        let mut now = 0;
        for step in steps {
            let at = start + Duration::from_secs(now);
            let text = |name: u8| format!("name-{name}.example");
            match step {
                Step::Wait { seconds } => now += seconds,
                Step::Fail { name } => cache.failed(&key(&text(name), RecordType::A), at),
                Step::Keep { name, what, ttl } => {
                    let reply = match what {
                        What::Records => reply(&text(name), RecordType::A, 0, &[(RecordType::A, ttl)]),
                        What::Denial => reply(&text(name), RecordType::A, 3, &[(RecordType::SOA, ttl)]),
                        What::Failure => reply(&text(name), RecordType::A, 2, &[]),
                    };
                    cache.keep(&key(&text(name), RecordType::A), &reply, at);
                    reference.keep(name, what, ttl, now);
                }
                Step::Find { name } => {
                    let found = cache.find(&key(&text(name), RecordType::A), at);
                    let (hit, fresh) = match found {
                        Found::Nothing => {
                            prop_assert_eq!(reference.useful(name, now), None);
                            continue;
                        }
                        Found::Fresh { hit, .. } => (hit, true),
                        Found::Stale { hit, .. } => (hit, false),
                        Found::Verify => panic!("not asked for"),
                    };
                    let expected = reference.useful(name, now);
                    prop_assert!(expected.is_some());
                    let (what, _, until) = expected.unwrap();
                    prop_assert_eq!(fresh, now < until);
                    let rcode = match what { What::Records => 0, What::Denial => 3, What::Failure => 2 };
                    prop_assert_eq!(hit.message()[3] & 0xf, rcode);
                }
            }
        }
        prop_assert!(cache.stats().success.entries + cache.stats().denial.entries <= 6);
    }
}
