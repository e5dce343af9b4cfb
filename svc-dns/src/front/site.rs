//! A domain and the rules for it.

use ipnet::IpNet;

use super::{Preferred, special};
use crate::{
    Access, Action, Autopath, Client, Hosts, Outcome, Responder,
    error::ConfigError,
    hosts::Said,
    message::{Class, Name, Query, RecordType, suffixes},
    rewrite::Rule,
    template::{Asked, Template},
};

/// Rules for a domain and all names below it. See [`Site::builder`].
#[derive(Clone, Debug)]
pub struct Site {
    /// In lower case.
    domain: Name,
    rules: Vec<Rule>,
    access: Vec<Access>,
    autopath: Option<Autopath>,
    templates: Vec<Template>,
    hosts: Option<Hosts>,
    preferred: Preferred,
    minimal_any: bool,
    local: bool,
    whoami: bool,
}

impl Site {
    /// No rules yet, for this domain; `.` for all names.
    pub fn builder(domain: impl TryInto<Name, Error = impl Into<ConfigError>>) -> SiteBuilder {
        let site = |domain: Name| Self {
            domain: domain.to_lowercase(),
            rules: Vec::new(),
            access: Vec::new(),
            autopath: None,
            templates: Vec::new(),
            hosts: None,
            preferred: Preferred::default(),
            minimal_any: false,
            local: false,
            whoami: false,
        };
        SiteBuilder { site: domain.try_into().map_err(Into::into).map(site) }
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &Name {
        &self.domain
    }

    /// Whether there are no rules.
    pub(crate) fn is_idle(&self) -> bool {
        let Self {
            domain: _,
            rules,
            access,
            autopath,
            templates,
            hosts,
            preferred,
            minimal_any,
            local,
            whoami,
        } = self;
        let switches = *minimal_any || *local || *whoami;
        let lists = rules.is_empty() && access.is_empty() && templates.is_empty() && preferred.is_empty();
        !switches && lists && autopath.is_none() && hosts.is_none()
    }

    /// Whether a lower-case name is in the domain.
    pub(super) fn holds(&self, name: &[u8]) -> bool {
        suffixes(name).any(|suffix| suffix == self.domain.wire())
    }

    /// How queries are rewritten.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// What a client gets: the first of the lists that does not let it pass counts.
    pub(super) fn action(&self, query: &Query<'_>, client: Client) -> Action {
        let (name, kind) = (query.question().name(), query.question().kind());
        let actions = self.access.iter().map(|access| access.action(name.wire(), kind, client.address.ip()));
        actions.into_iter().find(|action| *action != Action::Allow).unwrap_or(Action::Allow)
    }

    /// Whose search path is walked.
    #[must_use]
    pub fn autopath(&self) -> Option<&Autopath> {
        self.autopath.as_ref()
    }

    /// The templates, in the order in which they are looked at.
    #[must_use]
    pub fn templates(&self) -> &[Template] {
        &self.templates
    }

    /// Which addresses come first.
    pub(super) fn preferred(&self) -> &Preferred {
        &self.preferred
    }

    /// The hosts.
    #[must_use]
    pub fn hosts(&self) -> Option<&Hosts> {
        self.hosts.as_ref()
    }

    /// With other hosts.
    #[must_use]
    pub fn with_hosts(&self, hosts: Hosts) -> Self {
        Self { hosts: Some(hosts), ..self.clone() }
    }

    /// Whether this is a question about `localhost`, and answered here.
    pub(super) fn answers_locally(&self, query: &Query<'_>) -> bool {
        self.local && special::is_localhost(query)
    }

    /// Answers by the rules that come before the zone; else as the zone does.
    pub(super) fn respond(
        &self,
        responder: &Responder,
        message: &[u8],
        query: &Query<'_>,
        client: Client,
        out: &mut Vec<u8>,
    ) -> Outcome {
        match self.respond_by_rules(responder, query, client, out) {
            Said::Answer => Outcome::Answer,
            Said::Nothing => responder.respond(message, client, out),
        }
    }

    fn respond_by_rules(
        &self,
        responder: &Responder,
        query: &Query<'_>,
        client: Client,
        out: &mut Vec<u8>,
    ) -> Said {
        let limit = responder.limit(query.edns(), client.transport);
        let question = query.question();
        if self.local && special::local(query, limit, out) == Said::Answer {
            return Said::Answer;
        }
        if self.minimal_any && question.kind() == RecordType::ANY && question.class() == Class::IN {
            special::minimal_any(query, limit, out);
            return Said::Answer;
        }
        if !self.templates.is_empty() {
            let name = question.spelling().to_lowercase().to_string();
            let asked = Asked { name: &name, client: client.address.ip(), limit };
            if self.templates.iter().any(|template| template.respond(&asked, query, out) == Said::Answer) {
                return Said::Answer;
            }
        }
        if question.class() != Class::IN {
            return Said::Nothing;
        }
        if let Some(hosts) = &self.hosts
            && hosts.respond(query, limit, out) == Said::Answer
        {
            return Said::Answer;
        }
        let ours = || responder.zone_of(&question.name().clone()).is_some();
        if self.whoami && !ours() {
            special::whoami(query, client, limit, out);
            return Said::Answer;
        }
        Said::Nothing
    }
}

/// Builds a [`Site`].
#[derive(Clone, Debug)]
pub struct SiteBuilder {
    site: Result<Site, ConfigError>,
}

impl SiteBuilder {
    fn set(mut self, set: impl FnOnce(&mut Site)) -> Self {
        if let Ok(site) = &mut self.site {
            set(site);
        }
        self
    }

    /// Adds rules about who may ask; behind those that are there.
    #[must_use]
    pub fn access(self, access: Access) -> Self {
        self.set(|site| site.access.push(access))
    }

    /// Adds a rule for rewriting; behind those that are there.
    #[must_use]
    pub fn rewrite(self, rule: Rule) -> Self {
        self.set(|site| site.rules.push(rule))
    }

    /// Walks the search path of pods. The zone has to [keep their names](crate::ZoneBuilder::pod_names).
    #[must_use]
    pub fn autopath(self, autopath: Autopath) -> Self {
        self.set(|site| site.autopath = Some(autopath))
    }

    /// Adds a template; behind those that are there.
    #[must_use]
    pub fn template(self, template: Template) -> Self {
        self.set(|site| site.templates.push(template))
    }

    /// Answers for hosts.
    #[must_use]
    pub fn hosts(self, hosts: Hosts) -> Self {
        self.set(|site| site.hosts = Some(hosts))
    }

    /// Addresses in these networks come first in answers, those in the first network before all others; also in answers of other
    /// servers.
    #[must_use]
    pub fn prefer(self, networks: impl IntoIterator<Item = IpNet>) -> Self {
        self.set(|site| site.preferred = Preferred::new(networks))
    }

    /// Gives every ANY query the smallest answer there is (RFC 8482), also for names of others.
    #[must_use]
    pub fn minimal_any(self, on: bool) -> Self {
        self.set(|site| site.minimal_any = on)
    }

    /// Answers `localhost` and its kin (RFC 6761 section 6.3).
    #[must_use]
    pub fn local(self, on: bool) -> Self {
        self.set(|site| site.local = on)
    }

    /// Tells clients their own address and port, for names that are not the zone's.
    #[must_use]
    pub fn whoami(self, on: bool) -> Self {
        self.set(|site| site.whoami = on)
    }

    /// The rules.
    ///
    /// # Errors
    /// When the domain is none.
    pub fn build(self) -> Result<Site, ConfigError> {
        self.site
    }
}
