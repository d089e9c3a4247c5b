//! The catalogue: classes with their attributes, and relationship types; those that come with Rollcall and those that people add.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use rollcall_core::{
    Catalogue,
    catalogue::{AttributeDefinition, AttributeKind, ClassDefinition, DefinitionBody, DefinitionKind, Pattern, RelationshipTypeDefinition},
    reconcile::commands,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    extract::{Admin, Body, Id, Viewer},
    types::{Hardness, Page},
    write::{What, order},
};
use crate::{app::SharedApp, auth::Refusal};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new()
        .routes(routes!(classes))
        .routes(routes!(relationship_types))
        .routes(routes!(put_class, delete_class))
        .routes(routes!(put_relationship_type, delete_relationship_type))
}

/// A class of items.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ClassView {
    /// Name in data and API.
    pub(crate) name: String,
    /// Name for people, singular.
    pub(crate) label: String,
    /// Name for people, plural.
    pub(crate) plural: String,
    /// The class it specialises; absent for `item`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent: Option<String>,
    /// A short word that stands for it in pictures and lists.
    #[serde(default)]
    pub(crate) icon: String,
    /// Its attributes, inherited ones included.
    pub(crate) attributes: Vec<AttributeView>,
    /// What one of it is recognised by when people or imports write of it: sets of attributes; one whole set that is equal is enough.
    #[serde(default)]
    pub(crate) identity: Vec<Vec<String>>,
    /// Whether it comes with Rollcall.
    #[serde(default)]
    pub(crate) built_in: bool,
}

/// One attribute of a class: what [`AttributeSpec`] says, and where it comes from. Field by field, for the description of a type that
/// refuses unknown keys forbids the two that flattening it would add.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AttributeView {
    /// Name in data and API.
    pub(crate) name: String,
    /// Name for people.
    pub(crate) label: String,
    /// `text`, `integer`, `number`, `boolean`, `instant` (RFC 3339), `date` (2026-03-01), `url`, `choice`, `reference` or `text_list`.
    pub(crate) kind: String,
    /// The unit of a number: `bytes`; absent for a plain count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unit: Option<String>,
    /// What a choice is one of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) allowed: Vec<String>,
    /// The class that a reference is to one of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) references: Option<String>,
    /// A regular expression that the whole of a text must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pattern: Option<String>,
    /// Whether whoever makes an item must give it.
    #[serde(default)]
    pub(crate) required: bool,
    /// The class that defines it.
    pub(crate) of_class: String,
    /// Whether it comes with Rollcall.
    #[serde(default)]
    pub(crate) built_in: bool,
}

/// What an attribute is.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttributeSpec {
    /// Name in data and API: a-z, 0-9 and `_`.
    pub(crate) name: String,
    /// Name for people.
    pub(crate) label: String,
    /// `text`, `integer`, `number`, `boolean`, `instant` (RFC 3339), `date` (2026-03-01), `url`, `choice`, `reference` or `text_list`.
    pub(crate) kind: String,
    /// The unit of a number: `bytes`; absent for a plain count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unit: Option<String>,
    /// What a choice is one of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) allowed: Vec<String>,
    /// The class that a reference is to one of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) references: Option<String>,
    /// A regular expression that the whole of a text must match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pattern: Option<String>,
    /// Whether whoever makes an item must give it.
    #[serde(default)]
    pub(crate) required: bool,
}

/// A class to add, or attributes to add to one that comes with Rollcall (then only `attributes` is given).
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClassSpec {
    /// Name for people, singular.
    #[serde(default)]
    pub(crate) label: String,
    /// Name for people, plural.
    #[serde(default)]
    pub(crate) plural: String,
    /// The class it specialises; `item` if no other fits.
    #[serde(default)]
    pub(crate) parent: Option<String>,
    /// A short word that stands for it in pictures and lists.
    #[serde(default)]
    pub(crate) icon: String,
    /// The attributes that it adds to those it inherits. The whole list: what is not in it any more is deleted.
    #[serde(default)]
    pub(crate) attributes: Vec<AttributeSpec>,
    /// Sets of attributes that it is recognised by.
    #[serde(default)]
    pub(crate) identity: Vec<Vec<String>>,
}

/// A relationship type.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RelationshipTypeView {
    /// Name in data and API.
    pub(crate) name: String,
    /// How to read it from the dependent: `runs on`.
    pub(crate) forward: String,
    /// How to read it from the dependency: `hosts`.
    pub(crate) reverse: String,
    /// How failure travels from the dependency to the dependent.
    pub(crate) hardness: Hardness,
    /// What it means.
    pub(crate) meaning: String,
    /// Whether it comes with Rollcall.
    #[serde(default)]
    pub(crate) built_in: bool,
}

