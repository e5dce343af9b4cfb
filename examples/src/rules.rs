//! The `rules` program: what a proxy would do with Services, without touching anything.

pub mod compiled;
pub mod difference;
pub mod flows;
pub mod objects;
pub mod options;

use std::fmt::Display;
use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;

use svc_proxy::Plan;

use compiled::Compiled;
use objects::Objects;
use options::{Command, Diff, Proxy, Trace};

/// Runs one command. The status is 1 if an object or a flow was refused; everything else is done all the same.
///
/// # Errors
///
/// Nothing can be done at all: no such file, a node that cannot be, no such back end.
pub fn run(command: Command) -> anyhow::Result<ExitCode> {
    let faults = match command {
        Command::Plan(options) => plan(&options)?,
        Command::Compile(options) => compile(&options)?,
        Command::Diff(options) => diff(&options)?,
        Command::Trace(options) => trace(&options)?,
    };
    Ok(ExitCode::from(u8::from(faults > 0)))
}

fn plan(options: &options::Compile) -> anyhow::Result<usize> {
    let (plan, faults) = planned(&Objects::read(&options.objects)?, &options.proxy)?;
    print(plan)?;
    Ok(faults)
}

fn compile(options: &options::Compile) -> anyhow::Result<usize> {
    let (rules, faults) = compiled(&Objects::read(&options.objects)?, &options.proxy)?;
    print(rules)?;
    Ok(faults)
}

fn diff(options: &Diff) -> anyhow::Result<usize> {
    let (from, to) = (Objects::read(&options.from)?, Objects::read(&options.to)?);
    let (before, faults) = compiled(&from, &options.proxy)?;
    let (after, more) = compiled(&to, &options.proxy)?;
    print(difference::Difference::new(&from, &to, after.difference(&before)))?;
    Ok(faults + more)
}

fn trace(options: &Trace) -> anyhow::Result<usize> {
    let objects = Objects::read(&options.objects)?;
    let (rules, faults) = compiled(&objects, &options.proxy)?;
    let rules = rules.ruleset();
    let tracer = flows::Tracer {
        rules: rules.as_ref(),
        host: options.proxy.host(&objects),
        entry: options.hook.into(),
        format: options.format,
    };
    let mut output = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let refused = flows::read(options, |flow| tracer.trace(flow, &mut output));
    let flushed = unless_nobody_reads(output.flush());
    Ok(faults + unless_nobody_reads(refused)? + flushed.map(|()| 0)?)
}

fn planned(objects: &Objects, proxy: &Proxy) -> anyhow::Result<(Plan, usize)> {
    let plan = Plan::new(objects.snapshot(), &proxy.node(objects)?);
    let problems = plan.problems();
    problems.iter().for_each(|problem| eprintln!("error: {problem}"));
    Ok((plan, objects.faults() + problems.len()))
}

fn compiled(objects: &Objects, proxy: &Proxy) -> anyhow::Result<(Compiled, usize)> {
    let (plan, faults) = planned(objects, proxy)?;
    Ok((Compiled::new(&plan, proxy), faults))
}

fn print(what: impl Display) -> io::Result<()> {
    unless_nobody_reads(write!(BufWriter::new(io::stdout().lock()), "{what}"))
}

/// Whoever reads may stop reading: `rules compile | head`.
fn unless_nobody_reads<T: Default>(written: io::Result<T>) -> io::Result<T> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(T::default()),
        written => written,
    }
}
