//! A real directory, edited as people and programs edit.

mod stored;

use std::fs;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::store::Watch;
use crate::{ObjectName, Problem, Snapshot, yaml};

struct Followed {
    dir: tempfile::TempDir,
    watch: Watch,
    handle: DirHandle,
    store: Store,
}

impl Followed {
    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.path().join(file), text).unwrap();
    }

    /// Waits until the store holds what is expected.
    async fn until(&mut self, expected: impl Fn(&Snapshot) -> bool) {
        while !expected(&self.store.snapshot()) {
            self.watch.changed().await.unwrap();
        }
    }

    /// Waits until a problem with this text is reported.
    async fn problem(&mut self, part: &str) -> Problem {
        loop {
            let found = self.handle.problems().iter().find(|it| it.to_string().contains(part)).cloned();
            match found {
                Some(problem) => return problem,
                None => drop(self.handle.changed().await.unwrap()),
            }
        }
    }
}

fn namespace(name: &str) -> String {
    format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}\n")
}

fn has(name: &'static str) -> impl Fn(&Snapshot) -> bool {
    move |snapshot| snapshot.has_namespace(name)
}

fn has_not(name: &'static str) -> impl Fn(&Snapshot) -> bool {
    move |snapshot| !snapshot.has_namespace(name)
}

/// Runs `test` beside the follower of a new directory that holds `first.yaml`.
fn following<F: AsyncFnOnce(&mut Followed)>(test: F) {
    following_by(
        |path| ManifestDir::new(path).rescan_every(Duration::from_secs(3600)),
        async |dir| {
            dir.until(has("first")).await;
            test(dir).await;
        },
    );
}

fn following_by<F: AsyncFnOnce(&mut Followed)>(source: impl Fn(&Path) -> ManifestDir, test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("first.yaml"), namespace("first")).unwrap();
        let store = Store::new();
        let (handle, run) = source(dir.path()).follow(ControlPlane::builder().build(), store.clone());
        let mut followed = Followed { dir, watch: store.watch(), handle, store };
        tokio::select! {
            () = run => panic!("following ended"),
            () = test(&mut followed) => {}
            () = tokio::time::sleep(Duration::from_secs(60)) => panic!("nothing came of it in a minute"),
        }
    });
}

#[test]
fn files_come_change_and_go() {
    following(async |dir| {
        dir.write("b.yaml", &namespace("two"));
        dir.until(has("two")).await;
        dir.write("b.yaml", &namespace("three"));
        dir.until(|snapshot| snapshot.has_namespace("three") && !snapshot.has_namespace("two")).await;
        fs::rename(dir.path().join("b.yaml"), dir.path().join("c.json")).unwrap();
        dir.write("marker.yml", &namespace("marker"));
        dir.until(has("marker")).await;
        assert!(dir.store.snapshot().has_namespace("three"), "a renamed file keeps its objects");
        fs::remove_file(dir.path().join("c.json")).unwrap();
        dir.until(has_not("three")).await;
    });
}

#[test]
fn a_file_put_in_place_by_rename() {
    following(async |dir| {
        dir.write(".first.yaml.swp", &namespace("replaced"));
        fs::rename(dir.path().join(".first.yaml.swp"), dir.path().join("first.yaml")).unwrap();
        dir.until(has("replaced")).await;
        dir.until(has_not("first")).await;
    });
}

#[test]
fn links_swapped_at_once_as_config_maps_are() {
    following(async |dir| {
        let version = |name: &str, content: &str| {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("map.yaml"), namespace(content)).unwrap();
        };
        version("..1", "old");
        version("..2", "new");
        let root = dir.path().to_owned();
        let link = |to: &str, name: &str| symlink(to, root.join(name)).unwrap();
        link("..1", "..data");
        link("..data/map.yaml", "map.yaml");
        dir.until(has("old")).await;
        link("..2", "..data_tmp");
        fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
        dir.until(|snapshot| snapshot.has_namespace("new") && !snapshot.has_namespace("old")).await;
    });
}

#[test]
fn directories_below_come_with_their_files() {
    following(async |dir| {
        fs::create_dir(dir.path().join("sub")).unwrap();
        dir.write("sub/a.yaml", &namespace("below"));
        dir.until(has("below")).await;
        dir.write("sub/b.yaml", &namespace("later"));
        dir.until(has("later")).await;
        fs::remove_dir_all(dir.path().join("sub")).unwrap();
        dir.until(has_not("later")).await;
    });
}

#[test]
fn the_whole_directory_goes_and_comes_back() {
    following(async |dir| {
        fs::remove_dir_all(dir.path()).unwrap();
        dir.problem("cannot be read as a directory").await;
        assert!(dir.store.snapshot().has_namespace("first"), "its objects stay");
        fs::create_dir(dir.path()).unwrap();
        dir.write("other.yaml", &namespace("other"));
        dir.until(|snapshot| snapshot.has_namespace("other") && !snapshot.has_namespace("first")).await;
    });
}