/// A relationship type to add.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RelationshipTypeSpec {
    /// How to read it from the dependent: `runs on`.
    pub(crate) forward: String,
    /// How to read it from the dependency: `hosts`.
    pub(crate) reverse: String,
    /// How failure travels from the dependency to the dependent.
    pub(crate) hardness: Hardness,
    /// What it means, in a sentence.
    #[serde(default)]
    pub(crate) meaning: String,
}

impl ClassView {
    /// A class with all of its attributes.
    pub(crate) fn of(catalogue: &Catalogue, class: &ClassDefinition) -> Self {
        let attributes = catalogue.attributes(&class.name).map(|(of, attribute)| {
            let AttributeSpec { name, label, kind, unit, allowed, references, pattern, required } = attribute.into();
            let (of_class, built_in) = (of.name.clone(), attribute.built_in);
            AttributeView { name, label, kind, unit, allowed, references, pattern, required, of_class, built_in }
        });
        Self {
            name: class.name.clone(),
            label: class.label.clone(),
            plural: class.plural.clone(),
            parent: class.parent.clone(),
            icon: class.icon.clone(),
            attributes: attributes.collect(),
            identity: class.identity.clone(),
            built_in: class.built_in,
        }
    }
}

impl From<AttributeView> for AttributeSpec {
    fn from(view: AttributeView) -> Self {
        let AttributeView { name, label, kind, unit, allowed, references, pattern, required, .. } = view;
        Self { name, label, kind, unit, allowed, references, pattern, required }
    }
}

impl From<&AttributeDefinition> for AttributeSpec {
    fn from(attribute: &AttributeDefinition) -> Self {
        Self {
            name: attribute.name.clone(),
            label: attribute.label.clone(),
            kind: attribute.kind.as_str().to_owned(),
            unit: (!attribute.unit.is_empty()).then(|| attribute.unit.clone()),
            allowed: attribute.allowed.clone(),
            references: attribute.references.clone(),
            pattern: attribute.pattern.as_ref().map(|pattern| pattern.as_str().to_owned()),
            required: attribute.required,
        }
    }
}

impl AttributeSpec {
    /// As the core has it; the texts are checked there.
    pub(crate) fn into_definition(self) -> Result<AttributeDefinition, Refusal> {
        let shown: String = self.name.chars().take(80).collect();
        let at = |field: &str| format!("$.attributes.{shown}.{field}");
        let kind = AttributeKind::parse(&self.kind).ok_or_else(|| {
            let kinds = AttributeKind::ALL.map(AttributeKind::as_str).join(", ");
            Refusal::invalid(format!("an attribute's kind is one of {kinds}")).at(at("kind"))
        })?;
        let pattern = self.pattern.as_deref().map(Pattern::parse).transpose();
        Ok(AttributeDefinition {
            name: self.name,
            label: self.label,
            kind,
            unit: self.unit.unwrap_or_default(),
            allowed: self.allowed,
            references: self.references,
            pattern: pattern.map_err(|problem| Refusal::invalid(problem).at(at("pattern")))?,
            required: self.required,
            built_in: false,
        })
    }
}

impl ClassSpec {
    /// As the core has it.
    pub(crate) fn into_body(self, name: String) -> Result<DefinitionBody, Refusal> {
        Ok(DefinitionBody::Class(ClassDefinition {
            name,
            label: self.label.trim().to_owned(),
            plural: self.plural.trim().to_owned(),
            parent: self.parent,
            icon: self.icon,
            attributes: self.attributes.into_iter().map(AttributeSpec::into_definition).collect::<Result<_, _>>()?,
            identity: self.identity,
            built_in: false,
        }))
    }
}

/// Every class. Role: viewer.
#[utoipa::path(get, path = "/classes", tag = "catalogue", responses((status = 200, description = "Classes", body = Page<ClassView>)))]
async fn classes(State(app): State<SharedApp>, _: Viewer) -> Json<Page<ClassView>> {
    let catalogue = Arc::clone(app.estate().catalogue());
    Json(Page::whole(catalogue.classes().map(|class| ClassView::of(&catalogue, class)).collect()))
}

/// Every relationship type. Role: viewer.
#[utoipa::path(get, path = "/relationship-types", tag = "catalogue",
    responses((status = 200, description = "Relationship types", body = Page<RelationshipTypeView>)))]
