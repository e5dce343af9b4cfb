//! The index: names to records, built from a snapshot and kept in step by deltas.
//!
//! A clone is a few pointers, a change touches the changed Services only. Names are keyed by a slice of the query's own
//! (lower-case) wire form, so a lookup builds nothing.

mod encode;
mod items;
mod namespaces;
mod networks;
mod pods;
mod pointers;
mod records;
mod service;
mod table;

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use ipnet::IpNet;
use svc_model::{Delta, ObjectName, Revision, Snapshot};

use self::{
    items::key,
    namespaces::Namespaces,
    pods::Pods,
    pointers::PointerIndex,
    service::{compile, compile_import},
    table::{Keyed, Table},
};
pub(crate) use self::{
    items::{ZONE_MARK, host_label},
    pointers::Pointers,
    records::{RECORD_HEAD, RecordSet, ServiceKind, ServiceRecords, Srv, V4, V6},
};
use crate::config::Zone;

/// Everything that the zones' answers are made from. No object of the snapshot stays in it.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    revision: Revision,
    services: Table<ServiceRecords>,
    /// The Services of the cluster set; filled only if there is a zone of it.
    imports: Table<ServiceRecords>,
    pointers: PointerIndex,
    namespaces: Namespaces,
    /// Filled only if somebody asks.
    pods: Pods,
    /// The keys of Services that select an address of the server.
    name_servers: Arc<BTreeSet<Box<[u8]>>>,
}

impl Index {
    pub(crate) fn new(zone: &Zone, snapshot: &Snapshot) -> Self {
        let mut index = Self {
            revision: snapshot.revision(),
            services: Table::new(),
            imports: Table::new(),
            pointers: PointerIndex::new(),
            namespaces: Namespaces::new(zone, snapshot),
            pods: Pods::default(),
            name_servers: Arc::default(),
        };
        for service in snapshot.services() {
            index.replace_service(zone, snapshot, service.name());
        }
        for import in snapshot.service_imports() {
            index.replace_import(zone, snapshot, import.name());
        }
        if zone.knows_pods() {
            for pod in snapshot.pods() {
                index.pods.replace(pod.name(), Some(pod));
            }
        }
        index
    }

    /// Goes over to `snapshot` and tells whether a client can see a difference. A delta that starts elsewhere, a lost one in
    /// between say, costs a new index and nothing else.
    pub(crate) fn update(&mut self, zone: &Zone, snapshot: &Snapshot, delta: &Delta) -> bool {
        if delta.from() != self.revision || delta.to() != snapshot.revision() {
            let new = Self::new(zone, snapshot);
            let visible =
                new.services != self.services || new.imports != self.imports || new.pods != self.pods;
            *self = new;
            return visible;
        }
        self.revision = snapshot.revision();
        let mut visible = false;
        if zone.knows_pods() {
            for pod in delta.pods() {
                visible |= self.pods.replace(pod, snapshot.pod(pod).map(|pod| &**pod));
            }
        }
        for namespace in delta.namespaces() {
            self.namespaces.replace(zone, snapshot, namespace);
        }
        for service in delta.services() {
            visible |= self.replace_service(zone, snapshot, service);
        }
        for import in delta.service_imports() {
            visible |= self.replace_import(zone, snapshot, import);
        }
        visible
    }

    pub(crate) fn revision(&self) -> Revision {
        self.revision
    }

    /// Addresses, sorted, and the data of their PTR records.
    pub(crate) fn reverse_names(&self) -> Vec<(IpAddr, Vec<Vec<u8>>)> {
        self.pointers.names()
    }

    /// The Service (of the cluster set) whose lower-case labels `<service>.<namespace>` these are.
    pub(crate) fn service(&self, key: &[u8], multicluster: bool) -> Option<&ServiceRecords> {
        if multicluster { self.imports.get(key) } else { self.services.get(key) }
    }

