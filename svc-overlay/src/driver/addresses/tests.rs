use std::fs::File;
use std::path::Path;

use crate::driver::Handle;
use crate::driver::tests::{Moody, attach, overlay, underlay};
use crate::fake::Fake;
use crate::pod::{AttachOptions, PodId};

/// Drives server2 with its pods' addresses in files, until the kernel is in step.
async fn with_files(fake: &Fake, directory: &Path) -> (Handle, tokio::task::JoinHandle<()>) {
    let overlay = overlay(&Moody::default()).ipam_directory(directory).build().unwrap();
    let (handle, run) = overlay.drive_on(fake.clone());
    let run = tokio::spawn(run);
    handle.synced().await.unwrap();
    (handle, run)
}

fn files(directory: &Path) -> Vec<String> {
    let names =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("10.")).collect();
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn addresses_in_files_outlive_the_process_and_those_of_dead_pods_do_not() {
    let (fake, directory) = (underlay(), tempfile::tempdir().unwrap());
    let directory = directory.path();
    // A container of the CNI plugin host-local, and a pod of ours from before the machine was switched off.
    std::fs::write(directory.join("10.244.2.2"), "0123abc\r\neth0").unwrap();
    std::fs::write(directory.join("10.244.2.3"), "default/long-gone\r\neth0").unwrap();
    let (handle, run) = with_files(&fake, directory).await;
    assert_eq!(attach(&handle, "a").await.unwrap(), "10.244.2.3", "the other's address is his");
    assert_eq!(attach(&handle, "b").await.unwrap(), "10.244.2.4");
    assert_eq!(files(directory), ["10.244.2.2", "10.244.2.3", "10.244.2.4"]);
    // host-local gives one out meanwhile.
    std::fs::write(directory.join("10.244.2.5"), "4567def\r\neth0").unwrap();
    assert_eq!(attach(&handle, "c").await.unwrap(), "10.244.2.6");
    handle.pods().detach(&PodId::new("default", "c")).await.unwrap();
    drop(handle);
    run.await.unwrap();
    // One pod dies while nobody looks.
    let host_end = fake.links().into_iter().find(|link| link.starts_with("veth")).unwrap();
    fake.delete_link(&host_end);
    let (handle, _run) = with_files(&fake, directory).await;
    assert_eq!(handle.pods().list().await.unwrap().len(), 1);
    assert_eq!(files(directory).len(), 3, "{:?}", files(directory));
    assert_eq!(
        attach(&handle, "d").await.unwrap(),
        "10.244.2.7",
        "addresses rest before they are used again"
    );
    let netns = File::open("/dev/null").unwrap();
    let options = AttachOptions::new().address([10, 244, 2, 2]);
    let error =
        handle.pods().attach(PodId::new("default", "e"), &netns, options).await.unwrap_err().to_string();
    assert!(error.contains("default/e") && error.contains("somebody else (10.244.2.2)"), "{error}");
}
