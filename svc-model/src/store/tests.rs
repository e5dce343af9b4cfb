//! Watching: merged changes, gates, lag.

use proptest::prelude::*;

use super::*;
use crate::{Kind, ObjectName, testing, yaml};

fn namespace(name: &str) -> Vec<Object> {
    yaml::read(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}")).stored().0
}

fn run<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test)
}

/// Whether a future is ready without being waited for.
async fn now<F: Future>(future: F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = std::future::ready(()) => None,
    }
}

#[test]
fn a_revision_for_each_change_and_none_for_nothing() {
    let store = Store::new();
    let first = store.apply(namespace("a"));
    assert_eq!(first.number(), 1);
    assert_eq!(store.apply(namespace("a")), first, "the same again is no change");
    let second = store.update(namespace("b"), [ObjectRef::new(Kind::Namespace, ObjectName::cluster("a"))]);
    assert_eq!(second.number(), 2, "several objects, one revision");
    assert_eq!(store.delete(&ObjectRef::new(Kind::Namespace, ObjectName::cluster("ghost"))), second);
}

#[test]
fn what_says_nothing_new_wakes_nobody() {
    let node = |metadata: &str, looked: &str, status: &str| {
        let text = format!(
            "{{apiVersion: v1, kind: Node, metadata: {{name: n, {metadata}}}, status: {{conditions: [ \
              {{type: Ready, status: '{status}', lastHeartbeatTime: '{looked}'}}]}}}}"
        );
        yaml::read(&text).stored().0
    };
    let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z");
    let store = Store::new();
    let first = store.apply(node("resourceVersion: '7'", early, "True"));
    let touched =
        "resourceVersion: '8', generation: 2, selfLink: /n, managedFields: [{manager: kubelet, time: '1'}]";
    assert_eq!(store.apply(node(touched, late, "True")), first);
    let shown = store.snapshot();
    assert_eq!(
        shown.node("n").unwrap().meta().resource_version(),
        Some("7"),
        "it goes on showing the one it has"
    );
    let second = store.apply(node(touched, late, "False"));
    assert_ne!(second, first);
    let shown = store.snapshot();
    let shown = shown.node("n").unwrap();
    let version = (shown.meta().resource_version(), shown.meta().generation(), shown.meta().self_link());
    assert_eq!(version, (Some("8"), Some(2), Some("/n")));
    assert_eq!(shown.meta().managed_fields()[0].manager.as_deref(), Some("kubelet"));
    assert_eq!(shown.conditions()[0].last_heartbeat_time(), Some(late));
    for said in [
        "finalizers: [a/b]",
        "ownerReferences: [{kind: Rack, name: r}]",
        "generateName: n",
        "deletionGracePeriodSeconds: 1",
    ] {
        let before = store.snapshot().revision();
        assert_ne!(store.apply(node(said, late, "False")), before, "{said} is said of the object");
    }
}

#[test]
fn a_slow_consumer_gets_all_changes_merged() {
    run(async {
        let store = Store::new();
        let mut watch = store.watch();
        store.apply(namespace("a"));
        store.apply(namespace("b"));
        let last = store.delete(&ObjectRef::new(Kind::Namespace, ObjectName::cluster("a")));
        let (snapshot, delta) = watch.changed().await.unwrap();
        assert_eq!((delta.from().number(), delta.to(), snapshot.revision()), (0, last, last));
        assert_eq!(delta.namespaces().iter().collect::<Vec<_>>(), ["a", "b"]);
        assert!(now(watch.changed()).await.is_none(), "nothing new");
        store.apply(namespace("c"));
        let (_, delta) = watch.changed().await.unwrap();
        assert_eq!(delta.namespaces().iter().collect::<Vec<_>>(), ["c"]);
    });
}

#[test]
fn who_lags_too_far_is_told_everything() {
    run(async {
        let store = Store::new();
        store.apply(namespace("early"));
        let mut watch = store.watch();
        store.delete(&ObjectRef::new(Kind::Namespace, ObjectName::cluster("early")));
        for index in 0..=HISTORY {
            store.apply(namespace(&format!("n{index}")));
        }
        let (snapshot, delta) = watch.changed().await.unwrap();
        assert_eq!((delta.from().number(), delta.to()), (1, snapshot.revision()));
        assert!(delta.namespaces().contains("early"), "what is gone is named too");
        assert_eq!(delta.namespaces().len(), HISTORY + 2);
    });
}