    /// Brings the records of these Services near, a batch of them.
    #[cfg(feature = "driver")]
    pub(crate) fn approach<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) {
        self.services.approach(keys);
    }

    /// All Services, by name, then namespace.
    pub(crate) fn services(&self, multicluster: bool) -> Vec<ServiceRecords> {
        let table = if multicluster { &self.imports } else { &self.services };
        let mut services: Vec<ServiceRecords> = table.iter().cloned().collect();
        services.sort_by(|one, two| one.key().cmp(two.key()));
        services
    }

    /// A lower-case label with its length.
    pub(crate) fn has_namespace(&self, label: &[u8]) -> bool {
        self.namespaces.has(label)
    }

    pub(crate) fn pointers(&self, address: IpAddr) -> Option<&Pointers> {
        self.pointers.at(address)
    }

    /// Whether an address in this network, which ends between two labels of a reverse name, has names, hidden ones included.
    pub(crate) fn any_pointer_in(&self, network: IpNet) -> bool {
        self.pointers.any_in(network)
    }

    pub(crate) fn pods_at(&self, address: IpAddr) -> &[ObjectName] {
        self.pods.at(address)
    }

    /// The Services that select an address of the server.
    pub(crate) fn name_servers(&self) -> impl Iterator<Item = &ServiceRecords> {
        self.name_servers.iter().filter_map(|key| self.services.get(key))
    }

    /// Bytes on the heap, those of pods not counted.
    pub(crate) fn heap_bytes(&self) -> usize {
        let table = |table: &Table<ServiceRecords>| {
            table.heap_bytes() + table.iter().map(ServiceRecords::heap_bytes).sum::<usize>()
        };
        table(&self.services)
            + table(&self.imports)
            + self.pointers.heap_bytes()
            + self.namespaces.heap_bytes()
    }

    fn replace_service(&mut self, zone: &Zone, snapshot: &Snapshot, name: &ObjectName) -> bool {
        let Some(key) = key(name) else { return false };
        let service = snapshot.service(name);
        let new = service.and_then(|service| compile(zone, service, snapshot.slices_of(name)));
        let old = self.services.get(&key).cloned();
        if old == new {
            return false;
        }
        if let Some(origin) = zone.origin_of_services() {
            self.pointers.replace(zone, origin, old.as_ref(), new.as_ref());
        }
        self.note_name_server(zone, &key, new.as_ref());
        exchange(&mut self.services, &key, new)
    }

    fn replace_import(&mut self, zone: &Zone, snapshot: &Snapshot, name: &ObjectName) -> bool {
        let (Some(key), Some(origin)) = (key(name), zone.origin_of_imports()) else { return false };
        let import = snapshot.service_import(name);
        let new = import.and_then(|import| compile_import(zone, import, snapshot.slices_of_import(name)));
        let old = self.imports.get(&key).cloned();
        if !zone.is_coredns() {
            self.pointers.replace(zone, origin, old.as_ref(), new.as_ref());
        }
        exchange(&mut self.imports, &key, new)
    }

    fn note_name_server(&mut self, zone: &Zone, key: &[u8], records: Option<&ServiceRecords>) {
        let ours = |records: &ServiceRecords| {
            records.hosts().any(|(_, set)| set.addresses().any(|address| zone.addresses().contains(&address)))
        };
        let selects = !zone.addresses().is_empty() && records.is_some_and(ours);
        if selects != self.name_servers.contains(key) {
            let all = Arc::make_mut(&mut self.name_servers);
            if selects {
                all.insert(key.into())
            } else {
                all.remove(key)
            };
        }
    }
}

/// Whether there is a difference.
fn exchange(table: &mut Table<ServiceRecords>, key: &[u8], new: Option<ServiceRecords>) -> bool {
    if table.get(key) == new.as_ref() {
        return false;
    }
    match new {
        Some(new) => table.insert(new),
        None => table.remove(key),
    }
    true
}

/// Equal when every query has the same answer.
impl PartialEq for Index {
    fn eq(&self, other: &Self) -> bool {
        let services = self.services == other.services && self.imports == other.imports;
        let addresses = self.pointers == other.pointers && self.pods == other.pods;
        services
            && addresses
            && self.namespaces == other.namespaces
            && self.name_servers == other.name_servers
    }
}

#[cfg(test)]
mod proptests;
