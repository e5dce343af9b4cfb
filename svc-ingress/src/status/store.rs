//! The status of Ingresses in a store of this process.

use svc_model::store::Store;
use svc_model::{Object, ObjectRef};

use super::{PublishError, PublishStatus, StatusChange};

/// For stores that the embedder fills. One that follows a directory or a cluster takes the next version from there, with the
/// status that it has there.
impl PublishStatus for Store {
    async fn publish(&self, change: &StatusChange) -> Result<(), PublishError> {
        self.edit(|snapshot| {
            let found = snapshot.ingress(change.ingress());
            let next = found.map(|ingress| ingress.with_load_balancer(change.addresses().to_vec()));
            (next.map(Object::from), None::<ObjectRef>)
        });
        Ok(())
    }
}
