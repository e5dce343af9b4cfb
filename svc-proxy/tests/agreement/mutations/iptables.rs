//! All the ways in which rules of iptables can be a little different: as text, so that what is altered was read too.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use svc_model::AddressType;
use svc_proxy::iptables::{Backend, Chain, TableName, Tables};
use svc_proxy::packet::{Connection, Entry, Packet};
use svc_proxy::trace::iptables::Listing;
use svc_proxy::trace::{Outcome, Ruleset as _};
use svc_proxy::{Compat, Compiler as _, Plan};

use super::{Altered, Mutant, Objector, says};
use crate::outcomes::{begins, goes_on};
use crate::packets::class;
use crate::reference::Expected;
use crate::settings::host;

/// What may be altered without anybody noticing, and why: chain, what is altered (`..` stands for anything), reason.
const UNSEEN: [(&str, &str, &str); 28] = [
    ("KUBE-PROXY-CANARY: chain removed", "", "there for those who flush tables"),
    ("SVC-PROXY-MARKER: chain removed", "", "there for other proxies"),
    ("nat", "port removed..53 -j ACCEPT  =>", ELSEWHERE),
    ("nat", "port changed..53 -j ACCEPT  =>", ELSEWHERE),
    ("nat", "target removed..53 -j ACCEPT  =>", ELSEWHERE),
    ("nat", "accept to return..53 -j ACCEPT  =>", ELSEWHERE),
    ("nat", "match..203.0.113.216/32..53 -j ACCEPT  =>", ELSEWHERE),
    ("nat", "match..2001:db8:203::216/128 -p tcp..53 -j ACCEPT  =>", ELSEWHERE),
    ("nat KUBE-DST-", "match..2001:db8:203::216/128 -p udp..53 -j ACCEPT  =>", ELSEWHERE),
    ("nat", "rule removed: -d 203.0.113.216/32..53 -j ACCEPT", ELSEWHERE),
    ("nat", "rule removed: -d 2001:db8:203::216/128..53 -j ACCEPT", ELSEWHERE),
    ("nat", "default/far..goes nowhere", ELSEWHERE),
    ("nat", "default/shop..goes nowhere", ELSEWHERE),
    ("nat", "port removed..own..none external IP", "no other node port for UDP there"),
    ("nat KUBE-POSTROUTING", "return to accept", "nothing comes behind it"),
    ("nat KUBE-SERVICES", "accept to return..own..none external IP", "nothing comes behind it"),
    ("nat KUBE-EXT-", "match removed..own..masquerade LOCAL", "others are dropped, marked or not"),
    (
        "filter KUBE-EXTERNAL-SERVICES",
        "match removed: -s 127.0.0.0/8..=>  -d 127.0.0.0/8",
        "strays are dropped before",
    ),
    ("filter KUBE-SERVICES", "port removed..idle..tcp-reset  =>", "other ports are refused alike"),
    ("nat KUBE-SV", "port removed..cluster IP..KUBE-MARK-MASQ", "for other ports nobody comes here"),
    ("nat KUBE-SV", "match removed: ! -s..cluster IP..=>  ! -s..KUBE-MARK-MASQ", MARKED),
    ("nat KUBE-SV", "match removed: -d..default/web..KUBE-MARK-MASQ  =>", MARKED),
    ("nat KUBE-SV", "match removed: -d..default/open..KUBE-MARK-MASQ  =>", MARKED),
    ("nat KUBE-SV", "match removed: -d..default/loyal..KUBE-MARK-MASQ  =>", MARKED),
    ("nat KUBE-SV", "match removed: -d..default/own-few..KUBE-MARK-MASQ  =>", MARKED),
    ("nat KUBE-SV", "match removed: -d..default/inner..KUBE-MARK-MASQ  =>", MARKED),
    ("nat KUBE-SV", "match removed: -d..default/sticky..KUBE-MARK-MASQ  =>", "node ports have other numbers"),
    ("nat KUBE-SV", "match removed: -d..nnn/sss..KUBE-MARK-MASQ  =>", MARKED),
];

