use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use svc_model::ObjectName;

use super::{Limiter, MAX_CLIENTS};
use crate::annotation::{Limits, PREFIX, Policies};
use crate::config::IngressConfig;

fn limits(annotations: &[(&str, &str)]) -> Limits {
    let map: BTreeMap<_, _> =
        annotations.iter().map(|(key, value)| (format!("{PREFIX}{key}"), (*value).to_owned())).collect();
    let (policies, problems) = Policies::parse(&map, "shop", &IngressConfig::default());
    assert!(problems.is_empty(), "{problems:?}");
    policies.limits().unwrap().clone()
}

fn web() -> ObjectName {
    ObjectName::new("shop", "web")
}

/// How many of so many requests at these times are let through.
fn admitted(limits: &Limits, times: impl IntoIterator<Item = u64>) -> usize {
    let (limiter, web) = (Arc::new(Limiter::default()), web());
    let client = "192.0.2.1".parse().unwrap();
    times.into_iter().filter(|now| limiter.admit(Some(&web), client, limits, *now).is_ok()).count()
}

#[test]
fn a_burst_and_then_the_rate() {
    let second = limits(&[("limit-rps", "1")]);
    assert_eq!(admitted(&second, [0; 20]), 6);
    assert_eq!(admitted(&limits(&[("limit-rps", "2"), ("limit-burst-multiplier", "3")]), [0; 20]), 7);
    assert_eq!(admitted(&limits(&[("limit-rps", "2"), ("limit-burst-multiplier", "0")]), [0; 20]), 1);
    // 100 ms apart for a minute: the burst, and one a second.
    assert_eq!(admitted(&second, (0..600).map(|tenth| tenth * 100)), 6 + 59);
    // A refused request does not count: one that waits its turn gets it.
    assert_eq!(admitted(&second, [vec![0; 20], vec![999], vec![1000, 1000]].concat()), 7);
    let minute = limits(&[("limit-rpm", "60")]);
    assert_eq!(admitted(&minute, vec![0; 400]), 301);
}

#[test]
fn of_two_rates_both_hold_and_a_refusal_counts_for_neither() {
    let both = limits(&[("limit-rps", "10"), ("limit-rpm", "1"), ("limit-burst-multiplier", "1")]);
    assert_eq!(admitted(&both, [0; 50]), 2);
    // 0.016 a second: as nginx counts in thousandths, the next one comes after 62.5 s rather than 60.
    assert_eq!(admitted(&both, [0, 0, 0, 60_000, 62_499, 62_500, 62_500]), 3);
}

#[test]
fn clients_and_ingresses_are_counted_apart() {
    let (limiter, one) =
        (Arc::new(Limiter::default()), limits(&[("limit-rps", "1"), ("limit-burst-multiplier", "0")]));
    let (web, api) = (web(), ObjectName::new("shop", "api"));
    let first = |ingress: &ObjectName, client: &str| {
        limiter.admit(Some(ingress), client.parse().unwrap(), &one, 5).is_ok()
    };
    assert_eq!([first(&web, "192.0.2.1"), first(&web, "192.0.2.1")], [true, false]);
    assert_eq!([first(&web, "192.0.2.2"), first(&api, "192.0.2.1"), first(&web, "2001:db8::1")], [true; 3]);
}

#[test]
fn requests_under_way_are_counted_until_they_end() {
    let limiter = Arc::new(Limiter::default());
    let two = limits(&[("limit-connections", "2")]);
    let (web, client) = (web(), "192.0.2.1".parse().unwrap());
    let admit = || limiter.admit(Some(&web), client, &two, 0);
    let (first, second) = (admit().unwrap().unwrap(), admit().unwrap().unwrap());
    assert!(admit().is_err());
    drop(first);
    let third = admit().unwrap();
    assert!(admit().is_err());
    drop((second, third));
    assert!(limiter.shards.iter().all(|shard| shard.lock().unwrap().under_way.is_empty()));
}

#[test]
fn listed_clients_are_not_limited() {
    let limits =
        limits(&[("limit-rps", "1"), ("limit-connections", "1"), ("limit-whitelist", "192.0.2.0/24")]);
    assert_eq!(admitted(&limits, [0; 50]), 50);
}

#[test]
fn any_number_of_clients_costs_bounded_memory() {
    let (limiter, one) = (Arc::new(Limiter::default()), limits(&[("limit-rps", "1")]));
    let web = web();
    for client in 0..u32::try_from(2 * MAX_CLIENTS).unwrap() {
        let client = std::net::Ipv4Addr::from(client).into();
        assert!(limiter.admit(Some(&web), client, &one, 0).is_ok());
    }
    let known: usize = limiter.shards.iter().map(|shard| shard.lock().unwrap().buckets.len()).sum();
    assert!((MAX_CLIENTS / 4..=MAX_CLIENTS).contains(&known), "{known}");
}

proptest! {
    /// Whenever requests come and however many threads ask: no more than the burst and the rate.
    #[test]
    fn never_more_than_rate_and_burst(
        rate in 1..50_u32, multiplier in 0..6_u32, gaps in proptest::collection::vec(0..40_u64, 1..300)
    ) {
        let (rate_text, multiplier_text) = (rate.to_string(), multiplier.to_string());
        let limits = limits(&[("limit-rps", &rate_text), ("limit-burst-multiplier", &multiplier_text)]);
        let times: Vec<u64> = gaps.iter().scan(0, |now, gap| { *now += gap; Some(*now) }).collect();
        let span = times.last().unwrap() - times.first().unwrap();
        let most = 1 + u64::from(rate * multiplier) + u64::from(rate) * span / 1000 + 1;
        prop_assert!(admitted(&limits, times) as u64 <= most);
    }
}

#[test]
fn the_limit_is_one_for_all_threads() {
    let (limiter, limits) = (Arc::new(Limiter::default()), limits(&[("limit-rps", "20")]));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (limiter, limits) = (Arc::clone(&limiter), limits.clone());
            #[allow(clippy::disallowed_methods, reason = "a test of threads")]
            std::thread::spawn(move || {
                let (web, client) = (web(), "192.0.2.1".parse().unwrap());
                (0..200).filter(|_| limiter.admit(Some(&web), client, &limits, 7).is_ok()).count()
            })
        })
        .collect();
    let admitted: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(admitted, 101);
}
