//! Takes back what a table changed, as far as nobody has changed it since.

use rollcall_shared::{CiId, RelationshipId};

use super::{Order, planned, relationship::unsay, short};
use crate::{
    Estate,
    model::{Attribute, ChangeSet, Ci, Claim, Lifecycle, Relationship, Source},
    reconcile::plan::Plan,
};

/// One item that a table made or changed.
#[derive(Clone, Debug)]
pub struct UndoStep {
    /// The version before the table's first one; absent if the table made the item.
    pub before: Option<Ci>,
    /// The last version that the table made.
    pub after: Ci,
}

/// What came of taking one item's changes back.
#[derive(Clone, Debug, PartialEq)]
pub struct Undone {
    /// The item.
    pub ci: CiId,
    /// Its name.
    pub name: String,
    /// What was done.
    pub state: UndoneState,
    /// What was left as it is, and why; empty if all was taken back.
    pub left: Vec<String>,
}

/// What was done with an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UndoneState {
    /// It is as it was before.
    Restored,
    /// The table had made it: it is retired.
    Retired,
    /// Some or all of it stays, see [`Undone::left`].
    Left,
    /// There was nothing to take back.
    Unchanged,
}

/// Plans taking back what `source` changed with the reason `mark`.
pub fn undo_rows(estate: &Estate, steps: &[UndoStep], mark: &str, mut order: Order<'_>) -> (ChangeSet, Vec<Undone>) {
    let mut undone = Vec::with_capacity(steps.len());
    let changes = planned(estate, &mut order, |plan, source| {
        let reason = format!("{mark} taken back");
        for step in steps {
            undone.push(undo(plan, step, source, mark, &reason));
        }
        Ok(())
    });
    (changes.unwrap_or_default(), undone)
}

fn undo(plan: &mut Plan<'_>, step: &UndoStep, source: &Source, mark: &str, reason: &str) -> Undone {
    let id = step.after.id;
    let mut undone = Undone { ci: id, name: step.after.name.clone(), state: UndoneState::Unchanged, left: Vec::new() };
    let mut changed = unlink(plan, id, source, mark, reason);
    let Some(now) = plan.ci(id).cloned() else { return undone };
    match &step.before {
        None => {
            undone.left = used_by_others(plan, &now, step, source);
            if undone.left.is_empty() && now.lifecycle == Lifecycle::Active {
                plan.edit_ci(id, reason, |ci| {
                    // It was made by mistake: nothing is to be recognised as it.
                    ci.keys.clear();
                    ci.lifecycle = Lifecycle::Retired;
                    true
                });
                undone.state = UndoneState::Retired;
                return undone;
            }
        }
        Some(before) => {
            let mut ci = now.clone();
            undone.left = restore(&mut ci, before, &step.after, source);
            if ci != now {
                changed = true;
                plan.edit_ci(id, reason, |known| {
                    *known = ci;
                    true
                });
            }
        }
    }
    undone.state = match (undone.left.is_empty(), changed) {
        (false, _) => UndoneState::Left,
        (true, true) => UndoneState::Restored,
        (true, false) => UndoneState::Unchanged,
    };
    undone
}

/// Takes back the relationships that the table declared from or to an item.
fn unlink(plan: &mut Plan<'_>, id: CiId, source: &Source, mark: &str, reason: &str) -> bool {
    let of_table = |it: &Relationship| it.evidence.iter().any(|it| it.source == *source && it.detail.starts_with(mark));
    let all = plan.from(id).into_iter().chain(plan.to(id));
    let found: Vec<RelationshipId> = all.filter(|id| plan.relationship(*id).is_some_and(of_table)).collect();
    found.into_iter().fold(false, |any, id| unsay(plan, source, id, reason) | any)
}

/// Why an item that the table made is not simply retired: what others have added to it since.
fn used_by_others(plan: &Plan<'_>, now: &Ci, step: &UndoStep, source: &Source) -> Vec<String> {
    let mut left = Vec::new();
    if now.agent.is_some() {
        left.push("an agent reports it now".to_owned());
    }
    for (name, attribute) in &now.attributes {
        for claim in
            attribute.claims().iter().filter(|claim| claim.source != *source || Some(claim) != word(&step.after, name, source).as_ref())
        {
            left.push(format!("{} says {name} since", claim.source));
        }
    }
    if now.name != step.after.name || now.class != step.after.class {
        left.push("it was renamed or given another class since".to_owned());
    }
    let related = plan.from(now.id).len() + plan.to(now.id).len();
    if related > 0 {
        left.push(format!("{related} relationships of others hold it"));
    }
    let needs = plan.estate.need_groups().filter(|group| group.ci == now.id || group.members.contains(&now.id)).count();
    if needs > 0 {
        left.push(format!("{needs} need groups name it"));
    }
    left
}

/// Each field that the table changed goes back to what it was, if it still is what the table made of it.
fn restore(ci: &mut Ci, before: &Ci, after: &Ci, source: &Source) -> Vec<String> {
    let mut left = Vec::new();
    let names: Vec<String> = before.attributes.keys().chain(after.attributes.keys()).cloned().collect();
    for name in names {
        let (was, made) = (word(before, &name, source).cloned(), word(after, &name, source));
        if was.as_ref() == made || word(ci, &name, source) == was.as_ref() {
            continue;
        }
        if word(ci, &name, source) != made {
            left.push(format!("{name} was changed since by {source}"));
            continue;
        }
        put_back(ci, &name, was, source);
    }
    for (field, was, made, now) in
        [("name", &before.name, &after.name, &mut ci.name), ("class", &before.class, &after.class, &mut ci.class)]
    {
        match now == made {
            _ if was == made || now == was => {}
            true => now.clone_from(was),
            false => left.push(format!("{field} was changed since to {:?}", short(now))),
        }
    }
    if before.stage != after.stage && ci.stage != before.stage {
        if ci.stage == after.stage {
            ci.enter(before.stage);
        } else {
            left.push(format!("lifecycle was changed since to {}", ci.stage.as_str()));
        }
    }
    ci.keys.retain(|key| before.keys.contains(key) || !after.keys.contains(key));
    left
}

fn word<'a>(ci: &'a Ci, attribute: &str, source: &Source) -> Option<&'a Claim> {
    ci.attributes.get(attribute)?.claims().iter().find(|claim| claim.source == *source)
}

fn put_back(ci: &mut Ci, name: &str, was: Option<Claim>, source: &Source) {
    let others = ci.attributes.remove(name).map(|attribute| attribute.claims().to_vec()).unwrap_or_default();
    let others = others.into_iter().filter(|claim| claim.source != *source);
    if let Some(attribute) = Attribute::from_claims(others.chain(was)) {
        ci.attributes.insert(name.to_owned(), attribute);
    }
}
