use std::collections::HashSet;

use rollcall_shared::CiId;

use super::hosting_machine;
use crate::{
    Estate,
    model::{Evidence, Lifecycle, Method, Purpose, Relationship},
};

/// Relationships that agents could see if they were there.
const OBSERVABLE: &[&str] = &["connects_to", "depends_on", "uses", "mounts", "resolves_names_with", "routes_through", "balances_to"];

/// What people or imports say and no agent has ever seen, by id: an error in the register, or a dependency that shows only in a disaster.
///
/// What is declared between two machines counts as seen if anything on the one was seen to use anything on the other. Where no agent could
/// see it (a business service, a host without an agent at both ends), nothing is said.
pub fn declared_never_observed(estate: &Estate) -> Vec<&Relationship> {
    let observed: HashSet<(CiId, CiId)> =
        live(estate).filter(|edge| edge.evidence.iter().any(is_seen)).flat_map(|edge| pairs(estate, edge)).collect();
    let mut found: Vec<&Relationship> = live(estate)
        .filter(|edge| OBSERVABLE.contains(&edge.kind.as_str()) && edge.evidence.iter().all(|it| it.method.is_said()))
        .filter(|edge| is_watched(estate, edge.from) || is_watched(estate, edge.to))
        .filter(|edge| places(estate, edge.from).is_some() && places(estate, edge.to).is_some())
        .filter(|edge| !observed.contains(&(edge.from, edge.to)))
        .collect();
    found.sort_by_key(|edge| edge.id);
    found
}

/// What agents see of services' own work and nobody has ever declared, by id: shadow dependencies, or a register that is not kept.
pub fn observed_never_declared(estate: &Estate) -> Vec<&Relationship> {
    let declared: HashSet<(CiId, CiId)> =
        live(estate).filter(|edge| edge.evidence.iter().any(|it| it.method.is_said())).map(|edge| (edge.from, edge.to)).collect();
    let is_work = |edge: &&Relationship| edge.judgement.as_ref().is_none_or(|judgement| judgement.purpose == Purpose::Work);
    let mut found: Vec<&Relationship> = live(estate)
        .filter(|edge| edge.kind == "connects_to" && edge.evidence.iter().all(|it| it.method == Method::Connection))
        .filter(is_work)
        .filter(|edge| !pairs(estate, edge).any(|pair| declared.contains(&pair)))
        .collect();
    found.sort_by_key(|edge| edge.id);
    found
}

fn live(estate: &Estate) -> impl Iterator<Item = &Relationship> {
    let active = |id: CiId| estate.ci(id).is_some_and(|ci| ci.lifecycle == Lifecycle::Active);
    estate.relationships().filter(move |edge| active(edge.from) && active(edge.to))
}

fn is_seen(evidence: &Evidence) -> bool {
    !evidence.method.is_said()
}

/// The two ends as they are, and every mixture of them and the machines they are on.
fn pairs(estate: &Estate, edge: &Relationship) -> impl Iterator<Item = (CiId, CiId)> + use<> {
    let ends = |id: CiId| [Some(id), places(estate, id).filter(|place| *place != id)];
    let (from, to) = (ends(edge.from), ends(edge.to));
    from.into_iter().flatten().flat_map(move |from| to.into_iter().flatten().map(move |to| (from, to)))
}

/// The machine, or the host without an agent, where something is.
fn places(estate: &Estate, id: CiId) -> Option<CiId> {
    let ci = estate.ci(id)?;
    hosting_machine(estate, ci).or_else(|| (ci.class == "unmanaged_host").then_some(id))
}

/// Whether an agent looks after it.
fn is_watched(estate: &Estate, id: CiId) -> bool {
    estate.ci(id).is_some_and(|ci| ci.agent.is_some())
}
