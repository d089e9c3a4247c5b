use rollcall_shared::{CiId, NeedGroupId, catalogue::Hardness};

use super::{CommandError, Order, active, check_name, planned};
use crate::{
    Estate,
    model::{ChangeSet, Lifecycle, MinUp, NeedGroup, Standing},
};

/// What a need group says.
#[derive(Clone, Debug)]
pub struct NeedGroupValues {
    /// What people call it.
    pub name: String,
    /// The providers; repetitions are dropped.
    pub members: Vec<CiId>,
    /// How many must serve.
    pub min_up: MinUp,
    /// How badly it is needed.
    pub hardness: Hardness,
}

/// Declares a need of `ci`. It is the first [`crate::Put::NeedGroup`] of the result.
///
/// # Errors
/// [`CommandError`] if the item or a member does not exist or is retired, there are no members, or `min_up` cannot be met.
pub fn declare_need_group(estate: &Estate, ci: CiId, values: &NeedGroupValues, mut order: Order<'_>) -> Result<ChangeSet, CommandError> {
    active(estate, ci)?;
    let members = check(estate, ci, values)?;
    let name = check_name(&values.name)?;
    planned(estate, &mut order, |plan, source| {
        let group = NeedGroup {
            id: NeedGroupId(plan.new_id()),
            ci,
            name,
            members,
            min_up: values.min_up,
            hardness: values.hardness,
            lifecycle: Lifecycle::Active,
            standing: Standing::Accepted,
            suggestion: None,
            source: source.clone(),
            valid_from: plan.now,
            version: 1,
        };
        plan.put_need_group(group, format!("declared by {source}"));
        Ok(())
    })
}

/// Replaces what a need group says.
///
/// # Errors
/// As [`declare_need_group`], and [`CommandError::NoNeedGroup`].
pub fn update_need_group(
    estate: &Estate,
    id: NeedGroupId,
    values: &NeedGroupValues,
    mut order: Order<'_>,
) -> Result<ChangeSet, CommandError> {
    let known = estate.need_group(id).ok_or(CommandError::NoNeedGroup(id))?;
    let members = check(estate, known.ci, values)?;
    let name = check_name(&values.name)?;
    planned(estate, &mut order, |plan, source| {
        let (min_up, hardness) = (values.min_up, values.hardness);
        let mut group = NeedGroup { name, members, min_up, hardness, ..known.clone() };
        if group != *known {
            group.source = source.clone();
        }
        plan.put_need_group(group, format!("changed by {source}"));
        Ok(())
    })
}

/// Takes a need back.
///
/// # Errors
/// [`CommandError::NoNeedGroup`].
pub fn retire_need_group(estate: &Estate, id: NeedGroupId, mut order: Order<'_>) -> Result<ChangeSet, CommandError> {
    let known = estate.need_group(id).ok_or(CommandError::NoNeedGroup(id))?;
    planned(estate, &mut order, |plan, source| {
        let group = NeedGroup { lifecycle: Lifecycle::Retired, ..known.clone() };
        plan.put_need_group(group, format!("taken back by {source}"));
        Ok(())
    })
}

/// The members, sorted, each once.
fn check(estate: &Estate, ci: CiId, values: &NeedGroupValues) -> Result<Vec<CiId>, CommandError> {
    let mut members: Vec<CiId> = values.members.iter().copied().filter(|member| *member != ci).collect();
    members.sort();
    members.dedup();
    if members.is_empty() {
        return Err(CommandError::NoMembers);
    }
    for member in &members {
        active(estate, *member)?;
    }
    check_min_up(values.min_up, members.len())?;
    Ok(members)
}

/// Whether so many of so many can be required.
pub(super) fn check_min_up(min_up: MinUp, members: usize) -> Result<(), CommandError> {
    match min_up {
        MinUp::Count(count) if count == 0 || count as usize > members => {
            Err(CommandError::BadMinUp(format!("1 to {members} of the members can be required, not {count}")))
        }
        MinUp::Percent(percent) if !(1..=100).contains(&percent) => {
            Err(CommandError::BadMinUp(format!("1 to 100 percent can be required, not {percent}")))
        }
        MinUp::Count(_) | MinUp::Percent(_) => Ok(()),
    }
}