#[test]
fn broken_yaml_in_one_file_loses_nothing() {
    following(async |dir| {
        dir.write("good.yaml", &format!("{}---\n{}", namespace("kept"), namespace("also")));
        dir.until(has("also")).await;
        dir.write("good.yaml", &format!("{}---\nkind: [", namespace("kept")));
        dir.write("other.yaml", &namespace("other"));
        dir.until(has("other")).await;
        let problem = dir.problem("not valid YAML").await;
        assert!(problem.source().unwrap().ends_with("good.yaml"), "{problem}");
        assert!(dir.store.snapshot().has_namespace("also"));
        dir.write("good.yaml", &namespace("kept"));
        dir.until(has_not("also")).await;
    });
}

#[test]
fn what_cannot_be_read_is_named() {
    following(async |dir| {
        fs::write(dir.path().join("latin.yaml"), b"\xe9").unwrap();
        let problem = dir.problem("UTF-8").await;
        assert!(problem.source().unwrap().ends_with("latin.yaml"), "{problem}");
        symlink("nowhere", dir.path().join("dangling.yaml")).unwrap();
        let problem = dir.problem("cannot be read").await;
        assert!(problem.source().unwrap().ends_with("dangling.yaml"), "{problem}");
        let too_large = fs::File::create(dir.path().join("huge.yaml")).unwrap();
        too_large.set_len(u64::try_from(yaml::limits::MAX_TEXT_BYTES).unwrap() + 1).unwrap();
        drop(too_large);
        dir.problem("is larger than").await;
        assert!(dir.store.snapshot().has_namespace("first"));
    });
}

#[test]
fn pods_are_reported_through_the_handle() {
    following(async |dir| {
        dir.write("pod.yaml", "{apiVersion: v1, kind: Pod, metadata: {name: a}}");
        let pod = ObjectName::new("default", "a");
        dir.until(|snapshot| snapshot.pod(&pod).is_some()).await;
        let (outcome, revision) = dir.handle.pod_network(&pod, &["10.244.0.9".parse().unwrap()]);
        assert!(outcome.problems().is_empty());
        assert_eq!(dir.store.snapshot().revision(), revision);
        dir.write("pod.yaml", "{apiVersion: v1, kind: Pod, metadata: {name: a, labels: {x: y}}}");
        dir.until(|snapshot| !snapshot.pod(&pod).unwrap().meta().labels().is_empty()).await;
        assert_eq!(dir.store.snapshot().pod(&pod).unwrap().ips().len(), 1);
    });
}

#[test]
fn ends_when_the_handle_is_dropped() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (handle, run) =
        ManifestDir::new("/nonexistent").follow(ControlPlane::builder().build(), Store::new());
    drop(handle);
    runtime.block_on(run);
}

#[test]
fn half_a_file_is_left_alone_until_it_is_closed() {
    following(async |dir| {
        dir.write("two.yaml", &format!("{}---\n{}", namespace("kept"), namespace("also")));
        dir.until(has("also")).await;
        // Truncated, and written up to where it looks whole.
        let mut file = fs::File::create(dir.path().join("two.yaml")).unwrap();
        file.write_all(namespace("kept").as_bytes()).unwrap();
        dir.write("marker.yaml", &namespace("marker"));
        dir.until(has("marker")).await;
        assert!(dir.store.snapshot().has_namespace("also"), "nobody said that it is gone");
        file.write_all(format!("---\n{}", namespace("more")).as_bytes()).unwrap();
        drop(file);
        dir.until(|snapshot| snapshot.has_namespace("more") && !snapshot.has_namespace("also")).await;
        assert!(dir.store.snapshot().has_namespace("kept"));
    });
}

#[test]
fn a_file_that_is_never_closed_is_read_at_the_next_rescan() {
    let source = |path: &Path| ManifestDir::new(path).rescan_every(Duration::from_millis(50));
    following_by(source, async |dir| {
        let mut file = fs::File::options().write(true).open(dir.path().join("first.yaml")).unwrap();
        for name in ["open1", "open2"] {
            file.set_len(0).unwrap();
            file.rewind().unwrap();
            file.write_all(namespace(name).as_bytes()).unwrap();
            dir.until(has(name)).await;
        }
    });
}

#[test]
fn the_directory_is_replaced_by_another_with_other_files() {
    following(async |dir| {
        let beside = tempfile::tempdir().unwrap();
        for round in 0..5 {
            let (new, old) =
                (beside.path().join(format!("new{round}")), beside.path().join(format!("old{round}")));
            fs::create_dir_all(new.join("sub")).unwrap();
            fs::write(new.join("a.yaml"), namespace(&format!("a{round}"))).unwrap();
            fs::write(new.join("sub/b.yaml"), namespace(&format!("b{round}"))).unwrap();
            fs::rename(dir.path(), &old).unwrap();
            fs::rename(&new, dir.path()).unwrap();
            // While it is still found out what is there now.
            dir.write("late.yaml", &namespace(&format!("late{round}")));
            let names = ["a", "b", "late"].map(|name| format!("{name}{round}"));
            dir.until(|snapshot| names.iter().all(|name| snapshot.has_namespace(name))).await;
            dir.until(|snapshot| snapshot.namespaces().count() == 3).await;
            fs::write(old.join("a.yaml"), namespace("outside")).unwrap();
        }
        dir.write("sub/b.yaml", &namespace("last"));
        dir.until(has("last")).await;
        assert!(!dir.store.snapshot().has_namespace("outside"), "what was moved away is not followed");
    });
}

