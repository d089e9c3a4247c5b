//! What files declare, planned three ways: what they say now, what is there, and what they said before. The last is in the estate itself:
//! every claim, relationship and need names its source, so what [`Source::Code`] says and the files no longer do is what vanished from them.
//!
//! What stands already is not said again, whoever says it: files that agree with discovery take nothing over from it.

mod definitions;
mod items;
mod references;
mod relations;

use std::collections::{BTreeMap, HashMap};

use rollcall_shared::{CiId, catalogue::Hardness};
use serde_json::Value;

use super::{CommandError, Order, rows::FieldChange, short};
use crate::{
    Catalogue, Estate,
    catalogue::DefinitionBody,
    model::{ChangeSet, IdentityKey, IdentityKeyKind, Lifecycle, MinUp, Source},
    reconcile::{Policy, plan::Plan},
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
    coder.items(declared);
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
