//! What `iptables-save` prints, of either variant, back to values.

use ipnet::IpNet;
use svc_model::{AddressType, Protocol};

use super::matching::{AddressKind, CtState, Match, Negatable};
use super::print::Print as _;
use super::rule::{Masked, Rule};
use super::table::{Chain, Policy, SET, TableName, Tables};
use super::target::{RejectWith, Target};

/// A listing that is none, or input of `iptables-restore` that it would refuse.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{text}`: {reason}")]
pub struct ParseError {
    line: usize,
    text: String,
    reason: &'static str,
}

impl ParseError {
    pub(crate) fn new(line: usize, text: &str, reason: &'static str) -> Self {
        Self { line, text: text.to_owned(), reason }
    }

    /// The line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }
}

impl Tables {
    /// Reads a listing of one family. Tables that this crate has no use for are passed over; rules that it does not
    /// understand are kept as they are written.
    ///
    /// # Errors
    ///
    /// A line that no listing has.
    pub fn parse(family: AddressType, text: &str) -> Result<Self, ParseError> {
        let mut reader = Reader { tables: Tables::new(family), table: Place::Nowhere };
        for (number, line) in (1..).zip(text.lines()) {
            let read = reader.line(line.trim_end());
            read.map_err(|reason| ParseError::new(number, line, reason))?;
        }
        Ok(reader.tables)
    }
}

struct Reader {
    tables: Tables,
    table: Place,
}

enum Place {
    Nowhere,
    In(TableName),
    Elsewhere,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        if let Some(name) = line.strip_prefix('*') {
            let known = TableName::ALL.into_iter().find(|table| table.as_str() == name);
            known.into_iter().for_each(|table| self.tables.declare(table));
            self.table = known.map_or(Place::Elsewhere, Place::In);
            return Ok(());
        }
        if let Some(set) = line.strip_prefix(SET) {
            self.tables.insert_set(set.parse().map_err(|_| "it declares no set of ours")?);
            return Ok(());
        }
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if line == "COMMIT" {
            self.table = Place::Nowhere;
            return Ok(());
        }
        let table = match self.table {
            Place::In(table) => table,
            Place::Elsewhere => return Ok(()),
            Place::Nowhere => return Err("it is in no table"),
        };
        if let Some(declaration) = line.strip_prefix(':') {
            let (name, policy) = self::declaration(declaration)?;
            self.tables.insert(table, name, Chain { policy, rules: Vec::new() });
            return Ok(());
        }
        let rule = line.strip_prefix("-A ").ok_or("it neither declares a chain nor adds a rule")?;
        let (name, rule) = rule.split_once(' ').unwrap_or((rule, ""));
        let rule = self::rule(self.tables.family(), rule);
        let chain = self.tables.chain_mut(table, name).ok_or("no such chain was declared")?;
        chain.rules.push(rule);
        Ok(())
    }
}

/// `KUBE-SERVICES - [0:0]`: a chain, and its policy where it is built in.
pub(crate) fn declaration(text: &str) -> Result<(&str, Option<Policy>), &'static str> {
    let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
    let policy = match rest.split(' ').next() {
        Some("ACCEPT") => Some(Policy::Accept),
        Some("DROP") => Some(Policy::Drop),
        Some("-") => None,
        _ => return Err("a chain has a policy, or `-`"),
    };
    Ok((name, policy))
}

/// A rule without `-A CHAIN`.
pub(crate) fn rule(family: AddressType, text: &str) -> Rule {
    parse(family, text).unwrap_or_else(|| Rule::foreign(family, text))
}

/// `None` where a word is not understood.
fn parse(family: AddressType, text: &str) -> Option<Rule> {
    let words = words(text)?;
    let mut words = Words { words: words.iter().map(String::as_str), family };
    let mut rule = Rule::new(family);
    let mut negated = false;
    while let Some(word) = words.words.next() {
        match word {
            "!" => {
                negated = true;
                continue;
            }
            "-s" => rule.source = Some(Negatable { value: words.masked()?, negated }),
            "-d" => rule.destination = Some(Negatable { value: words.masked()?, negated }),
            "-i" => rule.input = Some(Negatable { value: words.word()?.into(), negated }),
            "-p" if !negated => rule.protocol = Some(protocol(words.word()?)?),
            "-m" if !negated => words.extension(&mut rule)?,
            "-j" if !negated => rule.target = Some(words.target()?),
            "-g" if !negated => rule.target = Some(Target::Goto(words.word()?.into())),
            _ => return None,
        }
        negated = false;
    }
    // What is written otherwise than it was read would be taken for a difference.
    (rule.printed().trim_start() == text).then_some(rule)
}

struct Words<I> {
    words: I,
    family: AddressType,
}

