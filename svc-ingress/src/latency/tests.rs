use super::*;

fn endpoints(count: u8) -> Vec<SocketAddr> {
    (0..count).map(|number| SocketAddr::from(([10, 0, 0, number], 80))).collect()
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// How often each is chosen by many lots.
fn shares(latencies: &mut Latencies, endpoints: &[SocketAddr], now: Duration) -> Vec<u32> {
    let mut counts = vec![0; endpoints.len()];
    let mut lot: u64 = 1;
    for _ in 0..3000 {
        // Knuth's numbers.
        lot = lot.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let chosen = latencies.choose(endpoints, &[], lot.rotate_left(17), now).unwrap();
        counts[endpoints.iter().position(|endpoint| *endpoint == chosen).unwrap()] += 1;
    }
    counts
}

#[test]
fn the_faster_one_of_two_is_asked() {
    let (all, now) = (endpoints(3), seconds(100.0));
    let mut latencies = Latencies::default();
    for (endpoint, took) in all.iter().zip([0.010, 0.020, 0.500]) {
        latencies.observe(*endpoint, seconds(took), now);
    }
    let counts = shares(&mut latencies, &all, now);
    // The fastest wins both of its pairs, the slowest none.
    assert!(counts[0] > 1800 && (800..1200).contains(&counts[1]) && counts[2] == 0, "{counts:?}");
}

#[test]
fn what_is_slow_counts_at_once_and_fades() {
    let (all, now) = (endpoints(2), seconds(100.0));
    let mut latencies = Latencies::default();
    latencies.observe(all[0], seconds(0.010), now);
    latencies.observe(all[1], seconds(0.050), now);
    assert_eq!(latencies.choose(&all, &[], 0, now), Some(all[0]));
    latencies.observe(all[0], seconds(1.0), now);
    assert_eq!(latencies.choose(&all, &[], 0, now), Some(all[1]));
    // One fast answer does not make good a slow one, many over time do.
    latencies.observe(all[0], seconds(0.001), now + seconds(1.0));
    assert_eq!(latencies.choose(&all, &[], 0, now + seconds(1.0)), Some(all[1]));
    for second in 1..40 {
        let then = now + seconds(f64::from(second));
        latencies.observe(all[0], seconds(0.001), then);
        latencies.observe(all[1], seconds(0.050), then);
    }
    assert_eq!(latencies.choose(&all, &[], 0, now + seconds(40.0)), Some(all[0]));
}

#[test]
fn who_is_new_begins_at_the_mean() {
    let (all, now) = (endpoints(3), seconds(100.0));
    let mut latencies = Latencies::default();
    latencies.observe(all[0], seconds(0.010), now);
    latencies.observe(all[1], seconds(0.090), now);
    let counts = shares(&mut latencies, &all, now);
    assert!(counts[0] > 1800 && counts[1] == 0 && (800..1200).contains(&counts[2]), "{counts:?}");
}

#[test]
fn who_has_failed_is_left_out() {
    let (all, now) = (endpoints(2), seconds(1.0));
    let mut latencies = Latencies::default();
    assert_eq!(latencies.choose(&all, &all[..1], 7, now), Some(all[1]));
    assert_eq!(latencies.choose(&all, &all, 7, now), None);
    assert_eq!(latencies.choose(&[], &[], 7, now), None);
    let both: std::collections::BTreeSet<_> =
        (0..10).filter_map(|lot| latencies.choose(&all, &[], lot, now)).collect();
    assert_eq!(both.len(), 2, "nobody is known: all are asked");
}
