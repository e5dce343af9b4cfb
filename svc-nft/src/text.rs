//! The text of a table, to the letter as the nft program prints it.

mod command;
mod rule;
#[cfg(test)]
mod tests;

use std::{
    fmt::{self, Write},
    time::Duration,
};

pub(crate) use command::write_command;
pub use rule::RuleText;

use crate::{
    Chain, DataType, Element, Family, KeyType, Policy, Set, SetData, SetFlag, Table, chain::priority_text,
};

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "table {} {{", self.id())?;
        if let Some(comment) = self.comment_text() {
            writeln!(f, "\tcomment \"{comment}\"")?;
        }
        let mut between = "";
        for set in self.sets() {
            write!(f, "{between}{set}")?;
            between = "\n";
        }
        for chain in self.chains() {
            write!(f, "{between}{}", chain.text(self.id().family()))?;
            between = "\n";
        }
        writeln!(f, "}}")
    }
}

impl fmt::Display for Set {
    /// The set as it stands inside its table.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.data_type().is_some() { "map" } else { "set" };
        writeln!(f, "\t{noun} {} {{", self.name())?;
        f.write_str("\t\t")?;
        write_header(f, self, "\n\t\t", "\n")?;
        write_elements(f, self)?;
        writeln!(f, "\t}}")
    }
}

/// Everything between the braces but the elements; `start` stands between items and `end` after the last.
pub(crate) fn write_header(f: &mut impl Write, set: &Set, start: &str, end: &str) -> fmt::Result {
    write_type(f, set)?;
    if let Some(size) = set.max_size() {
        write!(f, "{start}size {size}")?;
    }
    if !set.flags().is_empty() {
        write!(f, "{start}flags {}", flags_text(set))?;
    }
    if let Some(timeout) = set.default_timeout() {
        write!(f, "{start}timeout {}", duration_text(timeout))?;
    }
    if let Some(comment) = set.comment_text() {
        write!(f, "{start}comment \"{comment}\"")?;
    }
    f.write_str(end)
}

fn flags_text(set: &Set) -> String {
    let order = [
        (SetFlag::Constant, "constant"),
        (SetFlag::Dynamic, "dynamic"),
        (SetFlag::Interval, "interval"),
        (SetFlag::Timeout, "timeout"),
    ];
    let words: Vec<_> = order.iter().filter(|(flag, _)| set.has(*flag)).map(|(_, word)| *word).collect();
    words.join(",")
}

fn write_type(f: &mut impl Write, set: &Set) -> fmt::Result {
    let key = set.key_type();
    f.write_str(if matches!(key, KeyType::Typeof(_)) { "typeof " } else { "type " })?;
    write_key_type(f, key)?;
    match set.data_type() {
        None => Ok(()),
        Some(SetData::Verdict) => f.write_str(" : verdict"),
        Some(SetData::Values(data)) => {
            f.write_str(" : ")?;
            write_key_type(f, data)
        }
    }
}

fn write_key_type(f: &mut impl Write, key: &KeyType) -> fmt::Result {
    match key {
        KeyType::Types(types) => join(f, types, " . "),
        KeyType::Typeof(exprs) => join(f, exprs, " . "),
    }
}

pub(crate) fn join<T: fmt::Display>(
    f: &mut impl Write,
    items: impl IntoIterator<Item = T>,
    between: &str,
) -> fmt::Result {
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

fn write_elements(f: &mut fmt::Formatter<'_>, set: &Set) -> fmt::Result {
    let Some(width) = set.elements().next().map(|_| elements_per_line(set)) else { return Ok(()) };
    f.write_str("\t\telements = { ")?;
    for (index, element) in set.elements().enumerate() {
        match index {
            0 => {}
            _ if index % width == 0 => f.write_str(",\n\t\t\t     ")?,
            _ => f.write_str(", ")?,
        }
        write!(f, "{element}")?;
    }
    f.write_str(" }\n")
}

/// The program puts several short elements on a line.
fn elements_per_line(set: &Set) -> usize {
    match set.key_type().types()[..] {
        [DataType::Ipv4Addr] => 2,
        [DataType::InetService | DataType::InetProto | DataType::Mark | DataType::Integer] => 5,
        _ => 1,
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key())?;
        if let Some(timeout) = self.timeout_after() {
            write!(f, " timeout {}", duration_text(timeout))?;
        }
        if let Some(expires) = self.expires() {
            write!(f, " expires {}", duration_text(expires))?;
        }
        if let Some(comment) = self.comment_text() {
            write!(f, " comment \"{comment}\"")?;
        }
        match self.data() {
            Some(data) => write!(f, " : {data}"),
            None => Ok(()),
        }
    }
}

impl Chain {
    /// The chain as it stands inside a table of this family.
    pub(crate) fn text(&self, family: Family) -> String {
        let mut text = format!("\tchain {} {{\n", self.name());
        if let Some(comment) = self.comment_text() {
            text += &format!("\t\tcomment \"{comment}\"\n");
        }
        if self.hook().is_some() {
            text += &format!("\t\t{}\n", self.base_text(family));
        }
        for rule in self.rules() {
            text += &format!("\t\t{}\n", rule.text(family));
        }
        text + "\t}\n"
    }

    /// `type nat hook prerouting priority dstnat; policy accept;`
    pub(crate) fn base_text(&self, family: Family) -> String {
        let Some(base) = self.hook() else { return String::new() };
        let policy = match base.policy {
            Policy::Accept => "accept",
            Policy::Drop => "drop",
        };
        let priority = priority_text(base.priority, family, base.hook);
        format!("type {} hook {} priority {priority}; policy {policy};", base.chain_type, base.hook)
    }
}

/// `3h`, `1d2h3m4s5ms`: what nft prints for a duration.
pub(crate) fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts = [
        (seconds / 86_400, "d"),
        (seconds / 3_600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
        (u64::from(duration.subsec_millis()), "ms"),
    ];
    let text: String = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if text.is_empty() { "0s".to_owned() } else { text }
}
