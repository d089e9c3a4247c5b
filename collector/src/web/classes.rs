//! `GET /classes`: the catalogue. Classes with their attributes, relationship types, and whose word stands.

use std::sync::Arc;

use askama::Template;
use axum::{extract::Path, response::Response};
use rollcall_core::{
    Catalogue, Estate,
    catalogue::{
        AttributeDefinition, AttributeKind, ClassDefinition, DefinitionBody, DefinitionKind, Hardness, Pattern, PrecedenceRule,
        RelationshipTypeDefinition, SourcePattern, SourceRank, expectation,
    },
    reconcile::commands,
};
use rollcall_shared::CiId;

use super::{
    confirm::Confirmation,
    fields::link,
    format::{count, counted},
    problem::{Problem, sentence},
    visitor::{Form, Part, Shell, Visitor, refused, settled},
    words,
};
use crate::store::Role;

const PAGE: &str = "/classes";

#[derive(Template)]
#[template(path = "classes.html")]
struct ClassesPage {
    shell: Shell,
    classes: Vec<ClassRow>,
    types: Vec<TypeRow>,
    may_change: bool,
}

struct ClassRow {
    name: String,
    label: String,
    /// How deep it stands in the family, as a text to indent with.
    indent: &'static str,
    items: String,
    items_href: String,
    attributes: usize,
    own: bool,
}

struct TypeRow {
    name: String,
    forward: String,
    reverse: String,
    hardness: &'static str,
    meaning: String,
    built_in: bool,
}

#[derive(Template)]
#[template(path = "class.html")]
struct ClassPage {
    shell: Shell,
    name: String,
    label: String,
    plural: String,
    parent: Option<(String, String)>,
    built_in: bool,
    identity: Vec<String>,
    attributes: Vec<AttributeRow>,
    rules: Vec<RuleRow>,
    tried: Option<Tried>,
    classes: Vec<(String, String)>,
    kinds: Vec<&'static str>,
    may_change: bool,
    /// What was written into the form for a rule.
    rule_attribute: String,
    rule_order: String,
}

struct AttributeRow {
    name: String,
    label: String,
    value: String,
    required: bool,
    of: Option<(String, String)>,
    built_in: bool,
}

struct RuleRow {
    class: String,
    attribute: String,
    order: String,
    inherited: bool,
}

/// What a rule would change.
struct Tried {
    sentence: String,
    rows: Vec<TriedRow>,
}

struct TriedRow {
    id: CiId,
    item: String,
    attribute: String,
    old: String,
    new: String,
}

/// Values shown of a rule that is tried.
const MOST_SHOWN: usize = 50;

/// `GET /classes`
pub(super) async fn show(visitor: Visitor) -> Result<Response, Problem> {
    let shell = visitor.shell(Part::Classes);
    let page = {
        let estate = visitor.app.estate();
        let catalogue = estate.catalogue();
        ClassesPage {
            shell,
            classes: family(&estate),
            types: catalogue.relationship_types().map(type_row).collect(),
            may_change: visitor.require(Role::Admin).is_ok(),
        }
    };
    Ok(visitor.page(&page))
}

/// Every class below its parent, in the catalogue's order.
fn family(estate: &Estate) -> Vec<ClassRow> {
    let catalogue = estate.catalogue();
    let mut rows = Vec::new();
    let mut waiting: Vec<(&ClassDefinition, usize)> =
        catalogue.classes().filter(|class| class.parent.is_none()).map(|class| (class, 0)).collect();
    while let Some((class, depth)) = waiting.pop() {
        let items = estate.active_cis().filter(|ci| estate.is_a(ci, &class.name)).count();
        rows.push(ClassRow {
            name: class.name.clone(),
            label: class.label.clone(),
            indent: ["", "· ", "· · ", "· · · ", "· · · · "][depth.min(4)],
            items: count(items as u64),
            items_href: link("/items", [("q", format!("class:{}", class.name).as_str())]),
            attributes: catalogue.attributes(&class.name).count(),
            own: !class.built_in,
        });
        let children: Vec<_> = catalogue.classes().filter(|child| child.parent.as_ref() == Some(&class.name)).collect();
        waiting.extend(children.into_iter().rev().map(|child| (child, depth + 1)));
    }
    rows
}

fn type_row(kind: &RelationshipTypeDefinition) -> TypeRow {
    TypeRow {
        name: kind.name.clone(),
        forward: kind.forward.clone(),
        reverse: kind.reverse.clone(),
        hardness: match kind.hardness {
            Hardness::Hard => "needed to serve",
            Hardness::Soft => "serves worse without",
            Hardness::None => "shown only",
        },
        meaning: kind.meaning.clone(),
        built_in: kind.built_in,
    }
}

