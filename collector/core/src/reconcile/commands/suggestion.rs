use rollcall_shared::NeedGroupId;

use super::{CommandError, Order, planned};
use crate::{
    Estate,
    model::{ChangeSet, MinUp, NeedGroup, Standing},
};

/// What somebody decides about a suggested need group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It counts from now on, with another number that must serve if one is given.
    Accept(Option<MinUp>),
    /// It does not, and is not suggested again.
    Reject,
}

/// Decides about a suggested need group. One that was rejected can be accepted after all.
///
/// # Errors
/// [`CommandError::NoNeedGroup`] if there is no such suggestion, [`CommandError::BadMinUp`] if it cannot be met.
pub fn decide_suggestion(estate: &Estate, id: NeedGroupId, decision: Decision, mut order: Order<'_>) -> Result<ChangeSet, CommandError> {
    let known = estate.suggestion(id).ok_or(CommandError::NoNeedGroup(id))?;
    let (standing, min_up) = match decision {
        Decision::Accept(min_up) => (Standing::Accepted, min_up.unwrap_or(known.min_up)),
        Decision::Reject => (Standing::Rejected, known.min_up),
    };
    super::need_group::check_min_up(min_up, known.members.len())?;
    planned(estate, &mut order, |plan, source| {
        if known.standing != standing {
            let group = NeedGroup { standing, min_up, source: source.clone(), ..known.clone() };
            plan.put_need_group(group, format!("{} by {source}", standing.as_str()));
        }
        Ok(())
    })
}