async fn relationship_types(State(app): State<SharedApp>, _: Viewer) -> Json<Page<RelationshipTypeView>> {
    let catalogue = Arc::clone(app.estate().catalogue());
    Json(Page::whole(catalogue.relationship_types().map(RelationshipTypeView::from).collect()))
}

impl From<&RelationshipTypeDefinition> for RelationshipTypeView {
    fn from(kind: &RelationshipTypeDefinition) -> Self {
        Self {
            name: kind.name.clone(),
            forward: kind.forward.clone(),
            reverse: kind.reverse.clone(),
            hardness: kind.hardness.into(),
            meaning: kind.meaning.clone(),
            built_in: kind.built_in,
        }
    }
}

/// Adds a class, changes one that was added, or says which attributes are added to one that comes with Rollcall. It counts at once.
/// What would take values away from items, or no longer fit them, is refused. Role: admin.
#[utoipa::path(put, path = "/catalogue/classes/{name}", tag = "catalogue", request_body = ClassSpec,
    params(("name" = String, Path, description = "The class's name: a-z, 0-9 and `_`, beginning with a letter")),
    responses((status = 200, description = "As it is now", body = ClassView)))]
async fn put_class(
    State(app): State<SharedApp>,
    Admin(actor): Admin,
    Id(name): Id<String>,
    Body(spec): Body<ClassSpec>,
) -> Result<Json<ClassView>, Refusal> {
    let body = spec.into_body(name.clone())?;
    let what = What { action: "catalogue.class.put", subject: name.clone(), detail: String::new() };
    order(&app, &actor, what, move |estate, order| Ok(commands::put_definition(estate, &body, order)?)).await?;
    let catalogue = Arc::clone(app.estate().catalogue());
    let class = catalogue.class(&name).ok_or_else(Refusal::internal)?;
    Ok(Json(ClassView::of(&catalogue, class)))
}

/// Deletes a class that was added, or all attributes that were added to one that comes with Rollcall. Refused while it is in use.
/// Role: admin.
#[utoipa::path(delete, path = "/catalogue/classes/{name}", tag = "catalogue", params(("name" = String, Path, description = "The class's name")),
    responses((status = 204, description = "Deleted")))]
async fn delete_class(State(app): State<SharedApp>, Admin(actor): Admin, Id(name): Id<String>) -> Result<StatusCode, Refusal> {
    let what = What { action: "catalogue.class.delete", subject: short(&name), detail: String::new() };
    order(&app, &actor, what, move |estate, order| Ok(commands::delete_definition(estate, DefinitionKind::Class, &name, order)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Adds a relationship type or changes one that was added. Role: admin.
#[utoipa::path(put, path = "/catalogue/relationship-types/{name}", tag = "catalogue", request_body = RelationshipTypeSpec,
    params(("name" = String, Path, description = "The type's name: a-z, 0-9 and `_`, beginning with a letter")),
    responses((status = 200, description = "As it is now", body = RelationshipTypeView)))]
async fn put_relationship_type(
    State(app): State<SharedApp>,
    Admin(actor): Admin,
    Id(name): Id<String>,
    Body(spec): Body<RelationshipTypeSpec>,
) -> Result<Json<RelationshipTypeView>, Refusal> {
    let definition = RelationshipTypeDefinition {
        name: name.clone(),
        forward: spec.forward.trim().to_owned(),
        reverse: spec.reverse.trim().to_owned(),
        hardness: spec.hardness.into(),
        meaning: spec.meaning,
        built_in: false,
    };
    let what = What { action: "catalogue.relationship_type.put", subject: short(&name), detail: String::new() };
    let body = DefinitionBody::RelationshipType(definition);
    order(&app, &actor, what, move |estate, order| Ok(commands::put_definition(estate, &body, order)?)).await?;
    let estate = app.estate();
    let kind = estate.catalogue().relationship_type(&name).ok_or_else(Refusal::internal)?;
    Ok(Json(kind.into()))
}

/// Deletes a relationship type that was added. Refused while relationships are of it. Role: admin.
#[utoipa::path(delete, path = "/catalogue/relationship-types/{name}", tag = "catalogue",
    params(("name" = String, Path, description = "The type's name")), responses((status = 204, description = "Deleted")))]
async fn delete_relationship_type(State(app): State<SharedApp>, Admin(actor): Admin, Id(name): Id<String>) -> Result<StatusCode, Refusal> {
    let what = What { action: "catalogue.relationship_type.delete", subject: short(&name), detail: String::new() };
    let kind = DefinitionKind::RelationshipType;
    order(&app, &actor, what, move |estate, order| Ok(commands::delete_definition(estate, kind, &name, order)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn short(name: &str) -> String {
    name.chars().take(80).collect()
}