/// `GET /classes/{name}`; with `try=…` what a rule would change.
pub(super) async fn one(Path(name): Path<String>, visitor: Visitor) -> Result<Response, Problem> {
    let shell = visitor.shell(Part::Classes);
    let (attribute, order) = (visitor.query.get("attribute").to_owned(), visitor.query.get("order").to_owned());
    let page = {
        let estate = visitor.app.estate();
        let catalogue = estate.catalogue();
        let class = catalogue.class(&name).ok_or_else(no_such_class)?;
        let tried = (!order.is_empty()).then(|| tried(&estate, &name, &attribute, &order, &visitor));
        ClassPage {
            shell,
            name: class.name.clone(),
            label: class.label.clone(),
            plural: class.plural.clone(),
            parent: class.parent.as_ref().map(|parent| (parent.clone(), words::class(catalogue, parent).to_owned())),
            built_in: class.built_in,
            identity: class.identity.iter().map(|set| set.join(" and ")).collect(),
            attributes: catalogue.attributes(&name).map(|(of, attribute)| attribute_row(class, of, attribute)).collect(),
            rules: rules(catalogue, &name),
            tried,
            classes: catalogue.classes().map(|class| (class.name.clone(), class.label.clone())).collect(),
            kinds: AttributeKind::ALL.map(AttributeKind::as_str).to_vec(),
            may_change: visitor.require(Role::Admin).is_ok(),
            rule_attribute: attribute,
            rule_order: order,
        }
    };
    Ok(visitor.page(&page))
}

fn no_such_class() -> Problem {
    Problem::not_found("There is no class of this name.")
}

fn attribute_row(class: &ClassDefinition, of: &ClassDefinition, attribute: &AttributeDefinition) -> AttributeRow {
    AttributeRow {
        name: attribute.name.clone(),
        label: attribute.label.clone(),
        value: expectation(attribute),
        required: attribute.required,
        of: (of.name != class.name).then(|| (of.name.clone(), of.label.clone())),
        built_in: attribute.built_in,
    }
}

/// The rules that a class follows: its own, and those of what it specialises.
fn rules(catalogue: &Catalogue, class: &str) -> Vec<RuleRow> {
    let fits = |rule: &&PrecedenceRule| catalogue.is_a(class, &rule.class);
    let row = |rule: &PrecedenceRule| RuleRow {
        class: rule.class.clone(),
        attribute: rule.attribute.clone().unwrap_or_else(|| "*".to_owned()),
        order: rule.order.iter().map(rank_text).collect::<Vec<_>>().join(", "),
        inherited: rule.class != class,
    };
    catalogue.rules().filter(fits).map(row).collect()
}

const DAY_MS: i64 = 86_400_000;

/// `import:sap 30d`.
fn rank_text(rank: &SourceRank) -> String {
    match rank.fresh_for_ms {
        None => rank.source.to_string(),
        Some(window) if window % DAY_MS == 0 => format!("{} {}d", rank.source, window / DAY_MS),
        Some(window) => format!("{} {}m", rank.source, window / 60_000),
    }
}

/// `user, import:sap 30d, agent`: sources in order, each with the days (`d`), hours (`h`) or minutes (`m`) that its word stays fresh.
fn read_rule(class: &str, attribute: &str, order: &str) -> Result<PrecedenceRule, String> {
    let rank = |text: &str| {
        let mut parts = text.split_whitespace();
        let source = SourcePattern::try_from(parts.next().unwrap_or_default().to_owned())?;
        let fresh_for_ms = parts.next().map(window_ms).transpose()?;
        match parts.next() {
            None => Ok(SourceRank { source, fresh_for_ms }),
            Some(_) => Err(format!("{:?} is not a source and how long its word stays fresh, as in import:sap 30d", text.trim())),
        }
    };
    let order = order.split(',').filter(|text| !text.trim().is_empty()).map(rank).collect::<Result<_, String>>()?;
    let attribute = Some(attribute.trim()).filter(|name| !name.is_empty() && *name != "*").map(str::to_owned);
    Ok(PrecedenceRule { class: class.to_owned(), attribute, order })
}

fn window_ms(text: &str) -> Result<i64, String> {
    let unit = [("d", DAY_MS), ("h", 3_600_000), ("m", 60_000)];
    let read = unit.into_iter().find_map(|(unit, ms)| i64::from(text.strip_suffix(unit)?.parse::<u32>().ok()?).checked_mul(ms));
    read.ok_or_else(|| format!("{text:?} is no time: write 30d, 12h or 90m"))
}

