//! How one CI depends on another: the shortest chains of dependencies between the two, then longer ones.

use std::collections::{HashMap, HashSet, VecDeque};

use rollcall_shared::CiId;

use crate::graph::{EdgeView, Graph, Node, NodeNumber};

/// Longest chain that is looked for.
const MOST_HOPS: u32 = 64;
/// Nodes that a search may step on, over all lengths: chains between two CIs can be as many as there are ways to draw them.
const STEPS: usize = 200_000;

/// Chains of dependencies from one CI to another.
#[derive(Clone, Debug)]
pub struct Paths<'g> {
    /// The dependent.
    pub from: &'g Node,
    /// What it depends on in the end.
    pub to: &'g Node,
    /// The chains, shortest first, none of which passes a CI twice; of one length by name.
    pub paths: Vec<Path<'g>>,
    /// Whether these are all there are.
    pub complete: bool,
}

/// One chain.
#[derive(Clone, Debug)]
pub struct Path<'g> {
    /// From the dependent on, each step with every relationship that makes it; never empty.
    pub hops: Vec<Vec<EdgeView<'g>>>,
}

/// At most `most` chains along which an outage of `to` could travel to `from`, shortest first. `None` if one of the two is not in the graph.
pub fn paths(graph: &Graph, from: CiId, to: CiId, most: usize) -> Option<Paths<'_>> {
    let (start, goal) = (graph.number_of(from)?, graph.number_of(to)?);
    let mut search = Search { graph, goal, most, left: distances(graph, goal), steps: STEPS, cut: false, found: Vec::new() };
    let shortest = search.left.get(&start).copied().filter(|hops| start != goal && *hops <= MOST_HOPS);
    let mut complete = true;
    if let Some(shortest) = shortest {
        for length in shortest..=MOST_HOPS {
            search.cut = false;
            search.walk(&mut vec![start], &mut HashSet::from([start]), length);
            if search.is_over() || !search.cut {
                break;
            }
        }
        complete = !search.cut && !search.is_over();
    }
    let chain = |nodes: &Vec<NodeNumber>| Path {
        hops: nodes
            .windows(2)
            .map(|step| graph.edges_between(step[0], step[1]).filter(|edge| edge.travels).map(|edge| graph.view(edge)).collect())
            .collect(),
    };
    Some(Paths { from: graph.node_at(start), to: graph.node_at(goal), paths: search.found.iter().map(chain).collect(), complete })
}

/// How many steps each CI is away from the goal, for all from which it can be reached.
fn distances(graph: &Graph, goal: NodeNumber) -> HashMap<NodeNumber, u32> {
    let mut distance = HashMap::from([(goal, 0)]);
    let mut waiting = VecDeque::from([(goal, 0)]);
    while let Some((provider, hops)) = waiting.pop_front() {
        for entry in graph.needed_by(provider) {
            distance.entry(entry.dependent).or_insert_with(|| {
                waiting.push_back((entry.dependent, hops + 1));
                hops + 1
            });
        }
    }
    distance
}

struct Search<'g> {
    graph: &'g Graph,
    goal: NodeNumber,
    most: usize,
    /// Steps to the goal at least.
    left: HashMap<NodeNumber, u32>,
    steps: usize,
    /// Whether a longer chain was left for later.
    cut: bool,
    found: Vec<Vec<NodeNumber>>,
}

impl Search<'_> {
    fn is_over(&self) -> bool {
        self.found.len() >= self.most || self.steps == 0
    }

    /// Every chain with exactly so many more steps. As deep as [`MOST_HOPS`].
    fn walk(&mut self, chain: &mut Vec<NodeNumber>, passed: &mut HashSet<NodeNumber>, more: u32) {
        let Some(&at) = chain.last() else { return };
        let mut providers: Vec<NodeNumber> = self.graph.edges_from(at).filter(|edge| edge.travels).map(|edge| edge.to).collect();
        providers.dedup();
        providers.sort_by(|a, b| key(self.graph.node_at(*a)).cmp(&key(self.graph.node_at(*b))));
        for next in providers {
            if self.is_over() {
                return;
            }
            self.steps -= 1;
            let Some(&left) = self.left.get(&next) else { continue };
            if passed.contains(&next) {
                continue;
            }
            if next == self.goal {
                // A shorter one was found when its turn was.
                if more == 1 {
                    self.found.push(chain.iter().copied().chain([next]).collect());
                }
                continue;
            }
            if left >= more {
                self.cut = true;
                continue;
            }
            chain.push(next);
            passed.insert(next);
            self.walk(chain, passed, more - 1);
            passed.remove(&next);
            chain.pop();
        }
    }
}

fn key(node: &Node) -> (&str, CiId) {
    (&node.name, node.id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impact::testing::{ci, graph};

    #[track_caller]
    fn check(estate: &str, ends: (&str, &str), most: usize, expected: &[&str], complete: bool) {
        let graph = graph(estate);
        let found = paths(&graph, ci(ends.0), ci(ends.1), most).unwrap();
        let words: Vec<String> = found
            .paths
            .iter()
            .map(|path| path.hops.iter().map(|edges| &*edges[0].from.name).chain([ends.1]).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!((words.iter().map(String::as_str).collect::<Vec<_>>(), found.complete), (expected.to_vec(), complete));
    }

    #[test]
    fn chains_come_shortest_first_and_pass_nothing_twice() {
        let diamond = "a -> b\na -> c\nb -> d\nc -> d\na -> d\nd -> e\nb -> a";
        check(diamond, ("a", "e"), 10, &["a d e", "a b d e", "a c d e"], true);
        check(diamond, ("a", "e"), 2, &["a d e", "a b d e"], false);
        check(diamond, ("e", "a"), 10, &[], true);
        check(diamond, ("a", "a"), 10, &[], true);
        check("a .. b\na needs 1 of c d\nc -> e\nd -> e", ("a", "e"), 10, &["a c e", "a d e"], true);
        check("a .. b", ("a", "b"), 10, &[], true);
        assert!(paths(&graph("a -> b"), ci("a"), ci("x"), 1).is_none());
    }

    #[test]
    fn more_ways_than_can_be_walked_are_bounded_and_said() {
        // 2^24 chains of one length.
        let mut estate = String::new();
        for layer in 0..24 {
            for (from, to) in [("x", "x"), ("x", "y"), ("y", "x"), ("y", "y")] {
                estate.push_str(&format!("{from}{layer} -> {to}{}\n", layer + 1));
            }
        }
        let graph = graph(&estate);
        let found = paths(&graph, ci("x0"), ci("x24"), usize::MAX).unwrap();
        assert!(!found.complete && !found.paths.is_empty());
        assert!(found.paths.iter().all(|path| path.hops.len() == 24));
    }
}
