use std::cmp::Reverse;

use rollcall_shared::CiId;

use super::{Counts, FailureKind, Solver, State};
use crate::graph::{Graph, Node};

/// What a CI would take with it if it went down alone.
#[derive(Clone, Debug)]
pub struct Blast<'g> {
    /// The CI.
    pub ci: &'g Node,
    /// How many others would be in each state.
    pub counts: Counts,
    /// Business services that would be down, in the graph's order.
    pub services_down: Vec<&'g Node>,
    /// Business services that would be degraded, in the graph's order.
    pub services_degraded: Vec<&'g Node>,
}

/// What one CI would take with it; `None` if there is no such CI. The solver is for `graph` and can be used again.
pub fn blast_radius<'g>(graph: &'g Graph, solver: &mut Solver<'g>, ci: CiId) -> Option<Blast<'g>> {
    let node = graph.node(ci)?;
    let counts = solver.solve([(ci, FailureKind::Down)]);
    let mut blast = Blast { ci: node, counts, services_down: Vec::new(), services_degraded: Vec::new() };
    let mut reached = solver.reached().to_vec();
    reached.sort_unstable();
    for number in reached {
        let node = graph.node_at(number);
        if graph.is_business_service(node) {
            match solver.state_at(number) {
                State::Down => blast.services_down.push(node),
                State::Degraded => blast.services_degraded.push(node),
                State::AtRisk | State::Ok => {}
            }
        }
    }
    Some(blast)
}

/// What each of these CIs would take with it, the worst first: by business services down, then degraded, then by CIs down, degraded and at
/// risk, then by name. Those that are not in the graph are passed over.
pub fn rank(graph: &Graph, cis: impl IntoIterator<Item = CiId>) -> Vec<Blast<'_>> {
    let mut solver = Solver::new(graph);
    let mut ranking: Vec<Blast<'_>> = cis.into_iter().filter_map(|ci| blast_radius(graph, &mut solver, ci)).collect();
    ranking.sort_by(|a, b| {
        let weight = |blast: &Blast<'_>| Reverse((blast.services_down.len(), blast.services_degraded.len(), blast.counts));
        weight(a).cmp(&weight(b)).then_with(|| (&a.ci.name, a.ci.id).cmp(&(&b.ci.name, b.ci.id)))
    });
    ranking
}
