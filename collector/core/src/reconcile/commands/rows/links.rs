//! The relationships that a row names.

use rollcall_shared::CiId;

use super::{
    super::{check_type, relationship::say, short},
    FieldChange, Planner, Reference, RowOutcome, RowProblem, RowState, Stop, error,
};
use crate::{
    model::{Ci, Lifecycle},
    reconcile::edges,
};

impl Planner<'_, '_, '_> {
    /// Looks up what the row's relationships name.
    pub(super) fn links(&mut self, outcome: &mut RowOutcome) -> Result<Vec<ReadyLink>, Stop> {
        let mut ready = Vec::new();
        for link in &self.row.links {
            let column = link.column();
            check_type(self.plan.estate.catalogue(), &link.kind).map_err(|problem| error(&column, problem.to_string()))?;
            for other in &link.others {
                let found = match other {
                    Reference::Id(id) => match self.plan.ci(self.plan.standing(*id)) {
                        Some(ci) => Some(ci.id),
                        None => return Err(error(&column, format!("there is no configuration item {id} here"))),
                    },
                    Reference::Name(name) => {
                        let found: Vec<CiId> = self.index.named(self.plan, name).map(|ci| ci.id).collect();
                        match found[..] {
                            [one] => Some(one),
                            [] if self.seen.has_name(name) => {
                                outcome.waits = true;
                                None
                            }
                            [] => {
                                let message = format!("there is no item {:?}, here or in this table; correct the name", short(name));
                                return Err(error(&column, message));
                            }
                            _ => {
                                let message = format!("{} items are called {:?}; write NAME (ID)", found.len(), short(name));
                                return Err(error(&column, message));
                            }
                        }
                    }
                };
                let shown = match other {
                    Reference::Name(name) => name.clone(),
                    Reference::Id(id) => self.plan.ci(*id).map_or_else(|| id.to_string(), |ci| format!("{} ({id})", ci.name)),
                };
                ready.push(ReadyLink { kind: link.kind.clone(), reverse: link.reverse, column: column.clone(), other: found, shown });
            }
        }
        Ok(ready)
    }

    pub(super) fn link(&mut self, id: CiId, links: Vec<ReadyLink>, outcome: &mut RowOutcome) {
        for link in links {
            let mut note = None;
            match link.other {
                Some(other) if other == id => {
                    let message = "an item cannot depend on itself; this one is left out".to_owned();
                    outcome.problems.push(RowProblem { field: link.column.clone(), message });
                    continue;
                }
                Some(other) => {
                    let (from, to) = if link.reverse { (other, id) } else { (id, other) };
                    let active = |id| self.plan.ci(id).is_some_and(|ci: &Ci| ci.lifecycle == Lifecycle::Active);
                    let seen = edges::DECLARED_WORDS.contains(&link.kind.as_str());
                    let known = self.plan.between(&link.kind, from, to);
                    let known = known.or_else(|| self.plan.between("connects_to", from, to).filter(|_| seen));
                    if known.is_some() || !active(from) || !active(to) {
                        continue;
                    }
                    let detail = format!("{}, row {}", self.rules.mark, self.row.number);
                    say(self.plan, &self.rules.source, &link.kind, from, to, None, &detail);
                }
                None => note = Some("made by this table".to_owned()),
            }
            if outcome.state == RowState::Unchanged {
                outcome.state = RowState::Update;
            }
            outcome.fields.push(FieldChange { field: link.column, old: None, new: link.shown.into(), note });
        }
    }
}

/// A relationship whose other side is looked up.
pub(super) struct ReadyLink {
    kind: String,
    reverse: bool,
    column: String,
    /// Absent while another row has to make it.
    other: Option<CiId>,
    shown: String,
}
