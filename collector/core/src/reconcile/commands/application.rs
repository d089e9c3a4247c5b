use std::collections::BTreeSet;

use rollcall_shared::CiId;
use serde_json::Value;

use super::{CommandError, Order, active, check_name, planned};
use crate::{
    Estate,
    infer::{self, ASSEMBLED_FROM, PRUNED},
    model::{ChangeSet, Lifecycle, Source},
    reconcile::{Policy, applications, edges, machine, plan::Plan},
};

/// An application or business service to be assembled from where it begins.
#[derive(Clone, Debug)]
pub struct Assembly {
    /// What people call it.
    pub name: String,
    /// Whether it is a business service, not an application.
    pub is_business_service: bool,
    /// Where it begins: entries, processes.
    pub start: Vec<CiId>,
    /// What does not belong to it, although evidence leads there.
    pub pruned: Vec<CiId>,
}

/// Makes an application of all that following evidence from its start reaches. It is the first [`crate::Put::Ci`] of the result.
///
/// # Errors
/// [`CommandError`] if there is no start, something does not exist or is retired, or the name is bad.
pub fn assemble(estate: &Estate, assembly: &Assembly, policy: &Policy, mut order: Order<'_>) -> Result<ChangeSet, CommandError> {
    let name = check_name(&assembly.name)?;
    check_start(estate, &assembly.start)?;
    let class = if assembly.is_business_service { "business_service" } else { "application_service" };
    planned(estate, &mut order, |plan, source| {
        let application = plan.new_ci(class, name, Vec::new(), None, format!("assembled by {source}"));
        confirm(plan, application, &assembly.start, &assembly.pruned, policy, source);
        Ok(())
    })
}

/// Confirms what an application is made of now: everything that is reached belongs to it except what is pruned, and nothing else.
///
/// # Errors
/// [`CommandError`] if it does not exist, was not assembled and no start is given, or something named does not exist.
pub fn confirm_application(
    estate: &Estate,
    application: CiId,
    start: Option<&[CiId]>,
    pruned: &[CiId],
    policy: &Policy,
    mut order: Order<'_>,
) -> Result<ChangeSet, CommandError> {
    let ci = active(estate, application)?;
    let is_application = estate.is_a(ci, "business_service") || estate.is_a(ci, "application_service");
    if !is_application {
        return Err(CommandError::NotAnApplication { id: application, name: super::short(&ci.name) });
    }
    let known = infer::assembly(estate, application).map(|(start, _)| start);
    let start = start.map(<[CiId]>::to_vec).or(known).unwrap_or_default();
    check_start(estate, &start)?;
    planned(estate, &mut order, |plan, source| {
        confirm(plan, application, &start, pruned, policy, source);
        Ok(())
    })
}

fn check_start(estate: &Estate, start: &[CiId]) -> Result<(), CommandError> {
    if start.is_empty() {
        return Err(CommandError::NoStart);
    }
    start.iter().try_for_each(|ci| active(estate, *ci).map(drop))
}

fn confirm(plan: &mut Plan<'_>, application: CiId, start: &[CiId], pruned: &[CiId], policy: &Policy, source: &Source) {
    let pruned: BTreeSet<CiId> = pruned.iter().copied().filter(|ci| !start.contains(ci)).collect();
    let texts = |ids: &mut dyn Iterator<Item = CiId>| Value::from(ids.map(|id| id.to_string()).collect::<Vec<_>>());
    let (from, without) = (texts(&mut start.iter().copied()), texts(&mut pruned.iter().copied()));
    let now = plan.now;
    plan.edit_ci(application, format!("assembled by {source}"), |ci| {
        let mut changed = replace(ci, ASSEMBLED_FROM, Some(from), source, now);
        changed |= replace(ci, PRUNED, (!pruned.is_empty()).then_some(without), source, now);
        changed
    });
    let proposal = infer::propose(plan.estate, start, &pruned, policy.shared_by);
    let reached: BTreeSet<CiId> = proposal.members.iter().map(|member| member.ci).collect();
    for member in proposal.members.iter().filter(|member| member.ci != application) {
        applications::add_part(plan, application, member.ci, member.hops == 0, source, "confirmed as a part of it");
    }
    for id in plan.from(application) {
        let Some(edge) = plan.relationship(id).filter(|edge| edge.kind == "part_of" && !reached.contains(&edge.to)) else { continue };
        if edge.evidence.iter().all(|it| it.method.is_said()) {
            plan.edit_relationship(id, format!("no part of it, says {source}"), |edge| edge.lifecycle = Lifecycle::Retired);
        } else {
            let kept = edge.evidence.iter().filter(|it| !it.method.is_said()).cloned().collect();
            edges::set_evidence(plan, id, kept, format!("no part of it, says {source}"));
        }
    }
}

/// One list stands, whoever said it last.
fn replace(ci: &mut crate::model::Ci, attribute: &str, value: Option<Value>, source: &Source, now: rollcall_shared::Timestamp) -> bool {
    if ci.value(attribute) == value.as_ref() {
        return false;
    }
    ci.attributes.remove(attribute);
    machine::claim(ci, attribute, value, source.clone(), now);
    true
}
