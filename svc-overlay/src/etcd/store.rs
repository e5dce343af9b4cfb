//! The requests: keys below the prefix, in transactions.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use etcd_client::{
    Client, Compare, CompareOp, Error, GetOptions, KeyValue, PutOptions, Txn, TxnOp, WatchOptions,
    WatchStream,
};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::*;
use crate::family::Family;
use crate::lease::LeaseError;

/// For one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many leases are read at once: a page of these is far below the 4 MiB that an answer may have.
const PAGE: i64 = 1000;
/// flannel's values have 150 bytes.
const MAX_VALUE: usize = 16 << 10;

pub(super) struct Store {
    endpoints: Vec<String>,
    prefix: String,
    options: ConnectOptions,
    ttl: Duration,
    renew_in: Duration,
    client: Mutex<Option<Client>>,
    /// What this process has, or may have, written under each key.
    written: std::sync::Mutex<BTreeMap<String, Vec<Lease>>>,
}

/// The options have secrets.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Store { endpoints, prefix, .. } = self;
        f.debug_struct("Store").field("endpoints", endpoints).field("prefix", prefix).finish_non_exhaustive()
    }
}

/// A key below `subnets/`, as it stands.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    value: Vec<u8>,
    pub(super) created: i64,
    modified: i64,
    ttl_of: i64,
}

impl Entry {
    pub(super) fn lease(&self) -> Result<Lease, LeaseError> {
        let problem = |problem: String| LeaseError::Value { key: self.name.clone(), problem };
        if self.value.len() > MAX_VALUE {
            return Err(problem(format!("{} bytes are too many for a lease", self.value.len())));
        }
        let text = std::str::from_utf8(&self.value).map_err(|error| problem(error.to_string()))?;
        Lease::parse(&self.name, text)
    }

    /// It has no etcd lease, so it never expires.
    pub(super) fn is_reservation(&self) -> bool {
        self.ttl_of == 0
    }
}

impl Store {
    pub(super) fn new(
        endpoints: Vec<String>,
        prefix: String,
        options: ConnectOptions,
        (ttl, renew_in): (Duration, Duration),
    ) -> Self {
        Store {
            endpoints,
            prefix,
            options,
            ttl,
            renew_in,
            client: Mutex::new(None),
            written: std::sync::Mutex::default(),
        }
    }

    pub(super) fn renew_in(&self) -> Duration {
        self.renew_in
    }

    pub(super) fn config_key(&self) -> String {
        format!("{}/config", self.prefix)
    }

    pub(super) fn lease_key(&self, name: &str) -> String {
        format!("{}/subnets/{name}", self.prefix)
    }

    /// The name of a key below `subnets/`. Keys that are no text have no name.
    pub(super) fn name(&self, key: &[u8]) -> Option<String> {
        let name = key.strip_prefix(self.lease_key("").as_bytes())?;
        Some(String::from_utf8_lossy(name).into_owned())
    }

    pub(super) fn entry_of(&self, pair: &KeyValue) -> Option<Entry> {
        Some(Entry {
            name: self.name(pair.key())?,
            value: pair.value().to_vec(),
            created: pair.create_revision(),
            modified: pair.mod_revision(),
            ttl_of: pair.lease(),
        })
    }

    pub(super) async fn config(&self) -> Result<Option<Vec<u8>>, RegistryError> {
        let mut client = self.client().await?;
        let mut answer = self.wait(client.get(self.config_key(), None)).await?;
        Ok(answer.take_kvs().first().map(|pair| pair.value().to_vec()))
    }

    /// All leases at one revision.
    pub(super) async fn entries(&self) -> Result<(Vec<Entry>, i64), RegistryError> {
        let mut client = self.client().await?;
        let (mut from, mut entries, mut revision) = (self.lease_key("").into_bytes(), Vec::new(), 0);
        // The byte after the slash: the end of all keys below it.
        let end = self.lease_key("").trim_end_matches('/').to_owned() + "0";
        loop {
            let options = GetOptions::new().with_range(end.as_str()).with_limit(PAGE).with_revision(revision);
            let answer = self.wait(client.get(from.as_slice(), Some(options))).await?;
            if revision == 0 {
                revision = answer.header().map_or(0, etcd_client::ResponseHeader::revision);
            }
            entries.extend(answer.kvs().iter().filter_map(|pair| self.entry_of(pair)));
            match answer.kvs().last().filter(|_| answer.more()) {
                // By its bytes: a key that is no text has another name here, from which no page would go on.
                Some(last) => from = [last.key(), &[0]].concat(),
                None => return Ok((entries, revision)),
            }
        }
    }

    pub(super) async fn entry(&self, name: &str) -> Result<Option<Entry>, RegistryError> {
        Ok(self.entry_at(name).await?.0)
    }

    /// A lease, and the revision at which it stood so.
    pub(super) async fn entry_at(&self, name: &str) -> Result<(Option<Entry>, i64), RegistryError> {
        let mut client = self.client().await?;
        let answer = self.wait(client.get(self.lease_key(name), None)).await?;
        let revision = answer.header().map_or(0, etcd_client::ResponseHeader::revision);
        Ok((answer.kvs().first().and_then(|pair| self.entry_of(pair)), revision))
    }

