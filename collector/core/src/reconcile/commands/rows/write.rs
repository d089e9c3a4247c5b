//! What a row makes or changes.

use std::collections::BTreeSet;

use rollcall_shared::CiId;
use serde_json::Value;

use super::{
    super::{
        CommandError, check_name, check_required, check_value_in, class as known_class,
        life::check_way,
        recognition::{Mark, marks},
        short,
    },
    FieldChange, Planner, RowOutcome, RowProblem, RowState, Stop, WEAK, conflict, error,
    find::Keys,
    index::folded,
    links::ReadyLink,
    references::Waiting,
};
use crate::{
    catalogue::ClassDefinition,
    model::{Ci, IdentityKey, Lifecycle, Stage},
    reconcile::{edges, identify::is_machine, machine, precedence},
};

impl Planner<'_, '_, '_> {
    pub(super) fn create(
        &mut self,
        class: Option<&ClassDefinition>,
        keys: &Keys,
        waiting: &Waiting,
        links: Vec<ReadyLink>,
        outcome: &mut RowOutcome,
    ) -> Result<(), Stop> {
        let class = class.ok_or_else(|| error("class", "a new item needs a class: add a column class, or name one for the whole table"))?;
        let name = self.name().ok_or_else(|| error("name", "a new item needs a name"))?;
        let name = check_name(&name).map_err(|problem| error("name", problem.to_string()))?;
        let mut wrong = Vec::new();
        for (attribute, value) in self.values.iter() {
            if let Err(problem) = self.check(&class.name, attribute, value) {
                wrong.push(RowProblem { field: format!("attributes.{attribute}"), message: problem.to_string() });
            }
        }
        if let Some(first) = wrong.pop() {
            outcome.problems = wrong;
            return Err(Stop { state: RowState::Error, problem: first, ci: None });
        }
        if let Some(external) = &keys.external {
            self.only_once(&("external", &external.value), "the same external id")?;
        }
        let strong: Vec<IdentityKey> = keys.keys.iter().filter(|key| !WEAK.contains(&key.kind)).cloned().collect();
        if let Err(problem) =
            check_required(self.plan.estate.catalogue(), class, |name| self.values.contains_key(name) || waiting.has(name))
        {
            return Err(error("", problem.to_string()));
        }
        for mark in &keys.marks {
            self.only_once(&("mark", mark), "an item that is recognised by the same")?;
        }
        for key in &strong {
            self.only_once(&("key", key.kind, &key.value), "the same identity")?;
        }
        if strong.is_empty() && keys.external.is_none() {
            let serial = self.text("serial").unwrap_or_default();
            self.only_once(&("new", &class.name, folded(&name), folded(&serial)), "a new item of the same class and name")?;
        }
        let lifecycle = self.row.lifecycle.unwrap_or(Lifecycle::Active);
        let field = |field: &str, new: Value| FieldChange { field: field.to_owned(), old: None, new, note: None };
        outcome.fields.push(field("class", class.name.clone().into()));
        outcome.fields.push(field("name", name.clone().into()));
        let stage = self.row.stage.unwrap_or(if lifecycle == Lifecycle::Active { Stage::InUse } else { Stage::Retired });
        if stage != Stage::InUse {
            outcome.fields.push(field("lifecycle", stage.as_str().into()));
        }
        outcome.fields.extend(self.values.iter().map(|(name, value)| field(&format!("attributes.{name}"), value.clone())));
        let called = keys.called.as_ref().filter(|_| strong.is_empty());
        let all: BTreeSet<IdentityKey> = keys.keys.iter().chain(keys.external.as_ref().or(called)).cloned().collect();
        let reason = format!("{}, row {}: {}", self.rules.mark, self.row.number, outcome.reason);
        let id = self.plan.new_ci(&class.name, name.clone(), all.into_iter().collect(), None, reason.clone());
        let (values, source, now) = (&self.values, self.rules.source.clone(), self.plan.now);
        self.plan.edit_ci(id, reason, |ci| {
            for (attribute, value) in values.iter() {
                machine::claim(ci, attribute, Some(value.clone()), source.clone(), now);
            }
            ci.enter(stage);
            true
        });
        self.seen.claim(&("item", id), self.row.number);
        (outcome.state, outcome.ci, outcome.name, outcome.class) = (RowState::Create, Some(id), name, class.name.clone());
        self.link(id, links, outcome);
        Ok(())
    }

    fn check(&self, class: &str, attribute: &str, value: &Value) -> Result<(), CommandError> {
        check_value_in(self.plan.estate.catalogue(), |id| self.plan.ci(id), class, attribute, value)
    }

    pub(super) fn update(&mut self, id: CiId, keys: &Keys, links: Vec<ReadyLink>, outcome: &mut RowOutcome) -> Result<(), Stop> {
        let estate = self.plan.estate;
        let Some(ci) = self.plan.ci(id) else { return Err(error("", "the item is gone")) };
        if ci.lifecycle == Lifecycle::Retired && self.row.lifecycle.is_none() {
            let message =
                format!("{:?} ({id}) is retired; restore it, or add a column lifecycle that says what it is now", short(&ci.name));
            return Err(conflict("lifecycle", message, Some(id)));
        }
        let mut after = ci.clone();
        (outcome.name, outcome.class) = (ci.name.clone(), ci.class.clone());
        let mut wrong = Vec::new();
        let mut changed = false;
        let has_agent = ci.agent.is_some();
        let mut field = |field: String, old: Option<Value>, new: Value, note: Option<String>| {
            outcome.fields.push(FieldChange { field, old, new, note });
        };
        if let Some(class) = self.row.class.as_deref().filter(|class| *class != ci.class) {
            match known_class(estate.catalogue(), class) {
                Err(problem) => wrong.push(RowProblem { field: "class".to_owned(), message: problem.to_string() }),
                Ok(_) if has_agent => {
                    let note = "stays: the item's agent says what it is";
                    field("class".to_owned(), Some(ci.class.clone().into()), class.into(), Some(note.to_owned()));
                }
                Ok(class) => {
                    field("class".to_owned(), Some(ci.class.clone().into()), class.name.clone().into(), None);
                    after.class.clone_from(&class.name);
                    changed = true;
                }
            }
        }
        if let Some(name) = self.row.name.as_deref().map(str::trim).filter(|name| !name.is_empty() && *name != ci.name.trim()) {
            match check_name(name) {
                Err(problem) => wrong.push(RowProblem { field: "name".to_owned(), message: problem.to_string() }),
                Ok(name) if has_agent && machine::is_named_by_itself(ci) => {
                    let note = "stays: the machine names itself, until somebody names it";
                    field("name".to_owned(), Some(ci.name.clone().into()), name.into(), Some(note.to_owned()));
                }
                Ok(name) => {
                    field("name".to_owned(), Some(ci.name.clone().into()), name.clone().into(), None);
                    after.name = name;
                    changed = true;
                }
            }
        }
        // "active" and "retired" are true of several stages.
        let usual = |lifecycle| if lifecycle == Lifecycle::Active { Stage::InUse } else { Stage::Retired };
        let said = self.row.stage.or_else(|| self.row.lifecycle.filter(|lifecycle| *lifecycle != ci.lifecycle).map(usual));
        let stage = said.filter(|stage| *stage != ci.stage);
        if let Some(stage) = stage {
            field("lifecycle".to_owned(), Some(ci.stage.as_str().into()), stage.as_str().into(), None);
        }
        let class = estate.catalogue().class(&after.class);
        let mut learned = false;
        for (attribute, value) in self.values.iter() {
            let stands = ci.value(attribute);
            let said = machine::word(ci, attribute, &self.rules.source);
            if stands.is_some_and(|stands| same(stands, value)) && said.is_none_or(|said| same(said, value)) {
                continue;
            }
            if said.is_some_and(|said| same(said, value)) {
                // It has said so before, and another's word stands: nothing new.
                continue;
            }
            if let Some(Err(problem)) = class.map(|class| self.check(&class.name, attribute, value)) {
                wrong.push(RowProblem { field: format!("attributes.{attribute}"), message: problem.to_string() });
                continue;
            }
            changed |= machine::claim(&mut after, attribute, Some(value.clone()), self.rules.source.clone(), self.plan.now);
            learned = true;
            let note = precedence::kept_beside(self.plan, &after, attribute, |stands| same(stands, value));
            field(format!("attributes.{attribute}"), stands.cloned(), value.clone(), note);
        }
        if let Some(external) = keys.external.as_ref().filter(|key| !ci.keys.contains(key)) {
            let id = self.row.external_id.clone().unwrap_or_default();
            field("external_id".to_owned(), None, id.into(), None);
            after.keys.push(external.clone());
            after.keys.sort();
            changed = true;
        }
        if learned && !has_agent && is_machine(estate, &after) {
            machine::set_keys(&mut after, &keys.keys, false, machine::is_identity);
        }
        if let Some(first) = wrong.pop() {
            outcome.problems = wrong;
            return Err(Stop { state: RowState::Error, problem: first, ci: Some(id) });
        }
        if let Some(stage) = stage {
            // With what the row says besides: it may be what the way asks for.
            if let Err(problem) = check_way(estate, &after, stage, &self.rules.mark) {
                return Err(Stop { ci: Some(id), ..error("lifecycle", problem.to_string()) });
            }
            after.enter(stage);
            changed = true;
        }
        let of = |ci: &Ci| marks(estate.catalogue(), &ci.class, |name| ci.value(name));
        let was = of(ci);
        let new: Vec<Mark> = of(&after).into_iter().filter(|mark| learned && !was.contains(mark)).collect();
        if let Some((other, mark)) = self.index.recognised(self.plan, &new).into_iter().find(|(other, _)| other.id != id) {
            let message = format!("{:?} ({}) is recognised {} too; one of the two is wrong", short(&other.name), other.id, mark.how());
            return Err(conflict("", message, Some(id)));
        }
        if changed {
            outcome.state = RowState::Update;
            let retires = after.lifecycle == Lifecycle::Retired && ci.lifecycle == Lifecycle::Active;
            let on_it =
                if retires && is_machine(estate, ci) { edges::services_on(self.plan, id).into_values().collect() } else { Vec::new() };
            let reason = format!("{}, row {}: {}", self.rules.mark, self.row.number, outcome.reason);
            for service in on_it {
                self.plan
                    .edit_ci(service, reason.clone(), |ci| std::mem::replace(&mut ci.lifecycle, Lifecycle::Retired) == Lifecycle::Active);
            }
            self.plan.edit_ci(id, reason, |ci| {
                *ci = after;
                true
            });
        }
        self.link(id, links, outcome);
        Ok(())
    }
}

/// Spaces around a text are nobody's word: files lose and gain them.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => a == b || a.trim() == b.trim(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (a, b) => a == b,
    }
}
