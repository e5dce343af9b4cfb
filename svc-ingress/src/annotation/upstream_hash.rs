//! `upstream-hash-by`: requests that are alike go to the same endpoint.

use std::num::NonZeroUsize;

use crate::variable::Interpolated;

use super::reader::Reader;
use super::value;

/// As in ingress-nginx.
const SUBSET_SIZE: usize = 3;

/// What makes requests alike, and how many endpoints they may go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamHash {
    by: Interpolated,
    subset: Option<usize>,
}

impl UpstreamHash {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let by = reader.read("upstream-hash-by", Interpolated::parse_value);
        let subset = reader.read("upstream-hash-by-subset", value::boolean).unwrap_or(false);
        let size = reader.read("upstream-hash-by-subset-size", size).map_or(SUBSET_SIZE, NonZeroUsize::get);
        Some(Self { by: by?, subset: subset.then_some(size) })
    }

    /// Requests for which this is the same are alike.
    #[must_use]
    pub fn by(&self) -> &Interpolated {
        &self.by
    }

    /// How many endpoints they share; 1 unless a subset is asked for.
    #[must_use]
    pub fn endpoints(&self) -> usize {
        self.subset.unwrap_or(1)
    }
}

fn size(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "is not a number of endpoints above 0".to_owned())
}
