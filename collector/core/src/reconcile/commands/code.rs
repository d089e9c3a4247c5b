//! What files declare, planned three ways: what they say now, what is there, and what they said before. The last is in the estate itself:
//! every claim, relationship and need names its source, so what [`Source::Code`] says and the files no longer do is what vanished from them.
//!
//! What stands already is not said again, whoever says it: files that agree with discovery take nothing over from it.

mod definitions;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use rollcall_shared::{CiId, NeedGroupId, RelationshipId, catalogue::Hardness};
use serde_json::Value;

use super::{
    CommandError, Order, check_name, check_required, check_type, check_value_in, class as known_class,
    need_group::check_min_up,
    recognition::{marks, recognised},
    relationship::{say, unsay},
    rows::FieldChange,
    short,
};
use crate::{
    Catalogue, Estate,
    catalogue::DefinitionBody,
    model::{ChangeSet, Ci, IdentityKey, IdentityKeyKind, Lifecycle, MinUp, NeedGroup, Source, Standing},
    reconcile::{Policy, machine, plan::Plan},
};

/// Everything that the files of one code base declare. `place` is the caller's number for where it stands.
#[derive(Clone, Debug, Default)]
pub struct Declared {
    /// Classes, relationship types and rules of precedence.
    pub definitions: Vec<DeclaredDefinition>,
    /// Items.
    pub items: Vec<DeclaredItem>,
    /// Relationships.
    pub relationships: Vec<DeclaredRelationship>,
    /// Needs that several providers meet together.
    pub groups: Vec<DeclaredGroup>,
}

/// A declared class (or attributes of one that comes with Rollcall), relationship type or rule of precedence.
#[derive(Clone, Debug)]
pub struct DeclaredDefinition {
    /// What it defines.
    pub body: DefinitionBody,
    /// Where it stands.
    pub place: usize,
}

/// A declared item.
#[derive(Clone, Debug)]
pub struct DeclaredItem {
    /// How the files refer to it.
    pub key: String,
    /// Which existing item is meant; absent: the files make it.
    pub matched: Option<Match>,
    /// Its class; needed to make it.
    pub class: Option<String>,
    /// Its name; the key if absent.
    pub name: Option<String>,
    /// Values by attribute.
    pub attributes: BTreeMap<String, Value>,
    /// Where it stands.
    pub place: usize,
}

/// Which existing item is meant.
#[derive(Clone, Debug)]
pub enum Match {
    /// The one of this id.
    Id(CiId),
    /// The only one of this name, and of this class or one that specialises it if a class is given.
    Name {
        /// The name.
        name: String,
        /// The class.
        class: Option<String>,
    },
}

/// How a relationship or need names an item.
#[derive(Clone, Debug)]
pub enum Named {
    /// By the key of a declared item.
    Key(String),
    /// By its id.
    Id(CiId),
}

/// A declared relationship.
#[derive(Clone, Debug)]
pub struct DeclaredRelationship {
    /// Its type.
    pub kind: String,
    /// The dependent.
    pub from: Named,
    /// What it depends on.
    pub to: Named,
    /// How hard; absent: as the type or the evidence says.
    pub hardness: Option<Hardness>,
    /// Where it stands.
    pub place: usize,
}

/// A declared need.
#[derive(Clone, Debug)]
pub struct DeclaredGroup {
    /// Whose need.
    pub of: Named,
    /// What people call it; one of its kind for each item.
    pub name: String,
    /// The providers.
    pub members: Vec<Named>,
    /// How many must serve.
    pub min_up: MinUp,
    /// How badly it is needed.
    pub hardness: Hardness,
    /// Where it stands.
    pub place: usize,
}

/// What is wrong with a declaration.
#[derive(Clone, Debug, PartialEq)]
pub struct CodeProblem {
    /// Where it stands.
    pub place: usize,
    /// Which part: `attributes.owner`, `members`; empty for the whole.
    pub path: String,
    /// What is wrong and what to do.
    pub message: String,
}

/// What the files change.
#[derive(Clone, Debug, Default)]
pub struct CodePlan {
    /// The changes.
    pub changes: ChangeSet,
    /// The same for people, and what drifted.
    pub steps: Vec<CodeStep>,
}

