//! An answer as a picture, and in other programs' languages.

use rollcall_core::{
    Catalogue,
    graph::Graph,
    impact::{
        self, State,
        export::{self, Sketch, SketchEdge, SketchNode},
    },
};
use rollcall_shared::CiId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::reference;
use crate::api::types::CiReference;

/// An answer laid out: layers by hops.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
pub(crate) struct PictureView {
    /// What is shown, by layer, then from left to right.
    pub(crate) nodes: Vec<PictureNodeView>,
    /// Edges between what is shown.
    pub(crate) edges: Vec<PictureEdgeView>,
    /// By layer, how many items are not shown.
    pub(crate) hidden: Vec<usize>,
    /// How many edges between shown items are not shown.
    pub(crate) hidden_edges: usize,
}

/// An item in a picture.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct PictureNodeView {
    /// The item.
    pub(crate) ci: CiReference,
    /// `failing`, `affected`, `absorbed`, `asked` or `needed`.
    pub(crate) role: String,
    /// Its state.
    pub(crate) state: String,
    /// Its layer, from 0.
    pub(crate) layer: u32,
    /// Its place in its layer, in widths of an item, 0 being the middle.
    pub(crate) x: f64,
}

/// Everything between two items in a picture.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct PictureEdgeView {
    /// The dependent.
    pub(crate) from: Uuid,
    /// What it depends on.
    pub(crate) to: Uuid,
    /// The relationships.
    pub(crate) relationships: Vec<Uuid>,
    /// Whether this is part of why the dependent is in its state.
    pub(crate) is_reason: bool,
    /// All its evidence is stale.
    pub(crate) stale: bool,
    /// Whether one of the relationships is hard; absent in answers that were kept before it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hard: Option<bool>,
}

pub(super) fn picture_view(graph: &Graph, picture: impact::view::Picture<'_>) -> PictureView {
    use rollcall_core::impact::view::Role;
    let node = |node: impact::view::PictureNode<'_>| PictureNodeView {
        ci: reference(graph, node.ci),
        role: match node.role {
            Role::Failing(_) => "failing",
            Role::Affected => "affected",
            Role::Absorbed => "absorbed",
            Role::Asked => "asked",
            Role::Needed => "needed",
        }
        .to_owned(),
        state: node.state.as_str().to_owned(),
        layer: node.layer,
        x: node.x,
    };
    let edge = |edge: impact::view::PictureEdge| PictureEdgeView {
        from: edge.from.0,
        to: edge.to.0,
        relationships: edge.relationships.into_iter().map(|id| id.0).collect(),
        is_reason: edge.is_reason,
        stale: edge.stale,
        hard: Some(edge.hard),
    };
    PictureView {
        nodes: picture.nodes.into_iter().map(node).collect(),
        edges: picture.edges.into_iter().map(edge).collect(),
        hidden: picture.hidden,
        hidden_edges: picture.hidden_edges,
    }
}

/// Another program's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Language {
    /// Graphviz.
    Dot,
    /// Mermaid, for wikis.
    Mermaid,
    /// yEd, Gephi, NetworkX.
    Graphml,
    /// A picture for documents.
    Svg,
}

impl Language {
    /// Every language.
    pub(crate) const ALL: [Self; 4] = [Self::Svg, Self::Dot, Self::Mermaid, Self::Graphml];

    /// The name in data and API, and the end of a file's name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Dot => "dot",
            Self::Mermaid => "mermaid",
            Self::Graphml => "graphml",
            Self::Svg => "svg",
        }
    }

    /// The reverse of [`Language::as_str`].
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.as_str() == text)
    }

    /// Its media type.
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Dot => "text/vnd.graphviz; charset=utf-8",
            Self::Mermaid => "text/plain; charset=utf-8",
            Self::Graphml => "application/graphml+xml",
            Self::Svg => "image/svg+xml",
        }
    }

    /// A picture in this language.
    pub(crate) fn write(self, catalogue: &Catalogue, title: &str, picture: &PictureView) -> String {
        let sketch = sketch(catalogue, title, picture);
        match self {
            Self::Dot => export::dot(&sketch),
            Self::Mermaid => export::mermaid(&sketch),
            Self::Graphml => export::graphml(&sketch),
            Self::Svg => export::svg(&sketch),
        }
    }
}

fn sketch(catalogue: &Catalogue, title: &str, picture: &PictureView) -> Sketch {
    let node = |node: &PictureNodeView| SketchNode {
        id: CiId(node.ci.id),
        name: node.ci.name.clone(),
        class: catalogue.class(&node.ci.class).map_or(node.ci.class.as_str(), |class| &class.label).to_owned(),
        state: State::parse(&node.state).unwrap_or_default(),
        is_subject: matches!(node.role.as_str(), "failing" | "asked"),
        layer: node.layer,
    };
    let edge =
        |edge: &PictureEdgeView| SketchEdge { from: CiId(edge.from), to: CiId(edge.to), is_reason: edge.is_reason, is_stale: edge.stale };
    Sketch { title: title.to_owned(), nodes: picture.nodes.iter().map(node).collect(), edges: picture.edges.iter().map(edge).collect() }
}
