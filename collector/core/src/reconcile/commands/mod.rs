//! What people, imports and API clients order. Planned like documents: nothing changes here, a [`ChangeSet`] comes out.

mod application;
mod ci;
mod code;
mod conflict;
mod definition;
mod life;
mod need_group;
mod recognition;
mod relationship;
mod rows;
mod suggestion;
mod undo;

use rollcall_shared::{CiId, ConflictId, NeedGroupId, RelationshipId, Timestamp};
use serde_json::Value;

pub use application::{Assembly, assemble, confirm_application};
pub use ci::{AttributeEdit, CiUpdate, NewCi, create_ci, restore_ci, retire_ci, update_ci};
pub use code::{
    CodeAction, CodePlan, CodeProblem, CodeStep, Declared, DeclaredDefinition, DeclaredGroup, DeclaredItem, DeclaredRelationship, Match,
    Named, Subject, plan_code,
};
pub use conflict::{Settlement, keep_apart, merge_cis, settle_conflict};
pub use definition::{Effect, delete_definition, dry_run, put_definition};
pub use life::{LifeStep, NewSighting, enter_stage, record_sighting, ways_from};
pub use need_group::{NeedGroupValues, declare_need_group, retire_need_group, update_need_group};
pub use relationship::{declare_relationship, retire_relationship, set_hardness};
pub use rows::{
    FieldChange, Link, Reference, Row, RowIndex, RowOutcome, RowProblem, RowRules, RowState, RowsSeen, plan_rows, settle_questions,
};
pub use suggestion::{Decision, decide_suggestion};
pub use undo::{UndoStep, Undone, UndoneState, undo_rows};

use super::{Policy, plan::Plan};
use crate::{
    Catalogue, Estate,
    catalogue::{AttributeDefinition, AttributeKind, ClassDefinition, DefinitionError, expectation, fits},
    model::{Ci, IdSource, Lifecycle, Source},
};

/// Who orders, when, and where new ids come from.
pub struct Order<'a> {
    /// Who.
    pub source: Source,
    /// The collector's clock.
    pub now: Timestamp,
    /// New ids.
    pub ids: &'a mut dyn IdSource,
}

