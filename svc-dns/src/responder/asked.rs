//! What a query asked for, as far as it is counted.

use crate::{
    config::{Realm, Zone},
    message::{Query, RecordType},
};

/// A query's labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The zone, by its number: those of Services, then the reverse ones. `None` is none of ours.
    pub(crate) zone: Option<usize>,
    /// The type.
    pub(crate) kind: RecordType,
    /// DNSSEC records are wanted, too.
    pub(crate) with_do: bool,
    /// There are EDNS options.
    pub(crate) with_options: bool,
}

impl Asked {
    #[inline]
    pub(super) fn new(zone: &Zone, query: &Query<'_>, realm: Option<Realm<'_>>) -> Self {
        Self {
            zone: realm.and_then(|realm| zone.number_of(realm)),
            kind: query.question().kind(),
            with_do: query.edns().is_some_and(|edns| edns.dnssec_ok),
            with_options: !query.options().is_empty(),
        }
    }
}
