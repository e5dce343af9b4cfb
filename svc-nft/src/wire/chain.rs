//! Chains.

use super::{
    attr::{Attrs, Writer},
    uapi::*,
    userdata,
};
use crate::{Base, Chain, ChainType, Hook, Policy, Priority};

pub(crate) fn write(writer: &mut Writer, chain: &Chain) {
    if let Some(base) = chain.hook() {
        writer.nested(NFTA_CHAIN_HOOK, |writer| {
            writer.be32(NFTA_HOOK_HOOKNUM, hook_number(base.hook));
            writer.attr(NFTA_HOOK_PRIORITY, &base.priority.number().to_be_bytes());
        });
        let policy = if base.policy == Policy::Accept { NF_ACCEPT } else { NF_DROP };
        writer.attr(NFTA_CHAIN_POLICY, &policy.to_be_bytes());
        writer.text(NFTA_CHAIN_TYPE, &base.chain_type.to_string());
    }
    if let Some(comment) = chain.comment_text() {
        writer.attr(NFTA_CHAIN_USERDATA, &userdata::comment(comment));
    }
}

pub(crate) fn parse(attrs: Attrs<'_>) -> Option<Chain> {
    let name = attrs.text(NFTA_CHAIN_NAME)?;
    let chain = match attrs.nested(NFTA_CHAIN_HOOK).and_then(|hook| parse_base(attrs, hook)) {
        Some(base) => Chain::base(name, base.chain_type, base.hook, base.priority).policy(base.policy),
        None => Chain::regular(name),
    };
    Some(match attrs.bytes(NFTA_CHAIN_USERDATA).and_then(userdata::read_comment) {
        Some(comment) => chain.comment(comment),
        None => chain,
    })
}

fn parse_base(attrs: Attrs<'_>, hook: Attrs<'_>) -> Option<Base> {
    let number = hook.be32(NFTA_HOOK_HOOKNUM)?;
    let priority = i32::from_be_bytes(hook.bytes(NFTA_HOOK_PRIORITY)?.try_into().ok()?);
    let chain_type = match attrs.text(NFTA_CHAIN_TYPE)? {
        "nat" => ChainType::Nat,
        "route" => ChainType::Route,
        _ => ChainType::Filter,
    };
    let policy = match attrs.be32(NFTA_CHAIN_POLICY) {
        Some(0) => Policy::Drop,
        _ => Policy::Accept,
    };
    let hook = HOOKS.into_iter().find(|hook| hook_number(*hook) == number)?;
    Some(Base { chain_type, hook, priority: Priority::new(priority), policy })
}

const HOOKS: [Hook; 5] = [Hook::Prerouting, Hook::Input, Hook::Forward, Hook::Output, Hook::Postrouting];

/// `NF_INET_*`; those of a bridge have the same numbers.
fn hook_number(hook: Hook) -> u32 {
    match hook {
        Hook::Prerouting => 0,
        Hook::Input => 1,
        Hook::Forward => 2,
        Hook::Output => 3,
        Hook::Postrouting => 4,
    }
}
