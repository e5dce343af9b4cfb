//! A real directory, edited as people and programs edit.

use std::fs;
use std::path::Path;

use super::*;
use crate::Snapshot;
use crate::store::Watch;

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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("first.yaml"), namespace("first")).unwrap();
        let store = Store::new();
        let source = ManifestDir::new(dir.path().to_owned()).rescan_every(Duration::from_secs(3600));
        let (handle, run) = source.follow(ControlPlane::builder().build(), store.clone());
        let mut followed = Followed { dir, watch: store.watch(), handle, store };
        let test = async {
            followed.until(has("first")).await;
            test(&mut followed).await;
        };
        tokio::select! {
            () = run => panic!("following ended"),
            () = test => {}
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
        let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, root.join(name)).unwrap();
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
        std::os::unix::fs::symlink("nowhere", dir.path().join("dangling.yaml")).unwrap();
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
