//! The text of a command.

use std::fmt;

use super::{join, write_header};
use crate::{Chain, Command, Elements, Name, Object, Rule, Set, Verb};

pub(crate) fn write_command(f: &mut fmt::Formatter<'_>, command: &Command) -> fmt::Result {
    let (verb, table) = (command.verb, &command.table);
    match &command.object {
        Object::Table(comment) => {
            write!(f, "{verb} table {table}")?;
            match comment {
                Some(comment) => write!(f, " {{ comment \"{comment}\"; }}"),
                None => Ok(()),
            }
        }
        Object::Chain(chain) => write_chain(f, command, chain),
        Object::Set(set) => write_set(f, command, set),
        Object::Rule { chain, rule, handle } => write_rule(f, command, chain, rule, *handle),
        Object::Elements(elements) => write_elements(f, command, elements),
    }
}

fn declares(verb: Verb) -> bool {
    matches!(verb, Verb::Add | Verb::Create)
}

fn write_chain(f: &mut fmt::Formatter<'_>, command: &Command, chain: &Chain) -> fmt::Result {
    write!(f, "{} chain {} {}", command.verb, command.table, chain.name())?;
    if !declares(command.verb) {
        return Ok(());
    }
    let comment = chain.comment_text().map(|comment| format!("comment \"{comment}\";"));
    let base = Some(chain.base_text(command.table.family())).filter(|base| !base.is_empty());
    let parts: Vec<_> = base.into_iter().chain(comment).collect();
    if parts.is_empty() { Ok(()) } else { write!(f, " {{ {} }}", parts.join(" ")) }
}

fn write_set(f: &mut fmt::Formatter<'_>, command: &Command, set: &Set) -> fmt::Result {
    let noun = match (command.verb, set.data_type()) {
        (_, Some(_)) => "map",
        _ => "set",
    };
    write!(f, "{} {noun} {} {}", command.verb, command.table, set.name())?;
    if declares(command.verb) {
        f.write_str(" { ")?;
        write_header(f, set, "; ", ";")?;
        f.write_str(" }")?;
    }
    Ok(())
}

fn write_rule(
    f: &mut fmt::Formatter<'_>,
    command: &Command,
    chain: &Name,
    rule: &Rule,
    handle: Option<u64>,
) -> fmt::Result {
    write!(f, "{} rule {} {chain}", command.verb, command.table)?;
    if let Some(handle) = handle {
        write!(f, " handle {handle}")?;
    }
    match command.verb {
        Verb::Delete | Verb::Destroy => Ok(()),
        _ => write!(f, " {}", rule.text(command.table.family())),
    }
}

fn write_elements(f: &mut fmt::Formatter<'_>, command: &Command, elements: &Elements) -> fmt::Result {
    write!(f, "{} element {} {} {{ ", command.verb, command.table, elements.set().name())?;
    join(f, elements.iter(), ", ")?;
    f.write_str(" }")
}