/// One thing that changes, or that is not as declared and cannot be made so.
#[derive(Clone, Debug, PartialEq)]
pub struct CodeStep {
    /// What is done.
    pub action: CodeAction,
    /// What it is.
    pub subject: Subject,
    /// The item: its own, the dependent's, whose need it is; none of a definition.
    pub ci: Option<CiId>,
    /// What people call it.
    pub name: String,
    /// Field by field.
    pub fields: Vec<FieldChange>,
    /// Where it is declared; absent for what vanished from the files.
    pub place: Option<usize>,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeAction {
    /// It is made.
    Create,
    /// It changes.
    Update,
    /// It vanished from the files, which had made it.
    Retire,
    /// It vanished from the files, which had only said something about it: that is taken back.
    Release,
    /// It is not as declared, because somebody whose word comes first says otherwise. Nothing is done.
    Drift,
}

/// Kinds of things that files declare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A class, or attributes of one that comes with Rollcall.
    Class,
    /// A relationship type.
    RelationshipType,
    /// A rule of precedence.
    Precedence,
    /// An item.
    Item,
    /// A relationship.
    Relationship,
    /// A need group.
    NeedGroup,
}

/// Plans what the files of the code base `base` change. All or nothing: with one problem nothing is planned.
///
/// # Errors
/// Every problem that was found.
pub fn plan_code(estate: &Estate, base: &str, declared: &Declared, order: Order<'_>) -> Result<CodePlan, Vec<CodeProblem>> {
    let policy = Policy::default();
    let source = Source::Code(base.to_owned());
    let plan = Plan::new(estate, order.now, &policy, order.ids);
    let mut coder = Coder { plan, source, base, keys: HashMap::new(), problems: Vec::new(), steps: Vec::new() };
    coder.definitions(declared);
    coder.resolve(declared);
    for item in &declared.items {
        coder.item(item);
    }
    let said = coder.relationships(declared);
    let groups = coder.groups(declared);
    if !coder.problems.is_empty() {
        coder.problems.sort_by_key(|problem| problem.place);
        return Err(coder.problems);
    }
    coder.vanished_groups(&groups);
    coder.vanished_relationships(&said);
    coder.vanished_items(declared);
    coder.vanished_definitions(declared);
    if !coder.problems.is_empty() {
        return Err(coder.problems);
    }
    Ok(CodePlan { changes: coder.plan.finish(), steps: coder.steps })
}

/// The key by which an item that a code base has made is found again.
fn code_key(source: &Source, key: &str) -> IdentityKey {
    IdentityKey { kind: IdentityKeyKind::External, value: format!("{source}|{}", crate::observe::bounded(key)) }
}

struct Coder<'e, 'd> {
    plan: Plan<'e>,
    source: Source,
    base: &'d str,
    /// What each declared key means; an item that is to be made has none yet.
    keys: HashMap<&'d str, Option<CiId>>,
    problems: Vec<CodeProblem>,
    steps: Vec<CodeStep>,
}

