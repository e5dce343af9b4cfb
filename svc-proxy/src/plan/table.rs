//! A plan as a table.

use std::fmt;

use svc_model::TrafficPolicy;

use super::Plan;
use super::endpoint::Endpoint;
use super::frontend::{Frontend, Outcome};
use super::service::PortPlan;

const HEADER: [&str; 6] = ["SERVICE", "KIND", "FRONTEND", "POLICY", "MASQUERADE", "LEADS TO"];

/// Writes one line per frontend, columns as wide as their widest cell.
pub(super) fn write(plan: &Plan, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let header = HEADER.map(str::to_owned);
    let rows: Vec<_> = plan.frontends().map(|(port, frontend)| row(port, frontend)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<_> = (0..HEADER.len()).map(|column| width(column).max(HEADER[column].len())).collect();
    for row in std::iter::once(&header).chain(&rows) {
        let (last, cells) = row.split_last().expect("rows have as many cells as the header");
        for (cell, width) in cells.iter().zip(&widths) {
            write!(f, "{cell:width$}  ")?;
        }
        writeln!(f, "{last}")?;
    }
    Ok(())
}

fn row(port: &PortPlan, frontend: &Frontend) -> [String; 6] {
    [
        port.name().to_string(),
        frontend.kind().to_string(),
        frontend.key().to_string(),
        if frontend.policy() == TrafficPolicy::Local { "Local" } else { "Cluster" }.to_owned(),
        frontend.masquerade().to_string(),
        destination(port, frontend),
    ]
}

fn destination(port: &PortPlan, frontend: &Frontend) -> String {
    if let Some(owner) = frontend.taken_by() {
        return format!("(in use by {owner})");
    }
    let cluster = || list(port.cluster_endpoints());
    let local = || list(port.local_endpoints());
    let mut text = match frontend.outcome() {
        Outcome::Reject => return "reject".to_owned(),
        Outcome::Drop => return "drop".to_owned(),
        Outcome::Cluster => cluster(),
        Outcome::Local => local(),
        Outcome::BySource => format!("from outside {}; else {}", local(), cluster()),
    };
    if let Some(timeout) = port.affinity() {
        text += &format!("; same client, same endpoint for {} s", timeout.as_secs());
    }
    match frontend.sources() {
        None => {}
        Some([]) => text += "; from nobody",
        Some(sources) => {
            let sources: Vec<_> = sources.iter().map(ToString::to_string).collect();
            text += &format!("; only from {}", sources.join(", "));
        }
    }
    text
}

fn list(endpoints: &[Endpoint]) -> String {
    if endpoints.is_empty() {
        return "drop".to_owned();
    }
    endpoints.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
