//! Applications that were assembled are kept current: what they are made of follows the evidence, and what people confirmed stays until they
//! say otherwise.

use std::collections::{BTreeMap, BTreeSet};

use rollcall_shared::{CiId, RelationshipId, catalogue::Hardness};

use super::{edges, plan::Plan, sweep::Whole};
use crate::{
    infer::{self, ASSEMBLED_FROM, FOLLOWED_BY},
    model::{Ci, Evidence, Judge, Judgement, Lifecycle, Method, Purpose, SmallSet, Source},
};

/// Adds parts of those applications among `cis` that were found since, and takes back those that nobody confirmed and that are not reached any
/// more.
pub(super) fn reconcile(plan: &mut Plan<'_>, _: &Whole, cis: &[CiId]) {
    let estate = plan.estate;
    let assembled = |ci: &Ci| ci.lifecycle == Lifecycle::Active && ci.attributes.contains_key(ASSEMBLED_FROM);
    for &application in cis.iter().filter(|ci| estate.ci(**ci).is_some_and(assembled)) {
        let Some((start, pruned)) = infer::assembly(estate, application) else { continue };
        let proposal = infer::propose(estate, &start, &pruned, plan.policy.shared_by);
        let known: BTreeMap<CiId, RelationshipId> = infer::parts(estate, application).map(|edge| (edge.to, edge.id)).collect();
        let reached: BTreeSet<CiId> = proposal.members.iter().map(|member| member.ci).collect();
        let source = Source::Api(FOLLOWED_BY.to_owned());
        for member in proposal.members.iter().filter(|member| !known.contains_key(&member.ci) && member.ci != application) {
            add_part(plan, application, member.ci, member.hops == 0, &source, "found by following what it uses");
        }
        if proposal.truncated {
            continue;
        }
        for edge in infer::parts(estate, application).filter(|edge| infer::is_followed_only(edge) && !reached.contains(&edge.to)) {
            plan.edit_relationship(edge.id, "it is not reached any more", |edge| edge.lifecycle = Lifecycle::Retired);
        }
    }
}

/// Makes something a part of an application, says `source`. What the application begins with it needs; the rest is listed only, as outages
/// travel to it along the connections, through their redundancy.
pub(super) fn add_part(plan: &mut Plan<'_>, application: CiId, part: CiId, is_start: bool, source: &Source, why: &str) {
    let known = plan.between("part_of", application, part);
    let id = known.unwrap_or_else(|| plan.new_relationship("part_of", application, part, why.to_owned()));
    let mut evidence = plan.relationship(id).map(|edge| edge.evidence.clone()).unwrap_or_default();
    // A person's word takes the place of what was only followed.
    evidence.retain(|it| it.source != Source::Api(FOLLOWED_BY.to_owned()));
    if !evidence.iter().any(|it| it.source == *source) {
        evidence.push(Evidence {
            method: Method::Declared,
            agent: None,
            source: source.clone(),
            detail: why.to_owned(),
            endpoints: SmallSet::new(),
            samples_seen: 0,
            samples_total: 0,
            first_seen: plan.now,
            last_seen: plan.now,
            longest_silence_ms: 0,
        });
    }
    edges::set_evidence(plan, id, evidence, why.to_owned());
    if !is_start && known.is_none() {
        let reason = "a part is listed; outages reach the application along the connections from where it begins".to_owned();
        let judgement = Judgement { purpose: Purpose::Work, by: Judge::Person(source.clone()), reason };
        plan.edit_relationship(id, why.to_owned(), |edge| (edge.hardness, edge.judgement) = (Some(Hardness::None), Some(judgement)));
    }
}
