//! What changes from some objects to others, each line with its cause.

use std::collections::BTreeSet;
use std::fmt;

use svc_model::{ObjectName, Snapshot};

use super::objects::Objects;

/// Displays as a script for the back end's tool, each line with the objects that cause it behind a `#`.
#[derive(Debug)]
pub struct Difference<'a> {
    from: &'a Snapshot,
    to: &'a Snapshot,
    lines: Vec<Line>,
}

/// A line of a script.
#[derive(Debug)]
pub struct Line {
    text: String,
    /// The Services that ask for it; `None` for what stands around such lines.
    services: Option<BTreeSet<ObjectName>>,
}

impl Line {
    /// A line that these Services ask for; without any, the node alone.
    pub fn caused(text: impl fmt::Display, services: BTreeSet<ObjectName>) -> Self {
        Self { text: text.to_string(), services: Some(services) }
    }

    /// A line that stands around others.
    pub fn frame(text: impl fmt::Display) -> Self {
        Self { text: text.to_string(), services: None }
    }
}

impl<'a> Difference<'a> {
    /// What changes between two compilations of these objects.
    #[must_use]
    pub fn new(from: &'a Objects, to: &'a Objects, lines: Vec<Line>) -> Self {
        Self { from: from.snapshot(), to: to.snapshot(), lines }
    }

    /// The objects that changed for a Service. A Service whose objects are the same changes because of a rival.
    fn causes(&self, service: &ObjectName) -> BTreeSet<String> {
        let mut causes = BTreeSet::new();
        if self.from.service(service) != self.to.service(service) {
            causes.insert(format!("Service {service}"));
        }
        for slice in self.from.slices_of(service).chain(self.to.slices_of(service)) {
            if self.from.slice(slice.name()) != self.to.slice(slice.name()) {
                causes.insert(format!("EndpointSlice {}", slice.name()));
            }
        }
        if causes.is_empty() {
            causes.insert(format!("Service {service}"));
        }
        causes
    }
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Line { text, services } in &self.lines {
            let Some(services) = services else {
                writeln!(f, "{text}")?;
                continue;
            };
            let causes: BTreeSet<_> = services.iter().flat_map(|name| self.causes(name)).collect();
            let causes: Vec<_> = causes.into_iter().collect();
            let causes = if causes.is_empty() { "the node".to_owned() } else { causes.join(", ") };
            writeln!(f, "{text}  # {causes}")?;
        }
        Ok(())
    }
}