impl<'a, I: Iterator<Item = &'a str> + Clone> Words<I> {
    fn word(&mut self) -> Option<&'a str> {
        self.words.next()
    }

    fn masked(&mut self) -> Option<Masked> {
        let word = self.word()?;
        if let Ok(net) = word.parse::<IpNet>() {
            return Some(net.into());
        }
        let (address, mask) = word.split_once('/')?;
        Some(Masked::new(address.parse().ok()?, mask.parse().ok()?))
    }

    fn next_is(&mut self, word: &str) -> bool {
        let is_it = self.words.clone().next() == Some(word);
        if is_it {
            self.words.next();
        }
        is_it
    }

    fn expect(&mut self, word: &str) -> Option<()> {
        self.next_is(word).then_some(())
    }

    fn extension(&mut self, rule: &mut Rule) -> Option<()> {
        let extension = match self.word()? {
            "comment" => {
                self.expect("--comment")?;
                Match::Comment(self.word()?.into())
            }
            name @ ("tcp" | "udp" | "sctp") => Match::Port(protocol(name)?, self.ports()?),
            "addrtype" => {
                let negated = self.next_is("!");
                let kind = Negatable { value: AddressKind::Local, negated };
                let side = self.word()?;
                self.expect("LOCAL")?;
                match side {
                    "--src-type" => Match::SourceType(kind),
                    "--dst-type" => Match::DestinationType(kind),
                    _ => return None,
                }
            }
            "conntrack" => {
                let negated = self.next_is("!");
                self.expect("--ctstate")?;
                let states = self.word()?.split(',').map(state).collect::<Option<_>>()?;
                Match::CtState(Negatable { value: states, negated })
            }
            "mark" => {
                let negated = self.next_is("!");
                self.expect("--mark")?;
                Match::Mark(Negatable { value: mark(self.word()?)?, negated })
            }
            "statistic" => {
                self.expect("--mode")?;
                self.expect("random")?;
                self.expect("--probability")?;
                Match::Random(share(self.word()?)?)
            }
            "set" => {
                self.expect("--match-set")?;
                let name = self.word()?.into();
                self.expect("src")?;
                Match::Set(name)
            }
            _ => return None,
        };
        rule.matches.push(extension);
        Some(())
    }

    #[allow(clippy::option_option, reason = "outside: understood; inside: there")]
    fn ports(&mut self) -> Option<Option<(u16, u16)>> {
        if !self.next_is("--dport") {
            return Some(None);
        }
        let word = self.word()?;
        let (low, high) = word.split_once(':').unwrap_or((word, word));
        Some(Some((low.parse().ok()?, high.parse().ok()?)))
    }

    fn target(&mut self) -> Option<Target> {
        Some(match self.word()? {
            "ACCEPT" => Target::Accept,
            "DROP" => Target::Drop,
            "RETURN" => Target::Return,
            "REJECT" => {
                self.expect("--reject-with")?;
                Target::Reject(match self.word()? {
                    "tcp-reset" => RejectWith::TcpReset,
                    "icmp-port-unreachable" | "icmp6-port-unreachable" => RejectWith::PortUnreachable,
                    _ => return None,
                })
            }
            "MARK" => {
                self.expect("--set-xmark")?;
                let (value, mask) = mark(self.word()?)?;
                Target::Mark { value, mask }
            }
            "SET" => {
                self.expect("--add-set")?;
                let set = self.word()?.into();
                self.expect("src")?;
                self.expect("--exist")?;
                self.expect("--timeout")?;
                Target::Remember { set, seconds: self.word()?.parse().ok()? }
            }
            "DNAT" => {
                self.expect("--to-destination")?;
                let to: std::net::SocketAddr = self.word()?.parse().ok()?;
                (AddressType::of(to.ip()) == self.family).then_some(Target::Dnat(to))?
            }
            "MASQUERADE" => {
                self.expect("--random-fully")?;
                Target::Masquerade
            }
            chain => Target::Jump(chain.into()),
        })
    }
}

fn protocol(name: &str) -> Option<Protocol> {
    Some(match name {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => return None,
    })
}

fn state(name: &str) -> Option<CtState> {
    CtState::ALL.into_iter().find(|state| state.as_str() == name)
}

fn mark(text: &str) -> Option<(u32, u32)> {
    let number = |text: &str| u32::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    let (value, mask) = text.split_once('/')?;
    Some((number(value)?, number(mask)?))
}

/// A probability with eleven digits, as so many of 2^31.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2^31")]
fn share(text: &str) -> Option<u32> {
    let probability: f64 = text.parse().ok()?;
    (0.0..=1.0).contains(&probability).then_some((probability * f64::from(1_u32 << 31)).round() as u32)
}

/// Words, with quotes and backslashes undone.
fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quoted) = (Vec::new(), None::<String>, false);
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if quoted => word.get_or_insert_default().push(characters.next()?),
            ' ' if !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    (!quoted).then_some(words)
}
