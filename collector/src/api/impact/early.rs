//! Answers while the estate is still being read: on a copy of the graph, and of the estate what an answer shows.

use std::{collections::BTreeSet, sync::Arc};

use rollcall_core::{Estate, graph::Graph, impact::view::Limits};
use rollcall_shared::{CiId, Timestamp};

use super::{
    answer::Answer,
    ask::{Ground, Question},
};
use crate::{
    api::cis::{blocking, no_ci},
    app::SharedApp,
    auth::Refusal,
    graph_copy::Early,
    starting,
};

/// The same answer as later, or a word that it must wait.
pub(super) async fn ask(app: &SharedApp, early: &Early, question: Question, limits: Limits) -> Result<Answer, Refusal> {
    if question.as_of.is_some() {
        return Err(starting::refusal());
    }
    let at = Timestamp::now();
    let ground = |known: Arc<Estate>| Ground::early(Arc::clone(&early.graph), known, at);
    // What its paths show of relationships, only the store has: first it is found out which those are.
    let (first, asked, collector) = (ground(Arc::clone(&early.known)), question.clone(), app.clone());
    let found = blocking(move || first.answer(&collector, &asked, limits).map(|(answer, _)| answer)).await??;
    let hops = found.affected.iter().flat_map(|affected| &affected.path);
    let shown: BTreeSet<CiId> = hops.map(|hop| CiId(hop.dependent.id)).collect();
    if shown.is_empty() {
        return Ok(found);
    }
    let mut known = Estate::default();
    app.store.load_of(&shown.into_iter().collect::<Vec<_>>()).await?.apply_to(&mut known);
    early.known.agents_heard().for_each(|(agent, at)| known.heard(agent, at));
    let (second, collector) = (ground(Arc::new(known)), app.clone());
    blocking(move || second.answer(&collector, &question, limits).map(|(answer, _)| answer)).await?
}

/// The item of this name or id, or `NAME on MACHINE`. What only the estate knows must wait.
pub(super) fn named(graph: &Graph, text: &str) -> Result<CiId, Refusal> {
    let text = text.trim().trim_matches('"');
    if let Ok(id) = text.parse::<CiId>() {
        return graph.node(id).map(|node| node.id).ok_or_else(|| no_ci(id));
    }
    let name = text.to_lowercase();
    let on_machine = name.rsplit_once(" on ").map(|(name, machine)| (name.trim(), machine.trim()));
    let called =
        |wanted: &str| graph.nodes().filter(move |node| node.name.to_lowercase() == wanted).map(|node| node.id).collect::<Vec<_>>();
    let mut found = called(&name);
    if let (true, Some((name, machine))) = (found.is_empty(), on_machine) {
        let runs_there = |ci: &CiId| graph.dependencies(*ci).any(|edge| edge.kind == "runs_on" && edge.to.name.to_lowercase() == machine);
        found = called(name).into_iter().filter(runs_there).collect();
    }
    match found[..] {
        [one] => Ok(one),
        // A part of a name, a set, several of that name: the estate tells, and says it as always.
        _ => Err(starting::refusal()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use rollcall_core::graph::{EdgePart, GraphParts, NodePart};
    use rollcall_shared::{RelationshipId, catalogue::Hardness};
    use uuid::Uuid;

    fn ci(number: u128) -> CiId {
        CiId(Uuid::from_u128(number))
    }

    #[test]
    fn only_what_one_item_is_called_is_meant() {
        let names = ["web1", "web2", "nginx", "NGINX", "twin", "twin"];
        let node = |(number, name): (u128, &&'static str)| NodePart {
            id: ci(number),
            name: (*name).into(),
            class: "server",
            owner: None,
            agent: None,
            stopped: false,
        };
        let runs_on = |number: u128, from: u128, to: u128| EdgePart {
            relationship: RelationshipId(Uuid::from_u128(number)),
            kind: "runs_on",
            from: ci(from),
            to: ci(to),
            hardness: Hardness::Hard,
            evidence: Vec::new(),
        };
        let graph = Graph::from_parts(GraphParts {
            nodes: (1..).zip(&names).map(node).collect(),
            edges: vec![runs_on(1, 3, 1), runs_on(2, 4, 2)],
            ..GraphParts::default()
        });
        for (text, meant) in [("WEB1", 1), ("\"web2\"", 2), ("nginx on web1", 3), ("Nginx on WEB2", 4)] {
            assert_eq!(named(&graph, text).ok(), Some(ci(meant)), "{text}");
        }
        assert_eq!(named(&graph, &ci(6).to_string()).ok(), Some(ci(6)));
        assert_eq!(named(&graph, &ci(7).to_string()).unwrap_err().problem.status, 404);
        for text in ["twin", "nginx", "nginx on web3", "web", "", "site:Berlin"] {
            assert_eq!(named(&graph, text).unwrap_err().problem.status, 503, "{text}");
        }
    }
}
