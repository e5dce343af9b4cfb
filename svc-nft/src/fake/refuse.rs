//! What the kernel refuses.

use crate::{
    Chain, ChainType, Data, DataType, Element, Hook, Name, NatKind, Rule, Set, SetData, SetFlag, Statement,
    Table, Value, Verb,
};

/// The kernel's reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errno {
    NotFound,
    Busy,
    Exists,
    Invalid,
    Full,
    NotSupported,
}

impl Errno {
    pub(super) fn number(self) -> i32 {
        match self {
            Self::NotFound => 2,
            Self::Busy => 16,
            Self::Exists => 17,
            Self::Invalid => 22,
            Self::Full => 23,
            Self::NotSupported => 95,
        }
    }
}

/// Why, and which element of a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub(super) errno: Errno,
    pub(super) element: Option<usize>,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self { errno, element: None }
    }
}

pub(super) fn chain(chain: &Chain) -> Result<(), Errno> {
    let Some(base) = chain.hook() else { return Ok(()) };
    match (base.chain_type, base.hook) {
        (ChainType::Nat, Hook::Forward) => Err(Errno::NotSupported),
        (ChainType::Route, hook) if hook != Hook::Output => Err(Errno::NotSupported),
        _ => Ok(()),
    }
}

pub(super) fn set(set: &Set) -> Result<(), Errno> {
    let types = set.key_type().types();
    let len: usize = types.iter().map(|part| part.len().next_multiple_of(4)).sum();
    if types.is_empty() || len > 64 { Err(Errno::Invalid) } else { Ok(()) }
}

/// Everything a rule names has to exist, and to be of the right kind.
pub(super) fn rule(table: &Table, chain: &Name, rule: &Rule) -> Result<(), Errno> {
    let chain = table.find_chain(chain).ok_or(Errno::NotFound)?;
    for statement in rule.statements() {
        if statement.sets().any(|set| table.find_set(set).is_none()) {
            return Err(Errno::NotFound);
        }
        let supported = chain.hook().is_none_or(|base| allowed(statement, base.chain_type, base.hook));
        if !supported {
            return Err(Errno::NotSupported);
        }
    }
    for target in rule.chains() {
        let target = table.find_chain(target).ok_or(Errno::NotFound)?;
        if target.hook().is_some() {
            return Err(Errno::NotSupported);
        }
    }
    Ok(())
}

fn allowed(statement: &Statement, chain_type: ChainType, hook: Hook) -> bool {
    let nat = chain_type == ChainType::Nat;
    match statement {
        Statement::Nat { kind: NatKind::Dnat, .. } => nat && matches!(hook, Hook::Prerouting | Hook::Output),
        Statement::Nat { .. } => nat && matches!(hook, Hook::Postrouting | Hook::Input),
        Statement::Masquerade { .. } => nat && hook == Hook::Postrouting,
        Statement::Reject(_) => hook != Hook::Postrouting,
        _ => true,
    }
}

/// Whether the element is to be put in, or is there as it should be.
pub(super) fn element(table: &Table, verb: Verb, set: &Name, element: &Element) -> Result<bool, Errno> {
    let set = table.find_set(set).ok_or(Errno::NotFound)?;
    types(set, element)?;
    if element.chain().is_some_and(|chain| table.find_chain(chain).is_none()) {
        return Err(Errno::NotFound);
    }
    if element.timeout_after().is_some() && !set.has(SetFlag::Timeout) {
        return Err(Errno::Invalid);
    }
    if let Some(present) = set.get(element.key()) {
        let same = verb != Verb::Create && present.data() == element.data();
        return if same { Ok(false) } else { Err(Errno::Exists) };
    }
    if overlaps(set, element) {
        return Err(Errno::Exists);
    }
    let full = set
        .max_size()
        .is_some_and(|size| set.elements().len() >= usize::try_from(size).unwrap_or(usize::MAX));
    if full { Err(Errno::Full) } else { Ok(true) }
}

fn types(set: &Set, element: &Element) -> Result<(), Errno> {
    let fit = |types: &[DataType], values: &[Value]| {
        types.len() == values.len()
            && types.iter().zip(values).all(|(kind, value)| *kind == value.data_type())
    };
    let data = match (set.data_type(), element.data()) {
        (None, None) | (Some(SetData::Verdict), Some(Data::Verdict(_))) => true,
        (Some(SetData::Values(key)), Some(Data::Values(values))) => fit(&key.types(), values),
        _ => false,
    };
    if data && fit(&set.key_type().types(), element.key().parts()) { Ok(()) } else { Err(Errno::Invalid) }
}

/// Two elements of an interval set may not have a value in common.
fn overlaps(set: &Set, element: &Element) -> bool {
    let common = |present: &Element| {
        present.key().parts().iter().zip(element.key().parts()).all(|(a, b)| {
            let ((a_first, a_last), (b_first, b_last)) = (a.bounds(), b.bounds());
            a_first <= b_last && b_first <= a_last
        })
    };
    set.has(SetFlag::Interval) && set.elements().any(common)
}
