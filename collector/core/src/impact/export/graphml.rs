use super::{Sketch, xml};

/// The picture for yEd, Gephi, NetworkX and the like.
pub fn graphml(sketch: &Sketch) -> String {
    const KEYS: [(&str, &str, &str); 7] = [
        ("name", "node", "string"),
        ("class", "node", "string"),
        ("state", "node", "string"),
        ("subject", "node", "boolean"),
        ("layer", "node", "int"),
        ("reason", "edge", "boolean"),
        ("stale", "edge", "boolean"),
    ];
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<graphml xmlns=\"http://graphml.graphdrawing.org/xmlns\">\n");
    for (key, of, kind) in KEYS {
        text.push_str(&format!("  <key id=\"{key}\" for=\"{of}\" attr.name=\"{key}\" attr.type=\"{kind}\"/>\n"));
    }
    text.push_str(&format!("  <graph id=\"impact\" edgedefault=\"directed\">\n    <desc>{}</desc>\n", xml(&sketch.title)));
    for node in &sketch.nodes {
        text.push_str(&format!(
            "    <node id=\"{}\"><data key=\"name\">{}</data><data key=\"class\">{}</data><data key=\"state\">{}</data><data key=\"subject\">{}</data><data key=\"layer\">{}</data></node>\n",
            node.id,
            xml(&node.name),
            xml(&node.class),
            node.state.as_str(),
            node.is_subject,
            node.layer
        ));
    }
    for (from, to, edge) in sketch.links() {
        text.push_str(&format!(
            "    <edge source=\"{}\" target=\"{}\"><data key=\"reason\">{}</data><data key=\"stale\">{}</data></edge>\n",
            sketch.nodes[from].id, sketch.nodes[to].id, edge.is_reason, edge.is_stale
        ));
    }
    text.push_str("  </graph>\n</graphml>\n");
    text
}
