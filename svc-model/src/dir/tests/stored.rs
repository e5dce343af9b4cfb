//! A directory that says what is stored.

use super::*;
use crate::Service;

/// Runs `test` beside the follower of a directory with these files, when they have been read.
fn following_stored<F>(files: &[(&str, &str)], test: F)
where
    F: AsyncFnOnce(&Path, &Store, &mut DirReports),
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, text)| fs::write(dir.path().join(name), text).unwrap());
        let store = Store::new();
        let source = ManifestDir::new(dir.path()).rescan_every(Duration::from_secs(3600));
        let (mut reports, run) = source.follow_stored(store.clone());
        let test = async {
            reports.changed().await.unwrap();
            test(dir.path(), &store, &mut reports).await;
        };
        tokio::select! {
            () = run => panic!("following ended"),
            () = test => {}
            () = tokio::time::sleep(Duration::from_secs(60)) => panic!("nothing came of it in a minute"),
        }
    });
}

fn service(name: &str, ip: &str) -> String {
    format!(
        "---\n{{apiVersion: v1, kind: Service, metadata: {{name: {name}}}, spec: {{clusterIP: {ip}, ports: [{{port: 80}}]}}}}\n"
    )
}

fn find(store: &Store, name: &str) -> Option<Arc<Service>> {
    store.snapshot().service(&ObjectName::new("default", name)).cloned()
}

fn address(store: &Store, name: &str) -> Option<String> {
    find(store, name).map(|service| service.cluster_ips()[0].to_string())
}

#[test]
fn what_an_edit_left_as_it_was_stays_the_same_piece_of_memory() {
    let both = |ip: &str| service("a", "10.0.0.1") + &service("b", ip);
    following_stored(&[("all.yaml", &both("10.0.0.2"))], async |path, store, reports| {
        let (before, revision) = (find(store, "a").unwrap(), store.snapshot().revision());
        for (number, ip) in ["10.0.0.3", "10.0.0.4"].into_iter().enumerate() {
            fs::write(path.join("all.yaml"), both(ip)).unwrap();
            while address(store, "b").as_deref() != Some(ip) {
                reports.changed().await.unwrap();
            }
            assert!(Arc::ptr_eq(&before, &find(store, "a").unwrap()));
            assert_eq!(store.snapshot().revision().number(), revision.number() + 1 + number as u64);
        }
        assert_eq!(
            Arc::strong_count(&before),
            4,
            "the store's, the file's, what edits are compared with, and ours"
        );
        fs::write(path.join("all.yaml"), service("b", "10.0.0.4")).unwrap();
        while find(store, "a").is_some() {
            reports.changed().await.unwrap();
        }
        assert_eq!(Arc::strong_count(&before), 1, "nobody else holds it");
    });
}

#[test]
fn of_two_files_with_one_object_the_second_takes_over_without_being_read_again() {
    let (first, second) = (service("a", "10.0.0.1"), service("a", "10.0.0.2"));
    following_stored(&[("1.yaml", &first), ("2.yaml", &second)], async |path, store, reports| {
        for _ in 0..2 {
            assert_eq!(address(store, "a").as_deref(), Some("10.0.0.1"));
            assert!(
                reports.problems()[0].to_string().contains("is already defined in"),
                "{:?}",
                reports.problems()
            );
            fs::remove_file(path.join("1.yaml")).unwrap();
            while address(store, "a").as_deref() != Some("10.0.0.2") {
                reports.changed().await.unwrap();
            }
            fs::write(path.join("1.yaml"), &first).unwrap();
            while address(store, "a").as_deref() != Some("10.0.0.1") {
                reports.changed().await.unwrap();
            }
        }
    });
}

#[test]
fn a_fault_is_told_under_the_file_that_holds_it_as_long_as_it_is_there() {
    let faulty = service("a", "10.0.0.256");
    following_stored(&[("1.yaml", &faulty)], async |path, store, reports| {
        let told =
            |reports: &DirReports| reports.problems().iter().map(ToString::to_string).collect::<Vec<_>>();
        let place = |file: &str| path.join(file).display().to_string();
        assert!(told(reports)[0].contains(&place("1.yaml")), "{:?}", told(reports));
        // Other files come and go; the fault moves to another one.
        fs::write(path.join("2.yaml"), service("b", "10.0.0.2")).unwrap();
        while find(store, "b").is_none() {
            reports.changed().await.unwrap();
        }
        assert!(told(reports)[0].contains(&place("1.yaml")), "{:?}", told(reports));
        fs::rename(path.join("1.yaml"), path.join("3.yaml")).unwrap();
        while !told(reports).iter().any(|problem| problem.contains(&place("3.yaml"))) {
            reports.changed().await.unwrap();
        }
        fs::write(path.join("3.yaml"), service("a", "10.0.0.1")).unwrap();
        while find(store, "a").is_none() {
            reports.changed().await.unwrap();
        }
        assert_eq!(told(reports), [""; 0]);
    });
}