fn tried(estate: &Estate, class: &str, attribute: &str, order: &str, visitor: &Visitor) -> Tried {
    let nothing = |problem: String| Tried { sentence: sentence(&problem), rows: Vec::new() };
    let rule = match read_rule(class, attribute, order) {
        Ok(rule) => rule,
        Err(problem) => return nothing(problem),
    };
    let effects = match commands::dry_run(estate, &[rule], &Default::default(), visitor.now) {
        Ok(effects) => effects,
        Err(error) => return nothing(error.to_string()),
    };
    let said = |claim: &rollcall_core::Claim| {
        format!("{} ({})", claim.value.as_str().map_or_else(|| claim.value.to_string(), str::to_owned), words::source(&claim.source))
    };
    let rows = effects.iter().take(MOST_SHOWN).map(|effect| TriedRow {
        id: effect.ci,
        item: words::name(estate, effect.ci),
        attribute: effect.attribute.clone(),
        old: said(&effect.before),
        new: said(&effect.after),
    });
    let sentence = match effects.len() {
        0 => "Nothing would change.".to_owned(),
        many => format!(
            "Another word would stand on {}{}.",
            counted(many, "value", "values"),
            if many > MOST_SHOWN { format!("; the first {MOST_SHOWN} are shown") } else { String::new() }
        ),
    };
    Tried { sentence, rows: rows.collect() }
}

/// `POST /classes`
pub(super) async fn add(form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::Admin)?;
    let text = |name: &str| form.fields.get(name).to_owned();
    let class = ClassDefinition {
        name: text("name"),
        label: text("label"),
        plural: text("plural"),
        parent: Some(text("parent")),
        icon: text("icon"),
        ..ClassDefinition::default()
    };
    let (name, page) = (class.name.clone(), format!("{PAGE}/{}", class.name));
    if form.visitor.app.catalogue().class(&name).is_some() {
        return Ok(refused(PAGE, "There is a class of this name already; its own page changes it."));
    }
    settle(&form, "catalogue.class.put", &name, DefinitionBody::Class(class), &page, PAGE, "The class is there.").await
}

/// `POST /classes/{name}/attributes`: adds an attribute.
pub(super) async fn add_attribute(Path(name): Path<String>, form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::Admin)?;
    let back = format!("{PAGE}/{name}");
    let kind = AttributeKind::parse(form.fields.get("kind")).ok_or_else(|| Problem::invalid("There is no such kind of attribute."))?;
    let pattern = match Some(form.fields.get("pattern")).filter(|text| !text.is_empty()).map(Pattern::parse).transpose() {
        Ok(pattern) => pattern,
        Err(problem) => return Ok(refused(&back, sentence(&problem))),
    };
    let list = form.fields.get("allowed").split(',').map(str::trim).filter(|text| !text.is_empty());
    let attribute = AttributeDefinition {
        name: form.fields.get("name").to_owned(),
        label: form.fields.get("label").to_owned(),
        kind,
        unit: form.fields.get("unit").to_owned(),
        allowed: list.map(str::to_owned).collect(),
        references: Some(form.fields.get("references").to_owned()).filter(|_| kind == AttributeKind::Reference),
        pattern,
        required: form.fields.get("required") == "yes",
        built_in: false,
    };
    let mut class = own_part(&form.visitor, &name)?;
    class.attributes.push(attribute);
    settle(&form, "catalogue.class.put", &name, DefinitionBody::Class(class), &back, &back, "The attribute is there.").await
}

/// `POST /classes/{name}/attributes/{attribute}/delete`
pub(super) async fn delete_attribute(Path((name, attribute)): Path<(String, String)>, form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::Admin)?;
    let back = format!("{PAGE}/{name}");
    if let Some(ask) = form.unless_confirmed(|| {
        let says = "Items of the class are not asked for it any more. If any of them says something of it, it is not deleted, and you are told so.";
        Confirmation::new(Part::Classes, format!("Delete the attribute {attribute}?"), says, "Delete the attribute", back.as_str())
    }) {
        return Ok(ask);
    }
    let mut class = own_part(&form.visitor, &name)?;
    class.attributes.retain(|known| known.name != attribute);
    settle(&form, "catalogue.class.put", &name, DefinitionBody::Class(class), &back, &back, "The attribute is deleted.").await
}

/// What people have added of a class: all of it, or attributes of one that comes with Rollcall.
fn own_part(visitor: &Visitor, name: &str) -> Result<ClassDefinition, Problem> {
    let catalogue = Arc::clone(visitor.app.estate().catalogue());
    if let Some(DefinitionBody::Class(class)) = catalogue.row(DefinitionKind::Class, name).map(|row| &row.body) {
        return Ok(class.clone());
    }
    catalogue.class(name).ok_or_else(no_such_class)?;
    Ok(ClassDefinition { name: name.to_owned(), ..ClassDefinition::default() })
}

