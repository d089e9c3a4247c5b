//! Classes, relationship types and rules of precedence in files. They are planned before everything else, so that items of a class may be
//! declared together with it. What a code base has defined, it deletes when the files no longer do; what is in use stays, and is a problem.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{CodeAction, Coder, Declared, DeclaredDefinition, Subject, field};
use crate::{
    catalogue::{Definition, DefinitionBody, DefinitionId, DefinitionKind},
    model::Lifecycle,
    reconcile::commands::{
        CommandError,
        definition::{check_use, deleted, take_on},
        rows::FieldChange,
    },
};

type Name = (DefinitionKind, String);

impl<'d> Coder<'_, 'd> {
    pub(super) fn definitions(&mut self, declared: &'d Declared) {
        let mut names: BTreeSet<Name> = BTreeSet::new();
        let mut waiting: Vec<&DeclaredDefinition> = Vec::new();
        for definition in &declared.definitions {
            if names.insert(name_of(definition)) {
                waiting.push(definition);
            } else {
                self.problem(definition.place, "name", "this is defined twice; keep one of the two");
            }
        }
        // What others need first: a parent, a class that is referred to, the class of a rule.
        while !waiting.is_empty() {
            let is_due = |definition: &&DeclaredDefinition| {
                let undefined = |class: &str| waiting.iter().any(|other| name_of(other) == (DefinitionKind::Class, class.to_owned()));
                !needed(definition).any(undefined)
            };
            let at = waiting.iter().position(is_due).unwrap_or(0);
            let next = waiting.remove(at);
            self.definition(next);
        }
    }

    fn definition(&mut self, declared: &'d DeclaredDefinition) {
        let catalogue = self.plan.catalogue().clone();
        let body = &declared.body;
        if let Err(problem) = catalogue.check(body) {
            return self.problem(declared.place, problem.at, problem.problem);
        }
        let known = catalogue.row(body.kind(), &body.name());
        let mut fields = differences(known.map(|known| &known.body), body);
        // Two that define the same take turns for ever: whoever reads the plan is to see whose word is replaced.
        if let Some(known) = known.filter(|known| known.source != self.source) {
            fields.iter_mut().for_each(|field| field.note = Some(format!("{} said otherwise", known.source)));
        }
        if known.is_some_and(|known| known.body == *body) {
            return;
        }
        let definition = Definition {
            id: known.map_or_else(|| DefinitionId(self.plan.new_id()), |known| known.id),
            body: body.clone(),
            source: self.source.clone(),
            lifecycle: Lifecycle::Active,
            valid_from: self.plan.now,
            version: known.map_or(1, |known| known.version + 1),
        };
        if let Err(problem) =
            check_use(&catalogue, &definition, self.plan.active_cis(), self.plan.active_relationships(), |id| self.plan.ci(id))
        {
            return self.problem(declared.place, "", problem.to_string());
        }
        let differs = if known.is_some() { vec!["body".to_owned()] } else { Vec::new() };
        let (action, reason) = (if known.is_some() { CodeAction::Update } else { CodeAction::Create }, self.reason());
        take_on(&mut self.plan, definition, &reason, differs);
        self.step(action, subject(body.kind()), None, body.name(), fields, Some(declared.place));
    }

    pub(super) fn vanished_definitions(&mut self, declared: &'d Declared) {
        let declared: BTreeSet<Name> = declared.definitions.iter().map(name_of).collect();
        let own = self.plan.estate.catalogue().rows().filter(|row| row.source == self.source);
        let mut gone: Vec<Definition> = own.filter(|row| !declared.contains(&(row.body.kind(), row.body.name()))).cloned().collect();
        // Rules before classes, and of these what specialises before what is specialised.
        let catalogue = self.plan.catalogue().clone();
        let depth = |row: &Definition| match &row.body {
            DefinitionBody::Class(class) => catalogue.lineage(&class.name).count(),
            _ => usize::MAX,
        };
        gone.sort_by_key(|row| std::cmp::Reverse(depth(row)));
        for row in gone {
            let last = deleted(&row, &self.source, self.plan.now);
            let catalogue = self.plan.catalogue().clone();
            if let Err(problem) =
                check_use(&catalogue, &last, self.plan.active_cis(), self.plan.active_relationships(), |id| self.plan.ci(id))
            {
                let CommandError::DefinitionInUse { what, by, next } = problem else {
                    self.problem(usize::MAX, "", problem.to_string());
                    continue;
                };
                let message = format!("{what} is no longer in the files, but in use: {by}; {next}, or declare it again");
                self.problem(usize::MAX, "", message);
                continue;
            }
            let reason = format!("no longer {}", self.reason());
            take_on(&mut self.plan, last, &reason, vec!["lifecycle".to_owned()]);
            self.step(CodeAction::Retire, subject(row.body.kind()), None, row.body.name(), Vec::new(), None);
        }
    }
}

fn name_of(definition: &DeclaredDefinition) -> Name {
    (definition.body.kind(), definition.body.name())
}

/// The classes that must be there before it.
fn needed(definition: &DeclaredDefinition) -> impl Iterator<Item = &str> {
    let (parent, attributes, class) = match &definition.body {
        DefinitionBody::Class(class) => (class.parent.as_deref(), class.attributes.as_slice(), None),
        DefinitionBody::RelationshipType(_) => (None, &[][..], None),
        DefinitionBody::Precedence(rule) => (None, &[][..], Some(rule.class.as_str())),
    };
    let own = match &definition.body {
        DefinitionBody::Class(class) => class.name.as_str(),
        _ => "",
    };
    let references = attributes.iter().filter_map(|attribute| attribute.references.as_deref()).filter(move |class| *class != own);
    parent.into_iter().chain(references).chain(class)
}

const fn subject(kind: DefinitionKind) -> Subject {
    match kind {
        DefinitionKind::Class => Subject::Class,
        DefinitionKind::RelationshipType => Subject::RelationshipType,
        DefinitionKind::Precedence => Subject::Precedence,
    }
}

/// The parts that differ, attribute by attribute; all of them of a new one.
fn differences(before: Option<&DefinitionBody>, after: &DefinitionBody) -> Vec<FieldChange> {
    let parts = |body: &DefinitionBody| -> Vec<(String, Value)> {
        let whole = match body {
            DefinitionBody::Class(class) => serde_json::to_value(class),
            DefinitionBody::RelationshipType(kind) => serde_json::to_value(kind),
            DefinitionBody::Precedence(rule) => serde_json::to_value(rule),
        };
        let Ok(Value::Object(whole)) = whole else { return Vec::new() };
        let mut parts = Vec::new();
        for (name, value) in whole {
            match value {
                _ if name == "name" => {}
                Value::Array(attributes) if name == "attributes" => {
                    for attribute in attributes {
                        let name = attribute.get("name").and_then(Value::as_str).unwrap_or_default();
                        parts.push((format!("attributes.{name}"), attribute.clone()));
                    }
                }
                value => parts.push((name, value)),
            }
        }
        parts
    };
    let (before, after) = (before.map(parts).unwrap_or_default(), parts(after));
    let value_of = |parts: &[(String, Value)], name: &str| parts.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let said = after.iter().filter(|(name, value)| value_of(&before, name).as_ref() != Some(value));
    let mut fields: Vec<FieldChange> = said.map(|(name, value)| field(name, value_of(&before, name), value.clone())).collect();
    let gone = before.iter().filter(|(name, _)| value_of(&after, name).is_none());
    fields.extend(gone.map(|(name, value)| field(name, Some(value.clone()), Value::Null)));
    fields
}
