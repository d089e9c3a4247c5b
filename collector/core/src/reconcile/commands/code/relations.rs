//! Relationships and needs in files.

use std::collections::BTreeSet;

use rollcall_shared::{CiId, NeedGroupId, RelationshipId, catalogue::Hardness};
use serde_json::Value;

use super::{
    super::{
        CommandError, check_name, check_type,
        need_group::check_min_up,
        relationship::{say, unsay},
        short,
    },
    CodeAction, Coder, Declared, DeclaredGroup, Subject, edge, field, hardness_word, min_up_text,
};
use crate::{
    model::{Lifecycle, NeedGroup, Standing},
    reconcile::plan::Plan,
};

impl<'d> Coder<'_, 'd> {
    /// Declares relationships; returns those that the files name.
    pub(super) fn relationships(&mut self, declared: &'d Declared) -> BTreeSet<RelationshipId> {
        let mut said = BTreeSet::new();
        for it in &declared.relationships {
            if let Err(problem) = check_type(self.plan.catalogue(), &it.kind) {
                self.problem(it.place, "type", problem.to_string());
                continue;
            }
            let (Some(from), Some(to)) = (self.lookup(&it.from, it.place, "from"), self.lookup(&it.to, it.place, "to")) else { continue };
            let names = |id| self.plan.ci(id).map(|ci| ci.name.clone()).unwrap_or_default();
            let (from_name, to_name) = (names(from), names(to));
            if from == to {
                self.problem(it.place, "to", CommandError::SelfLoop(short(&from_name)).to_string());
                continue;
            }
            let known = self.plan.between(&it.kind, from, to);
            let of_type = self.plan.catalogue().hardness(&it.kind);
            let hardness_of = |plan: &Plan<'_>, id| plan.relationship(id).and_then(|it| it.hardness).or(of_type);
            let before = known.map(|id| hardness_of(&self.plan, id));
            if let Some(id) = known.filter(|_| it.hardness.is_none() || before.flatten() == it.hardness) {
                said.insert(id);
                continue;
            }
            let source = self.source.clone();
            let reason = self.reason();
            let id = say(&mut self.plan, &source, &it.kind, from, to, it.hardness, &reason);
            said.insert(id);
            let text = |hardness: Option<Hardness>| hardness.map(|it| Value::from(hardness_word(it)));
            let after = hardness_of(&self.plan, id);
            let fields = match before {
                Some(before) => vec![field("hardness", text(before), text(after).unwrap_or_default())],
                None => Vec::new(),
            };
            let action = if known.is_some() { CodeAction::Update } else { CodeAction::Create };
            self.step(
                action,
                Subject::Relationship,
                from,
                edge(self.plan.catalogue(), &from_name, &it.kind, &to_name),
                fields,
                Some(it.place),
            );
        }
        said
    }

    /// Declares need groups; returns those that the files name.
    pub(super) fn groups(&mut self, declared: &'d Declared) -> BTreeSet<NeedGroupId> {
        let mut said = BTreeSet::new();
        let mut names: BTreeSet<(CiId, String)> = BTreeSet::new();
        for it in &declared.groups {
            let of = self.lookup(&it.of, it.place, "of");
            let mut members: Vec<CiId> = it.members.iter().filter_map(|member| self.lookup(member, it.place, "members")).collect();
            let Some(of) = of else { continue };
            if members.len() < it.members.len() {
                continue;
            }
            members.retain(|member| *member != of);
            members.sort();
            members.dedup();
            let name = match check_name(&it.name) {
                Ok(name) => name,
                Err(problem) => {
                    self.problem(it.place, "name", problem.to_string());
                    continue;
                }
            };
            if members.is_empty() {
                self.problem(it.place, "members", CommandError::NoMembers.to_string());
                continue;
            }
            if let Err(problem) = check_min_up(it.min_up, members.len()) {
                self.problem(it.place, "min_up", problem.to_string());
                continue;
            }
            if !names.insert((of, name.clone())) {
                self.problem(
                    it.place,
                    "name",
                    format!("this item has a need {:?} declared already; give one of them another name", short(&name)),
                );
                continue;
            }
            self.group(it, of, name, members, &mut said);
        }
        said
    }

    fn group(&mut self, it: &DeclaredGroup, of: CiId, name: String, members: Vec<CiId>, said: &mut BTreeSet<NeedGroupId>) {
        let named = |group: &&NeedGroup| group.name == name;
        let known = self.plan.estate.need_groups_of(of).filter(named).min_by_key(|group| (group.source != self.source, group.id)).cloned();
        let texts = |members: &[CiId]| -> Value {
            members.iter().map(|id| self.plan.ci(*id).map_or_else(|| id.to_string(), |ci| ci.name.clone())).collect()
        };
        let shown = self.plan.ci(of).map(|ci| format!("{}: {name}", ci.name)).unwrap_or_default();
        let mut fields = Vec::new();
        if known.as_ref().is_none_or(|known| known.members != members) {
            fields.push(field("members", known.as_ref().map(|known| texts(&known.members)), texts(&members)));
        }
        if known.as_ref().is_none_or(|known| known.min_up != it.min_up) {
            fields.push(field("min_up", known.as_ref().map(|known| min_up_text(known.min_up)), min_up_text(it.min_up)));
        }
        if known.as_ref().is_none_or(|known| known.hardness != it.hardness) {
            let old = known.as_ref().map(|known| hardness_word(known.hardness).into());
            fields.push(field("hardness", old, hardness_word(it.hardness).into()));
        }
        let id = known.as_ref().map_or_else(|| NeedGroupId(self.plan.new_id()), |known| known.id);
        said.insert(id);
        if fields.is_empty() {
            return;
        }
        let action = if known.is_some() { CodeAction::Update } else { CodeAction::Create };
        let group = NeedGroup {
            id,
            ci: of,
            name,
            members,
            min_up: it.min_up,
            hardness: it.hardness,
            lifecycle: Lifecycle::Active,
            standing: Standing::Accepted,
            suggestion: known.as_ref().and_then(|known| known.suggestion.clone()),
            source: self.source.clone(),
            valid_from: self.plan.now,
            version: 1,
        };
        let reason = self.reason();
        self.plan.put_need_group(group, reason);
        self.step(action, Subject::NeedGroup, of, shown, fields, Some(it.place));
    }

    pub(super) fn vanished_groups(&mut self, said: &BTreeSet<NeedGroupId>) {
        let gone = self.plan.estate.need_groups().filter(|group| group.source == self.source && !said.contains(&group.id));
        let mut gone: Vec<NeedGroup> = gone.cloned().collect();
        gone.sort_by_key(|group| group.id);
        for group in gone {
            let name = self.plan.ci(group.ci).map(|ci| format!("{}: {}", ci.name, group.name)).unwrap_or_default();
            let of = group.ci;
            let reason = format!("no longer {}", self.reason());
            self.plan.put_need_group(NeedGroup { lifecycle: Lifecycle::Retired, ..group }, reason);
            self.step(CodeAction::Retire, Subject::NeedGroup, of, name, Vec::new(), None);
        }
    }

    pub(super) fn vanished_relationships(&mut self, said: &BTreeSet<RelationshipId>) {
        let ours = |id: &RelationshipId| {
            let known = self.plan.estate.relationship(*id);
            known.is_some_and(|it| it.evidence.iter().any(|it| it.source == self.source))
        };
        let all = self.plan.estate.relationships().map(|it| it.id);
        let mut gone: Vec<RelationshipId> = all.filter(|id| !said.contains(id)).filter(ours).collect();
        gone.sort();
        for id in gone {
            let Some(known) = self.plan.relationship(id).cloned() else { continue };
            let names = |id| self.plan.ci(id).map(|ci| ci.name.clone()).unwrap_or_default();
            let shown = edge(self.plan.catalogue(), &names(known.from), &known.kind, &names(known.to));
            let reason = format!("no longer {}", self.reason());
            let source = self.source.clone();
            unsay(&mut self.plan, &source, id, &reason);
            let action = if self.plan.relationship(id).is_some() { CodeAction::Release } else { CodeAction::Retire };
            self.step(action, Subject::Relationship, known.from, shown, Vec::new(), None);
        }
    }
}
