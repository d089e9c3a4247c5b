//! Small estates in a few lines of text, for tests.

use rollcall_shared::{AgentId, CiId, NeedGroupId, RelationshipId, Timestamp, catalogue::Hardness};
use uuid::Uuid;

use super::{Assessment, Basis, FailureKind, Outage, assess};
use crate::{
    graph::{EdgeEvidence, EdgePart, Graph, GraphParts, GroupPart, NodePart},
    model::{Method, MinUp},
};

pub(crate) const DAY: i64 = 86_400_000;
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_000 * DAY);

/// The id of a CI in a test: its name's bytes.
pub(crate) fn ci(name: &str) -> CiId {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(name.bytes()).for_each(|(to, from)| *to = from);
    CiId(Uuid::from_bytes(bytes))
}

/// Reads an estate, one statement a line:
/// `a -> b` (hard), `a ~> b` (soft), `a .. b` (shown only), `a -> b stale`, `a -> b one-ended`, `a owned_by b`,
/// `a needs 2 of b c d` (hard group; `old?` is a member that is gone), `a likes 50% of b c` (soft group), `stopped a` (it does not run), `service a` (a business service: declared before use,
/// without an agent, its needs declared). Agents were never heard since what they reported.
pub(crate) fn graph(text: &str) -> Graph {
    let mut parts = GraphParts::default();
    let (mut services, mut stopped) = (Vec::new(), Vec::new());
    let mut names: Vec<&str> = Vec::new();
    for (at, line) in (0..).zip(text.lines().map(str::trim).filter(|line| !line.is_empty())) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["service", name] => {
                services.push(name);
                names.push(name);
            }
            ["stopped", name] => {
                stopped.push(name);
                names.push(name);
            }
            [name, needs @ ("needs" | "likes"), count, "of", ref members @ ..] => {
                let min_up = match count.strip_suffix('%') {
                    Some(percent) => MinUp::Percent(percent.parse().unwrap()),
                    None => MinUp::Count(count.parse().unwrap()),
                };
                names.push(name);
                names.extend(members.iter().filter(|member| !member.ends_with('?')));
                parts.groups.push(GroupPart {
                    id: NeedGroupId(Uuid::from_u128(at)),
                    ci: ci(name),
                    name: "replicas",
                    members: members.iter().map(|member| ci(member)).collect(),
                    min_up,
                    hardness: if needs == "needs" { Hardness::Hard } else { Hardness::Soft },
                });
            }
            [from, arrow, to, ref quality @ ..] => {
                names.extend([from, to]);
                let (kind, hardness) = match arrow {
                    "->" => ("connects_to", Hardness::Hard),
                    "~>" => ("uses", Hardness::Soft),
                    "owned_by" => ("owned_by", Hardness::None),
                    _ => ("covered_by", Hardness::None),
                };
                parts.edges.push(EdgePart {
                    relationship: RelationshipId(Uuid::from_u128(at)),
                    kind,
                    from: ci(from),
                    to: ci(to),
                    hardness,
                    evidence: if services.contains(&from) { vec![declared(quality)] } else { evidence(from, to, quality) },
                });
            }
            [name] => names.push(name),
            _ => panic!("not a statement: {line}"),
        }
    }
    let node = |name| NodePart {
        id: ci(name),
        name: name.into(),
        class: if services.contains(&name) { "business_service" } else { "server" },
        owner: None,
        agent: (!services.contains(&name)).then(|| agent(name)),
        stopped: stopped.contains(&name),
    };
    parts.nodes = names.iter().copied().map(node).collect();
    Graph::from_parts(parts)
}

pub(crate) fn agent(name: &str) -> AgentId {
    AgentId(ci(name).0)
}

fn declared(quality: &[&str]) -> EdgeEvidence {
    let last_seen = NOW.plus_millis(if quality.contains(&"stale") { -400 * DAY } else { -300 * DAY });
    EdgeEvidence { method: Method::Declared, agent: None, last_seen, samples_seen: 0, samples_total: 0 }
}

fn evidence(from: &str, to: &str, quality: &[&str]) -> Vec<EdgeEvidence> {
    let last_seen = if quality.contains(&"stale") { NOW.plus_millis(-30 * DAY) } else { NOW };
    let seen_by = |agent| EdgeEvidence { method: Method::Connection, agent: Some(agent), last_seen, samples_seen: 3, samples_total: 4 };
    if quality.contains(&"one-ended") { vec![seen_by(agent(from))] } else { vec![seen_by(agent(from)), seen_by(agent(to))] }
}

/// Assesses an outage: `db01` down, or `db01:degraded web01:maintenance`.
pub(crate) fn outage<'g>(graph: &'g Graph, failing: &str) -> Assessment<'g> {
    let failures = failing.split_whitespace().map(|failure| match failure.split_once(':') {
        Some((name, kind)) => (ci(name), FailureKind::parse(kind).unwrap()),
        None => (ci(failure), FailureKind::Down),
    });
    assess(graph, &Outage { failures: failures.collect() }, Basis::new(NOW, |_| None))
}
