//! The catalogue: classes with their attributes, and relationship types.

use axum::Json;
use rollcall_shared::catalogue::{self, AttributeKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    extract::Viewer,
    types::{Hardness, Page},
};
use crate::app::SharedApp;

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(classes)).routes(routes!(relationship_types))
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
    /// Its attributes, inherited ones included.
    pub(crate) attributes: Vec<AttributeView>,
}

/// One attribute of a class.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct AttributeView {
    /// Name in data and API.
    pub(crate) name: String,
    /// Name for people.
    pub(crate) label: String,
    /// `text`, `integer`, `boolean`, `instant` (RFC 3339) or `text_list`.
    pub(crate) kind: String,
    /// The unit of a number: `bytes`; absent for a plain count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unit: Option<String>,
    /// The class that defines it.
    pub(crate) of_class: String,
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
}

/// Every class. Role: viewer.
#[utoipa::path(get, path = "/classes", tag = "catalogue", responses((status = 200, description = "Classes", body = Page<ClassView>)))]
async fn classes(_: Viewer) -> Json<Page<ClassView>> {
    let view = |class: &catalogue::ClassDefinition| ClassView {
        name: class.name.to_owned(),
        label: class.label.to_owned(),
        plural: class.plural.to_owned(),
        parent: class.parent.map(str::to_owned),
        attributes: class.lineage().flat_map(|of| of.attributes.iter().map(|attribute| attribute_view(of.name, attribute))).collect(),
    };
    Json(Page::whole(catalogue::CLASSES.iter().map(view).collect()))
}

fn attribute_view(of_class: &str, attribute: &catalogue::AttributeDefinition) -> AttributeView {
    let (kind, unit) = match attribute.kind {
        AttributeKind::Text => ("text", ""),
        AttributeKind::Integer(unit) => ("integer", unit),
        AttributeKind::Boolean => ("boolean", ""),
        AttributeKind::Instant => ("instant", ""),
        AttributeKind::TextList => ("text_list", ""),
    };
    AttributeView {
        name: attribute.name.to_owned(),
        label: attribute.label.to_owned(),
        kind: kind.to_owned(),
        unit: (!unit.is_empty()).then(|| unit.to_owned()),
        of_class: of_class.to_owned(),
    }
}

/// Every relationship type. Role: viewer.
#[utoipa::path(get, path = "/relationship-types", tag = "catalogue",
    responses((status = 200, description = "Relationship types", body = Page<RelationshipTypeView>)))]
async fn relationship_types(_: Viewer) -> Json<Page<RelationshipTypeView>> {
    let view = |kind: &catalogue::RelationshipTypeDefinition| RelationshipTypeView {
        name: kind.name.to_owned(),
        forward: kind.forward.to_owned(),
        reverse: kind.reverse.to_owned(),
        hardness: kind.hardness.into(),
        meaning: kind.meaning.to_owned(),
    };
    Json(Page::whole(catalogue::RELATIONSHIP_TYPES.iter().map(view).collect()))
}
