//! Things in the order they came, found by name.

use std::collections::BTreeMap;

use crate::{Chain, Name, Set};

/// What has a name.
pub(crate) trait Named {
    fn name(&self) -> &Name;
}

impl Named for Chain {
    fn name(&self) -> &Name {
        self.name()
    }
}

impl Named for Set {
    fn name(&self) -> &Name {
        self.name()
    }
}

/// Things in the order they came, found by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InOrder<T> {
    items: Vec<T>,
    places: BTreeMap<Name, usize>,
}

impl<T> Default for InOrder<T> {
    fn default() -> Self {
        Self { items: Vec::new(), places: BTreeMap::new() }
    }
}

impl<T: Named> InOrder<T> {
    pub(crate) fn as_slice(&self) -> &[T] {
        &self.items
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.items.iter_mut()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&T> {
        self.items.get(*self.places.get(name)?)
    }

    pub(crate) fn get_mut(&mut self, name: &str) -> Option<&mut T> {
        self.items.get_mut(*self.places.get(name)?)
    }

    /// Puts it in the place of the one with the same name, or at the end.
    pub(crate) fn insert(&mut self, item: T) {
        if let Some(present) = self.get_mut(item.name()) {
            *present = item;
        } else {
            self.places.insert(item.name().clone(), self.items.len());
            self.items.push(item);
        }
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<T> {
        let place = self.places.remove(name)?;
        for later in self.places.values_mut().filter(|later| **later > place) {
            *later -= 1;
        }
        Some(self.items.remove(place))
    }
}
