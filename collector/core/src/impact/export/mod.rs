//! A picture of an answer in the languages of other programs: DOT, Mermaid, GraphML, SVG. Names come from machines and people: each
//! language escapes them in its own way, so that none of them is ever read as part of it.

mod dot;
mod graphml;
mod mermaid;
mod svg;
#[cfg(test)]
mod tests;

use rollcall_shared::CiId;

pub use self::{
    dot::dot,
    graphml::graphml,
    mermaid::mermaid,
    svg::{places, svg},
};
use super::State;

/// A picture apart from the graph that it was made of, so that one that was kept can be written too.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sketch {
    /// What it shows, in a sentence.
    pub title: String,
    /// What is shown, by layer, then from left to right.
    pub nodes: Vec<SketchNode>,
    /// Edges between what is shown; others are left out.
    pub edges: Vec<SketchEdge>,
}

/// A CI in a sketch.
#[derive(Clone, Debug, PartialEq)]
pub struct SketchNode {
    /// Its id.
    pub id: CiId,
    /// Its name, as somebody gave it.
    pub name: String,
    /// Its class's name for people.
    pub class: String,
    /// Its state.
    pub state: State,
    /// Whether it is what the question is about.
    pub is_subject: bool,
    /// Its layer, from 0 at the bottom.
    pub layer: u32,
}

/// Everything between two CIs.
#[derive(Clone, Debug, PartialEq)]
pub struct SketchEdge {
    /// The dependent.
    pub from: CiId,
    /// What it depends on.
    pub to: CiId,
    /// Whether this is part of why the dependent is in its state.
    pub is_reason: bool,
    /// All its evidence is stale.
    pub is_stale: bool,
}

impl Sketch {
    /// The edges whose ends are shown, by the ends' places in `nodes`.
    fn links(&self) -> impl Iterator<Item = (usize, usize, &SketchEdge)> {
        let place: std::collections::HashMap<CiId, usize> = self.nodes.iter().enumerate().map(|(at, node)| (node.id, at)).collect();
        self.edges.iter().filter_map(move |edge| Some((*place.get(&edge.from)?, *place.get(&edge.to)?, edge)))
    }
}

/// What may not stand in a text of any of these: characters that steer, and those that turn the direction of the text around them.
fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
}

/// Text of XML, in an element or an attribute.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(' '),
            character if is_unsafe(character) => out.push('\u{fffd}'),
            character => out.push(character),
        }
    }
    out
}

/// The fill of a state, as the pages show it.
fn fill(state: State) -> &'static str {
    match state {
        State::Down => "#f8d0d0",
        State::Degraded => "#fbe3bf",
        State::AtRisk => "#f7f0bb",
        State::Ok => "#d5efdc",
    }
}
