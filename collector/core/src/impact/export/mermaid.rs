use super::{Sketch, State, is_unsafe};

/// The picture for Mermaid, as wikis and code hosts draw it.
pub fn mermaid(sketch: &Sketch) -> String {
    let mut text = format!("---\ntitle: \"{}\"\n---\nflowchart BT\n", plain(&sketch.title));
    for (at, node) in sketch.nodes.iter().enumerate() {
        let state = if node.is_subject { format!("fails: {}", node.state.label()) } else { node.state.label().to_owned() };
        text.push_str(&format!("  n{at}[\"{}<br>{}, {state}\"]:::{}\n", label(&node.name), label(&node.class), node.state.as_str()));
    }
    for (from, to, edge) in sketch.links() {
        let arrow = match (edge.is_reason, edge.is_stale) {
            (_, true) => "-.->",
            (true, false) => "==>",
            (false, false) => "-->",
        };
        text.push_str(&format!("  n{from} {arrow} n{to}\n"));
    }
    for state in State::ALL {
        text.push_str(&format!("  classDef {} fill:{},stroke:#444,color:#111\n", state.as_str(), super::fill(state)));
    }
    text
}

/// A label: everything but letters, digits and harmless signs as the code of its character, which nothing reads as Mermaid or HTML.
fn label(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            character if character.is_alphanumeric() || " ._-/:".contains(character) => out.push(character),
            character if character.is_whitespace() => out.push(' '),
            character if is_unsafe(character) => out.push('\u{fffd}'),
            character => out.push_str(&format!("#{};", u32::from(character))),
        }
    }
    out
}

/// A quoted text of the front matter, which is YAML.
fn plain(text: &str) -> String {
    let keep = |character: char| if character.is_alphanumeric() || " ._-/:,;()%".contains(character) { character } else { '\u{fffd}' };
    text.chars().map(|character| if character.is_whitespace() { ' ' } else { keep(character) }).collect()
}
