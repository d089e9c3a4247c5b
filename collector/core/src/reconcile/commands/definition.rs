use std::{collections::BTreeSet, sync::Arc};

use rollcall_shared::{CiId, Timestamp};

use super::{CommandError, Order, planned, short};
use crate::{
    Catalogue, Estate,
    catalogue::{Definition, DefinitionBody, DefinitionError, DefinitionId, DefinitionKind, PrecedenceRule, fits},
    model::{ChangeSet, Ci, Claim, Lifecycle, Relationship, Source},
    reconcile::{plan::Plan, precedence},
};

/// Adds a definition to the catalogue or replaces the one of its name. Values that a changed rule of precedence decides otherwise change with
/// it.
///
/// # Errors
/// [`CommandError`] if it is wrong in itself or does not fit what is there: other definitions, or items that have values of it.
pub fn put_definition(estate: &Estate, body: &DefinitionBody, mut order: Order<'_>) -> Result<ChangeSet, CommandError> {
    let catalogue = estate.catalogue();
    catalogue.check(body)?;
    let known = catalogue.row(body.kind(), &body.name());
    if known.is_some_and(|known| known.body == *body) {
        return Ok(ChangeSet::default());
    }
    if let DefinitionBody::Class(class) = body
        && class.attributes.is_empty()
        && catalogue.class(&class.name).is_some_and(|class| class.built_in)
    {
        // Nothing is added to it any more.
        return match known {
            Some(_) => delete_definition(estate, DefinitionKind::Class, &class.name, order),
            None => Ok(ChangeSet::default()),
        };
    }
    let id = known.map_or_else(|| DefinitionId(order.ids.next()), |known| known.id);
    let version = known.map_or(1, |known| known.version + 1);
    let source = order.source.clone();
    let definition = Definition { id, body: body.clone(), source, lifecycle: Lifecycle::Active, valid_from: order.now, version };
    check_use(catalogue, &definition, estate.active_cis(), estate.relationships(), |id| estate.ci(id))?;
    let verb = if known.is_some() { "changed" } else { "added" };
    planned(estate, &mut order, |plan, source| {
        let differs = if known.is_some() { vec!["body".to_owned()] } else { Vec::new() };
        take_on(plan, definition, &format!("{verb} by {source}"), differs);
        Ok(())
    })
}

/// Deletes a definition that people added; it stays in the history.
///
/// # Errors
/// [`CommandError`] if nobody added it, or it is in use.
pub fn delete_definition(estate: &Estate, kind: DefinitionKind, name: &str, mut order: Order<'_>) -> Result<ChangeSet, CommandError> {
    let known = estate.catalogue().row(kind, name).ok_or_else(|| CommandError::NoDefinition {
        kind: match kind {
            DefinitionKind::Class => "a class, or attributes of a class,",
            DefinitionKind::RelationshipType => "a relationship type",
            DefinitionKind::Precedence => "a rule of precedence",
        },
        name: short(name),
    })?;
    let deleted = deleted(known, &order.source, order.now);
    check_use(estate.catalogue(), &deleted, estate.active_cis(), estate.relationships(), |id| estate.ci(id))?;
    planned(estate, &mut order, |plan, source| {
        take_on(plan, deleted, &format!("deleted by {source}"), vec!["lifecycle".to_owned()]);
        Ok(())
    })
}

/// A definition's last version.
pub(super) fn deleted(known: &Definition, source: &Source, now: Timestamp) -> Definition {
    let source = source.clone();
    Definition { lifecycle: Lifecycle::Retired, source, valid_from: now, version: known.version + 1, ..known.clone() }
}

/// Puts a definition into a plan; what a rule of precedence decides otherwise changes with it.
pub(super) fn take_on(plan: &mut Plan<'_>, definition: Definition, reason: &str, differs: Vec<String>) {
    let rule = matches!(definition.body, DefinitionBody::Precedence(_)).then(|| definition.body.name());
    plan.put_definition(definition, reason.to_owned(), differs);
    if let Some(rule) = rule {
        precedence::settle(plan, &format!("rule of precedence {rule} {reason}"));
    }
}

/// Whether these items and relationships, all that there are, still fit once the definition stands in the catalogue that was before.
pub(super) fn check_use<'e>(
    before: &Catalogue,
    definition: &Definition,
    items: impl Iterator<Item = &'e Ci>,
    relationships: impl Iterator<Item = &'e Relationship>,
    item: impl Fn(CiId) -> Option<&'e Ci>,
) -> Result<(), CommandError> {
    let after = before.with([definition]);
    for row in after.rows() {
        after.check(&row.body).map_err(|error| CommandError::DefinitionInUse {
            what: named(&definition.body),
            by: format!("{} would no longer fit: {error}", named(&row.body)),
            next: "change or delete that first",
        })?;
    }
    match &definition.body {
        DefinitionBody::Class(class) => {
            let is_touched = |ci: &&Ci| before.is_a(&ci.class, &class.name) || after.is_a(&ci.class, &class.name);
            check_items(before, &after, &definition.body, items.filter(is_touched))
        }
        DefinitionBody::RelationshipType(kind) if definition.lifecycle == Lifecycle::Retired => {
            let mut used = relationships.filter(|relationship| relationship.kind == kind.name);
            let Some(one) = used.next() else { return Ok(()) };
            let name = |id: CiId| item(id).map_or_else(|| id.to_string(), |ci| short(&ci.name));
            Err(CommandError::DefinitionInUse {
                what: named(&definition.body),
                by: format!("{} relationships are of it, one from {:?} to {:?}", 1 + used.count(), name(one.from), name(one.to)),
                next: "retire them first",
            })
        }
        _ => Ok(()),
    }
}

