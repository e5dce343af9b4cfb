//! A directory that is followed takes little more memory than the objects that it holds, after it was read and while it is.
#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "the test writes a real directory")]

use std::fmt::Write as _;

use peak_alloc::PeakAlloc;
use svc_model::dir::ManifestDir;
use svc_model::{store::Store, yaml};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const SERVICES: usize = 4000;

fn services() -> String {
    (0..SERVICES).fold(String::new(), |mut text, number| {
        let ip = format!("10.96.{}.{}", number / 250, number % 250 + 1);
        let _ = writeln!(
            text,
            "---\n{{apiVersion: v1, kind: Service, metadata: {{name: svc-{number}, namespace: ns-{}}}, \
             spec: {{clusterIP: {ip}, clusterIPs: [{ip}], ports: [{{name: http, port: 80}}]}}}}",
            number % 20
        );
        text
    })
}

#[test]
fn what_is_kept_beside_the_objects_is_little() {
    let text = services();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("all.yaml"), &text).unwrap();

    let before = MEMORY.current_usage();
    let alone = Store::new();
    alone.apply(yaml::read(&text).stored().0);
    let objects = MEMORY.current_usage() - before;
    drop(alone);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let store = Store::new();
    let (mut reports, run) = ManifestDir::new(dir.path()).follow_stored(store.clone());
    runtime.block_on(async {
        tokio::select! {
            () = run => panic!("following ended"),
            problems = async {
                let problems = reports.changed().await;
                let (followed, height) = (MEMORY.current_usage() - before, MEMORY.peak_usage() - before);
                println!("{objects} bytes of objects, {followed} followed, {height} at the height");
                assert!(followed < objects * 3 / 2, "{followed} bytes for {objects} of objects");
                assert!(height < objects * 2 + text.len(), "{height} bytes at the height for {objects} of objects");
                problems
            } => assert_eq!(problems.unwrap().len(), 0),
        }
    });
    assert_eq!(store.snapshot().services().count(), SERVICES);
}
