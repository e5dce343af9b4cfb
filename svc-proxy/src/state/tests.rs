use svc_model::{Object, yaml};

use super::*;

#[allow(clippy::disallowed_methods, reason = "any instant will do")]
fn now() -> Instant {
    Instant::now()
}

fn service(port: u16) -> Object {
    let manifest = format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: web, namespace: default}},
           spec: {{clusterIP: 10.96.0.1, ports: [{{port: {port}}}]}}}}"
    );
    yaml::read(&manifest).stored().0.remove(0)
}

fn state() -> (State, Snapshot) {
    let node = Node::builder("a").address("10.0.0.1").build().unwrap();
    let snapshot = Snapshot::default();
    (State::new(Plan::new(&snapshot, &node), &nftables::Backend::default()), snapshot)
}

fn change(state: &mut State, snapshot: &Snapshot, object: Object) -> Snapshot {
    let (next, delta) = snapshot.with([object], []);
    state.handle_change(&next, &delta);
    next
}

#[test]
fn starts_with_a_resync_then_sends_differences() {
    let now = now();
    let (mut state, snapshot) = state();
    assert!(matches!(state.poll_step(now), Step::Resync(_)));
    state.handle_applied();
    assert!(matches!(state.poll_step(now), Step::Wait(None)));
    let next = change(&mut state, &snapshot, service(80));
    let Step::Apply(batch) = state.poll_step(now) else { panic!("a difference") };
    assert!(batch.to_string().contains("10.96.0.1 . tcp . 80"), "{batch}");
    assert_eq!(state.programmed(), snapshot.revision());
    state.handle_applied();
    assert_eq!(state.programmed(), next.revision());
}

#[test]
fn revisions_that_change_nothing_are_in_force_at_once() {
    let now = now();
    let (mut state, snapshot) = state();
    state.handle_applied();
    let namespace =
        yaml::read("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}").stored().0.remove(0);
    let next = change(&mut state, &snapshot, namespace);
    assert!(matches!(state.poll_step(now), Step::Wait(None)));
    assert_eq!(state.programmed(), next.revision());
}

#[test]
fn failures_are_retried_ever_later_with_a_resync() {
    let mut now = now();
    let (mut state, snapshot) = state();
    state.handle_applied();
    let next = change(&mut state, &snapshot, service(80));
    let mut pauses = Vec::new();
    for _ in 0..12 {
        assert!(!matches!(state.poll_step(now), Step::Wait(_)));
        state.handle_failed(now);
        let Step::Wait(Some(until)) = state.poll_step(now) else { panic!("a pause") };
        pauses.push(until - now);
        now = until;
    }
    assert_eq!(pauses[..3], [100, 200, 400].map(Duration::from_millis));
    assert_eq!(pauses[11], LONGEST_PAUSE);
    assert_eq!((state.failures(), state.programmed()), (12, snapshot.revision()));
    assert!(matches!(state.poll_step(now), Step::Resync(_)));
    state.handle_applied();
    assert_eq!((state.failures(), state.programmed()), (0, next.revision()));
}

#[test]
fn changes_during_a_pause_wait_for_it() {
    let now = now();
    let (mut state, snapshot) = state();
    state.handle_failed(now);
    change(&mut state, &snapshot, service(80));
    assert!(matches!(state.poll_step(now), Step::Wait(Some(_))));
}

#[test]
fn a_change_taken_back_before_it_was_applied_sends_nothing() {
    let now = now();
    let (mut state, snapshot) = state();
    let first = change(&mut state, &snapshot, service(80));
    state.handle_applied();
    let second = change(&mut state, &first, service(81));
    change(&mut state, &second, service(80));
    let Step::Apply(batch) = state.poll_step(now) else { panic!("a difference") };
    assert!(batch.is_empty(), "{batch}");
}
