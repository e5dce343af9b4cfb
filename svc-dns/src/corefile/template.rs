//! `template CLASS TYPE [ZONE...] { match answer additional authority rcode ederror fallthrough }`

use super::{
    Directive, Problems,
    words::{all_zones, kind, zones_or_all},
};
use crate::{
    error::ConfigError,
    message::{Class, Name, Rcode, Section},
    template::Template,
};

pub(super) fn template(directive: &Directive, zones: &[Name], problems: &mut Problems) -> Option<Template> {
    let [class, of_kind, own_zones @ ..] = directive.words.as_slice() else {
        problems.error(&directive.place, "template takes CLASS TYPE [ZONE...]");
        return None;
    };
    let class = match class.to_ascii_uppercase().as_str() {
        "IN" => Some(Class::IN),
        "ANY" => None,
        "CH" => Some(Class::new(3)),
        _ => {
            problems.error(&directive.place, format!("template: {class:?} is no class"));
            return None;
        }
    };
    let Some(of_kind) = kind(of_kind) else {
        problems.error(&directive.place, format!("template: {of_kind:?} is no type"));
        return None;
    };
    let own_zones = all_zones(directive, own_zones, problems);
    let zones = if own_zones.is_empty() { zones } else { &own_zones };
    let mut template = Template::new(of_kind).class(class).zones(zones);
    for option in &directive.body {
        template = self::option(template, directive, option, problems)?;
    }
    Some(template)
}

fn option(
    template: Template,
    directive: &Directive,
    option: &Directive,
    problems: &mut Problems,
) -> Option<Template> {
    let done = match option.name.as_str() {
        "match" => option.words.iter().try_fold(template, |template, pattern| template.matching(pattern)),
        "answer" => lines(template, Section::Answer, option),
        "additional" => lines(template, Section::Additional, option),
        "authority" => lines(template, Section::Authority, option),
        "rcode" => Ok(template.rcode(option.one("response code", Rcode::from_text, problems)?)),
        "fallthrough" => Ok(template.fallthrough(&zones_or_all(option, problems))),
        "ederror" => {
            problems.warning(&option.place, "template: ederror is left out: extended errors only explain");
            Ok(template)
        }
        "upstream" => Ok(template),
        _ => {
            directive.unknown_option(option, problems);
            return None;
        }
    };
    done.map_err(|error| problems.error(&option.place, format!("template: {error}"))).ok()
}

fn lines(template: Template, section: Section, option: &Directive) -> Result<Template, ConfigError> {
    option.words.iter().try_fold(template, |template, line| template.line(section, line))
}
