use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{IdlePool, MAX_IDLE, MAX_USES, Pooled};

fn endpoint(last: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, last], 80))
}

fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "some instant to count from")]
    Instant::now()
}

#[test]
fn the_connection_used_last_is_used_next() {
    let (now, mut pool) = (start(), IdlePool::default());
    pool.put(endpoint(1), Pooled::new("a", now), now);
    pool.put(endpoint(1), Pooled::new("b", now), now);
    let taken = pool.take(endpoint(1), now).unwrap();
    assert!(taken.is_used());
    assert_eq!(taken.into_inner(), "b");
    assert!(pool.take(endpoint(2), now).is_none());
    assert_eq!(pool.len(), 1);
}

#[test]
fn old_connections_are_closed() {
    let (now, mut pool) = (start(), IdlePool::default());
    pool.put(endpoint(1), Pooled::new("idle", now), now);
    assert!(pool.take(endpoint(1), now + Duration::from_secs(60)).is_none());
    assert!(pool.is_empty());
    pool.put(endpoint(1), Pooled::new("aged", now), now + Duration::from_secs(3600));
    assert!(pool.is_empty());
    let mut worn = Pooled::new("worn", now);
    for _ in 1..MAX_USES {
        pool.put(endpoint(1), worn, now);
        worn = pool.take(endpoint(1), now).unwrap();
    }
    pool.put(endpoint(1), worn, now);
    assert!(pool.is_empty());
}

#[test]
fn there_is_a_bound() {
    let (now, mut pool) = (start(), IdlePool::default());
    for number in 0..2 * MAX_IDLE {
        pool.put(endpoint(1), Pooled::new(number, now), now);
    }
    assert_eq!(pool.len(), MAX_IDLE);
    let later = now + Duration::from_secs(61);
    pool.put(endpoint(2), Pooled::new(0, later), later);
    assert_eq!(pool.len(), 1);
}