/// The rule is for the ClusterIP alone. Who comes here by another address is marked already, or a pod.
const MARKED: &str = "all others are masqueraded in any case";

/// Where node ports are served nowhere, it does not matter whether the packet comes as far as those.
const ELSEWHERE: &str = "the address is not the node's";

/// Chains in which all Services have rules.
const DISPATCH: [&str; 6] = [
    "KUBE-SERVICES",
    "KUBE-NODEPORTS",
    "KUBE-EXTERNAL-SERVICES",
    "KUBE-EXTERNAL-NODEPORTS",
    "KUBE-PROXY-FIREWALL",
    "KUBE-CLUSTER-IPS",
];

/// The rules of a plan, and all that differ from them in one place.
pub(super) fn mutants(plan: &Plan, flat: bool) -> (Vec<Box<dyn Altered>>, Vec<Mutant>) {
    let rules = Backend::default().flat(flat).compile(plan);
    let (mut all, mut mutants) = (Vec::new(), Vec::new());
    for tables in rules.tables() {
        let original =
            Original { tables: Rc::new(tables), compat: plan.node().compat().clone(), change: Vec::new() };
        for (table, chains) in original.tables.tables() {
            // What the two layouts have in common is altered once.
            let is_new = |name: &str| !flat || DISPATCH.contains(&name);
            for (name, chain) in chains.iter().filter(|(name, _)| is_new(name)) {
                Chained { original: &original, table: *table, name, chain, mutants: &mut mutants }.mutate();
            }
        }
        all.push(Box::new(original) as _);
    }
    (all, mutants)
}

/// Tables, and chains that stand there in place of others.
#[derive(Clone)]
struct Original {
    tables: Rc<Tables>,
    compat: Compat,
    change: Vec<(TableName, String, Option<Chain>)>,
}

impl Altered for Original {
    fn is_ipv6(&self) -> bool {
        self.tables.family() == AddressType::Ipv6
    }

    fn objector(&self) -> Objector {
        let mut tables = Tables::clone(&self.tables);
        for (table, name, chain) in &self.change {
            match chain {
                Some(chain) => tables.insert(*table, name.as_str(), chain.clone()),
                None => drop(tables.remove(*table, name)),
            }
        }
        let (rules, compat) = (Listing::new([tables.clone()]), self.compat.clone());
        let guarded = Listing::new([with_policy_drop(tables)]);
        let seen = RefCell::new(BTreeSet::new());
        Box::new(move |packet, expected| {
            // Of packets that are alike in all of this, those that follow are alike too.
            let masquerades: BTreeSet<_> = expected.endpoints.values().copied().collect();
            let is_local = host().is_local(packet.destination().ip());
            let kind = (class(packet), is_local, expected.outcome, masquerades, expected.object.clone());
            let is_new = seen.borrow_mut().insert(kind);
            let follows = |trace| {
                goes_on(&rules, packet, expected, &trace)?;
                passes_a_firewall(&guarded, packet, expected, &compat)?;
                invalid(&rules, packet, &compat)
            };
            let begun = begins(&rules, packet, expected);
            let objection = begun.and_then(|trace| if is_new { follows(trace) } else { Ok(()) }).err();
            // Whatever is not understood is noticed in any case.
            assert!(!objection.as_ref().is_some_and(|text| text.contains("not understood")), "{objection:?}");
            objection
        })
    }
}

/// As where the administrator forwards nothing.
fn with_policy_drop(mut tables: Tables) -> Tables {
    let rules = tables.chain(TableName::Filter, "FORWARD").map(Chain::rules).unwrap_or_default();
    let rules: String = rules.iter().map(|rule| format!("-A FORWARD{rule}\n")).collect();
    let chain = read(&tables, TableName::Filter, "FORWARD", "DROP", &rules);
    tables.insert(TableName::Filter, "FORWARD", chain);
    tables
}