/// `POST /classes/{name}/delete`
pub(super) async fn delete(Path(name): Path<String>, form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::Admin)?;
    let back = format!("{PAGE}/{name}");
    if let Some(ask) = form.unless_confirmed(|| {
        let label = words::class(&form.visitor.app.catalogue(), &name).to_owned();
        let says = "No item can be of this class any more. If there are any, it is not deleted, and you are told so.";
        Confirmation::new(Part::Classes, format!("Delete the class {label}?"), says, "Delete the class", back.as_str())
    }) {
        return Ok(ask);
    }
    let subject = name.clone();
    let result = form
        .visitor
        .order("catalogue.class.delete", &subject, "", move |estate, order| {
            commands::delete_definition(estate, DefinitionKind::Class, &name, order)
        })
        .await;
    settled(result, PAGE, "The class is deleted.", &back)
}

/// `POST /classes/{name}/rules`: saves a rule, or deletes it if no order is given.
pub(super) async fn save_rule(Path(name): Path<String>, form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::Admin)?;
    let (attribute, order) = (form.fields.get("attribute"), form.fields.get("order"));
    let page = format!("{PAGE}/{name}");
    // As the address of a rule that is tried: the form for it is filled in from there.
    let back = link(&page, [("attribute", attribute), ("order", order)]);
    if form.fields.get("delete") == "yes" {
        if let Some(ask) = form.unless_confirmed(|| {
            let says = "What stands is then decided by the rules that are left, or by the usual order.";
            Confirmation::new(Part::Classes, format!("Delete the rule for {attribute}?"), says, "Delete the rule", page.as_str())
        }) {
            return Ok(ask);
        }
        let rule = format!("{name}.{}", if attribute.is_empty() { "*" } else { attribute });
        let subject = rule.clone();
        let result = form
            .visitor
            .order("precedence.delete", &subject, "", move |estate, order| {
                commands::delete_definition(estate, DefinitionKind::Precedence, &rule, order)
            })
            .await;
        return settled(result, &page, "The rule is deleted.", &page);
    }
    let rule = match read_rule(&name, attribute, order) {
        Ok(rule) => rule,
        Err(problem) => return Ok(refused(&back, sentence(&problem))),
    };
    let subject = rule.name();
    settle(&form, "precedence.put", &subject, DefinitionBody::Precedence(rule), &page, &back, "The rule stands.").await
}

/// `POST /relationship-types`: adds a relationship type.
pub(super) async fn add_type(form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::Admin)?;
    let text = |name: &str| form.fields.get(name).to_owned();
    let hardness = match form.fields.get("hardness") {
        "hard" => Hardness::Hard,
        "none" => Hardness::None,
        _ => Hardness::Soft,
    };
    let (forward, reverse, meaning) = (text("forward"), text("reverse"), text("meaning"));
    let kind = RelationshipTypeDefinition { name: text("name"), forward, reverse, hardness, meaning, built_in: false };
    let name = kind.name.clone();
    let body = DefinitionBody::RelationshipType(kind);
    settle(&form, "catalogue.relationship_type.put", &name, body, PAGE, PAGE, "The relationship type is there.").await
}

/// `POST /relationship-types/{name}/delete`
pub(super) async fn delete_type(Path(name): Path<String>, form: Form) -> Result<Response, Problem> {
    form.visitor.require(Role::Admin)?;
    if let Some(ask) = form.unless_confirmed(|| {
        let says = "No relationship can be of this type any more. If there are any, it is not deleted, and you are told so.";
        Confirmation::new(Part::Classes, format!("Delete the relationship type {name}?"), says, "Delete the type", PAGE)
    }) {
        return Ok(ask);
    }
    let subject = name.clone();
    let kind = DefinitionKind::RelationshipType;
    let result = form
        .visitor
        .order("catalogue.relationship_type.delete", &subject, "", move |estate, order| {
            commands::delete_definition(estate, kind, &name, order)
        })
        .await;
    settled(result, PAGE, "The relationship type is deleted.", PAGE)
}

async fn settle(
    form: &Form,
    action: &'static str,
    subject: &str,
    body: DefinitionBody,
    page: &str,
    back: &str,
    said: &'static str,
) -> Result<Response, Problem> {
    let subject: String = subject.chars().take(160).collect();
    let result = form.visitor.order(action, &subject, "", move |estate, order| commands::put_definition(estate, &body, order)).await;
    settled(result, page, said, back)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_is_shown() {
        let rule = read_rule("server", "*", " user:ada ,import:sap 30d, agent 90m,").unwrap();
        assert_eq!(rule.attribute, None);
        assert_eq!(rule.order.iter().map(rank_text).collect::<Vec<_>>().join(", "), "user:ada, import:sap 30d, agent 90m");
        for wrong in ["nobody", "agent soon", "agent 3d twice", "agent -3d"] {
            assert!(read_rule("server", "owner", wrong).is_err(), "{wrong}");
        }
    }
}
