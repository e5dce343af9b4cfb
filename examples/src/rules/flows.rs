//! Flows, one a line, and what becomes of each.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

use serde::Serialize;
use svc_proxy::packet::{Entry, Host, Packet};
use svc_proxy::trace::{Ruleset, Step, Way};

use super::options::{Format, Trace};

/// Where and how flows are traced.
#[derive(Debug)]
pub struct Tracer<'a> {
    /// The rules.
    pub rules: &'a dyn Ruleset,
    /// The node.
    pub host: Host,
    /// Where packets meet the rules first.
    pub entry: Entry,
    /// How the result is written.
    pub format: Format,
}

/// What becomes of a flow, for programs.
#[derive(Serialize)]
struct Line<'a> {
    flow: &'a str,
    outcome: &'a str,
    endpoints: Vec<EndpointLine>,
    path: Vec<StepLine<'a>>,
}

/// A flow that nothing can be said of.
#[derive(Serialize)]
struct Fault<'a> {
    flow: &'a str,
    error: &'a str,
}

#[derive(Serialize)]
struct EndpointLine {
    address: String,
    probability: f64,
    masquerade: bool,
}

#[derive(Serialize)]
struct StepLine<'a> {
    table: &'a str,
    chain: &'a str,
    rule: &'a str,
    object: Option<&'a str>,
}

impl Tracer<'_> {
    /// Writes what becomes of a flow; false if that cannot be said.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn trace(&self, flow: &str, output: &mut impl Write) -> io::Result<bool> {
        let traced = flow.parse::<Packet>().map_err(|error| error.to_string()).and_then(|packet| {
            let packet = packet.on(&self.host).entering(self.entry);
            self.rules.trace(&packet).map_err(|error| error.to_string())
        });
        match (traced, self.format) {
            (Ok(trace), Format::Text) => writeln!(output, "{trace}")?,
            (Ok(trace), Format::Json) => write_line(output, &line(flow, &trace))?,
            (Err(error), format) => {
                eprintln!("error: flow `{flow}`: {error}");
                if format == Format::Json {
                    write_line(output, &Fault { flow, error: &error })?;
                }
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn line<'a>(flow: &'a str, trace: &'a svc_proxy::trace::Trace) -> Line<'a> {
    let mut endpoints: Vec<_> = trace.endpoints().filter_map(endpoint_line).collect();
    // As text, as everything here is.
    endpoints.sort_by(|a, b| a.address.cmp(&b.address));
    Line {
        flow,
        outcome: trace.outcome().as_str(),
        endpoints,
        path: trace.path().iter().map(step_line).collect(),
    }
}

fn endpoint_line(way: &Way) -> Option<EndpointLine> {
    let address = way.destination()?.to_string();
    Some(EndpointLine { address, probability: way.probability(), masquerade: way.is_masqueraded() })
}

fn step_line(step: &Step) -> StepLine<'_> {
    StepLine { table: step.table(), chain: step.chain(), rule: step.rule(), object: step.object() }
}

fn write_line(output: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *output, line).map_err(io::Error::from)?;
    output.write_all(b"\n")
}

/// Calls `trace` for each flow, in order, and counts those that were refused.
///
/// # Errors
///
/// The flows cannot be read, or `trace` fails.
pub fn read(options: &Trace, mut trace: impl FnMut(&str) -> io::Result<bool>) -> io::Result<usize> {
    let mut refused = 0;
    let mut count = |flow: &str| -> io::Result<()> {
        refused += usize::from(!trace(flow)?);
        Ok(())
    };
    match options.flows.as_deref() {
        None => options.flow.iter().try_for_each(|flow| count(flow.trim()))?,
        Some(path) if path == Path::new("-") => each_line(io::stdin().lock(), count)?,
        Some(path) => {
            let named =
                |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
            each_line(BufReader::new(File::open(path).map_err(named)?), count)?;
        }
    }
    Ok(refused)
}

fn each_line(mut input: impl BufRead, mut each: impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
    let mut bytes = Vec::new();
    while input.read_until(b'\n', &mut bytes)? > 0 {
        let text = String::from_utf8_lossy(&bytes);
        let flow = text.trim();
        if !flow.is_empty() && !flow.starts_with('#') {
            each(flow)?;
        }
        bytes.clear();
    }
    Ok(())
}
