//! Dominators of the need graph by the semi-NCA algorithm (Georgiadis): what every chain of needs passes. petgraph's takes several times
//! as long on a whole estate.

use rollcall_shared::CiId;

use super::{Graph, Node, NodeNumber};

/// A CI that all chains from business services to some other CIs pass.
#[derive(Clone, Copy, Debug)]
pub struct ServiceChoke<'g> {
    /// The CI.
    pub ci: &'g Node,
    /// How many CIs the business services reach only through it, itself not counted.
    pub guards: usize,
    /// The nearest other CI that every chain to it passes; absent where there is none.
    pub behind: Option<&'g Node>,
}

/// Choke points of everything that business services need, all services at once.
#[derive(Clone, Debug)]
pub struct Chokes<'g> {
    graph: &'g Graph,
    dominators: Dominators,
    guards: Vec<u32>,
}

/// The choke points of all business services together: dominators of the need graph as seen from a point before all services. They say
/// through what everything goes, and ignore redundancy.
pub fn service_chokes(graph: &Graph) -> Chokes<'_> {
    let services: Vec<NodeNumber> = graph.numbers().filter(|&number| graph.is_service_at(number)).collect();
    let dominators = Dominators::of(graph, &services);
    let guards = dominators.guards();
    Chokes { graph, dominators, guards }
}

impl<'g> Chokes<'g> {
    /// How many CIs the services and what they need are.
    pub fn reached(&self) -> usize {
        self.dominators.reached.len() - 1
    }

    /// What a CI is to the services; `None` if it is not needed by any and is none.
    pub fn of(&self, ci: CiId) -> Option<ServiceChoke<'g>> {
        let at = self.dominators.place(self.graph.number_of(ci)?)?;
        Some(self.choke(at))
    }

    /// The CIs that guard the most, then by name.
    pub fn most(&self, count: usize) -> Vec<ServiceChoke<'g>> {
        let mut places: Vec<u32> = (1..self.guards.len() as u32).filter(|&at| self.guards[at as usize] > 0).collect();
        let key = |&at: &u32| (std::cmp::Reverse(self.guards[at as usize]), self.node(at).map(|node| (&node.name, node.id)));
        places.sort_by(|a, b| key(a).cmp(&key(b)));
        places.truncate(count);
        places.into_iter().map(|at| self.choke(at)).collect()
    }

    fn choke(&self, at: u32) -> ServiceChoke<'g> {
        let ci = self.graph.node_at(self.dominators.reached[at as usize]);
        ServiceChoke { ci, guards: self.guards[at as usize] as usize, behind: self.node(self.dominators.above[at as usize]) }
    }

    fn node(&self, at: u32) -> Option<&'g Node> {
        (at > 0).then(|| self.graph.node_at(self.dominators.reached[at as usize]))
    }
}

/// The dominator tree below some roots, by places: the order in which a depth-first search meets them. Place 0 lies before all roots.
#[derive(Clone, Debug)]
pub(super) struct Dominators {
    place: Vec<u32>,
    /// By place. At 0: nothing that counts.
    reached: Vec<NodeNumber>,
    /// By place, the immediate dominator's place.
    above: Vec<u32>,
}

const UNREACHED: u32 = u32::MAX;

impl Dominators {
    /// As seen from a point before these roots, along what an outage could travel along.
    pub(super) fn of(graph: &Graph, roots: &[NodeNumber]) -> Self {
        let mut place = vec![UNREACHED; graph.node_bound()];
        let (mut reached, mut parent) = (vec![NodeNumber(0)], vec![0_u32]);
        let mut frames: Vec<(NodeNumber, u32)> = Vec::new();
        for &root in roots {
            let mut enter = (place[root.index()] == UNREACHED).then_some((root, 0));
            loop {
                if let Some((node, from)) = enter.take() {
                    place[node.index()] = reached.len() as u32;
                    reached.push(node);
                    parent.push(from);
                    frames.push((node, 0));
                }
                let Some((node, next)) = frames.last_mut() else { break };
                let edges = &graph.edges.row(*node)[*next as usize..];
                match edges.iter().position(|edge| edge.travels() && place[edge.to.index()] == UNREACHED) {
                    Some(skipped) => {
                        *next += skipped as u32 + 1;
                        enter = Some((edges[skipped].to, place[node.index()]));
                    }
                    None => drop(frames.pop()),
                }
            }
        }

        let mut above = parent.clone();
        let count = reached.len() as u32;
        let mut semi: Vec<u32> = (0..count).collect();
        let mut label: Vec<u32> = (0..count).collect();
        let mut path = Vec::new();
        let mut is_root = vec![false; reached.len()];
        roots.iter().for_each(|root| is_root[place[root.index()] as usize] = true);
        for at in (1..count).rev() {
            let mut best = if is_root[at as usize] { 0 } else { parent[at as usize] };
            for entry in graph.needed_by.row(reached[at as usize]) {
                let from = place[entry.dependent.index()];
                if best > 0 && from != UNREACHED {
                    let through = evaluate(from, at + 1, &mut parent, &mut label, &semi, &mut path);
                    best = best.min(semi[through as usize]);
                }
            }
            semi[at as usize] = best;
        }
        for at in 1..count as usize {
            while above[at] > semi[at] {
                above[at] = above[above[at] as usize];
            }
        }
        Self { place, reached, above }
    }

    fn place(&self, number: NodeNumber) -> Option<u32> {
        Some(self.place[number.index()]).filter(|&place| place != UNREACHED)
    }

    /// The immediate dominator of what was reached; `None` if only the point before the roots dominates it.
    pub(super) fn above(&self, number: NodeNumber) -> Option<NodeNumber> {
        let above = self.above[self.place(number)? as usize];
        (above > 0).then(|| self.reached[above as usize])
    }

    /// By place, how many others it dominates.
    fn guards(&self) -> Vec<u32> {
        let mut guards = vec![0_u32; self.reached.len()];
        // A dominator is met before what it dominates.
        for at in (1..self.reached.len()).rev() {
            guards[self.above[at] as usize] += guards[at] + 1;
        }
        guards
    }
}

/// The one with the least semidominator on the way up from `from` among what was looked at already (from place `looked_at` on). Shortens the
/// way for the next.
fn evaluate(from: u32, looked_at: u32, parent: &mut [u32], label: &mut [u32], semi: &[u32], path: &mut Vec<u32>) -> u32 {
    let mut at = from;
    while parent[at as usize] >= looked_at {
        path.push(at);
        at = parent[at as usize];
    }
    let mut top = at;
    while let Some(below) = path.pop() {
        parent[below as usize] = parent[top as usize];
        if semi[label[top as usize] as usize] < semi[label[below as usize] as usize] {
            label[below as usize] = label[top as usize];
        }
        top = below;
    }
    label[top as usize]
}
