use std::{cmp::Reverse, collections::BTreeMap};

use rollcall_shared::CiId;

use super::{Assessment, State};
use crate::graph::Node;

/// A CI that fares differently in two answers: before and after a change, or as of two dates.
#[derive(Clone, Copy, Debug)]
pub struct Difference<'a> {
    /// The CI, as the later answer knows it, else as the earlier one does.
    pub ci: &'a Node,
    /// Its state in the earlier answer; absent if it did not exist.
    pub before: Option<State>,
    /// Its state in the later answer; absent if it does not exist any more.
    pub after: Option<State>,
}

/// What differs between two answers, for instance of the same outage as of two dates: the worst change first, then by name. A CI that fails by
/// itself counts with the state that it fails with.
pub fn compare<'a>(before: &Assessment<'a>, after: &Assessment<'a>) -> Vec<Difference<'a>> {
    let cis = |assessment: &Assessment<'a>| -> Vec<&'a Node> {
        let failing = assessment.failures.iter().map(|failure| failure.ci);
        let already = assessment.already.iter().map(|already| already.ci);
        failing.chain(assessment.affected.iter().map(|affected| affected.ci)).chain(already).collect()
    };
    // The later answer's node replaces the earlier one's.
    let touched: BTreeMap<CiId, &'a Node> = cis(before).into_iter().chain(cis(after)).map(|ci| (ci.id, ci)).collect();
    let state = |assessment: &Assessment<'a>, ci: &Node| assessment.graph().node(ci.id).map(|_| assessment.state(ci.id));
    let differences = touched.into_values().map(|ci| Difference { ci, before: state(before, ci), after: state(after, ci) });
    let mut differences: Vec<Difference<'a>> = differences.filter(|difference| difference.before != difference.after).collect();
    let rank = |state: Option<State>| state.map_or(0, |state| state as i8);
    differences.sort_by(|a, b| {
        let worsening =
            |difference: &Difference<'_>| (Reverse(rank(difference.after) - rank(difference.before)), Reverse(difference.after));
        worsening(a).cmp(&worsening(b)).then_with(|| (&a.ci.name, a.ci.id).cmp(&(&b.ci.name, b.ci.id)))
    });
    differences
}
