//! Which item a row means, where only a person can tell: asked in the inbox of conflicts, and settled by the next table that tells.

use rollcall_shared::{CiId, ConflictId};

use super::{
    super::{Order, planned, short},
    Planner, RowState, Stop,
};
use crate::{
    Estate,
    model::{ChangeSet, Conflict, ConflictKind, ConflictState},
};

/// Values of a row that a question shows.
const SHOWN: usize = 5;

impl Planner<'_, '_, '_> {
    /// Asks, if there is an item to ask about and the question is not open already.
    pub(super) fn ask(&mut self, stop: &Stop) {
        let (RowState::Conflict, Some(known)) = (stop.state, stop.ci) else { return };
        let name = self.name().map(|name| format!("name {:?}", short(&name)));
        let class = self.row.class.as_ref().or(self.rules.default_class.as_ref()).map(|class| format!("class {class}"));
        let values = self.row.attributes.iter().map(|(name, value)| match value.as_str() {
            Some(text) => format!("{name} {:?}", short(text)),
            None => format!("{name} {}", short(&value.to_string())),
        });
        let says = name.into_iter().chain(class).chain(values).take(SHOWN).collect::<Vec<_>>().join(", ");
        let message = &stop.problem.message;
        let detail = format!("{}{}, row {}, says {says}: {message}", self.opening(), self.rules.mark, self.row.number);
        self.plan.open_conflict(ConflictKind::ImportedRow, known, None, None, detail);
    }

    /// A row about an item answers what an earlier table of the same source left open about it.
    pub(super) fn settle(&mut self, item: Option<CiId>) {
        let Some(item) = item else { return };
        let opening = self.opening();
        let is_answered = |it: &&Conflict| {
            it.kind == ConflictKind::ImportedRow && it.known == item && it.state == ConflictState::Open && it.detail.starts_with(&opening)
        };
        let answered: Vec<ConflictId> = self.plan.conflicts_of(item).into_iter().filter(is_answered).map(|it| it.id).collect();
        for id in answered {
            let reason = format!("{}, row {}, says which item it means", self.rules.mark, self.row.number);
            self.plan.settle_conflict(id, ConflictState::Settled, reason);
        }
    }

    fn opening(&self) -> String {
        format!("{}, ", self.rules.source)
    }
}

/// Settles the questions that a table has brought up: it is taken back.
pub fn settle_questions(estate: &Estate, mark: &str, mut order: Order<'_>) -> ChangeSet {
    let brought_up = |it: &&Conflict| it.kind == ConflictKind::ImportedRow && it.detail.contains(&format!(", {mark}, "));
    let mut ids: Vec<ConflictId> = estate.open_conflicts().filter(brought_up).map(|it| it.id).collect();
    ids.sort();
    let changes = planned(estate, &mut order, |plan, _| {
        for id in &ids {
            plan.settle_conflict(*id, ConflictState::Settled, format!("{mark} is taken back"));
        }
        Ok(())
    });
    changes.unwrap_or_default()
}
