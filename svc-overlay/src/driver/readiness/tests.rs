use std::sync::Mutex;

use tokio::sync::watch;

use super::*;
use crate::claim::Claim;
use crate::fake::Fake;
use crate::registry::{Leases, Published, Watch};
use crate::{Overlay, Status};

/// Leases in memory that are told who is ready, and refuse to hear it some times first.
#[derive(Clone, Debug, Default)]
struct Deaf {
    leases: Leases,
    times: Arc<Mutex<usize>>,
    heard: Arc<watch::Sender<Vec<Lease>>>,
}

impl Registry for Deaf {
    fn acquire<'a>(&'a self, claim: &'a Claim) -> BoxFuture<'a, Result<Lease, RegistryError>> {
        self.leases.acquire(claim)
    }

    fn publish(&self, lease: Lease) -> BoxFuture<'_, Result<Published, RegistryError>> {
        self.leases.publish(lease)
    }

    fn ready<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(async {
            let mut times = self.times.lock().unwrap();
            if *times > 0 {
                *times -= 1;
                return Err(RegistryError::Unavailable("what was that?".into()));
            }
            self.heard.send_modify(|heard| heard.push(lease.clone()));
            Ok(())
        })
    }

    fn withdraw<'a>(&'a self, lease: &'a Lease) -> BoxFuture<'a, Result<Revision, RegistryError>> {
        self.leases.withdraw(lease)
    }

    fn watch(&self) -> Box<dyn Watch> {
        self.leases.watch()
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_told_once_for_each_publication_and_until_it_is_heard() {
    let (fake, registry) = (Fake::new(), Deaf::default());
    *registry.times.lock().unwrap() = 3;
    let builder = Overlay::builder("10.244.0.0/16").node("server2").subnet("10.244.2.0/24");
    let overlay = builder.public_ip("172.20.10.2").registry(registry.clone()).build().unwrap();
    let (handle, run) = overlay.drive_on(fake.clone());
    tokio::spawn(run);
    handle.until(|status| !status.problems().is_empty()).await.unwrap();
    assert!(registry.heard.borrow().is_empty(), "there is no underlay yet");
    fake.add_link("eth0", "172.20.10.2/24".parse().unwrap(), 1500);
    let deaf = |status: &Status| status.problems().iter().any(|it| it.to_string().contains("what was that?"));
    let status = handle.until(deaf).await.unwrap();
    assert!(status.programmed().is_some() && status.lease().is_some(), "nothing waits for it");
    assert!(!status.is_ready());
    let status = handle.until(|status| status.problems().is_empty()).await.unwrap();
    assert!(status.is_ready());
    let heard = || registry.heard.borrow().clone();
    assert_eq!(heard(), [status.lease().unwrap().clone()]);
    // A kernel that is mended is no news; a lease that was lost is.
    fake.delete_link("flannel.1");
    handle.until(|now| now.operations() > status.operations() && now.problems().is_empty()).await.unwrap();
    assert_eq!(heard().len(), 1);
    registry.leases.remove("server2");
    registry.heard.subscribe().wait_for(|heard| heard.len() == 2).await.unwrap();
}