    /// Writes a lease where none is; the revision that holds it.
    pub(super) async fn create(&self, lease: &Lease) -> Result<Option<i64>, RegistryError> {
        let key = self.lease_key(&lease.key());
        let absent = Compare::version(key.as_str(), CompareOp::Equal, 0);
        let mut conditions = vec![absent];
        if lease.half(Family::V4).is_some() {
            // The IPv4 subnet, alone or with whatever IPv6 one: keys that begin with it.
            let v4 = key.split('&').next().unwrap_or_default();
            conditions.push(Compare::version(v4, CompareOp::Equal, 0).with_prefix());
        }
        self.put(lease, conditions, false).await
    }

    /// Writes a lease over what was read, unless that has changed; the revision that holds it. Of a reservation it stays one.
    pub(super) async fn replace(&self, entry: &Entry, lease: &Lease) -> Result<Option<i64>, RegistryError> {
        let unchanged = Compare::mod_revision(self.lease_key(&entry.name), CompareOp::Equal, entry.modified);
        self.put(lease, vec![unchanged], entry.is_reservation()).await
    }

    /// Removes what was read, unless it has changed; the revision without it.
    pub(super) async fn remove(&self, entry: &Entry) -> Result<Option<i64>, RegistryError> {
        let key = self.lease_key(&entry.name);
        let unchanged = Compare::mod_revision(key.as_str(), CompareOp::Equal, entry.modified);
        let txn = Txn::new().when([unchanged]).and_then([TxnOp::delete(key, None)]);
        let mut client = self.client().await?;
        let answer = self.wait(client.txn(txn)).await?;
        Ok(answer.succeeded().then(|| answer.header().map_or(0, etcd_client::ResponseHeader::revision)))
    }

    /// What happens to the leases from this revision on.
    pub(super) async fn follow(&self, from: i64) -> Result<WatchStream, RegistryError> {
        let mut client = self.client().await?;
        let options = WatchOptions::new().with_prefix().with_start_revision(from);
        self.wait(client.watch(self.lease_key(""), Some(options))).await
    }

    /// The lease is about to be written. Whether it was is not known where no answer comes.
    pub(super) fn begins(&self, lease: &Lease) {
        let mut written = self.written();
        let of_key = written.entry(lease.key()).or_default();
        if !of_key.contains(lease) {
            of_key.push(lease.clone());
        }
    }

    /// It was.
    pub(super) fn is_done(&self, lease: &Lease) {
        self.written().insert(lease.key(), vec![lease.clone()]);
    }

    /// Whether this process may have written what stands there, for this node.
    pub(super) fn has_written(&self, held: &Lease, node: &str) -> bool {
        let same = |lease: &Lease| {
            lease.node() == node && (lease.halves(), lease.backend()) == (held.halves(), held.backend())
        };
        self.written().get(&held.key()).is_some_and(|leases| leases.iter().any(same))
    }

    fn written(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Lease>>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next request makes a new connection and proves anew who asks.
    pub(super) async fn disconnect(&self) {
        self.client.lock().await.take();
    }

    pub(super) fn unavailable(&self, problem: &str) -> RegistryError {
        RegistryError::Unavailable(format!("etcd at {}: {problem}", self.endpoints.join(", ")))
    }

    pub(super) fn failed(&self, error: &Error) -> RegistryError {
        self.unavailable(&told(error))
    }

    async fn put(
        &self,
        lease: &Lease,
        conditions: Vec<Compare>,
        forever: bool,
    ) -> Result<Option<i64>, RegistryError> {
        let mut client = self.client().await?;
        let seconds = i64::try_from(self.ttl.as_secs()).unwrap_or(i64::MAX);
        let granted = match forever {
            true => 0,
            false => self.wait(client.lease_grant(seconds, None)).await?.id(),
        };
        let put = TxnOp::put(
            self.lease_key(&lease.key()),
            lease.value(),
            Some(PutOptions::new().with_lease(granted)),
        );
        let answer = self.wait(client.txn(Txn::new().when(conditions).and_then([put]))).await;
        let written = answer.as_ref().is_ok_and(etcd_client::TxnResponse::succeeded);
        if !written && granted != 0 {
            // Nobody's lease would be left until it expires. If this fails too, it does.
            let _expires = self.wait(client.lease_revoke(granted)).await;
        }
        let answer = answer?;
        Ok(written.then(|| answer.header().map_or(0, etcd_client::ResponseHeader::revision)))
    }

    async fn client(&self) -> Result<Client, RegistryError> {
        let mut held = self.client.lock().await;
        if let Some(client) = held.as_ref() {
            return Ok(client.clone());
        }
        let client = self.wait(Client::connect(&self.endpoints, Some(self.options.clone()))).await?;
        Ok(held.insert(client).clone())
    }

    async fn wait<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, RegistryError> {
        match timeout(PATIENCE, answer).await {
            Ok(answer) => answer.map_err(|error| self.failed(&error)),
            Err(_) => Err(self.unavailable(&format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }
}

/// What went wrong, with its causes: transport errors keep the reason below.
fn told(error: &Error) -> String {
    let (mut text, mut cause) = match error {
        Error::GRpcStatus(status) => (status.message().to_owned(), status.source()),
        Error::TransportError(error) => (error.to_string(), error.source()),
        other => (other.to_string(), None),
    };
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}
