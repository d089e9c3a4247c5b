//! Items in files.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use rollcall_shared::CiId;
use serde_json::Value;

use super::{
    super::{
        CommandError, check_name, check_required, check_value_in, class as known_class,
        recognition::{marks, recognised},
        short,
    },
    CodeAction, Coder, Declared, DeclaredItem, FieldChange, Match, Subject, code_key, field,
};
use crate::{
    model::{Ci, IdentityKey, IdentityKeyKind, Lifecycle},
    reconcile::{machine, precedence},
};

impl<'d> Coder<'_, 'd> {
    /// Which items the keys mean, and that no two mean one.
    pub(super) fn resolve(&mut self, declared: &'d Declared) {
        let mut meant: HashMap<CiId, &str> = HashMap::new();
        for item in &declared.items {
            if self.keys.contains_key(item.key.as_str()) {
                self.problem(item.place, "key", format!("{:?} is declared twice; every key stands for one item", short(&item.key)));
                continue;
            }
            let found = match self.existing(item) {
                Ok(found) => found,
                Err((path, message)) => {
                    self.problem(item.place, path, message);
                    None
                }
            };
            if let Some(other) = found.and_then(|id| meant.insert(id, &item.key)) {
                let message = format!("{:?} and {:?} mean the same item; declare it once", short(other), short(&item.key));
                self.problem(item.place, "match", message);
            }
            self.keys.insert(&item.key, found);
        }
    }

    fn existing(&self, item: &DeclaredItem) -> Result<Option<CiId>, (&'static str, String)> {
        match &item.matched {
            Some(Match::Id(id)) => {
                let id = self.plan.standing(*id);
                let known = self.plan.ci(id).ok_or_else(|| ("match.id", CommandError::NoCi(id).to_string()))?;
                match known.lifecycle {
                    Lifecycle::Active => Ok(Some(id)),
                    _ => Err(("match.id", CommandError::Retired { id, name: short(&known.name) }.to_string())),
                }
            }
            Some(Match::Name { name, class }) => {
                let class = class
                    .as_deref()
                    .map(|name| known_class(self.plan.catalogue(), name))
                    .transpose()
                    .map_err(|problem| ("match.class", problem.to_string()))?;
                let fits = |ci: &&Ci| class.is_none_or(|class| self.plan.catalogue().is_a(&ci.class, &class.name));
                let found: Vec<&Ci> = self.named(name).filter(fits).collect();
                match found[..] {
                    [one] => Ok(Some(one.id)),
                    [] => Err(("match.name", format!("no item is called {:?}; look it up with `rollcall ci list`", short(name)))),
                    _ => Err(("match.name", format!("{} items are called {:?}; match by id", found.len(), short(name)))),
                }
            }
            None => {
                let own = self.plan.with_key(&code_key(&self.source, &item.key)).into_iter().next();
                if own.is_some() {
                    return Ok(own.map(|id| self.plan.standing(id)));
                }
                let marks = item.class.as_deref().map(|class| marks(self.plan.catalogue(), class, |name| item.attributes.get(name)));
                if let Some((ci, mark)) = recognised(self.plan.estate, &marks.unwrap_or_default(), None) {
                    let message = format!(
                        "{:?} ({}) is recognised {} too and was not made by this code base; add `match: {{id: {1}}}` if it is meant",
                        short(&ci.name),
                        ci.id,
                        mark.how()
                    );
                    return Err(("key", message));
                }
                let name = item.name.as_deref().unwrap_or(&item.key);
                let same_class = |ci: &&Ci| item.class.as_deref() == Some(ci.class.as_str());
                match self.named(name).find(same_class) {
                    Some(ci) => Err((
                        "key",
                        format!(
                            "{:?} ({}) is there already and was not made by this code base; add `match: {{id: {1}}}` if it is meant, or give \
                             the new one another name",
                            short(&ci.name),
                            ci.id
                        ),
                    )),
                    None => Ok(None),
                }
            }
        }
    }

    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &Ci> {
        let name = name.trim().to_lowercase();
        self.plan.estate.active_cis().filter(move |ci| ci.name.to_lowercase() == name)
    }

    pub(super) fn item(&mut self, item: &'d DeclaredItem) {
        let Some(known) = self.keys.get(item.key.as_str()).copied() else { return };
        let values = self.values(item);
        match known.and_then(|id| self.plan.ci(id).cloned()) {
            Some(ci) => self.update(item, &values, &ci),
            None if item.matched.is_none() => self.create(item, &values),
            None => {}
        }
    }

    fn create(&mut self, item: &'d DeclaredItem, values: &BTreeMap<String, Value>) {
        let catalogue = Arc::clone(self.plan.catalogue());
        let Some(class) = item.class.as_deref() else {
            let message = "a new item needs a class; for one that is there already, say which with `match`";
            return self.problem(item.place, "class", message);
        };
        let class = match known_class(&catalogue, class) {
            Ok(class) => class,
            Err(problem) => return self.problem(item.place, "class", problem.to_string()),
        };
        let name = match check_name(item.name.as_deref().unwrap_or(&item.key)) {
            Ok(name) => name,
            Err(problem) => return self.problem(item.place, "name", problem.to_string()),
        };
        if let Err(problem) = check_required(&catalogue, class, |name| item.attributes.contains_key(name)) {
            self.problem(item.place, "attributes", problem.to_string());
        }
        let mut fields = vec![field("class", None, class.name.clone().into()), field("name", None, name.clone().into())];
        for (attribute, value) in values {
            if let Err(problem) = check_value_in(&catalogue, |id| self.plan.ci(id), &class.name, attribute, value) {
                self.problem(item.place, format!("attributes.{attribute}"), problem.to_string());
            }
            fields.push(field(&format!("attributes.{attribute}"), None, value.clone()));
        }
        let reason = self.reason();
        let id = self.plan.new_ci(&class.name, name.clone(), vec![code_key(&self.source, &item.key)], None, reason.clone());
        let (source, now) = (self.source.clone(), self.plan.now);
        self.plan.edit_ci(id, reason, |ci| {
            for (attribute, value) in values {
                machine::claim(ci, attribute, Some(value.clone()), source.clone(), now);
            }
            true
        });
        self.keys.insert(&item.key, Some(id));
        self.step(CodeAction::Create, Subject::Item, id, name, fields, Some(item.place));
    }

    fn update(&mut self, item: &'d DeclaredItem, values: &BTreeMap<String, Value>, ci: &Ci) {
        let catalogue = Arc::clone(self.plan.catalogue());
        let mut after = ci.clone();
        let (mut fields, mut drift) = (Vec::new(), Vec::new());
        if after.lifecycle == Lifecycle::Retired {
            fields.push(field("lifecycle", Some(after.lifecycle.as_str().into()), Lifecycle::Active.as_str().into()));
            (after.lifecycle, after.merged_into) = (Lifecycle::Active, None);
        }
        if let Some(class) = item.class.as_deref().filter(|class| *class != ci.class) {
            match known_class(&catalogue, class) {
                Err(problem) => self.problem(item.place, "class", problem.to_string()),
                Ok(class) if ci.agent.is_some() => {
                    let note = "the item's agent says what it is";
                    drift.push(FieldChange {
                        note: Some(note.to_owned()),
                        ..field("class", Some(ci.class.clone().into()), class.name.clone().into())
                    });
                }
                Ok(class) => {
                    fields.push(field("class", Some(ci.class.clone().into()), class.name.clone().into()));
                    after.class.clone_from(&class.name);
                }
            }
        }
        if let Some(name) = item.name.as_deref().map(str::trim).filter(|name| *name != ci.name.trim()) {
            match check_name(name) {
                Err(problem) => self.problem(item.place, "name", problem.to_string()),
                Ok(name) => {
                    fields.push(field("name", Some(ci.name.clone().into()), name.clone().into()));
                    after.name = name;
                }
            }
        }
        let Ok(class) = known_class(&catalogue, &after.class) else { return };
        for (attribute, value) in values {
            let path = format!("attributes.{attribute}");
            let (stands, said) = (ci.value(attribute), machine::word(ci, attribute, &self.source));
            let stands_so = stands == Some(value);
            if (stands_so && said.is_none()) || said == Some(value) {
                if !stands_so {
                    let winner = ci.attributes.get(attribute).map(|attribute| attribute.winner());
                    let note = winner.map(|it| format!("{}{} says so", it.source, if it.pinned { ", pinned," } else { "" }));
                    drift.push(FieldChange { note, ..field(&path, stands.cloned(), value.clone()) });
                }
                continue;
            }
            if let Err(problem) = check_value_in(&catalogue, |id| self.plan.ci(id), &class.name, attribute, value) {
                self.problem(item.place, path, problem.to_string());
                continue;
            }
            machine::claim(&mut after, attribute, Some(value.clone()), self.source.clone(), self.plan.now);
            let note = precedence::kept_beside(&self.plan, &after, attribute, |stands| stands == value);
            fields.push(FieldChange { note, ..field(&path, stands.cloned(), value.clone()) });
        }
        let released = self.release(&mut after, |attribute| !item.attributes.contains_key(attribute));
        fields.extend(released);
        let name = after.name.clone();
        if !fields.is_empty() {
            let reason = self.reason();
            self.plan.edit_ci(ci.id, reason, |known| {
                *known = after;
                true
            });
            self.step(CodeAction::Update, Subject::Item, ci.id, name.clone(), fields, Some(item.place));
        }
        if !drift.is_empty() {
            self.step(CodeAction::Drift, Subject::Item, ci.id, name, drift, Some(item.place));
        }
    }

    /// Takes the code base's word back on attributes that `which` names.
    fn release(&self, ci: &mut Ci, which: impl Fn(&str) -> bool) -> Vec<FieldChange> {
        let names: Vec<String> = ci.attributes.keys().filter(|name| which(name)).cloned().collect();
        let mut released = Vec::new();
        for name in names {
            let before = ci.value(&name).cloned();
            if machine::claim(ci, &name, None, self.source.clone(), self.plan.now) {
                let now = ci.value(&name).cloned().unwrap_or_default();
                released.push(field(&format!("attributes.{name}"), before, now));
            }
        }
        released
    }

    pub(super) fn vanished_items(&mut self, declared: &Declared) {
        let prefix = format!("{}|", self.source);
        let declared: BTreeSet<IdentityKey> = declared.items.iter().map(|item| code_key(&self.source, &item.key)).collect();
        let meant: BTreeSet<CiId> = self.keys.values().flatten().copied().collect();
        let own = |ci: &Ci| ci.keys.iter().any(|key| key.kind == IdentityKeyKind::External && key.value.starts_with(&prefix));
        let speaks = |ci: &Ci| ci.attributes.values().any(|it| it.claims().iter().any(|claim| claim.source == self.source));
        let mut gone: Vec<Ci> = self
            .plan
            .estate
            .active_cis()
            .filter(|ci| !meant.contains(&ci.id) && (speaks(ci) || own(ci)) && !ci.keys.iter().any(|key| declared.contains(key)))
            .cloned()
            .collect();
        gone.sort_by_key(|ci| ci.id);
        for ci in gone {
            let mut after = ci.clone();
            // What an agent reports by now is there, whoever made it first.
            let retires = own(&ci) && ci.agent.is_none();
            let fields = if retires { Vec::new() } else { self.release(&mut after, |_| true) };
            if retires {
                after.lifecycle = Lifecycle::Retired;
            }
            if after == ci {
                continue;
            }
            let reason = format!("no longer {}", self.reason());
            self.plan.edit_ci(ci.id, reason, |known| {
                *known = after;
                true
            });
            let action = if retires { CodeAction::Retire } else { CodeAction::Release };
            self.step(action, Subject::Item, ci.id, ci.name, fields, None);
        }
    }
}