fn read(tables: &Tables, table: TableName, name: &str, policy: &str, rules: &str) -> Chain {
    let text = format!("*{table}\n:{name} {policy} [0:0]\n{rules}COMMIT\n");
    Tables::parse(tables.family(), &text).unwrap().chain(table, name).unwrap().clone()
}

/// [`Compat::accept_forwarded`]: only what is masqueraded, or known, needs no leave of the administrator's.
fn passes_a_firewall(
    rules: &Listing,
    packet: &Packet,
    expected: &Expected,
    compat: &Compat,
) -> Result<(), String> {
    let passes = |destination, masquerade| {
        packet.entry() == Entry::Output
            || host().is_local(destination)
            || masquerade && compat.accept_forwarded
    };
    if expected.outcome == Outcome::Forward {
        let trace = rules.trace(packet).map_err(|error| error.to_string())?;
        for way in trace.ways() {
            let led = way.destination().map(|to| passes(to.ip(), way.is_masqueraded()));
            let expects = expected.endpoints.iter().any(|(to, masquerade)| !passes(to.ip(), *masquerade));
            if !led.unwrap_or(expects) {
                return Err(format!("with FORWARD DROP: {trace}"));
            }
        }
        if expected.endpoints.iter().any(|(to, masquerade)| {
            passes(to.ip(), *masquerade) && !trace.ways().iter().any(|way| way.destination() == Some(*to))
        }) {
            return Err(format!("with FORWARD DROP: {trace}"));
        }
    }
    let known = packet.clone().connection(Connection::Established { dnat: None, snat: false });
    let outcome = rules.trace(&known).map_err(|error| error.to_string())?.outcome();
    let passes = passes(packet.destination().ip(), true);
    match (outcome, passes) {
        (Outcome::Drop, false) | (Outcome::Accept | Outcome::Untouched, true) => Ok(()),
        _ => Err(format!("with FORWARD DROP, known: {outcome}")),
    }
}

/// [`Compat::drop_invalid`]
fn invalid(rules: &Listing, packet: &Packet, compat: &Compat) -> Result<(), String> {
    let invalid = packet.clone().connection(Connection::Invalid);
    let outcome = rules.trace(&invalid).map_err(|error| error.to_string())?.outcome();
    let forwarded = packet.entry() == Entry::Prerouting && !host().is_local(packet.destination().ip());
    match (outcome == Outcome::Drop) == (compat.drop_invalid && forwarded) {
        true => Ok(()),
        // Strays to the loopback range are dropped, whatever is known of them.
        false if packet.destination().ip().is_loopback() => Ok(()),
        false => Err(format!("invalid: {outcome}")),
    }
}

/// A chain of a table.
struct Chained<'a> {
    original: &'a Original,
    table: TableName,
    name: &'a str,
    chain: &'a Chain,
    mutants: &'a mut Vec<Mutant>,
}

