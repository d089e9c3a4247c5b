//! What the collector drew, against what is true.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use anyhow::Context;
use serde_json::Value;

use crate::harness::{Api, api::text};

/// One dependency: `from` needs `to`. An end is `SERVICE@MACHINE`, or `MACHINE` for a machine as a whole.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The relationship's type.
    pub kind: String,
    /// The dependent.
    pub from: String,
    /// What it depends on.
    pub to: String,
}

impl Edge {
    /// An edge between these ends.
    pub fn new(kind: &str, from: &str, to: &str) -> Self {
        Self { kind: kind.to_owned(), from: from.to_owned(), to: to.to_owned() }
    }

    fn reversed(&self) -> Self {
        Self::new(&self.kind, &self.to, &self.from)
    }
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.from, self.kind, self.to)
    }
}

/// The relationships between machines and services that the collector has drawn, without what runs where.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// The edges.
    pub edges: BTreeSet<Edge>,
    /// What each rests on.
    pub evidence: BTreeMap<Edge, Vec<String>>,
}

impl Graph {
    /// Reads it.
    ///
    /// # Errors
    /// If the collector does not answer.
    pub async fn read(api: &Api) -> anyhow::Result<Self> {
        const RUNS_ON: &str = "runs_on";
        let relationships = api.all("/api/v1/relationships?limit=1000").await?;
        let end = |relationship: &Value, end: &str| -> anyhow::Result<(String, String)> {
            let ci = relationship.get(end).with_context(|| format!("no {end} in {relationship}"))?;
            Ok((text(ci, "id")?.to_owned(), text(ci, "name")?.to_owned()))
        };
        let mut hosts: BTreeMap<String, String> = BTreeMap::new();
        for relationship in &relationships {
            if text(relationship, "type")? == RUNS_ON {
                hosts.insert(end(relationship, "from")?.0, end(relationship, "to")?.1);
            }
        }
        let mut graph = Self::default();
        // What runs where, the certificates in the files that these machines share, and who has met whom, are not what depends on what.
        let is_between = |it: &&Value| {
            !it.get("type").and_then(Value::as_str).is_some_and(|kind| [RUNS_ON, "meets"].contains(&kind))
                && it.pointer("/to/class").and_then(Value::as_str) != Some("certificate")
        };
        for relationship in relationships.iter().filter(is_between) {
            let name = |(id, name): (String, String)| hosts.get(&id).map_or(name.clone(), |host| format!("{name}@{host}"));
            let edge = Edge {
                kind: text(relationship, "type")?.to_owned(),
                from: name(end(relationship, "from")?),
                to: name(end(relationship, "to")?),
            };
            let evidence = relationship.get("evidence").and_then(Value::as_array).into_iter().flatten();
            let details = evidence
                .filter_map(|it| Some(format!("{} {}/{}", it.get("detail")?.as_str()?, it.get("samples_seen")?, it.get("samples_total")?)));
            graph.evidence.insert(edge.clone(), details.collect());
            graph.edges.insert(edge);
        }
        Ok(graph)
    }
}

impl Graph {
    /// What is wrong and what is missing, each with what was drawn at the same ends and what it rests on.
    pub fn diagnosis(&self, score: &Score) -> String {
        let machine = |end: &str| end.rsplit('@').next().unwrap_or(end).to_owned();
        let rests_on = |edge: &Edge| self.evidence.get(edge).map(|all| all.join("; ")).unwrap_or_default();
        let mut lines: Vec<String> = score.wrong.iter().map(|edge| format!("wrong: {edge}: {}", rests_on(edge))).collect();
        for edge in score.missing_long.iter().chain(&score.missing_short) {
            lines.push(format!("missing: {edge}"));
            let is_near = |it: &&Edge| machine(&it.from) == machine(&edge.from) && machine(&it.to) == machine(&edge.to);
            lines.extend(self.edges.iter().filter(is_near).map(|near| format!("  instead: {near}: {}", rests_on(near))));
        }
        lines.join("\n")
    }
}

/// How well a graph tells the truth.
#[derive(Clone, Debug)]
pub struct Score {
    /// Edges that are drawn and not true.
    pub wrong: Vec<Edge>,
    /// Edges that are true the other way round.
    pub reversed: Vec<Edge>,
    /// True edges that are not drawn, of connections longer than the sampling interval.
    pub missing_long: Vec<Edge>,
    /// True edges that are not drawn, of shorter connections only.
    pub missing_short: Vec<Edge>,
    drawn: usize,
    long: usize,
    short: usize,
}

impl Score {
    /// Compares with the edges of long and of short connections.
    pub fn new(graph: &Graph, long: &BTreeSet<Edge>, short: &BTreeSet<Edge>) -> Self {
        let is_true = |edge: &&Edge| long.contains(*edge) || short.contains(*edge);
        let wrong: Vec<Edge> = graph.edges.iter().filter(|edge| !is_true(edge)).cloned().collect();
        Self {
            reversed: wrong.iter().filter(|edge| is_true(&&edge.reversed())).cloned().collect(),
            wrong,
            missing_long: long.difference(&graph.edges).cloned().collect(),
            missing_short: short.difference(&graph.edges).cloned().collect(),
            drawn: graph.edges.len(),
            long: long.len(),
            short: short.len(),
        }
    }

    /// Whether it draws every true edge and no other.
    pub fn is_exact(&self) -> bool {
        self.wrong.is_empty() && self.missing_long.is_empty() && self.missing_short.is_empty()
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
        writeln!(
            f,
            "  edges drawn {}, true {} (long connections {}, short ones only {})",
            self.drawn,
            self.long + self.short,
            self.long,
            self.short
        )?;
        writeln!(f, "  precision            {:6.2} %", share(self.drawn - self.wrong.len(), self.drawn))?;
        writeln!(f, "  recall, long         {:6.2} %", share(self.long - self.missing_long.len(), self.long))?;
        writeln!(f, "  recall, short        {:6.2} %", share(self.short - self.missing_short.len(), self.short))?;
        writeln!(f, "  wrong way round      {:6}", self.reversed.len())?;
        for edge in &self.wrong {
            writeln!(f, "  wrong: {edge}")?;
        }
        for edge in self.missing_long.iter().chain(&self.missing_short) {
            writeln!(f, "  missing: {edge}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(all: &[(&str, &str)]) -> BTreeSet<Edge> {
        all.iter().map(|(from, to)| Edge::new("connects_to", from, to)).collect()
    }

    #[test]
    fn wrong_reversed_and_missing_edges_are_told() {
        let graph = Graph { edges: edges(&[("a", "b"), ("c", "b"), ("d", "a")]), ..Graph::default() };
        let score = Score::new(&graph, &edges(&[("a", "b")]), &edges(&[("b", "c"), ("a", "c")]));
        assert_eq!(score.wrong, edges(&[("c", "b"), ("d", "a")]).into_iter().collect::<Vec<_>>());
        assert_eq!(score.reversed.len(), 1);
        assert_eq!((score.missing_long.len(), score.missing_short.len()), (0, 2));
        assert!(!score.is_exact());
        let told = graph.diagnosis(&score);
        assert!(told.contains("wrong: c connects_to b") && told.contains("missing: a connects_to c"), "{told}");
        assert!(Score::new(&graph, &graph.edges, &BTreeSet::new()).is_exact());
    }
}
