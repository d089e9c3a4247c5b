use super::{Sketch, fill, is_unsafe};

/// The picture for Graphviz.
pub fn dot(sketch: &Sketch) -> String {
    let mut text = format!(
        "digraph impact {{\n  rankdir=BT;\n  label={};\n  labelloc=t;\n  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"];\n",
        quoted(&[&sketch.title])
    );
    for (at, node) in sketch.nodes.iter().enumerate() {
        let state = if node.is_subject { format!("fails: {}", node.state.label()) } else { node.state.label().to_owned() };
        let width = if node.is_subject { 3 } else { 1 };
        text.push_str(&format!(
            "  n{at} [label={}, id=\"{}\", fillcolor=\"{}\", penwidth={width}];\n",
            quoted(&[&node.name, &node.class, &state]),
            node.id,
            fill(node.state)
        ));
    }
    for (from, to, edge) in sketch.links() {
        let style = if edge.is_stale { "dashed" } else { "solid" };
        let color = if edge.is_reason { "#b3261e" } else { "#8a8f98" };
        text.push_str(&format!("  n{from} -> n{to} [style={style}, color=\"{color}\"];\n"));
    }
    text.push_str("}\n");
    text
}

/// A quoted string of lines. Graphviz reads backslashes and entities in it.
fn quoted(lines: &[&str]) -> String {
    let mut out = String::from("\"");
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            out.push_str("\\n");
        }
        for character in line.chars() {
            match character {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '&' => out.push_str("&amp;"),
                '\n' | '\t' => out.push(' '),
                character if is_unsafe(character) => out.push('\u{fffd}'),
                character => out.push(character),
            }
        }
    }
    out.push('"');
    out
}