/// Why an order cannot be followed. Nothing changes. The message says what, where and what to do.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// No such configuration item.
    #[error("there is no configuration item {0}; look it up in the list, it may have another id in this installation")]
    NoCi(CiId),
    /// No such relationship, or it is retired.
    #[error("there is no live relationship {0}; see the configuration item's relationships for those that are")]
    NoRelationship(RelationshipId),
    /// No such need group, or it is retired.
    #[error("there is no live need group {0}; see the configuration item's needs for those that are")]
    NoNeedGroup(NeedGroupId),
    /// No such conflict, or it is settled.
    #[error("there is no open conflict {0}; it may have been settled meanwhile, see the list of conflicts")]
    NoConflict(ConflictId),
    /// The configuration item is retired.
    #[error("{name:?} ({id}) is retired; restore it first")]
    Retired {
        /// Its id.
        id: CiId,
        /// Its name.
        name: String,
    },
    /// The configuration item is not retired.
    #[error("{name:?} ({id}) is not retired; there is nothing to restore")]
    NotRetired {
        /// Its id.
        id: CiId,
        /// Its name.
        name: String,
    },
    /// What it was merged into has become part of another since.
    #[error("{name:?} ({id}) was merged into another item that was merged itself since; split that one, {survivor}, first")]
    MergedOn {
        /// Its id.
        id: CiId,
        /// Its name.
        name: String,
        /// What it was merged into.
        survivor: CiId,
    },
    /// No such class.
    #[error("class: there is no class {name:?}; the classes are {allowed}")]
    UnknownClass {
        /// What was asked for.
        name: String,
        /// Those there are.
        allowed: String,
    },
    /// The class has no such attribute.
    #[error("attributes.{name}: the class {class:?} has no such attribute; it has {allowed}")]
    UnknownAttribute {
        /// What was asked for.
        name: String,
        /// The class.
        class: String,
        /// Those it has.
        allowed: String,
    },
    /// The value does not fit the attribute.
    #[error("attributes.{name}: {expected} is needed, this is {found}")]
    WrongValue {
        /// The attribute.
        name: String,
        /// What fits.
        expected: String,
        /// What was given.
        found: String,
    },
    /// The source makes no claim about that attribute.
    #[error("attributes.{name}: {source_name} says nothing about it, so there is nothing to withdraw or release")]
    NoClaim {
        /// The attribute.
        name: String,
        /// Who.
        source_name: String,
    },
    /// A name is empty or too long.
    #[error("name: 1 to {most} characters are needed, this has {found}")]
    BadName {
        /// Characters given.
        found: usize,
        /// Most characters.
        most: usize,
    },
    /// The external id is empty or too long.
    #[error("external_id: 1 to {most} characters are needed, this has {found}")]
    BadExternalId {
        /// Characters given.
        found: usize,
        /// Most characters.
        most: usize,
    },
    /// Another configuration item has this id of the same source.
    #[error("external_id: {id:?} is {name:?} ({ci}) already; update that one")]
    ExternalIdTaken {
        /// The external id.
        id: String,
        /// Whose it is.
        ci: CiId,
        /// Its name.
        name: String,
    },
    /// The machine is there already.
    #[error("this machine is {name:?} ({id}) already, {how}; update that one")]
    KnownMachine {
        /// Its id.
        id: CiId,
        /// Its name.
        name: String,
        /// What it is recognised by.
        how: String,
    },
    /// An item that is recognised by the same is there already.
    #[error("{name:?} ({id}) is recognised {how} too; update that one, or say which of the two is wrong")]
    KnownItem {
        /// Its id.
        id: CiId,
        /// Its name.
        name: String,
        /// What it is recognised by.
        how: String,
    },
    /// No such relationship type.
    #[error("type: there is no relationship type {name:?}; the types are {allowed}")]
    UnknownRelationshipType {
        /// What was asked for.
        name: String,
        /// Those there are.
        allowed: String,
    },
    /// A relationship or need of something with itself.
    #[error("{0:?} cannot depend on itself; name two different configuration items")]
    SelfLoop(String),
    /// Retiring what is observed would bring it back with the next report.
    #[error(
        "this relationship is observed ({detail}) and would be back with the next report; set its hardness to \"none\" to take it out of impact"
    )]
    Observed {
        /// The observation.
        detail: String,
    },
    /// A need group without members.
    #[error("members: a need group needs at least one provider other than the one in need")]
    NoMembers,
    /// `min_up` out of range.
    #[error("min_up: {0}")]
    BadMinUp(String),
    /// An application without a beginning.
    #[error("start: name at least one item where it begins, such as the service that its users reach")]
    NoStart,
    /// Only applications and business services are made of parts.
    #[error("{name:?} ({id}) is neither an application service nor a business service, so it is not assembled of parts")]
    NotAnApplication {
        /// Its id.
        id: CiId,
        /// Its name.
        name: String,
    },
    /// An attribute that the class requires is missing, or would be.
    #[error("attributes.{name}: the class {class:?} requires it: {expected} is needed")]
    Required {
        /// The attribute.
        name: String,
        /// The class.
        class: String,
        /// What fits.
        expected: String,
    },
    /// A definition cannot be taken on.
    #[error(transparent)]
    Definition(#[from] DefinitionError),
    /// Nobody has added a definition of that name.
    #[error("nobody has added {kind} {name:?}; what comes with Rollcall cannot be deleted")]
    NoDefinition {
        /// What kind of definition.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// What is defined is in use.
    #[error("{what} is in use: {by}; {next}")]
    DefinitionInUse {
        /// What.
        what: String,
        /// By what, with an example.
        by: String,
        /// What to do.
        next: &'static str,
    },
    /// There is no way from this stage to that.
    #[error("lifecycle: {name:?} ({id}) is {from}; from there it can become {allowed}")]
    NoTransition {
        /// Its id.
        id: CiId,
        /// Its name.
        name: String,
        /// Where it is.
        from: &'static str,
        /// Where it can go.
        allowed: String,
    },
    /// The way asks for something that is not known.
    #[error("lifecycle: to become {to}, {name:?} needs {wanted}; give it together with the new state")]
    TransitionNeeds {
        /// Its name.
        name: String,
        /// Where it is to go.
        to: &'static str,
        /// What is missing.
        wanted: String,
    },
    /// A life does not begin there.
    #[error("lifecycle: a life does not begin as {0}; make it planned, ordered, in_stock or in_use")]
    BadBeginning(&'static str),
    /// A text of a sighting is too long, or its time lies in the future.
    #[error("{0}")]
    BadSighting(String),
    /// The settlement does not fit the conflict.
    #[error("settlement: {0}")]
    WrongSettlement(&'static str),
}

impl CommandError {
    /// Whether the thing that was named does not exist (HTTP 404).
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NoCi(_) | Self::NoRelationship(_) | Self::NoNeedGroup(_) | Self::NoConflict(_) | Self::NoDefinition { .. })
    }

    /// Whether the order is well-formed but does not fit the present state (HTTP 409). Everything else is wrong in itself (422).
    pub const fn is_conflict(&self) -> bool {
        matches!(
            self,
            Self::Retired { .. }
                | Self::NotRetired { .. }
                | Self::MergedOn { .. }
                | Self::ExternalIdTaken { .. }
                | Self::KnownMachine { .. }
                | Self::KnownItem { .. }
                | Self::Observed { .. }
                | Self::DefinitionInUse { .. }
                | Self::NoTransition { .. }
        )
    }
}

/// Characters of a name.
const MOST_NAME: usize = 255;

fn class<'c>(catalogue: &'c Catalogue, name: &str) -> Result<&'c ClassDefinition, CommandError> {
    let allowed = || catalogue.classes().map(|class| class.name.as_str()).collect::<Vec<_>>().join(", ");
    catalogue.class(name).ok_or_else(|| CommandError::UnknownClass { name: short(name), allowed: allowed() })
}

