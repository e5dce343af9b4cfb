//! Rules.

use super::{attr::Writer, statement, statement::Unsendable, uapi::*, userdata};
use crate::{Family, Rule};

/// The expressions and the comment of a rule.
pub(crate) fn write(writer: &mut Writer, family: Family, rule: &Rule) -> Result<(), Unsendable> {
    let list = writer.open(NFTA_RULE_EXPRESSIONS);
    for statement in rule.statements() {
        statement::write(writer, family, statement)?;
    }
    writer.close(list);
    if let Some(comment) = rule.comment_text() {
        writer.attr(NFTA_RULE_USERDATA, &userdata::comment(comment));
    }
    Ok(())
}
