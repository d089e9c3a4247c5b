//! An answer laid out as a picture: layers by hops, ordered within a layer so that edges cross little. Limits bound what is shown, never
//! what was computed; what is left out is counted.

use std::collections::{BTreeMap, HashMap, HashSet};

use rollcall_shared::{CiId, RelationshipId, catalogue::Hardness};

use super::{Assessment, FailureKind, State};
use crate::graph::{Edge, Graph, Needs, Node};

/// How often the order within layers is improved, down and up. More changes little.
const SWEEPS: usize = 4;

/// How much is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// At most this many CIs.
    pub nodes: usize,
    /// At most this many edges.
    pub edges: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { nodes: 250, edges: 1_000 }
    }
}

/// A picture.
#[derive(Clone, Debug, Default)]
pub struct Picture<'a> {
    /// What is shown, by layer, then from left to right.
    pub nodes: Vec<PictureNode<'a>>,
    /// Edges between what is shown.
    pub edges: Vec<PictureEdge>,
    /// By layer, how many CIs are not shown: "N more".
    pub hidden: Vec<usize>,
    /// How many edges between shown CIs are not shown.
    pub hidden_edges: usize,
}

/// A CI in a picture.
#[derive(Clone, Debug)]
pub struct PictureNode<'a> {
    /// The CI.
    pub ci: &'a Node,
    /// Its role.
    pub role: Role,
    /// Its state; ok in a picture that is not about an outage.
    pub state: State,
    /// Its layer, from 0.
    pub layer: u32,
    /// Its place in its layer in widths of a CI, 0 being the middle.
    pub x: f64,
}

/// What a CI is in a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It fails, in this way.
    Failing(FailureKind),
    /// The outage reaches it.
    Affected,
    /// It is touched and serves all the same.
    Absorbed,
    /// The CI whose needs are shown.
    Asked,
    /// It is needed.
    Needed,
}

/// Everything between two CIs in a picture, in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PictureEdge {
    /// The dependent.
    pub from: CiId,
    /// What it depends on.
    pub to: CiId,
    /// The relationships; empty where only a declared need group names the provider.
    pub relationships: Vec<RelationshipId>,
    /// Whether this is part of why the dependent is in its state.
    pub is_reason: bool,
    /// All its evidence is stale.
    pub stale: bool,
    /// One of the relationships is hard.
    pub hard: bool,
}

/// The picture of an outage: what fails in layer 0, what it reaches and what absorbed it above, by hops.
///
/// The worst is shown first, always together with its witness path; a quarter of the room is kept for what absorbed the outage.
pub fn outage<'a>(assessment: &Assessment<'a>, limits: Limits) -> Picture<'a> {
    let graph = assessment.graph();
    let mut all: BTreeMap<CiId, (u32, Role)> = BTreeMap::new();
    let hops: HashMap<CiId, u32> = assessment.affected.iter().map(|affected| (affected.ci.id, affected.hops)).collect();
    for failure in &assessment.failures {
        all.insert(failure.ci.id, (hops.get(&failure.ci.id).copied().unwrap_or(0), Role::Failing(failure.kind)));
    }
    for affected in &assessment.affected {
        all.entry(affected.ci.id).or_insert((affected.hops, Role::Affected));
    }
    for absorbed in &assessment.absorbed {
        let provider_hops = absorbed.by.iter().flat_map(|need| &need.providers).filter(|provider| provider.state >= State::Degraded);
        let provider_hops = provider_hops.map(|provider| hops.get(&provider.ci.id).copied().unwrap_or(0)).min().unwrap_or(0);
        all.entry(absorbed.ci.id).and_modify(|(_, role)| *role = Role::Absorbed).or_insert((provider_hops + 1, Role::Absorbed));
    }
    let room_for_affected = limits.nodes - (limits.nodes / 4).min(assessment.absorbed.len());

    let mut shown = Shown { most: room_for_affected, cis: Vec::new(), known: HashSet::new() };
    shown.add(assessment.failures.iter().map(|failure| failure.ci.id));
    for affected in &assessment.affected {
        if shown.is_full() {
            break;
        }
        let path = assessment.witness(affected.ci.id);
        // From what fails outwards, so that nothing hangs in the air where the room ends.
        shown.add(path.iter().rev().map(|hop| hop.provider.id).chain([affected.ci.id]));
    }
    shown.most = limits.nodes;
    shown.add(assessment.absorbed.iter().map(|absorbed| absorbed.ci.id));

    let nodes = shown.cis.iter().filter_map(|ci| {
        let (layer, role) = *all.get(ci)?;
        Some(PictureNode { ci: graph.node(*ci)?, role, state: assessment.state(*ci), layer, x: 0.0 })
    });
    let edges = |from: CiId, to: CiId| assessment.picture_edge(from, to);
    lay_out(graph, nodes.collect(), all.values().map(|(layer, _)| *layer), edges, limits)
}