impl Chained<'_> {
    fn mutate(&mut self) {
        self.add("chain removed", String::new(), [(self.name.to_owned(), None)]);
        let rules: Vec<_> =
            self.chain.rules().iter().map(|rule| rule.to_string().trim().to_owned()).collect();
        if self.chain.policy().is_some() {
            if self.table == TableName::Filter {
                let dropping = self.read("DROP", &rules);
                self.add("policy drop", String::new(), [(self.name.to_owned(), Some(dropping))]);
            }
            self.move_elsewhere();
        }
        for (at, rule) in rules.iter().enumerate() {
            let mut fewer = rules.clone();
            fewer.remove(at);
            self.put("rule removed", rule.clone(), &fewer);
            for (kind, altered) in alterations(self.name, rule, &self.chains()) {
                let mut others = rules.clone();
                others[at].clone_from(&altered);
                self.put(kind, format!("{rule}  =>  {altered}"), &others);
            }
        }
    }

    fn chains(&self) -> Vec<String> {
        self.original.tables.tables()[&self.table].keys().map(ToString::to_string).collect()
    }

    fn read(&self, policy: &str, rules: &[String]) -> Chain {
        let rules: String = rules.iter().map(|rule| format!("-A {} {rule}\n", self.name)).collect();
        read(&self.original.tables, self.table, self.name, policy, &rules)
    }

    fn put(&mut self, kind: &'static str, what: String, rules: &[String]) {
        let policy = if self.chain.policy().is_some() { "ACCEPT" } else { "-" };
        let chain = self.read(policy, rules);
        self.add(kind, what, [(self.name.to_owned(), Some(chain))]);
    }

    /// What is asked at one hook is asked at another.
    fn move_elsewhere(&mut self) {
        let other = match self.name {
            "PREROUTING" | "FORWARD" => "OUTPUT",
            "OUTPUT" if self.table == TableName::Nat => "PREROUTING",
            "POSTROUTING" => "INPUT",
            _ => "FORWARD",
        };
        let moved = (other.to_owned(), Some(self.chain.clone()));
        self.add("hook changed", other.to_owned(), [(self.name.to_owned(), None), moved]);
    }

    fn add(
        &mut self,
        kind: &'static str,
        what: String,
        change: impl IntoIterator<Item = (String, Option<Chain>)>,
    ) {
        let program = if self.original.is_ipv6() { "ip6tables" } else { "iptables" };
        let name = format!("{program} {} {}: {kind}: {what}", self.table, self.name);
        let unseen = UNSEEN.iter().any(|(chain, what, _)| name.contains(chain) && says(&name, what));
        let change = change.into_iter().map(|(name, chain)| (self.table, name, chain)).collect();
        let rules = Box::new(Original { change, ..self.original.clone() });
        self.mutants.push(Mutant { kind, name, unseen, rules });
    }
}

/// The parts of a rule: `! -s NET`, `-m tcp --dport 80`, `-j DNAT --to-destination …`.
fn parts(rule: &str) -> Vec<String> {
    let (mut parts, mut quoted, mut escaped) = (vec![String::new()], false, false);
    let mut words: Vec<String> = vec![String::new()];
    for c in rule.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ' ' if !quoted => {
                words.push(String::new());
                continue;
            }
            _ => {}
        }
        words.last_mut().unwrap().push(c);
    }
    for (at, word) in words.iter().enumerate() {
        let begins = |word: &str| matches!(word, "-s" | "-d" | "-i" | "-p" | "-m" | "-j");
        let is_negated = at > 0 && words[at - 1] == "!";
        let negates = word == "!" && words.get(at + 1).is_some_and(|next| begins(next));
        if (negates || begins(word) && !is_negated) && !parts.last().unwrap().is_empty() {
            parts.push(String::new());
        }
        let part = parts.last_mut().unwrap();
        if !part.is_empty() {
            part.push(' ');
        }
        part.push_str(word);
    }
    parts
}

/// Chains of the tree ask once more for what led to them: that they are asked for less costs time and nothing else. So do
/// rules in the last chain of a way, where all addresses that lead there are known; the flat layout shows what they are for.
fn alterations(chain: &str, rule: &str, chains: &[String]) -> Vec<(&'static str, String)> {
    let parts = parts(rule);
    let asks_twice =
        rule.contains("-j KUBE-DST-") || chain.contains("KUBE-DST-") && rule.ends_with("-j KUBE-REJECT");
    let mut all = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        for (kind, altered) in alterations_of(part, rule, chains) {
            let mut others = parts.clone();
            match altered {
                Some(altered) => others[at] = altered,
                None if asks_twice && !part.starts_with("-j") => continue,
                None => drop(others.remove(at)),
            }
            all.push((kind, others.join(" ")));
        }
    }
    all
}

