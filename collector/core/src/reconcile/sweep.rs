use rollcall_shared::Timestamp;

use super::{Policy, applications, pattern, plan::Plan, redundancy};
use crate::{
    Estate,
    model::{ChangeSet, IdSource},
};

/// Each rests on what the one before it has found.
const STAGES: &[fn(&mut Plan<'_>)] = &[pattern::reconcile, applications::reconcile, redundancy::reconcile];

/// Plans what only the whole estate shows: what looks after machines, what applications are made of, what is redundant. To be called soon after
/// the estate has changed, and again until it changes nothing.
pub fn infer(estate: &Estate, now: Timestamp, policy: &Policy, ids: &mut dyn IdSource) -> ChangeSet {
    for stage in STAGES {
        let mut plan = Plan::new(estate, now, policy, ids);
        stage(&mut plan);
        let changes = plan.finish();
        if !changes.is_empty() {
            return changes;
        }
    }
    ChangeSet::default()
}
