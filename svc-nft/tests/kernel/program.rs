//! What the nft program says about what we sent.

use std::process::Command;

use libtest_mimic::{Failed, Trial};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use svc_nft::{Batch, Dataplane, Rule, Socket, Table};

use crate::{sample, strategies};

pub(crate) fn trials() -> Vec<Trial> {
    let missing = Command::new("nft").arg("--version").output().is_err();
    if missing {
        eprintln!("SKIP program::*: no nft program here (Debian's package `nftables` has it)");
    }
    // Where everything has to be there, what is not fails.
    let missing = missing && std::env::var_os("CI").is_none();
    let trial = |table: Table| {
        let name = format!("program::prints_table_{}_as_we_do", table.id().to_string().replace(' ', "_"));
        Trial::test(name, move || prints_the_same(table)).with_ignored_flag(missing)
    };
    let reads = |table: Table| {
        let name = format!("program::reads_our_script_of_table_{}", table.id().to_string().replace(' ', "_"));
        Trial::test(name, move || reads_our_script(table)).with_ignored_flag(missing)
    };
    let mut trials: Vec<_> = sample::all().into_iter().map(trial).collect();
    trials.extend(sample::all().into_iter().map(reads));
    let generated = Trial::test("program::prints_generated_rules_as_we_do", || prints_the_same(generated()));
    trials.push(generated.with_ignored_flag(missing));
    trials
}

/// Two thousand rules and a thousand elements, the same ones each time.
fn generated() -> Table {
    let mut runner = TestRunner::deterministic();
    let rules = proptest::collection::vec(strategies::rule(), 2000);
    let mut table = strategies::table_of(rules.new_tree(&mut runner).expect("rules").current());
    let elements = proptest::collection::vec(strategies::element(), 1000);
    for (set, element) in elements.new_tree(&mut runner).expect("elements").current() {
        table.find_set_mut(set).expect("the set").insert(element);
    }
    table
}

/// The program's text of a table that we sent is our text of it.
fn prints_the_same(table: Table) -> Result<(), Failed> {
    svc_lab::run(move |lab| async move {
        let host = lab.pod("program").await?;
        let sent = table.clone();
        let listed = host
            .run(move || async move {
                let mut socket = Socket::open().expect("a netlink socket");
                socket.apply(Batch::new().load(&sent)).expect("the kernel takes it");
                socket.list_table(sent.id()).expect("the kernel lists it").expect("it is there")
            })
            .await;
        let mut list = Command::new("nft");
        list.args(["list", "ruleset"]);
        let output = host.command(list).output().await?;
        assert!(
            output.status.success(),
            "nft: {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        same_lines(&String::from_utf8(output.stdout)?, &table.to_string());
        same_lines(&listed.to_string(), &table.to_string());
        assert_eq!(listed, table);
        Ok(())
    });
    Ok(())
}

/// The program prints `ct original proto-dst` but does not read it without the protocol.
fn readable(mut table: Table) -> Table {
    let chains = table.chains().to_vec();
    for chain in chains {
        let mut kept = chain.header();
        let readable = |rule: &&Rule| !rule.text(table.id().family()).to_string().contains("proto-dst");
        chain.rules().iter().filter(readable).cloned().for_each(|rule| kept.push(rule));
        table.insert_chain(kept);
    }
    table
}

/// A batch's text, given to the program, makes the same table as the batch does.
fn reads_our_script(table: Table) -> Result<(), Failed> {
    svc_lab::run(move |lab| async move {
        let host = lab.pod("program").await?;
        let table = readable(table);
        let script = Batch::new().load(&table).to_string();
        let mut read = Command::new("nft");
        read.arg(&script);
        let output = host.command(read).output().await?;
        assert!(output.status.success(), "nft: {}\n{script}", String::from_utf8_lossy(&output.stderr));
        let id = table.id().clone();
        let listed = host
            .run(move || async move {
                let mut socket = Socket::open().expect("a netlink socket");
                socket.list_table(&id).expect("the kernel lists it").expect("it is there")
            })
            .await;
        same_lines(&listed.to_string(), &table.to_string());
        Ok(())
    });
    Ok(())
}

/// Shows the first line that differs, for a whole table is too much to look at.
fn same_lines(theirs: &str, ours: &str) {
    let differing = theirs.lines().zip(ours.lines()).position(|(theirs, ours)| theirs != ours);
    if let Some(line) = differing {
        let around =
            |text: &str| text.lines().skip(line.saturating_sub(2)).take(6).collect::<Vec<_>>().join("\n");
        panic!("line {line}, they:\n{}\nand we:\n{}", around(theirs), around(ours));
    }
    assert_eq!(theirs, ours);
}
