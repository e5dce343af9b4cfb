//! What `iptables-restore --noflush` does, to tables that are values: for kernels that are not there.

use super::parse::{self, ParseError};
use super::rule::Rule;
use super::table::{Chain, Policy, SET, Table, TableName, Tables};

impl Tables {
    /// Does what the program would do with this input, a [`Change`](super::Change) as text: a table takes all of its part or
    /// nothing.
    ///
    /// ```
    /// use svc_model::AddressType;
    /// use svc_proxy::iptables::{TableName, Tables};
    ///
    /// let mut tables = Tables::new(AddressType::Ipv4);
    /// tables.restore("*nat\n:KUBE-MARK-MASQ - [0:0]\n-I PREROUTING -j KUBE-MARK-MASQ\nCOMMIT\n")?;
    /// assert!(tables.restore("*nat\n-X KUBE-MARK-MASQ\nCOMMIT\n").is_err(), "a rule leads there");
    /// assert_eq!(tables.chain(TableName::Nat, "PREROUTING").map(|chain| chain.rules().len()), Some(1));
    /// # Ok::<(), svc_proxy::iptables::ParseError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The first line that the program would refuse. Tables that were complete before it have changed.
    pub fn restore(&mut self, input: &str) -> Result<(), ParseError> {
        let mut part: Option<Part> = None;
        for (number, line) in (1..).zip(input.lines()) {
            if let (None, Some(command)) = (&part, line.strip_prefix(SET)) {
                self.restore_set(command).map_err(|reason| ParseError::new(number, line, reason))?;
                continue;
            }
            let done = match (part.as_mut(), line.strip_prefix('*')) {
                _ if line.is_empty() || line.starts_with('#') => Ok(()),
                (None, Some(name)) => Part::begin(self, name).map(|begun| part = Some(begun)),
                (None, None) => Err("it is in no table"),
                (Some(_), _) if line == "COMMIT" => part.take().map_or(Ok(()), |part| part.commit(self)),
                (Some(part), _) => part.line(line),
            };
            done.map_err(|reason| ParseError::new(number, line, reason))?;
        }
        match part {
            None => Ok(()),
            Some(_) => Err(ParseError::new(input.lines().count(), "", "COMMIT is missing")),
        }
    }

    /// What `ipset restore` would do.
    fn restore_set(&mut self, command: &str) -> Result<(), &'static str> {
        let Some(name) = command.strip_prefix("destroy ") else {
            self.insert_set(command.parse().map_err(|_| "it makes no set of ours")?);
            return Ok(());
        };
        if self.rules().any(|rule| rule.sets().any(|set| set == name)) {
            return Err("a rule asks it");
        }
        self.remove_set(name).map(drop).ok_or("no such set")
    }
}

/// One table, on the way to what it will be.
struct Part {
    family: svc_model::AddressType,
    name: TableName,
    chains: Table,
}

impl Part {
    fn begin(tables: &Tables, name: &str) -> Result<Self, &'static str> {
        let name = TableName::ALL.into_iter().find(|table| table.as_str() == name).ok_or("no such table")?;
        let mut chains = tables.tables().get(&name).cloned().unwrap_or_default();
        for built_in in name.built_in_chains() {
            let chain = chains.entry((*built_in).into()).or_default();
            chain.policy.get_or_insert(Policy::Accept);
        }
        Ok(Self { family: tables.family(), name, chains })
    }

    fn line(&mut self, line: &str) -> Result<(), &'static str> {
        if let Some(declaration) = line.strip_prefix(':') {
            let (name, policy) = parse::declaration(declaration)?;
            // With --noflush, what is declared is emptied all the same.
            self.chains.insert(name.into(), Chain { policy, rules: Vec::new() });
            return Ok(());
        }
        let (command, rest) = line.split_once(' ').ok_or("it says nothing")?;
        let (name, rule) = rest.split_once(' ').unwrap_or((rest, ""));
        if command == "-X" {
            return self.delete(name);
        }
        let rule = parse::rule(self.family, rule);
        let rules = &mut self.chains.get_mut(name).ok_or("no such chain")?.rules;
        match command {
            "-A" => rules.push(rule),
            "-I" => rules.insert(0, rule),
            "-D" => {
                let at = rules.iter().position(|there| *there == rule).ok_or("no such rule")?;
                rules.remove(at);
            }
            _ => return Err("no such command"),
        }
        Ok(())
    }

    fn delete(&mut self, name: &str) -> Result<(), &'static str> {
        let chain = self.chains.get(name).ok_or("no such chain")?;
        if !chain.rules.is_empty() {
            return Err("the chain is not empty");
        }
        if self.chains.values().flat_map(|chain| &chain.rules).any(|rule| rule.leads_to() == Some(name)) {
            return Err("a rule leads there");
        }
        self.chains.remove(name);
        Ok(())
    }

    /// Targets that are no chain are extensions.
    fn commit(mut self, tables: &mut Tables) -> Result<(), &'static str> {
        let leads_nowhere = |rule: &Rule| rule.leads_to().is_some_and(|to| !self.chains.contains_key(to));
        let rules = || {
            let all = self.chains.values().flat_map(|chain| &chain.rules);
            all.filter(|rule| rule.foreign.is_none())
        };
        if rules().any(leads_nowhere) {
            return Err("a rule leads to a chain that is not there");
        }
        if rules().flat_map(Rule::sets).any(|set| !tables.sets().contains_key(set)) {
            return Err("a rule asks a set that is not there");
        }
        // What nobody has used need not be there.
        self.chains.retain(|_, chain| chain.policy != Some(Policy::Accept) || !chain.rules.is_empty());
        let unknown = tables.tables().get(&self.name).into_iter().flat_map(|chains| chains.keys());
        let gone: Vec<_> = unknown.filter(|name| !self.chains.contains_key(*name)).cloned().collect();
        gone.iter().for_each(|name| _ = tables.remove(self.name, name));
        self.chains.into_iter().for_each(|(name, chain)| tables.insert(self.name, name, chain));
        Ok(())
    }
}