#[test]
fn the_directory_may_be_a_link_that_is_swapped() {
    let root = tempfile::tempdir().unwrap();
    let path = |name: &str| root.path().join(name);
    for name in ["v1", "v2"] {
        fs::create_dir(path(name)).unwrap();
        fs::write(path(name).join("a.yaml"), namespace(name)).unwrap();
    }
    symlink("v1", path("current")).unwrap();
    let source = |_: &Path| ManifestDir::new(path("current")).rescan_every(Duration::from_secs(3600));
    following_by(source, async |dir| {
        dir.until(has("v1")).await;
        symlink("v2", path("next")).unwrap();
        fs::rename(path("next"), path("current")).unwrap();
        dir.until(|snapshot| snapshot.has_namespace("v2") && !snapshot.has_namespace("v1")).await;
        fs::write(path("v2/b.yaml"), namespace("within")).unwrap();
        dir.until(has("within")).await;
    });
}

#[test]
fn a_directory_below_is_renamed() {
    following(async |dir| {
        fs::create_dir(dir.path().join("sub")).unwrap();
        dir.write("sub/a.yaml", &namespace("below"));
        dir.until(has("below")).await;
        fs::rename(dir.path().join("sub"), dir.path().join("other")).unwrap();
        dir.write("other/b.yaml", &namespace("later"));
        dir.until(has("later")).await;
        assert!(dir.store.snapshot().has_namespace("below"));
        fs::rename(dir.path().join("other"), dir.path().join(".hidden")).unwrap();
        dir.until(|snapshot| !snapshot.has_namespace("below") && !snapshot.has_namespace("later")).await;
    });
}

/// More events than the kernel keeps for a reader that does not read: it says so once and forgets the rest.
#[test]
fn a_queue_that_overflows_loses_nothing() {
    following(async |dir| {
        let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
        let limit: usize = limit.trim().parse().unwrap();
        let mut noise = [".noise1", ".noise2"].map(|name| fs::File::create(dir.path().join(name)).unwrap());
        dir.write("marker.yaml", &namespace("marker"));
        dir.until(has("marker")).await;
        // Nothing is awaited here, so nothing is read. Equal events in a row would count once, and these alone would
        // not make anybody look: the files are not closed.
        for _ in 0..=limit / 2 {
            noise.iter_mut().for_each(|file| file.write_all(b".").unwrap());
        }
        dir.write("first.yaml", &namespace("after"));
        dir.until(|snapshot| snapshot.has_namespace("after") && !snapshot.has_namespace("first")).await;
    });
}

#[test]
fn only_files_that_changed_are_read_again() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(dir.path().join(file), text).unwrap();
        for index in 0..20 {
            write(&format!("{index:02}.yaml"), &namespace(&format!("n{index}")));
        }
        let places = |found: &Manifests| found.iter().map(std::ptr::from_ref).collect::<Vec<_>>();
        let mut readings = ManifestDir::new(dir.path()).readings();
        let before = readings.next().await;
        write("07.yaml", &namespace("n8"));
        let after = readings.next().await;
        assert_eq!(
            after.iter().nth(7).unwrap().metadata().name.as_deref(),
            Some("n8"),
            "as many bytes, another text"
        );
        let changed =
            places(&before).iter().zip(places(&after)).filter(|(before, after)| **before != *after).count();
        assert_eq!(changed, 1);
    });
}

#[test]
fn what_is_stored_is_read_as_it_stands() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let write = |ip: &str, port: &str| {
            let spec = format!(
                "{{clusterIP: {ip}, clusterIPs: [{ip}], selector: {{a: b}}, ports: [{{port: {port}}}]}}"
            );
            let text = format!("{{apiVersion: v1, kind: Service, metadata: {{name: web}}, spec: {spec}}}");
            fs::write(dir.path().join("web.yaml"), text).unwrap();
        };
        write("203.0.113.7", "80");
        let store = Store::new();
        let (mut reports, run) = ManifestDir::new(dir.path()).follow_stored(store.clone());
        let web = ObjectName::new("default", "web");
        let test = async {
            assert!(reports.changed().await.unwrap().is_empty());
            let service = store.snapshot().service(&web).cloned().unwrap();
            assert_eq!(service.cluster_ips(), ["203.0.113.7".parse::<std::net::IpAddr>().unwrap()]);
            assert_eq!(store.snapshot().slices().count(), 0, "no endpoints are made up");
            write("203.0.113.7", "eighty");
            while reports.changed().await.unwrap().is_empty() {}
            assert_eq!(store.snapshot().service(&web), Some(&service), "a mistake takes nothing away");
            write("10.0.0.1", "81");
            while !reports.changed().await.unwrap().is_empty() {}
            assert_eq!(store.snapshot().service(&web).unwrap().ports()[0].port(), 81);
        };
        tokio::select! {
            () = run => panic!("following ended"),
            () = test => {}
        }
    });
}
