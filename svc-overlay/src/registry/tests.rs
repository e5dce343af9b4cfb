use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;
use crate::mac::Mac;

fn lease(node: &str, third: u8) -> Lease {
    let subnet = ipnet::Ipv4Net::new_assert([10, 244, third, 0].into(), 24);
    Lease::vxlan(node, subnet, Ipv4Addr::new(172, 20, 10, third), 1, Mac::derived(&[node]))
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_subnet_has_one_owner() {
    let leases = Leases::new();
    leases.put(lease("a", 2)).unwrap();
    let error = leases.put(lease("b", 2)).unwrap_err();
    assert!(error.to_string().contains("leased by a, b cannot have it"), "{error}");
    assert_eq!(leases.snapshot().len(), 1);
}

#[test]
fn a_renewal_without_change_makes_no_revision() {
    let leases = Leases::new();
    let first = leases.put(lease("a", 2)).unwrap();
    assert_eq!(leases.put(lease("a", 2)), Ok(first));
    assert!(leases.put(lease("a", 2).with_vtep_mac(Mac::derived(&["x"]))).unwrap() > first);
    assert_eq!(leases.remove("nobody").number(), 2);
}

#[test]
fn a_watch_gives_what_is_there_and_then_each_change() {
    let leases = Leases::new();
    let mut watch = leases.watch();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut context = Context::from_waker(&waker);
    let mut poll = || watch.changed().as_mut().poll(&mut context).map(Result::unwrap);
    assert!(matches!(poll(), Poll::Ready(set) if set.is_empty()));
    assert!(poll().is_pending());
    assert!(poll().is_pending());
    leases.put(lease("a", 2)).unwrap();
    leases.put(lease("b", 3)).unwrap();
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert!(matches!(poll(), Poll::Ready(set) if set.len() == 2 && set.revision() == Revision::new(2)));
    assert!(poll().is_pending());
}
