use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rollcall_shared::{CiId, RelationshipId, catalogue::Hardness};

use super::hosting_machine;
use crate::{
    Estate,
    model::{Lifecycle, Relationship, Source},
};

/// The attribute that names what an application was assembled from: ids.
pub(crate) const ASSEMBLED_FROM: &str = "assembled_from";
/// The attribute that names what people said does not belong to it: ids.
pub(crate) const PRUNED: &str = "pruned";
/// Whose word a member is that was found by following evidence and that nobody has confirmed.
pub(crate) const FOLLOWED_BY: &str = "inference";

/// Relationships along which an application extends.
const FOLLOWED: &[&str] = &["connects_to", "depends_on", "uses", "mounts", "balances_to"];
/// Members of one application.
const MOST_MEMBERS: usize = 2_000;

/// What an application would be made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proposal {
    /// What belongs to it, nearest first.
    pub members: Vec<Member>,
    /// Where following ended, and why.
    pub boundary: Vec<Boundary>,
    /// There is more than is shown.
    pub truncated: bool,
}

/// Something that belongs to an application.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// The item.
    pub ci: CiId,
    /// Steps from the start; 0 for what it begins with.
    pub hops: u32,
    /// The relationship that led here; absent for what it begins with.
    pub via: Option<RelationshipId>,
}

/// Something that is used and does not belong to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Boundary {
    /// The item.
    pub ci: CiId,
    /// The relationship that led here.
    pub via: RelationshipId,
    /// Why it is left out, in a sentence.
    pub why: String,
}

/// How an application differs from what people confirmed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Drift {
    /// Found by following evidence, and confirmed by nobody.
    pub appeared: Vec<Member>,
    /// Confirmed, and not reached any more.
    pub not_reached: Vec<CiId>,
}

/// Follows the evidence from where an application begins (an entry, a process) to all that it is made of. `pruned` is left out, and what is
/// behind it. Something that at least `shared_by` others' services use as well is a shared service, not a part.
pub fn propose(estate: &Estate, start: &[CiId], pruned: &BTreeSet<CiId>, shared_by: usize) -> Proposal {
    let mut proposal = Proposal::default();
    let mut known: BTreeSet<CiId> = BTreeSet::new();
    let mut waiting: VecDeque<Member> = VecDeque::new();
    for ci in start.iter().filter(|ci| is_active(estate, **ci)) {
        if known.insert(*ci) {
            waiting.push_back(Member { ci: *ci, hops: 0, via: None });
        }
    }
    let mut boundary: BTreeMap<CiId, Boundary> = BTreeMap::new();
    while let Some(member) = waiting.pop_front() {
        if proposal.members.len() == MOST_MEMBERS {
            proposal.truncated = true;
            break;
        }
        let mut edges: Vec<&Relationship> = estate.dependencies(member.ci).filter(|edge| FOLLOWED.contains(&edge.kind.as_str())).collect();
        edges.sort_by_key(|edge| edge.id);
        for edge in edges.into_iter().filter(|edge| is_active(estate, edge.to)) {
            if known.contains(&edge.to) {
                continue;
            }
            match left_out(estate, edge, pruned, &known, shared_by) {
                Some(why) => drop(boundary.entry(edge.to).or_insert(Boundary { ci: edge.to, via: edge.id, why })),
                None => {
                    known.insert(edge.to);
                    waiting.push_back(Member { ci: edge.to, hops: member.hops + 1, via: Some(edge.id) });
                }
            }
        }
        proposal.members.push(member);
    }
    // Reached on another way after all.
    proposal.boundary = boundary.into_values().filter(|it| !known.contains(&it.ci)).collect();
    proposal
}

fn is_active(estate: &Estate, ci: CiId) -> bool {
    estate.ci(ci).is_some_and(|ci| ci.lifecycle == Lifecycle::Active)
}

fn left_out(estate: &Estate, edge: &Relationship, pruned: &BTreeSet<CiId>, known: &BTreeSet<CiId>, shared_by: usize) -> Option<String> {
    if pruned.contains(&edge.to) {
        return Some("somebody left it out".to_owned());
    }
    if let Some(judgement) = edge.judgement.as_ref().filter(|judgement| judgement.purpose.is_infrastructure()) {
        return Some(judgement.reason.clone());
    }
    let hardness = estate.hardness(edge);
    if hardness == Some(Hardness::None) {
        return Some("nothing depends on it".to_owned());
    }
    let of = |id: CiId| estate.ci(id).map(|ci| hosting_machine(estate, ci).unwrap_or(id));
    let others: BTreeSet<CiId> = estate
        .dependents(edge.to)
        .filter(|other| other.kind == "connects_to" && !known.contains(&other.from) && is_active(estate, other.from))
        .filter(|other| other.judgement.as_ref().is_none_or(|judgement| !judgement.purpose.is_infrastructure()))
        .filter_map(|other| of(other.from))
        .collect();
    (others.len() >= shared_by).then(|| format!("{} other machines use it too: it is shared", others.len()))
}

/// How an application differs from what people confirmed; empty for what was not assembled.
pub fn drift(estate: &Estate, application: CiId, shared_by: usize) -> Drift {
    let Some((start, pruned)) = assembly(estate, application) else { return Drift::default() };
    let proposal = propose(estate, &start, &pruned, shared_by);
    let parts: BTreeMap<CiId, &Relationship> = parts(estate, application).map(|edge| (edge.to, edge)).collect();
    let confirmed = |ci: &CiId| parts.get(ci).is_some_and(|edge| !is_followed_only(edge));
    let reached: BTreeSet<CiId> = proposal.members.iter().map(|member| member.ci).collect();
    Drift {
        not_reached: parts.keys().filter(|ci| confirmed(ci) && !reached.contains(*ci)).copied().collect(),
        appeared: proposal.members.into_iter().filter(|member| !confirmed(&member.ci)).collect(),
    }
}

/// What an application is assembled from and what is left out of it; `None` for what was not assembled.
pub(crate) fn assembly(estate: &Estate, application: CiId) -> Option<(Vec<CiId>, BTreeSet<CiId>)> {
    let ci = estate.ci(application)?;
    let ids = |attribute: &str| -> Vec<CiId> {
        let texts = ci.value(attribute).and_then(|value| value.as_array()).into_iter().flatten();
        texts.filter_map(|text| text.as_str()?.parse().ok()).collect()
    };
    let start = ids(ASSEMBLED_FROM);
    (!start.is_empty()).then(|| (start, ids(PRUNED).into_iter().collect()))
}

/// What an application is made of now.
pub(crate) fn parts(estate: &Estate, application: CiId) -> impl Iterator<Item = &Relationship> {
    estate.dependencies(application).filter(|edge| edge.kind == "part_of")
}

/// Whether nobody but following evidence says that it is a part.
pub(crate) fn is_followed_only(edge: &Relationship) -> bool {
    edge.evidence.iter().all(|it| it.source == Source::Api(FOLLOWED_BY.to_owned()))
}
