//! Looking things up in sets and maps.

use svc_nft::{Data, Expr, Key, Name, Value, Verdict};

use super::index::{Entry, IndexedSet, PlacedRule};
use super::rule::Next;
use super::walk::{Frame, Halt, Walk, unknown};

impl<'a> Walk<'a> {
    pub(super) fn lookup(
        &mut self,
        key: &[Expr],
        set: &Name,
        negated: bool,
        rule: &PlacedRule,
        frame: &mut Frame<'a>,
    ) -> Result<Next, Halt> {
        let indexed = find_set(set, rule, frame)?;
        let key = self.key(key, indexed, rule)?;
        let found = self.recall(indexed, &key, frame).is_some();
        if found && !negated {
            claim(indexed, &key, frame);
        }
        Ok(Next::on_if(found != negated))
    }

    /// A map without the key ends the rule: `NFT_BREAK`.
    pub(super) fn vmap(
        &mut self,
        key: &[Expr],
        map: &Name,
        rule: &PlacedRule,
        frame: &mut Frame<'a>,
    ) -> Result<Next, Halt> {
        match self.data(key, map, rule, frame)? {
            None => Ok(Next::Stop),
            Some(Data::Verdict(Verdict::Continue)) => Ok(Next::On),
            Some(Data::Verdict(verdict)) => Ok(Next::Verdict(verdict)),
            Some(_) => Err(unknown(rule, map, "this map has no verdicts")),
        }
    }

    /// What a map says.
    pub(super) fn data(
        &mut self,
        key: &[Expr],
        map: &Name,
        rule: &PlacedRule,
        frame: &mut Frame<'a>,
    ) -> Result<Option<Data>, Halt> {
        let indexed = find_set(map, rule, frame)?;
        let key = self.key(key, indexed, rule)?;
        let Some(data) = self.recall(indexed, &key, frame) else { return Ok(None) };
        claim(indexed, &key, frame);
        data.map(Some).ok_or_else(|| unknown(rule, map, "this set is no map"))
    }

    /// The element of a key, as rules have left it: its data, if it has any.
    pub(super) fn recall(&self, set: &IndexedSet, key: &[Value], frame: &Frame<'a>) -> Option<Option<Data>> {
        let listed = || set.find(key).map(|entry| entry.data.clone());
        if !set.is_dynamic || self.memory.is_blank() {
            return listed();
        }
        match self.memory.recall(&frame.table.id, &set.name, &Key::new(key.iter().cloned())) {
            Some(noted) => noted.map(|remembered| remembered.data.clone()),
            None => listed(),
        }
    }

    pub(super) fn key(
        &mut self,
        exprs: &[Expr],
        set: &IndexedSet,
        rule: &PlacedRule,
    ) -> Result<Vec<Value>, Halt> {
        if exprs.len() != set.parts {
            let cause = format!("its keys have {} parts, not {}", set.parts, exprs.len());
            return Err(unknown(rule, &set.name, cause));
        }
        self.read_all(exprs, rule)
    }
}

fn find_set<'a>(name: &Name, rule: &PlacedRule, frame: &Frame<'a>) -> Result<&'a IndexedSet, Halt> {
    frame.table.set(name).ok_or_else(|| unknown(rule, name, "there is no set of this name"))
}

/// From here on it is this element's object that is served.
fn claim(set: &IndexedSet, key: &[Value], frame: &mut Frame<'_>) {
    let object = set.find(key).and_then(|Entry { object, .. }| object.clone());
    let object = object.or_else(|| frame.object.clone());
    frame.object = object.or_else(|| key.iter().find_map(|part| frame.table.owner(part)).cloned());
    if frame.table.is_ours {
        frame.reason = crate::nftables::reason_of_set(&set.name).or(frame.reason);
    }
}