/// The picture of what a CI needs: the CI in layer 0, what it needs below, by hops, nearest first.
pub fn needs<'a>(graph: &'a Graph, needs: &Needs<'a>, limits: Limits) -> Picture<'a> {
    let asked = PictureNode { ci: needs.of, role: Role::Asked, state: State::Ok, layer: 0, x: 0.0 };
    let needed = needs.items.iter().take(limits.nodes.saturating_sub(1));
    let needed = needed.map(|item| PictureNode { ci: item.ci, role: Role::Needed, state: State::Ok, layer: item.hops, x: 0.0 });
    let nodes = std::iter::once(asked).chain(needed).collect();
    let layers = std::iter::once(0).chain(needs.items.iter().map(|item| item.hops));
    let edges = |from: CiId, to: CiId| {
        let (from_number, to_number) = (graph.number_of(from)?, graph.number_of(to)?);
        let mut travelling = graph.edges_between(from_number, to_number).filter(|edge| edge.travels).peekable();
        travelling.peek()?;
        let travelling: Vec<Edge> = travelling.collect();
        let hard = travelling.iter().any(|edge| edge.hardness == Hardness::Hard);
        let relationships = travelling.iter().filter_map(|edge| edge.relationship).collect();
        Some(PictureEdge { from, to, relationships, is_reason: false, stale: false, hard })
    };
    lay_out(graph, nodes, layers, edges, limits)
}

/// The CIs chosen to be shown, in the order chosen.
struct Shown {
    most: usize,
    cis: Vec<CiId>,
    known: HashSet<CiId>,
}

impl Shown {
    fn is_full(&self) -> bool {
        self.cis.len() >= self.most
    }

    fn add(&mut self, cis: impl IntoIterator<Item = CiId>) {
        for ci in cis {
            if !self.is_full() && self.known.insert(ci) {
                self.cis.push(ci);
            }
        }
    }
}

fn lay_out<'a>(
    graph: &'a Graph,
    mut nodes: Vec<PictureNode<'a>>,
    all_layers: impl Iterator<Item = u32>,
    edge: impl Fn(CiId, CiId) -> Option<PictureEdge>,
    limits: Limits,
) -> Picture<'a> {
    let place: HashMap<CiId, usize> = nodes.iter().enumerate().map(|(at, node)| (node.ci.id, at)).collect();
    let mut links: Vec<(usize, usize)> = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let to = graph.dependencies(node.ci.id).filter_map(|edge| place.get(&edge.to.id).copied()).filter(|&to| to != at);
        links.extend(to.map(|to| (at, to)));
    }
    links.dedup();
    let mut edges: Vec<(usize, usize, PictureEdge)> =
        links.into_iter().filter_map(|(from, to)| Some((from, to, edge(nodes[from].ci.id, nodes[to].ci.id)?))).collect();
    edges.sort_by_key(|(.., edge)| !edge.is_reason);
    let hidden_edges = edges.len().saturating_sub(limits.edges);
    edges.truncate(limits.edges);

    let links: Vec<(usize, usize)> = edges.iter().map(|&(from, to, _)| (from, to)).collect();
    order_layers(&mut nodes, &links);
    let mut hidden: Vec<usize> = Vec::new();
    for layer in all_layers {
        let layer = layer as usize;
        hidden.resize(hidden.len().max(layer + 1), 0);
        hidden[layer] += 1;
    }
    for node in &nodes {
        hidden[node.layer as usize] -= 1;
    }
    nodes.sort_by(|a, b| a.layer.cmp(&b.layer).then(a.x.total_cmp(&b.x)));
    Picture { nodes, edges: edges.into_iter().map(|(.., edge)| edge).collect(), hidden, hidden_edges }
}

/// Orders each layer by the mean place of the neighbours in the layers on one side, sweeping to and fro.
fn order_layers(nodes: &mut [PictureNode<'_>], links: &[(usize, usize)]) {
    let mut neighbours: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    for &(from, to) in links {
        neighbours[from].push(to);
        neighbours[to].push(from);
    }
    let mut layers: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate() {
        layers.entry(node.layer).or_default().push(at);
    }
    let mut layers: Vec<Vec<usize>> = layers.into_values().collect();
    for layer in &mut layers {
        layer.sort_by(|&a, &b| (&nodes[a].ci.name, nodes[a].ci.id).cmp(&(&nodes[b].ci.name, nodes[b].ci.id)));
        spread(nodes, layer);
    }
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        for at in 0..layers.len() {
            let at = if down { at } else { layers.len() - 1 - at };
            let layer = &mut layers[at];
            let mut weighted: Vec<(f64, usize)> =
                layer.iter().map(|&node| (barycentre(nodes, &neighbours[node], node, down), node)).collect();
            // Stable: what nothing pulls stays where it is.
            weighted.sort_by(|a, b| a.0.total_cmp(&b.0));
            *layer = weighted.into_iter().map(|(_, node)| node).collect();
            spread(nodes, layer);
        }
    }
}

/// The mean place of a node's neighbours before (or behind) its layer; its own place if there are none.
fn barycentre(nodes: &[PictureNode<'_>], neighbours: &[usize], node: usize, before: bool) -> f64 {
    let layer = nodes[node].layer;
    let pulling = neighbours.iter().filter(|&&other| if before { nodes[other].layer < layer } else { nodes[other].layer > layer });
    let (count, sum) = pulling.fold((0_u32, 0.0), |(count, sum), &other| (count + 1, sum + nodes[other].x));
    if count == 0 { nodes[node].x } else { sum / f64::from(count) }
}

/// Places the nodes of a layer side by side around the middle.
fn spread(nodes: &mut [PictureNode<'_>], layer: &[usize]) {
    let middle = (layer.len() as f64 - 1.0) / 2.0;
    for (at, &node) in layer.iter().enumerate() {
        nodes[node].x = at as f64 - middle;
    }
}
