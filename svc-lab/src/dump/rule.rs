//! One line for a routing rule.

use netlink_packet_route::rule::{RuleAttribute, RuleMessage};

use super::push;

pub(super) fn line(rule: &RuleMessage) -> String {
    let mut line = format!("{:?}", rule.header.family).to_lowercase();
    for attribute in &rule.attributes {
        match attribute {
            RuleAttribute::Priority(it) => push(&mut line, "priority", it),
            RuleAttribute::Source(it) => {
                push(&mut line, "from", format_args!("{it}/{}", rule.header.src_len))
            }
            RuleAttribute::Destination(it) => {
                push(&mut line, "to", format_args!("{it}/{}", rule.header.dst_len))
            }
            RuleAttribute::Iifname(it) => push(&mut line, "iif", it),
            RuleAttribute::Oifname(it) => push(&mut line, "oif", it),
            RuleAttribute::FwMark(it) => push(&mut line, "fwmark", it),
            RuleAttribute::FwMask(it) => push(&mut line, "fwmask", it),
            RuleAttribute::Table(it) => push(&mut line, "lookup", it),
            _ => {}
        }
    }
    push(&mut line, "action", format_args!("{:?}", rule.header.action));
    line
}
