use std::collections::BTreeSet;

use rollcall_shared::{AgentId, CiId, ConflictId};

use super::{CommandError, Order, active, planned};
use crate::{
    Estate,
    model::{Attribute, ChangeSet, ConflictKind, ConflictState, IdentityKeyKind, Lifecycle, Source},
    reconcile::{adopt::replace_in_groups, edges, identify::is_machine, plan::Plan},
};

/// What a person decides about a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The two are not the same; it is not asked again.
    KeepApart,
    /// The two are the same: the other one becomes part of the known one.
    Merge,
    /// It is all right as it is: a machine that returned from retirement stays active, two agents are two systems of one machine.
    Acknowledge,
    /// Two agents report one configuration item but are two machines: the agent that brought it up gets a new one. It is to be asked for
    /// all of its sections after that.
    Split,
}

/// Settles a conflict.
///
/// # Errors
/// [`CommandError`] if there is no such open conflict, the settlement does not fit it, or a side is retired.
pub fn settle_conflict(estate: &Estate, id: ConflictId, settlement: Settlement, mut order: Order<'_>) -> Result<ChangeSet, CommandError> {
    let conflict = estate.conflict(id).filter(|conflict| conflict.state == ConflictState::Open).ok_or(CommandError::NoConflict(id))?;
    let (known, other) = (conflict.known, conflict.other);
    planned(estate, &mut order, |plan, source| match (settlement, other) {
        (Settlement::Acknowledge, Some(_)) if conflict.kind != ConflictKind::CopiedAgent => {
            Err(CommandError::WrongSettlement("this conflict is about two configuration items: keep them apart or merge them"))
        }
        (Settlement::Acknowledge, None) if conflict.kind == ConflictKind::SameIdentity => {
            plan.settle_conflict(id, ConflictState::KeptApart, format!("two systems of one machine, says {source}"));
            Ok(())
        }
        (Settlement::Split, None) if conflict.kind == ConflictKind::SameIdentity => {
            let agent = conflict.agent.ok_or(CommandError::WrongSettlement("no agent is named, so there is nothing to split off"))?;
            split_off(plan, known, agent, source);
            plan.settle_conflict(id, ConflictState::Settled, format!("split by {source}"));
            Ok(())
        }
        (Settlement::Split, _) => {
            Err(CommandError::WrongSettlement("only one configuration item that two agents report can be split; keep apart or merge"))
        }
        (Settlement::Acknowledge, _) => {
            plan.settle_conflict(id, ConflictState::Settled, format!("acknowledged by {source}"));
            Ok(())
        }
        (Settlement::KeepApart | Settlement::Merge, None) => {
            Err(CommandError::WrongSettlement("this conflict is about one configuration item: acknowledge it, or retire the item"))
        }
        (Settlement::KeepApart, Some(_)) => {
            plan.settle_conflict(id, ConflictState::KeptApart, format!("kept apart by {source}"));
            Ok(())
        }
        (Settlement::Merge, Some(other)) => {
            active(estate, known)?;
            active(estate, other)?;
            merge(plan, known, other, source);
            plan.settle_conflict(id, ConflictState::Settled, format!("merged by {source}"));
            Ok(())
        }
    })
}

/// The agent gets a configuration item of its own, which its next documents fill.
fn split_off(plan: &mut Plan<'_>, from: CiId, agent: AgentId, source: &Source) {
    let Some(known) = plan.ci(from).cloned() else { return };
    let reason = format!("split from {:?} by {source}", known.name);
    let id = plan.new_ci(&known.class, known.name.clone(), Vec::new(), Some(agent), reason.clone());
    plan.bind(agent, id, reason.clone());
    if known.agent == Some(agent) {
        let others: BTreeSet<AgentId> = plan.estate.agents_of(from).filter(|other| *other != agent).collect();
        for ci in edges::services_on(plan, from).into_values().chain([from]) {
            plan.edit_ci(ci, reason.clone(), |ci| {
                ci.agent = others.first().copied();
                true
            });
        }
    }
    if let Some(asked) = plan.open_conflict(ConflictKind::SameIdentity, from, Some(id), Some(agent), reason.clone()) {
        plan.settle_conflict(asked, ConflictState::KeptApart, reason);
    }
}

/// `other` becomes part of `known`. It keeps its own keys and points at `known`, so that whoever looks for it finds `known`, and
/// a later split can bring it back.
fn merge(plan: &mut Plan<'_>, known: CiId, other: CiId, source: &Source) {
    let reason = format!("merged by {source}");
    for agent in plan.estate.agents_of(other).collect::<BTreeSet<_>>() {
        plan.bind(agent, known, reason.clone());
    }
    merge_services(plan, known, other, &reason);
    merge_one(plan, known, other, &reason);
}

fn merge_services(plan: &mut Plan<'_>, known: CiId, other: CiId, reason: &str) {
    if !plan.ci(other).is_some_and(is_machine) {
        return;
    }
    let agent = plan.ci(known).and_then(|ci| ci.agent).or_else(|| plan.ci(other).and_then(|ci| ci.agent));
    let here = edges::services_on(plan, known);
    for (key, service) in edges::services_on(plan, other) {
        match here.get(&key) {
            Some(twin) => merge_one(plan, *twin, service, reason),
            None => {
                let (from, to) = (edges::service_key(other, &key), edges::service_key(known, &key));
                plan.edit_ci(service, reason, |ci| {
                    ci.keys.retain(|key| *key != from);
                    ci.keys.push(to);
                    ci.keys.sort();
                    ci.agent = agent;
                    true
                });
            }
        }
    }
}

/// Attributes, addresses, relationships and needs of one CI go to the other, which keeps its own word where both have one.
fn merge_one(plan: &mut Plan<'_>, known: CiId, other: CiId, reason: &str) {
    let Some(absorbed) = plan.ci(other).cloned() else { return };
    plan.edit_ci(known, reason, |ci| {
        ci.lifecycle = Lifecycle::Active;
        ci.agent = ci.agent.or(absorbed.agent);
        for (name, attribute) in &absorbed.attributes {
            let own = ci.attributes.remove(name);
            let claims = own.iter().flat_map(|own| own.claims().iter().cloned()).collect::<Vec<_>>();
            let new = attribute.claims().iter().filter(|claim| !claims.iter().any(|own| own.source == claim.source)).cloned();
            if let Some(joined) = Attribute::from_claims(new.chain(claims.iter().cloned())) {
                ci.attributes.insert(name.clone(), joined);
            }
        }
        ci.keys.extend(absorbed.keys.iter().filter(|key| key.kind == IdentityKeyKind::AddressInRealm).cloned());
        ci.keys.sort();
        ci.keys.dedup();
        true
    });
    for id in plan.from(other) {
        let to = plan.relationship(id).map(|it| it.to);
        edges::move_ends(plan, id, known, to.unwrap_or(known), reason);
    }
    for id in plan.to(other) {
        let from = plan.relationship(id).map(|it| it.from);
        edges::move_ends(plan, id, from.unwrap_or(known), known, reason);
    }
    replace_in_groups(plan, other, known, reason);
    plan.edit_ci(other, reason, |ci| {
        ci.lifecycle = Lifecycle::Retired;
        ci.merged_into = Some(known);
        true
    });
}