#[test]
fn a_watcher_that_never_looks_costs_nothing() {
    run(async {
        let store = Store::new();
        let mut watch = store.watch();
        for index in 0..5000 {
            store.apply(namespace(&format!("n{}", index % 7)));
            store.delete(&ObjectRef::new(Kind::Namespace, ObjectName::cluster(format!("n{}", index % 7))));
        }
        let state = store.latest.newest();
        assert_eq!((state.history.deltas.len(), state.history.names), (HISTORY, HISTORY));
        let last = store.apply(namespace("last"));
        let (snapshot, delta) = watch.changed().await.unwrap();
        assert_eq!((delta.from().number(), delta.to(), snapshot.revision()), (0, last, last));
        assert!(delta.namespaces().contains("last"));
        assert!(now(watch.changed()).await.is_none(), "one snapshot, not ten thousand changes");
    });
}

#[test]
fn few_large_changes_are_not_kept_either() {
    run(async {
        let store = Store::new();
        let many = |label: usize| {
            let namespaces = (0..HISTORY_NAMES / 4).map(|index| {
                format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: n{index}, labels: {{a: '{label}'}}}}}}\n---\n")
            });
            yaml::read(&namespaces.collect::<String>()).stored().0
        };
        let mut watch = store.watch();
        for label in 0..9 {
            store.apply(many(label));
        }
        let state = store.latest.newest();
        assert_eq!((state.history.deltas.len(), state.history.names), (4, HISTORY_NAMES));
        let (_, delta) = watch.changed().await.unwrap();
        assert_eq!(delta.namespaces().len(), HISTORY_NAMES / 4);
    });
}

#[test]
fn the_next_snapshot_shares_what_did_not_change() {
    let store = Store::new();
    store.apply((0..500).flat_map(|index| namespace(&format!("n{index}"))));
    let before = store.snapshot();
    let revision = before.revision();
    assert_eq!(store.apply(before.objects()), revision, "the same again is no change");
    store.apply(namespace("another"));
    store.apply((0..400).flat_map(|index| namespace(&format!("n{index}"))));
    let after = store.snapshot();
    assert_eq!(after.revision().number(), revision.number() + 1);
    let shared = before.namespaces().filter(|old| after.namespaces().any(|new| Arc::ptr_eq(old, new)));
    assert_eq!(shared.count(), 500, "what is equal stays where it is, also if it is set again");
}

#[test]
fn the_store_may_go() {
    run(async {
        let store = Store::new();
        let mut watch = store.watch();
        store.apply(namespace("a"));
        drop(store);
        assert!(watch.changed().await.is_ok(), "what came before is still shown");
        assert_eq!(watch.changed().await.unwrap_err(), Closed);
    });
}

#[test]
fn behind_a_gate_nothing_is_shown_early() {
    run(async {
        let store = Store::new();
        let gate = Progress::new();
        let mut watch = store.watch().behind(gate.reached());
        let first = store.apply(namespace("a"));
        assert!(now(watch.changed()).await.is_none(), "not yet programmed");
        gate.reach(first);
        let (snapshot, _) = watch.changed().await.unwrap();
        assert_eq!(snapshot.revision(), first);
        drop(gate);
        store.apply(namespace("b"));
        assert_eq!(watch.changed().await.unwrap_err(), Closed);
    });
}

#[test]
fn a_gate_that_is_always_a_step_behind_still_lets_pass() {
    run(async {
        let store = Store::new();
        let gate = Progress::new();
        let mut watch = store.watch().behind(gate.reached());
        for index in 0..5 {
            let reached = store.apply(namespace(&format!("n{index}")));
            assert!(now(watch.changed()).await.is_none(), "cancelled while it waits");
            // The proxy has this revision when the next one is already there.
            store.apply(namespace(&format!("m{index}")));
            gate.reach(reached);
            let (snapshot, delta) = watch.changed().await.unwrap();
            assert_eq!((snapshot.revision(), delta.to()), (reached, reached));
            assert!(!snapshot.has_namespace(&format!("m{index}")));
            gate.reach(store.snapshot().revision());
            watch.changed().await.unwrap();
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// A consumer that looks only now and then knows of every change.
    #[test]
    fn merged_deltas_cover_the_difference(history in testing::history(), looks in any::<u16>()) {
        run(async {
            let store = Store::new();
            let mut watch = store.watch();
            for (index, step) in history.iter().enumerate() {
                store.update(step.set.iter().cloned(), step.removed.iter().cloned());
                if looks >> (index % 16) & 1 == 0 {
                    continue;
                }
                let before = watch.snapshot();
                let Some(changed) = now(watch.changed()).await else { continue };
                let (after, delta) = changed.unwrap();
                prop_assert_eq!((delta.from(), delta.to()), (before.revision(), after.revision()));
                prop_assert_eq!(after.objects(), store.snapshot().objects());
                for service in before.services().chain(after.services()) {
                    let (old, new) = (before.service(service.name()), after.service(service.name()));
                    let slices = |of: &Snapshot| of.slices_of(service.name()).cloned().collect::<Vec<_>>();
                    if old != new || slices(&before) != slices(&after) {
                        prop_assert!(delta.services().contains(service.name()));
                    }
                }
            }
            Ok(())
        })?;
    }
}
