use rollcall_shared::{CiId, RelationshipId, catalogue::Hardness};

use super::{CommandError, Order, active, check_type, planned, short};
use crate::{
    Estate,
    model::{ChangeSet, Evidence, Judge, Judgement, Lifecycle, Method, Purpose, Relationship, SmallSet, Source},
    reconcile::{edges, noise, plan::Plan},
};

/// Declares that `from` depends on `to`; again, it only updates hardness and note. What agents see as a connection and a person calls a
/// dependency is one relationship, as hard as the person says.
///
/// # Errors
/// [`CommandError`] for an unknown type, the same item at both ends, or an end that does not exist or is retired.
pub fn declare_relationship(
    estate: &Estate,
    kind: &str,
    from: CiId,
    to: CiId,
    hardness: Option<Hardness>,
    note: &str,
    mut order: Order<'_>,
) -> Result<ChangeSet, CommandError> {
    check_type(estate.catalogue(), kind)?;
    let dependent = active(estate, from)?;
    active(estate, to)?;
    if from == to {
        return Err(CommandError::SelfLoop(short(&dependent.name)));
    }
    planned(estate, &mut order, |plan, source| {
        say(plan, source, kind, from, to, hardness, note);
        Ok(())
    })
}

/// One source's word that `from` depends on `to`. Both are there and active, the type is known.
pub(super) fn say(
    plan: &mut Plan<'_>,
    source: &Source,
    kind: &str,
    from: CiId,
    to: CiId,
    hardness: Option<Hardness>,
    note: &str,
) -> RelationshipId {
    let reason = format!("declared by {source}");
    let seen = plan.between("connects_to", from, to).filter(|_| edges::DECLARED_WORDS.contains(&kind));
    let hardness = hardness.or_else(|| seen.and_then(|_| plan.estate.catalogue().hardness(kind)));
    let id = plan.between(kind, from, to).or(seen).unwrap_or_else(|| plan.new_relationship(kind, from, to, reason.clone()));
    let mut evidence = plan.relationship(id).map(|it| it.evidence.clone()).unwrap_or_default();
    let method = if matches!(source, Source::Import(_)) { Method::Imported } else { Method::Declared };
    let detail = if note.trim().is_empty() { reason.clone() } else { short(note) };
    match evidence.iter_mut().find(|it| it.method == method && it.source == *source) {
        Some(known) if known.detail == detail => {}
        Some(known) => (known.detail, known.last_seen) = (detail, plan.now),
        None => evidence.push(Evidence {
            method,
            agent: None,
            source: source.clone(),
            detail,
            endpoints: SmallSet::new(),
            samples_seen: 0,
            samples_total: 0,
            first_seen: plan.now,
            last_seen: plan.now,
            longest_silence_ms: 0,
        }),
    }
    edges::set_evidence(plan, id, evidence, reason.clone());
    let estate = plan.estate;
    let as_type = |it: &Relationship| estate.hardness(it);
    let as_it_is = plan.relationship(id).map(|it| if seen.is_some() { as_type(it) } else { it.hardness });
    if let Some(hardness) = hardness.filter(|hardness| as_it_is.is_some_and(|it| it != Some(*hardness))) {
        pin(plan, id, hardness, source, &reason);
    }
    id
}

/// Sets how hard a relationship is, against the type's and what was inferred, and whatever is observed later; `None` goes back to what the
/// evidence says.
///
/// # Errors
/// [`CommandError::NoRelationship`].
pub fn set_hardness(
    estate: &Estate,
    id: RelationshipId,
    hardness: Option<Hardness>,
    mut order: Order<'_>,
) -> Result<ChangeSet, CommandError> {
    let known = estate.relationship(id).ok_or(CommandError::NoRelationship(id))?;
    planned(estate, &mut order, |plan, source| {
        match hardness {
            Some(hardness) => pin(plan, id, hardness, source, &format!("hardness set by {source}")),
            None => {
                let (hardness, judgement) = noise::judge(plan, &known.kind, known.from, known.to, &known.evidence);
                plan.edit_relationship(id, format!("hardness released by {source}"), |relationship| {
                    (relationship.hardness, relationship.judgement) = (hardness, judgement);
                });
            }
        }
        Ok(())
    })
}

/// A person's word on how hard it is, which stands against what is observed. What it is for stays as it was found.
fn pin(plan: &mut Plan<'_>, id: RelationshipId, hardness: Hardness, source: &Source, reason: &str) {
    plan.edit_relationship(id, reason, |relationship| {
        let purpose = relationship.judgement.as_ref().map_or(Purpose::Work, |judgement| judgement.purpose);
        relationship.hardness = Some(hardness);
        relationship.judgement = Some(Judgement { purpose, by: Judge::Person(source.clone()), reason: reason.to_owned() });
    });
}

/// Takes a declared or imported relationship back, whoever declared it.
///
/// # Errors
/// [`CommandError::NoRelationship`]; [`CommandError::Observed`] for what agents see.
pub fn retire_relationship(estate: &Estate, id: RelationshipId, mut order: Order<'_>) -> Result<ChangeSet, CommandError> {
    let known = estate.relationship(id).ok_or(CommandError::NoRelationship(id))?;
    let is_said = |evidence: &Evidence| evidence.method.is_said();
    if let (Some(observed), false) = (known.evidence.iter().find(|it| !is_said(it)), known.evidence.iter().any(is_said)) {
        return Err(CommandError::Observed { detail: short(&observed.detail) });
    }
    planned(estate, &mut order, |plan, source| {
        let reason = format!("taken back by {source}");
        let observed: Vec<Evidence> = known.evidence.iter().filter(|it| !is_said(it)).cloned().collect();
        if observed.is_empty() {
            plan.edit_relationship(id, reason, |relationship| relationship.lifecycle = Lifecycle::Retired);
        } else {
            let sayers = known.evidence.iter().filter(|it| is_said(it)).map(|it| it.source.clone());
            let said_so = known.judgement.as_ref().is_some_and(|judgement| sayers.into_iter().any(|it| judgement.by == Judge::Person(it)));
            if said_so {
                // How hard it is was a part of what is taken back.
                plan.edit_relationship(id, reason.clone(), |edge| (edge.hardness, edge.judgement) = (None, None));
            }
            edges::set_evidence(plan, id, observed, reason);
        }
        Ok(())
    })
}

/// Takes one source's word back; what others say or see stays. Returns whether it had said anything.
pub(super) fn unsay(plan: &mut Plan<'_>, source: &Source, id: RelationshipId, reason: &str) -> bool {
    let Some(known) = plan.relationship(id) else { return false };
    let rest: Vec<Evidence> = known.evidence.iter().filter(|it| it.source != *source || !it.method.is_said()).cloned().collect();
    if rest.len() == known.evidence.len() {
        return false;
    }
    if known.judgement.as_ref().is_some_and(|judgement| judgement.by == Judge::Person(source.clone())) {
        plan.edit_relationship(id, reason, |edge| (edge.hardness, edge.judgement) = (None, None));
    }
    edges::set_evidence(plan, id, rest, reason);
    true
}