/// Items keep a class that there is, and values that fit.
fn check_items<'e>(
    before: &Catalogue,
    after: &Catalogue,
    body: &DefinitionBody,
    items: impl Iterator<Item = &'e Ci>,
) -> Result<(), CommandError> {
    let (mut count, mut example) = (0_usize, None);
    for ci in items {
        let problem = if after.class(&ci.class).is_none() {
            Some("is of this class".to_owned())
        } else {
            ci.attributes.iter().find_map(|(name, attribute)| {
                let (was, is) = (before.attribute(&ci.class, name)?, after.attribute(&ci.class, name));
                match is {
                    Some(is) if is == was => None,
                    None => Some(format!("has a value of {name}")),
                    Some(is) => {
                        let misfit = attribute.claims().iter().find_map(|claim| Some((claim, fits(is, &claim.value).err()?)));
                        misfit.map(|(claim, misfit)| {
                            format!("says {} of {name}, and {} would be needed", short(&claim.value.to_string()), misfit.expected)
                        })
                    }
                }
            })
        };
        if let Some(problem) = problem {
            count += 1;
            example.get_or_insert_with(|| format!("{:?} ({}) {problem}", short(&ci.name), ci.id));
        }
    }
    match example {
        None => Ok(()),
        Some(example) => Err(CommandError::DefinitionInUse {
            what: named(body),
            by: format!("{count} items, for example {example}"),
            next: "change or retire them first",
        }),
    }
}

fn named(body: &DefinitionBody) -> String {
    let kind = match body.kind() {
        DefinitionKind::Class => "the class",
        DefinitionKind::RelationshipType => "the relationship type",
        DefinitionKind::Precedence => "the rule of precedence",
    };
    format!("{kind} {:?}", body.name())
}

/// What other rules would change.
#[derive(Clone, Debug, PartialEq)]
pub struct Effect {
    /// The item.
    pub ci: CiId,
    /// The attribute.
    pub attribute: String,
    /// The claim that stands.
    pub before: Claim,
    /// The claim that would.
    pub after: Claim,
    /// The rule that would decide; `None`: the order that comes with Rollcall.
    pub rule: Option<String>,
}

/// What would change if these rules stood (in the place of those of the same name) and those were deleted: every attribute of a live item
/// whose winner would be another, in the order of items and attributes. Nothing is written.
///
/// # Errors
/// [`CommandError::Definition`] if a rule is wrong in itself.
pub fn dry_run(estate: &Estate, put: &[PrecedenceRule], delete: &BTreeSet<String>, now: Timestamp) -> Result<Vec<Effect>, CommandError> {
    let mut rows = Vec::new();
    for (at, rule) in put.iter().enumerate() {
        let body = DefinitionBody::Precedence(rule.clone());
        let inside = |error: DefinitionError| DefinitionError { at: format!("rules[{at}].{}", error.at), ..error };
        estate.catalogue().check(&body).map_err(inside)?;
        let known = estate.catalogue().row(DefinitionKind::Precedence, &rule.name());
        // An id that nothing has: this catalogue is thrown away.
        let id = known.map_or(DefinitionId(uuid::Uuid::from_u128(at as u128)), |known| known.id);
        let source = Source::User(String::new());
        rows.push(Definition { id, body, source, lifecycle: Lifecycle::Active, valid_from: now, version: 1 });
    }
    for name in delete {
        let known = estate.catalogue().row(DefinitionKind::Precedence, name);
        let known = known.ok_or_else(|| CommandError::NoDefinition { kind: "a rule of precedence", name: short(name) })?;
        rows.push(Definition { lifecycle: Lifecycle::Retired, ..known.clone() });
    }
    let catalogue = Arc::new(estate.catalogue().with(&rows));
    let mut effects: Vec<Effect> = estate
        .active_cis()
        .flat_map(|ci| precedence::reordered(estate, &catalogue, ci, now).into_iter().map(move |(name, claims)| (ci, name, claims)))
        .filter_map(|(ci, attribute, claims)| {
            let before = ci.attributes.get(&attribute)?.winner().clone();
            let after = claims.into_iter().next()?;
            let rule = catalogue.rule(&ci.class, &attribute).map(PrecedenceRule::name);
            (before.source != after.source).then_some(Effect { ci: ci.id, attribute, before, after, rule })
        })
        .collect();
    effects.sort_by(|a, b| (a.ci, &a.attribute).cmp(&(b.ci, &b.attribute)));
    Ok(effects)
}
