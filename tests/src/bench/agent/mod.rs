//! What the agent costs: one inventory against other agents' in the same run, one sample of many sockets, memory at rest, bytes
//! on the wire. One table with target and measurement, and whether the target is reached.

mod cost;
mod rest;
mod sampling;
mod wire;

use std::path::Path;

pub use cost::measure;
pub use sampling::hold;

/// One line of the table.
pub struct Line {
    /// What was measured.
    pub what: String,
    /// The target in words; empty where there is none.
    pub target: String,
    /// The measurement in words.
    pub measured: String,
    /// Whether it is reached; `None` without a target.
    pub reached: Option<bool>,
}

impl Line {
    fn at_most(what: impl Into<String>, measured: f64, most: f64, unit: &str) -> Self {
        Self {
            what: what.into(),
            target: format!("<= {most} {unit}"),
            measured: format!("{measured:.2} {unit}"),
            reached: Some(measured <= most),
        }
    }

    fn at_least(what: impl Into<String>, measured: f64, least: f64, unit: &str) -> Self {
        Self {
            what: what.into(),
            target: format!(">= {least} {unit}"),
            measured: format!("{measured:.1} {unit}"),
            reached: Some(measured >= least),
        }
    }

    fn plain(what: impl Into<String>, measured: impl Into<String>) -> Self {
        Self { what: what.into(), target: String::new(), measured: measured.into(), reached: None }
    }
}

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// An inventory against other agents'.
    Cost,
    /// One sample of many sockets.
    Sampling,
    /// Memory of an agent that has nothing to do.
    Rest,
    /// Bytes on the wire.
    Wire,
}

/// Measures these parts (all, where none is named), each tool `rounds` times in turn, and prints the table.
///
/// # Errors
/// If a tool is missing, or the agent or collector cannot be run.
pub async fn run(agent: &Path, rounds: usize, only: &[Part]) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    let mut failed = None;
    for part in [Part::Cost, Part::Sampling, Part::Rest, Part::Wire] {
        if !only.is_empty() && !only.contains(&part) {
            continue;
        }
        let measured = match part {
            Part::Cost => cost::lines(agent, rounds),
            Part::Sampling => sampling::lines(),
            Part::Rest => rest::lines(agent).await,
            Part::Wire => wire::lines(agent).await,
        };
        match measured {
            Ok(measured) => lines.extend(measured),
            Err(error) => failed = Some(error),
        }
    }
    // What was measured is told, also where a part could not be.
    println!("{}", table(&lines));
    failed.map_or(Ok(()), Err)
}

fn table(lines: &[Line]) -> String {
    let widest = |cell: fn(&Line) -> &str| lines.iter().map(|line| cell(line).chars().count()).max().unwrap_or(0);
    let (what, target, measured) = (widest(|line| &line.what), widest(|line| &line.target), widest(|line| &line.measured));
    let row = |line: &Line| {
        let reached = match line.reached {
            Some(true) => "reached",
            Some(false) => "NOT reached",
            None => "",
        };
        format!("  {:<what$}  {:>target$}  {:>measured$}  {reached}", line.what, line.target, line.measured).trim_end().to_owned()
    };
    lines.iter().map(row).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_is_reached() {
        let lines = [Line::at_most("memory", 17.0, 16.0, "MiB"), Line::at_least("CPU", 25.0, 20.0, "x"), Line::plain("bytes", "5")];
        let shown = table(&lines);
        let ends: Vec<_> = shown.lines().map(|line| line.split_whitespace().last().unwrap()).collect();
        assert_eq!(ends, ["reached", "reached", "5"]);
        assert!(shown.lines().next().unwrap().ends_with("NOT reached"), "{shown}");
    }
}
