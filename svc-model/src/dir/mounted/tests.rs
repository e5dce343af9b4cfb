use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use super::MountedSecret;
use crate::store::Store;
use crate::{ObjectName, Snapshot};

/// As a kubelet writes a version: a directory of its own, and one rename that leads there.
fn swap(mount: &Path, version: &str, files: &[(&str, &str)]) {
    let directory = mount.join(format!("..{version}"));
    fs::create_dir(&directory).unwrap();
    for (name, text) in files {
        fs::write(directory.join(name), text).unwrap();
        if !mount.join(name).is_symlink() {
            symlink(Path::new("..data").join(name), mount.join(name)).unwrap();
        }
    }
    let old = fs::read_link(mount.join("..data")).ok();
    symlink(format!("..{version}"), mount.join("..data_tmp")).unwrap();
    fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    if let Some(old) = old {
        fs::remove_dir_all(mount.join(old)).unwrap();
    }
}

fn name() -> ObjectName {
    ObjectName::new("shop", "cert")
}

fn value<'a>(snapshot: &'a Snapshot, key: &str) -> Option<&'a [u8]> {
    snapshot.secret(&name())?.data(key)
}

#[test]
fn a_version_is_read_as_a_whole() {
    let mount = tempfile::tempdir().unwrap();
    swap(mount.path(), "1", &[("tls.crt", "c1"), ("tls.key", "k1")]);
    let secret = MountedSecret::new(name(), mount.path()).read().unwrap();
    assert_eq!(secret.keys().collect::<Vec<_>>(), ["tls.crt", "tls.key"]);
    assert_eq!(secret.secret_type(), "kubernetes.io/tls");
    // A reader never sees half of one and half of the other.
    std::thread::scope(|scope| {
        let path = mount.path();
        let writer = scope.spawn(move || {
            for version in 2..200 {
                let number = version.to_string();
                swap(path, &number, &[("tls.crt", &number), ("tls.key", &number)]);
            }
        });
        while !writer.is_finished() {
            // A version that goes while it is read is an error at worst.
            if let Ok(read) = MountedSecret::new(name(), path).read() {
                assert_eq!(
                    read.data("tls.crt").map(|text| text[text.len() - 1]),
                    read.data("tls.key").map(|text| text[text.len() - 1])
                );
            }
        }
    });
}

#[test]
fn more_than_a_secret_may_hold_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a"), vec![0; 1 << 19]).unwrap();
    fs::write(directory.path().join("b"), vec![0; 1 << 19]).unwrap();
    MountedSecret::new(name(), directory.path()).read().unwrap();
    fs::write(directory.path().join("c"), [0]).unwrap();
    let error = MountedSecret::new(name(), directory.path()).read().unwrap_err();
    assert!(error.to_string().contains("1 MiB"));
}

#[test]
fn it_is_followed_through_swaps_edits_and_loss() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let around = tempfile::tempdir().unwrap();
        let mount = around.path().join("mount");
        let store = Store::new();
        let mut watch = store.watch();
        let secret = MountedSecret::new(name(), &mount).look_every(Duration::from_millis(5));
        let (told, mut tell) = tokio::sync::mpsc::unbounded_channel();
        let follow = secret.follow(store.clone(), move |error| _ = told.send(error.kind()));
        let edits = async {
            // It need not be there yet; that is told once.
            assert_eq!(tell.recv().await, Some(std::io::ErrorKind::NotFound));
            fs::create_dir(&mount).unwrap();
            for version in ["1", "2", "3"] {
                swap(&mount, version, &[("auth", version)]);
                while value(&store.snapshot(), "auth") != Some(version.as_bytes()) {
                    watch.changed().await.unwrap();
                }
            }
            fs::rename(&mount, around.path().join("away")).unwrap();
            assert_eq!(tell.recv().await, Some(std::io::ErrorKind::NotFound));
            assert_eq!(value(&store.snapshot(), "auth"), Some(&b"3"[..]), "what was known stays");
            // Plain files are as good.
            fs::create_dir(&mount).unwrap();
            for text in ["4", "5"] {
                fs::write(mount.join("auth"), text).unwrap();
                while value(&store.snapshot(), "auth") != Some(text.as_bytes()) {
                    watch.changed().await.unwrap();
                }
            }
        };
        tokio::select! {
            () = follow => unreachable!("it never ends"),
            () = edits => {}
        }
    });
}
