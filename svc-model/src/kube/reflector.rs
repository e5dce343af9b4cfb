//! List and watch as a state machine: what to ask next, and what an answer changes. No socket and no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::decode::{Event, Item, Page, Status};
use super::resource::Resource;
use crate::{Object, ObjectName, ObjectRef, Problem};

/// Follows one collection.
#[derive(Debug)]
pub(super) struct Reflector {
    resource: Resource,
    /// The version of the API that is asked for.
    api: &'static str,
    phase: Phase,
    /// What was put into the store, to know what vanished while nobody watched.
    known: BTreeSet<ObjectName>,
    /// What cannot be read, by object.
    faults: Faults,
    /// How many objects a page may have.
    limit: usize,
}

pub(super) type Faults = BTreeMap<ObjectName, Vec<Problem>>;

#[derive(Debug)]
enum Phase {
    /// Listing, page by page; nothing is in force before the last one.
    List { next: Option<String>, objects: Vec<Object>, named: BTreeSet<ObjectName>, faults: Faults },
    /// Watching, from this version on.
    Watch { version: String },
}

/// What to ask next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// One answer.
    List(String),
    /// A stream of events; the version from which on.
    Watch(String),
}

/// What changes in the store, as one revision.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Change {
    pub(super) set: Vec<Object>,
    pub(super) removed: Vec<ObjectRef>,
    /// The collection was listed to its end.
    pub(super) listed: bool,
}

/// Why a request came to nothing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Failure {
    /// There was no answer, or it broke off.
    Unreachable(String),
    /// The server refused.
    Refused { status: Status, retry_after: Option<Duration> },
    /// The answer is larger than may be held.
    TooLarge,
    /// It is not what an API server says.
    Garbage(String),
}

/// When to go on after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    Not,
    Backoff,
    /// As the server says.
    For(Duration),
}

/// The longest wait that a server's `Retry-After` may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(300);

impl Reflector {
    pub(super) fn new(resource: Resource, limit: usize) -> Self {
        Self {
            api: resource.kind().api_version(),
            resource,
            phase: Phase::start(),
            known: BTreeSet::new(),
            faults: Faults::new(),
            limit: limit.max(1),
        }
    }

    pub(super) fn resource(&self) -> &Resource {
        &self.resource
    }

    /// What to ask next; a watch is to last `seconds` at most.
    pub(super) fn request(&self, seconds: u64) -> Request {
        match &self.phase {
            Phase::List { next, .. } => {
                Request::List(self.resource.list(self.api, self.limit, next.as_deref()))
            }
            Phase::Watch { version } => Request::Watch(self.resource.watch(self.api, version, seconds)),
        }
    }

    /// The answer to a [`Request::List`].
    pub(super) fn page(&mut self, page: Page) -> Option<Change> {
        let Phase::List { next, objects, named, faults } = &mut self.phase else { return None };
        for item in page.items {
            match item.object {
                // Of no use, and so not here.
                Ok(None) => continue,
                Ok(Some(object)) => objects.push(object),
                // One that cannot be read exists all the same: what it was before stays.
                Err(found) => drop(faults.insert(item.name.clone(), found)),
            }
            named.insert(item.name);
        }
        if page.next.is_some() {
            *next = page.next;
            return None;
        }
        let (set, named) = (std::mem::take(objects), std::mem::take(named));
        self.faults = std::mem::take(faults);
        let gone = self.known.iter().filter(|name| !named.contains(*name)).cloned();
        let removed = gone.map(|name| ObjectRef::new(self.resource.kind(), name)).collect();
        self.known = named;
        self.phase = Phase::Watch { version: page.version };
        Some(Change { set, removed, listed: true })
    }

    /// One event of a [`Request::Watch`].
    ///
    /// # Errors
    /// The watch is over: see [`failed`](Self::failed).
    pub(super) fn event(&mut self, event: Event) -> Result<Option<Change>, Failure> {
        let Phase::Watch { version } = &mut self.phase else { return Ok(None) };
        let mut seen = |newer: &str| {
            if !newer.is_empty() {
                newer.clone_into(version);
            }
        };
        Ok(match event {
            Event::Bookmark(newer) => {
                seen(&newer);
                None
            }
            Event::Set(item) => {
                seen(&item.version);
                Some(self.set(item))
            }
            Event::Gone(item) => {
                seen(&item.version);
                Some(self.gone(item.name))
            }
            Event::Error(status) => return Err(Failure::Refused { status, retry_after: None }),
        })
    }

