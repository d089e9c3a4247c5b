//! The page about impact while the estate is still being read: what it shows of items, the graph knows.

use std::{collections::BinaryHeap, sync::Arc};

use rollcall_core::{
    Catalogue,
    graph::{Graph, Node},
};
use rollcall_shared::CiId;

use super::{CHOICES, Choice, Offered, question::Question};
use crate::{api::cis::blocking, auth::Refusal, graph_copy::Early, web::words};

/// What fails, with the names of items; and the items that have `find` in their name.
pub(super) async fn offered(early: Arc<Early>, question: &Question, find: &str) -> Result<Offered, Refusal> {
    let describe = |text: &str| {
        let node = text.parse().ok().and_then(|id| early.graph.node(id));
        let known = node.map(|node| (node.name.to_string(), detail(early.known.catalogue(), &early.graph, node)));
        known.unwrap_or_else(|| (text.to_owned(), String::new()))
    };
    let chosen = question.chosen("/impact", describe);
    let (find, taken) = (find.to_lowercase(), question.items());
    // All names are looked at.
    let choices = blocking(move || {
        let found = called(&early.graph, &find, &taken).into_iter();
        let choice = |node: &Node| Choice {
            value: node.id.to_string(),
            name: node.name.to_string(),
            detail: detail(early.known.catalogue(), &early.graph, node),
        };
        found.map(choice).collect()
    });
    Ok(Offered { chosen, choices: choices.await?, find_problem: None, suggestions: Vec::new() })
}

/// Some of the items with these words in their name, in lower case: one of just that name first, then those that begin so.
fn called<'g>(graph: &'g Graph, find: &str, taken: &[CiId]) -> Vec<&'g Node> {
    let mut best = BinaryHeap::new();
    if find.is_empty() {
        return Vec::new();
    }
    for node in graph.nodes() {
        let name = node.name.to_lowercase();
        let Some(at) = name.find(find) else { continue };
        if taken.contains(&node.id) {
            continue;
        }
        best.push((at > 0, name.len(), name, node.id));
        if best.len() > CHOICES {
            best.pop();
        }
    }
    best.into_sorted_vec().into_iter().filter_map(|(.., id)| graph.node(id)).collect()
}

/// An item's class and, for what runs on a machine, that machine's name.
fn detail(catalogue: &Catalogue, graph: &Graph, node: &Node) -> String {
    let class = words::class(catalogue, graph.class_of(node));
    let machine = graph.dependencies(node.id).find(|edge| edge.kind == "runs_on").map(|edge| &edge.to.name);
    machine.map_or_else(|| class.to_owned(), |machine| format!("{class} on {machine}"))
}
