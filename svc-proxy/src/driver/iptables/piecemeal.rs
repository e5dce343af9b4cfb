//! When the kernel does not take all at once: without the Services that it refuses, found by the line that was refused, or by
//! halves.

use std::collections::{BTreeMap, BTreeSet};

use svc_model::ObjectName;

use crate::iptables::{self, Rules, Tables};
use crate::{Error, Rejection};

/// So many Services are set aside by the lines that were refused, before halves are tried.
const HINTS: usize = 32;

/// What [`settle`] asks of a kernel.
pub(super) enum Step<'a> {
    /// Make it these rules.
    Put(&'a Rules),
    /// List what is there.
    List,
}

/// Puts all Services in place that the kernel takes. `first` is what it said to all of them.
pub(super) fn settle(
    rules: &Rules,
    first: iptables::Error,
    mut kernel: impl FnMut(Step<'_>) -> Result<Vec<Tables>, Error>,
) -> Result<Vec<Rejection>, Error> {
    let mut aside = BTreeMap::new();
    let mut error = first;
    let settled = loop {
        // A line may be named late: who is aside without reason is tried once more.
        match error.culprit().filter(|name| aside.len() < HINTS && !aside.contains_key(name)) {
            Some(name) => aside.insert(name, error),
            None => break false,
        };
        match attempt(&mut kernel, &rules.without(aside.keys()))? {
            None => break true,
            Some(refusal) => error = refusal,
        }
    };
    if !settled {
        return by_halves(rules, kernel);
    }
    let mut rejections = Vec::new();
    let names: Vec<_> = aside.keys().cloned().collect();
    let several = names.len() > 1;
    for name in names {
        let without = aside.keys().filter(|other| **other != name);
        // One alone was just refused.
        let refusal =
            if several { attempt(&mut kernel, &rules.without(without))? } else { aside.remove(&name) };
        match refusal {
            Some(refusal) => rejections.push(Rejection::new(name, refusal)),
            None => _ = aside.remove(&name),
        }
    }
    if several {
        kernel(Step::Put(&rules.without(rejections.iter().map(Rejection::service))))?;
    }
    Ok(rejections)
}

/// Halves of what is not in force yet, until each Service is in or known to be refused. What is in force stays.
fn by_halves(
    rules: &Rules,
    mut kernel: impl FnMut(Step<'_>) -> Result<Vec<Tables>, Error>,
) -> Result<Vec<Rejection>, Error> {
    let mut missing = rules.unlike(&kernel(Step::List)?);
    if let Some(refusal) = attempt(&mut kernel, &rules.without(&missing))? {
        missing = rules.services();
        if attempt(&mut kernel, &rules.without(&missing))?.is_some() {
            // It is no Service's fault.
            return Err(refusal.into());
        }
    }
    let mut groups = vec![missing.clone()];
    let mut rejections = Vec::new();
    while let Some(group) = groups.pop() {
        let without: BTreeSet<_> = missing.difference(&group).cloned().collect();
        match (attempt(&mut kernel, &rules.without(&without))?, halves(&group)) {
            (None, _) => missing = without,
            (Some(_), Some(halves)) => groups.extend(halves),
            (Some(refusal), None) => {
                rejections.extend(group.into_iter().map(|name| Rejection::new(name, refusal.clone())));
            }
        }
    }
    kernel(Step::Put(&rules.without(&missing)))?;
    Ok(rejections)
}

/// What the kernel refuses of rules, if anything.
fn attempt(
    kernel: &mut impl FnMut(Step<'_>) -> Result<Vec<Tables>, Error>,
    rules: &Rules,
) -> Result<Option<iptables::Error>, Error> {
    match kernel(Step::Put(rules)) {
        Ok(_) => Ok(None),
        Err(Error::Iptables(error)) if error.is_refused() || error.is_too_large() => Ok(Some(error)),
        Err(error) => Err(error),
    }
}

fn halves(group: &BTreeSet<ObjectName>) -> Option<[BTreeSet<ObjectName>; 2]> {
    let middle = group.iter().nth(group.len() / 2).filter(|_| group.len() > 1)?;
    let mut first = group.clone();
    let second = first.split_off(middle);
    Some([second, first])
}
