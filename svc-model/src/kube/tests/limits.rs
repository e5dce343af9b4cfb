//! What a server may send, and for how long it may say nothing.

use super::*;

fn limited(server: &Server, change: impl FnOnce(&mut Settings)) -> Kube {
    let mut kube = kube(server).page_size(8);
    change(&mut kube.settings);
    kube
}

/// The `limit` of each list that was asked for, in order.
fn page_sizes(server: &Server) -> Vec<String> {
    let asked = server.asked();
    let lists = asked.iter().filter(|asked| !asked.is_watch());
    lists.filter_map(|asked| asked.of("limit").map(str::to_owned)).collect()
}

#[test]
fn a_page_that_is_too_large_is_asked_for_in_halves() {
    let many = |server: &Server| {
        (0..6).for_each(|index| server.set("services", &format!("shop/c{index}"), service("10.0.0.3")));
        // Two of them fit into a page, four do not.
        limited(server, |settings| settings.max_page_bytes = 600)
    };
    following(many, async |cluster| {
        cluster.handle.ready().await.unwrap();
        assert_eq!(names(&cluster.store.snapshot()), ["a", "b", "c0", "c1", "c2", "c3", "c4", "c5"]);
        assert_eq!(page_sizes(&cluster.server), ["8", "4", "2", "2", "2", "2"]);
        cluster.no_problem().await;
    });
}

#[test]
fn one_object_that_is_too_large_is_told() {
    let large = |server: &Server| limited(server, |settings| settings.max_page_bytes = 100);
    following(large, async |cluster| {
        let problem = cluster.problem("larger").await;
        assert_eq!(problem, "services: an object is larger than what is read");
        assert_eq!(page_sizes(&cluster.server)[..4], ["8", "4", "2", "1"]);
        assert!(cluster.store.snapshot().objects().is_empty() && !cluster.handle.is_ready());
    });
}

#[test]
fn an_event_without_end_is_given_up_and_lived_through() {
    following(kube, async |cluster| {
        cluster.has(&["a", "b"]).await;
        cluster.server.asked_for(|asked| asked.is_watch()).await;
        // Nobody has to hold all of it: the connection is dropped on the way.
        (0..3).for_each(|_| cluster.server.next("services", Fault::Body(vec![b'x'; 17 << 20])));
        cluster.server.disconnect();
        cluster.problem("an object is larger than what is read").await;
        cluster.server.set("services", "shop/c", service("10.0.0.3"));
        cluster.has(&["a", "b", "c"]).await;
        cluster.no_problem().await;
        assert_eq!(cluster.lists("services"), 1);
    });
}

#[test]
fn the_server_is_told_how_long_a_watch_lasts() {
    following(kube, async |cluster| {
        for times in 1..=20 {
            cluster.server.asked_times(times, |asked| asked.is_watch()).await;
            cluster.server.disconnect();
        }
        let asked = cluster.server.asked();
        let all: BTreeSet<u64> =
            asked.iter().filter_map(|asked| asked.of("timeoutSeconds")?.parse().ok()).collect();
        assert_eq!(asked.iter().filter(|asked| asked.is_watch()).count(), 20);
        assert!(all.iter().all(|seconds| (240..480).contains(seconds)), "{all:?}");
        assert!(all.len() > 1, "clients do not come back all at once");
    });
}

/// The peer is gone and nobody said so: no byte comes any more.
#[test]
fn a_watch_that_the_server_does_not_end_is_given_up() {
    let short = |server: &Server| {
        limited(server, |settings| {
            settings.watch_seconds = 1;
            settings.watch_grace = Duration::from_millis(1);
        })
    };
    following(short, async |cluster| {
        cluster.has(&["a", "b"]).await;
        // The server of these tests ends no watch by itself.
        cluster.server.asked_times(2, |asked| asked.is_watch()).await;
        let asked = cluster.server.asked();
        let from: BTreeSet<_> = asked.iter().filter_map(|asked| asked.of("resourceVersion")).collect();
        assert_eq!(from.len(), 1, "it goes on from where it was");
        assert_eq!(cluster.lists("services"), 1);
        cluster.no_problem().await;
    });
}
