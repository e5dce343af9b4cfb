//! `rewrite [continue|stop] FIELD ...`, in a line or in a block.

use super::{Directive, Problems};
use crate::{
    error::ConfigError,
    message::{Class, RecordType},
    rewrite::{Matcher, Rule},
};

pub(super) fn rewrite(directive: &Directive, problems: &mut Problems) -> Option<Rule> {
    let mut words: Vec<&str> = directive.words.iter().map(String::as_str).collect();
    let mut go_on = false;
    if let Some(first @ ("continue" | "stop")) = words.first().copied() {
        go_on = first == "continue";
        words.remove(0);
    }
    // A block is the same words in several lines.
    for line in &directive.body {
        words.push(&line.name);
        words.extend(line.words.iter().map(String::as_str));
    }
    match rule(&words) {
        Ok(rule) => Some(if go_on { rule.and_go_on() } else { rule }),
        Err(problem) => {
            problems.error(&directive.place, format!("rewrite: {problem}"));
            None
        }
    }
}

fn rule(words: &[&str]) -> Result<Rule, String> {
    match words {
        ["name", rest @ ..] => name(rest),
        ["type", from, to] => {
            let kind = |word: &str| RecordType::from_text(word).ok_or_else(|| format!("{word:?} is no type"));
            Ok(Rule::kind(kind(from)?, kind(to)?))
        }
        ["class", from, to] => Ok(Rule::class(class(from)?, class(to)?)),
        ["ttl", rest @ ..] => ttl(rest),
        ["edns0" | "rcode" | "cname", ..] => Err(format!("the field {} is not supported", words[0])),
        [field, ..] => Err(format!(
            "{field:?} with {} words is no rule; write name, type, class or ttl",
            words.len() - 1
        )),
        [] => Err("there is no rule; write name, type, class or ttl".to_owned()),
    }
}

fn class(word: &str) -> Result<Class, String> {
    match word.to_ascii_uppercase().as_str() {
        "IN" => Ok(Class::IN),
        "CH" => Ok(Class::new(3)),
        "HS" => Ok(Class::new(4)),
        _ => Err(format!("{word:?} is no class")),
    }
}

/// `[KIND] FROM TO [answer ...]...`
fn name(words: &[&str]) -> Result<Rule, String> {
    let (matcher, to, rest) = match words {
        [from, to] => (Matcher::exact(from), to, &[][..]),
        [from, to, "answer", ..] if Matcher::of_kind(from, "").is_none() => {
            (Matcher::exact(from), to, &words[2..])
        }
        [kind, from, to, rest @ ..] => {
            let matcher = Matcher::of_kind(kind, from).ok_or_else(|| {
                format!("{kind:?} is no kind of match; write exact, prefix, suffix, substring or regex")
            })?;
            (matcher, to, rest)
        }
        _ => return Err("name takes [exact|prefix|suffix|substring|regex] FROM TO".to_owned()),
    };
    answers(Rule::name(matcher, to).map_err(text)?, rest)
}

fn answers(mut rule: Rule, mut words: &[&str]) -> Result<Rule, String> {
    while !words.is_empty() {
        (rule, words) = match words {
            ["answer", "auto", rest @ ..] => (rule.answer_auto(), rest),
            ["answer", "name", from, to, rest @ ..] => (rule.answer_name(from, to).map_err(text)?, rest),
            ["answer", "value", from, to, rest @ ..] => (rule.answer_value(from, to).map_err(text)?, rest),
            _ => {
                return Err(format!(
                    "{:?} is not `answer auto`, `answer name FROM TO` or `answer value FROM TO`",
                    words.join(" ")
                ));
            }
        };
    }
    Ok(rule)
}

/// `[KIND] NAME SECONDS`, where SECONDS may be `MIN-MAX`, `MIN-` or `-MAX`.
fn ttl(words: &[&str]) -> Result<Rule, String> {
    let (matcher, seconds) = match words {
        [name, seconds] => (Matcher::exact(name), seconds),
        [kind, name, seconds] => {
            (Matcher::of_kind(kind, name).ok_or_else(|| format!("{kind:?} is no kind of match"))?, seconds)
        }
        _ => return Err("ttl takes [exact|prefix|suffix|substring|regex] NAME SECONDS".to_owned()),
    };
    let number = |text: &str, default| match text {
        "" => Ok(default),
        _ => text.parse().map_err(|_| format!("{seconds:?} is no number of seconds")),
    };
    let (min, max) = match seconds.split_once('-') {
        Some((min, max)) => (number(min, 0)?, number(max, u32::MAX)?),
        None => (number(seconds, 0)?, number(seconds, 0)?),
    };
    Rule::ttl(matcher, min, max).map_err(text)
}

fn text(error: ConfigError) -> String {
    error.to_string()
}