fn check_attribute<'c>(catalogue: &'c Catalogue, class: &ClassDefinition, name: &str) -> Result<&'c AttributeDefinition, CommandError> {
    let allowed = || catalogue.attributes(&class.name).map(|(_, attribute)| attribute.name.as_str()).collect::<Vec<_>>().join(", ");
    let unknown = || CommandError::UnknownAttribute { name: short(name), class: class.name.clone(), allowed: allowed() };
    catalogue.attribute(&class.name, name).ok_or_else(unknown)
}

/// Checks what a person or client says of an attribute: its kind, and that what it refers to is there.
///
/// # Errors
/// [`CommandError`] names the attribute, the value and what is allowed.
pub fn check_value(estate: &Estate, class: &str, name: &str, value: &Value) -> Result<(), CommandError> {
    check_value_in(estate.catalogue(), |id| estate.ci(id), class, name, value)
}

/// The same under a catalogue, and with items, that an order is about to change.
fn check_value_in<'c>(
    catalogue: &Catalogue,
    item: impl Fn(CiId) -> Option<&'c Ci>,
    class: &str,
    name: &str,
    value: &Value,
) -> Result<(), CommandError> {
    let class = self::class(catalogue, class)?;
    let attribute = check_attribute(catalogue, class, name)?;
    let wrong = |expected: String| CommandError::WrongValue { name: short(name), expected, found: short(&value.to_string()) };
    fits(attribute, value).map_err(|misfit| wrong(misfit.expected))?;
    if let (AttributeKind::Reference, Some(of)) = (attribute.kind, &attribute.references) {
        let referred = value.as_str().and_then(|id| id.parse().ok()).and_then(item);
        if !referred.is_some_and(|ci| ci.lifecycle == Lifecycle::Active && catalogue.is_a(&ci.class, of)) {
            return Err(wrong(expectation(attribute)));
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<String, CommandError> {
    let name = name.trim();
    let found = name.chars().count();
    if (1..=MOST_NAME).contains(&found) { Ok(name.to_owned()) } else { Err(CommandError::BadName { found, most: MOST_NAME }) }
}

/// Refuses an item that lacks what its class requires.
fn check_required(catalogue: &Catalogue, class: &ClassDefinition, has: impl Fn(&str) -> bool) -> Result<(), CommandError> {
    let missing = catalogue.attributes(&class.name).map(|(_, attribute)| attribute).find(|it| it.required && !has(&it.name));
    missing.map_or(Ok(()), |missing| Err(required(class, missing)))
}

fn required(class: &ClassDefinition, attribute: &AttributeDefinition) -> CommandError {
    CommandError::Required { name: attribute.name.clone(), class: class.name.clone(), expected: expectation(attribute) }
}

fn check_type(catalogue: &Catalogue, name: &str) -> Result<(), CommandError> {
    if catalogue.relationship_type(name).is_some() {
        return Ok(());
    }
    let allowed = catalogue.relationship_types().map(|kind| kind.name.as_str()).collect::<Vec<_>>().join(", ");
    Err(CommandError::UnknownRelationshipType { name: short(name), allowed })
}

fn existing(estate: &Estate, id: CiId) -> Result<&Ci, CommandError> {
    estate.ci(id).ok_or(CommandError::NoCi(id))
}

fn active(estate: &Estate, id: CiId) -> Result<&Ci, CommandError> {
    let ci = existing(estate, id)?;
    if ci.lifecycle == Lifecycle::Active { Ok(ci) } else { Err(CommandError::Retired { id, name: short(&ci.name) }) }
}

/// What was given, as short as a message can bear.
fn short(text: &str) -> String {
    super::identify::shown(text)
}

/// A plan for one order; commands need no policy beyond the defaults.
fn planned<T>(
    estate: &Estate,
    order: &mut Order<'_>,
    make: impl FnOnce(&mut Plan<'_>, &Source) -> Result<T, CommandError>,
) -> Result<crate::model::ChangeSet, CommandError> {
    let policy = Policy::default();
    let source = order.source.clone();
    let mut plan = Plan::new(estate, order.now, &policy, order.ids);
    make(&mut plan, &source)?;
    Ok(plan.finish())
}
