//! Whose an element is: its comment names the Service port. A name that is too long for a comment stands in a chain of
//! its own, a piece in the comment of each rule, and the comment names the chain.

use std::collections::BTreeMap;
use std::sync::Arc;

use svc_nft::{Chain, Rule, Statement, Table};

use crate::plan::ServicePortName;

/// The nft program reads comments of up to 128 bytes with the final NUL.
const LONGEST_COMMENT: usize = 127;
/// The kernel takes names of 255 bytes; what follows the Service port in one is shorter than what is left.
const LONGEST_NAME: usize = 180;
const KIND: &str = "object-";

/// What an element of this port has as its comment.
pub(crate) fn comment(port: &ServicePortName) -> String {
    let name = port.to_string();
    if name.len() > LONGEST_COMMENT { chain_name(&name) } else { name }
}

/// Where a long name stands; nothing leads there.
pub(crate) fn chain(port: &ServicePortName) -> Option<Chain> {
    let mut name = &*port.to_string();
    if name.len() <= LONGEST_COMMENT {
        return None;
    }
    let mut chain = Chain::regular(chain_name(name));
    while !name.is_empty() {
        let (piece, rest) = name.split_at(boundary(name, LONGEST_COMMENT));
        chain.push(Rule::new([Statement::return_()]).comment(piece));
        name = rest;
    }
    Some(chain)
}

/// The long names of a table, by the comments that stand for them.
#[derive(Debug, Default)]
pub(crate) struct LongNames(BTreeMap<String, Arc<str>>);

impl LongNames {
    pub(crate) fn of(table: &Table) -> Self {
        let chains = table.chains().iter().filter(|chain| chain.name().starts_with(KIND));
        let name = |chain: &Chain| chain.rules().iter().filter_map(Rule::comment_text).collect::<String>();
        Self(chains.map(|chain| (chain.name().to_string(), name(chain).into())).collect())
    }

    /// Whom a comment names.
    pub(crate) fn whose(&self, comment: &str) -> Arc<str> {
        self.0.get(comment).map_or_else(|| comment.into(), Arc::clone)
    }
}

/// A name for a chain or set of this port. Cut where it is too long, but still a name of its own.
pub(crate) fn own_name(kind: &str, port: &ServicePortName) -> String {
    let (service, protocol) = (port.service(), port.protocol().as_str());
    let mut name = format!("{kind}-{}/{}/{protocol}", service.namespace(), service.name());
    if !port.port().is_empty() {
        name = format!("{name}/{}", port.port());
    }
    if name.len() > LONGEST_NAME {
        let digest = format!("/{:016x}", digest(&name));
        name.truncate(boundary(&name, LONGEST_NAME - digest.len()));
        name += &digest;
    }
    name
}

fn chain_name(name: &str) -> String {
    format!("{KIND}{:016x}", digest(name))
}

/// The last place to cut at, within so many bytes.
fn boundary(text: &str, most: usize) -> usize {
    (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// FNV-1a: the same in every build, for a restarted proxy has to find what it left.
fn digest(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
