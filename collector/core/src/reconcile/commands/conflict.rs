use std::collections::BTreeSet;

use rollcall_shared::{AgentId, CiId, ConflictId};

use super::{CommandError, Order, active, planned};
use crate::{
    Estate,
    model::{ChangeSet, ConflictKind, ConflictState, Source},
    reconcile::{edges, identify::is_machine, joining, plan::Plan},
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
            joining::merge(plan, known, other, false, &format!("merged by {source}"));
            Ok(())
        }
    })
}

/// Makes one configuration item part of another: both are the same thing. [`super::restore_ci`] of it takes that back.
///
/// # Errors
/// [`CommandError`] if one does not exist or is retired, both are the same, or they are of different kinds.
pub fn merge_cis(estate: &Estate, known: CiId, other: CiId, why: &str, mut order: Order<'_>) -> Result<ChangeSet, CommandError> {
    let (a, b) = (active(estate, known)?, active(estate, other)?);
    if known == other {
        return Err(CommandError::WrongSettlement("an item cannot be merged with itself; name two"));
    }
    if is_machine(estate, a) != is_machine(estate, b) {
        return Err(CommandError::WrongSettlement("only one of the two is a machine; change its class first if they are the same thing"));
    }
    planned(estate, &mut order, |plan, source| {
        let why = if why.trim().is_empty() { String::new() } else { format!(": {}", super::short(why)) };
        joining::merge(plan, known, other, false, &format!("merged by {source}{why}"));
        Ok(())
    })
}

/// Says that two configuration items are not the same; it is not asked again.
///
/// # Errors
/// [`CommandError`] if one does not exist, or both are the same.
pub fn keep_apart(estate: &Estate, one: CiId, other: CiId, why: &str, mut order: Order<'_>) -> Result<ChangeSet, CommandError> {
    super::existing(estate, one)?;
    super::existing(estate, other)?;
    if one == other {
        return Err(CommandError::WrongSettlement("an item cannot be kept apart from itself; name two"));
    }
    planned(estate, &mut order, |plan, source| {
        let why = if why.trim().is_empty() { String::new() } else { format!(": {}", super::short(why)) };
        let reason = format!("kept apart by {source}{why}");
        let asked = plan.conflicts_of(one).into_iter().find(|it| it.known == other || it.other == Some(other)).map(|it| it.id);
        let asked = asked.or_else(|| plan.open_conflict(ConflictKind::PossibleDuplicate, one, Some(other), None, reason.clone()));
        if let Some(id) = asked {
            plan.settle_conflict(id, ConflictState::KeptApart, reason);
        }
        Ok(())
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