impl<'d> Coder<'_, 'd> {
    fn problem(&mut self, place: usize, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(CodeProblem { place, path: path.into(), message: message.into() });
    }

    fn reason(&self) -> String {
        format!("declared in the code base {}", short(self.base))
    }

    /// Which items the keys mean, and that no two mean one.
    fn resolve(&mut self, declared: &'d Declared) {
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

    fn named(&self, name: &str) -> impl Iterator<Item = &Ci> {
        let name = name.trim().to_lowercase();
        self.plan.estate.active_cis().filter(move |ci| ci.name.to_lowercase() == name)
    }

    fn item(&mut self, item: &'d DeclaredItem) {
        let Some(known) = self.keys.get(item.key.as_str()).copied() else { return };
        match known.and_then(|id| self.plan.ci(id).cloned()) {
            Some(ci) => self.update(item, &ci),
            None if item.matched.is_none() => self.create(item),
            None => {}
        }
    }

    fn create(&mut self, item: &'d DeclaredItem) {
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
        for (attribute, value) in &item.attributes {
            if let Err(problem) = check_value_in(&catalogue, self.plan.estate, &class.name, attribute, value) {
                self.problem(item.place, format!("attributes.{attribute}"), problem.to_string());
            }
            fields.push(field(&format!("attributes.{attribute}"), None, value.clone()));
        }
        let reason = self.reason();
        let id = self.plan.new_ci(&class.name, name.clone(), vec![code_key(&self.source, &item.key)], None, reason.clone());
        let (source, now) = (self.source.clone(), self.plan.now);
        self.plan.edit_ci(id, reason, |ci| {
            for (attribute, value) in &item.attributes {
                machine::claim(ci, attribute, Some(value.clone()), source.clone(), now);
            }
            true
        });
        self.keys.insert(&item.key, Some(id));
        self.step(CodeAction::Create, Subject::Item, id, name, fields, Some(item.place));
    }

    fn update(&mut self, item: &'d DeclaredItem, ci: &Ci) {
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
        for (attribute, value) in &item.attributes {
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
            if let Err(problem) = check_value_in(&catalogue, self.plan.estate, &class.name, attribute, value) {
                self.problem(item.place, path, problem.to_string());
                continue;
            }
            machine::claim(&mut after, attribute, Some(value.clone()), self.source.clone(), self.plan.now);
            let note = after.attributes.get(attribute).filter(|now| now.value() != value).map(|now| {
                let pinned = if now.winner().pinned { ", pinned," } else { "" };
                format!("kept beside: {}{pinned} says otherwise and comes first", now.winner().source)
            });
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

    fn lookup(&mut self, named: &Named, place: usize, path: &str) -> Option<CiId> {
        let problem = match named {
            Named::Id(id) => match self.plan.ci(self.plan.standing(*id)) {
                Some(ci) if ci.lifecycle == Lifecycle::Active => return Some(ci.id),
                Some(ci) => CommandError::Retired { id: ci.id, name: short(&ci.name) }.to_string(),
                None => CommandError::NoCi(*id).to_string(),
            },
            Named::Key(key) => match self.keys.get(key.as_str()) {
                Some(Some(id)) => return Some(*id),
                // What is wrong with that item is said there.
                Some(None) => return None,
                None => {
                    let near = self.keys.keys().find(|known| known.contains(key.as_str()) || key.contains(**known));
                    let near = near.map(|near| format!("; is {:?} meant?", short(near))).unwrap_or_default();
                    format!("no item with the key {:?} is declared in these files{near}", short(key))
                }
            },
        };
        self.problem(place, path, problem);
        None
    }

    /// Declares relationships; returns those that the files name.
    fn relationships(&mut self, declared: &'d Declared) -> BTreeSet<RelationshipId> {
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
    fn groups(&mut self, declared: &'d Declared) -> BTreeSet<NeedGroupId> {
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

    fn vanished_groups(&mut self, said: &BTreeSet<NeedGroupId>) {
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

    fn vanished_relationships(&mut self, said: &BTreeSet<RelationshipId>) {
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

    fn vanished_items(&mut self, declared: &Declared) {
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

    fn step(
        &mut self,
        action: CodeAction,
        subject: Subject,
        ci: impl Into<Option<CiId>>,
        name: String,
        fields: Vec<FieldChange>,
        place: Option<usize>,
    ) {
        self.steps.push(CodeStep { action, subject, ci: ci.into(), name, fields, place });
    }
}

fn field(name: &str, old: Option<Value>, new: Value) -> FieldChange {
    FieldChange { field: name.to_owned(), old, new, note: None }
}

fn edge(catalogue: &Catalogue, from: &str, kind: &str, to: &str) -> String {
    let words = catalogue.relationship_type(kind).map_or(kind, |kind| &kind.forward);
    format!("{from} {words} {to}")
}

fn hardness_word(hardness: Hardness) -> &'static str {
    match hardness {
        Hardness::Hard => "hard",
        Hardness::Soft => "soft",
        Hardness::None => "none",
    }
}

fn min_up_text(min_up: MinUp) -> Value {
    match min_up {
        MinUp::Count(count) => count.into(),
        MinUp::Percent(percent) => format!("{percent}%").into(),
    }
}