    fn set(&mut self, item: Item) -> Change {
        let set = match item.object {
            Ok(None) => return self.gone(item.name),
            Ok(Some(object)) => {
                self.faults.remove(&item.name);
                vec![object]
            }
            Err(problems) => {
                self.faults.insert(item.name.clone(), problems);
                Vec::new()
            }
        };
        self.known.insert(item.name);
        Change { set, ..Change::default() }
    }

    fn gone(&mut self, name: ObjectName) -> Change {
        self.known.remove(&name);
        self.faults.remove(&name);
        Change { removed: vec![ObjectRef::new(self.resource.kind(), name)], ..Change::default() }
    }

    /// The objects that cannot be read; what they were before is still in force.
    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Everything that was put into the store.
    pub(super) fn known(&self) -> Vec<ObjectRef> {
        self.known.iter().map(|name| ObjectRef::new(self.resource.kind(), name.clone())).collect()
    }

    /// What to do about a failure: when to go on, and what to say about it, if that is worth saying.
    pub(super) fn failed(&mut self, failure: &Failure) -> (Wait, Option<String>) {
        let watching = matches!(self.phase, Phase::Watch { .. });
        match failure {
            Failure::Refused { status, .. } if is_gone(status) => {
                self.phase = Phase::start();
                // A list that is too old halfway through was too slow: do not run into that at full speed.
                (if watching { Wait::Not } else { Wait::Backoff }, None)
            }
            Failure::Refused { status, retry_after } => {
                if status.code == 404 && self.turn_to_other_version() {
                    return (Wait::Not, None);
                }
                let wait = retry_after.map_or(Wait::Backoff, |wait| Wait::For(wait.min(MAX_RETRY_AFTER)));
                (wait, Some(self.refused(status)))
            }
            Failure::TooLarge if self.limit > 1 && !watching => {
                self.limit /= 2;
                (Wait::Not, None)
            }
            Failure::TooLarge => (Wait::Backoff, Some("an object is larger than what is read".to_owned())),
            Failure::Garbage(what) => {
                self.phase = Phase::start();
                (Wait::Backoff, Some(format!("the API server's answer cannot be read: {what}")))
            }
            Failure::Unreachable(why) => {
                (Wait::Backoff, Some(format!("the API server cannot be reached: {why}")))
            }
        }
    }

    /// The next older version of the API has its turn; false when there is none, and the newest has its turn again.
    fn turn_to_other_version(&mut self) -> bool {
        let kind = self.resource.kind();
        let older = kind.api_versions().skip_while(|version| *version != self.api).nth(1);
        self.api = older.unwrap_or(kind.api_version());
        self.phase = Phase::start();
        older.is_some()
    }

    /// No API of this kind: there is nothing to list, and never was.
    pub(super) fn is_absent(failure: &Failure) -> bool {
        matches!(failure, Failure::Refused { status, .. } if status.code == 404)
    }

    fn refused(&self, status: &Status) -> String {
        let Status { code, message, .. } = status;
        match code {
            401 => format!("the API server does not accept the credentials (401): {message}"),
            403 => {
                let rule = self.resource.rule();
                format!("may not be listed and watched (403): {rule}: {message}")
            }
            404 => {
                let versions: Vec<_> = self.resource.kind().api_versions().collect();
                format!("the API server does not serve {} (404)", versions.join(" or "))
            }
            _ => format!("the API server refuses ({code}): {message}"),
        }
    }
}

impl Phase {
    fn start() -> Self {
        Phase::List { next: None, objects: Vec::new(), named: BTreeSet::new(), faults: Faults::new() }
    }
}

/// The version (of a watch) or token (of a list) is older than what the server remembers.
fn is_gone(status: &Status) -> bool {
    status.code == 410 || (status.code == 0 && (status.reason == "Expired" || status.reason == "Gone"))
}