/// What a part of a rule may be instead; `None`: nothing.
fn alterations_of(part: &str, rule: &str, chains: &[String]) -> Vec<(&'static str, Option<String>)> {
    let words: Vec<_> = part.split(' ').collect();
    match &words[..] {
        ["!", option @ ("-s" | "-d" | "-i"), value] => {
            vec![("match removed", None), ("match inverted", Some(format!("{option} {value}")))]
        }
        ["-s" | "-d" | "-i", ..] => {
            vec![("match removed", None), ("match inverted", Some(format!("! {part}")))]
        }
        // Where a port is asked for, there has to be a protocol.
        ["-p", protocol] if !rule.contains(&format!("-m {protocol}")) => vec![("protocol removed", None)],
        ["-m", protocol @ ("tcp" | "udp" | "sctp"), "--dport", _] => {
            vec![("port removed", None), ("port changed", Some(format!("-m {protocol} --dport 1")))]
        }
        ["-m", "addrtype" | "conntrack", ..] => {
            vec![("match removed", None), ("match inverted", Some(inverted(part)))]
        }
        ["-m", "mark", ..] => vec![
            ("match removed", None),
            ("match inverted", Some(inverted(part))),
            ("mark changed", Some(part.replace("0x4000", "0x8000"))),
        ],
        ["-m", "statistic", .., share] => {
            vec![("match removed", None), ("share changed", Some(part.replace(share, "0.11000000034")))]
        }
        ["-m", "set", "--match-set", name, _] => {
            vec![("match removed", None), ("set changed", Some(part.replace(name, "SVC-PROXY-OTHER")))]
        }
        ["-j", target, ..] => {
            let others = targets(target, part, rule, chains).into_iter();
            [("target removed", None)].into_iter().chain(others.map(|(kind, to)| (kind, Some(to)))).collect()
        }
        _ => Vec::new(),
    }
}

fn inverted(part: &str) -> String {
    match part.contains(" ! ") {
        true => part.replace(" ! ", " "),
        false => part.replacen(" --", " ! --", 1),
    }
}

fn targets(target: &str, part: &str, rule: &str, chains: &[String]) -> Vec<(&'static str, String)> {
    let to = |text: &str| format!("-j {text}");
    match target {
        "ACCEPT" => vec![("accept to return", to("RETURN"))],
        "DROP" => vec![("drop to accept", to("ACCEPT"))],
        "RETURN" => vec![("return to accept", to("ACCEPT"))],
        "REJECT" => {
            let other = match (part.contains("tcp-reset"), part.contains("icmp6"), rule.contains("-p tcp")) {
                (true, ..) => None,
                (false, _, true) => Some(("reply changed", to("REJECT --reject-with tcp-reset"))),
                _ => None,
            };
            [("reject to drop", to("DROP"))].into_iter().chain(other).collect()
        }
        "MARK" => vec![("mark changed", part.replace("0x4000", "0x8000"))],
        "MASQUERADE" => vec![("masquerade to accept", to("ACCEPT"))],
        "SET" => {
            let words: Vec<_> = part.split(' ').collect();
            let behind = |word| words.iter().position(|it| *it == word).map(|at| words[at + 1]).unwrap();
            let shorter = part.replace(&format!("--timeout {}", behind("--timeout")), "--timeout 7");
            let renamed = part.replace(behind("--add-set"), "SVC-PROXY-OTHER");
            vec![("time changed", shorter), ("set changed", renamed)]
        }
        "DNAT" => {
            let (address, _) = part.rsplit_once(':').unwrap();
            vec![("dnat port changed", format!("{address}:1"))]
        }
        chain => {
            // To the next one of its kind.
            let kind = chain.rsplit_once('-').map_or(chain, |(kind, _)| kind);
            let alike: Vec<_> = chains.iter().filter(|name| name.starts_with(kind)).collect();
            let at = alike.iter().position(|name| *name == chain).unwrap_or(0);
            let other = alike[(at + 1) % alike.len()];
            let other = (other != chain).then(|| ("chain changed", to(other)));
            [("jump to accept", to("ACCEPT"))].into_iter().chain(other).collect()
        }
    }
}
