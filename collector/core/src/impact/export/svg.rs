use super::{Sketch, SketchNode, fill, xml};

/// Between the middles of two neighbours in a row.
const NODE_SPACING: f64 = 184.0;
/// Between two layers.
const LAYER_SPACING: f64 = 104.0;
/// Nodes side by side; a wider layer takes several rows, or it would be too small to read.
const ROW: usize = 7;
/// Between two rows of a layer.
const ROW_SPACING: f64 = 62.0;

/// Half of a node's width.
const HALF_WIDTH: f64 = 82.0;
/// Half of its height.
const HALF_HEIGHT: f64 = 21.0;
/// Around the picture.
const MARGIN: f64 = 24.0;
/// Room for the title.
const TITLE: f64 = 34.0;
/// Characters of a name that fit into a node.
const NAME_CHARACTERS: usize = 22;

/// Where each node of a picture is drawn, in pixels, what fails at the bottom: things stand on what they depend on. `layers` has each node's layer,
/// in order.
pub fn places(layers: &[u32]) -> Vec<(f64, f64)> {
    let mut places = Vec::with_capacity(layers.len());
    let mut y = 0.0;
    for layer in layers.chunk_by(|a, b| a == b) {
        let rows = layer.len().div_ceil(ROW);
        // As even as they come: 8 nodes are 4 and 4, not 7 and 1.
        let in_row = layer.len().div_ceil(rows);
        for row in layer.chunks(in_row) {
            let middle = (row.len() as f64 - 1.0) / 2.0;
            places.extend((0..row.len()).map(|at| ((at as f64 - middle) * NODE_SPACING, y)));
            y -= ROW_SPACING;
        }
        y -= LAYER_SPACING - ROW_SPACING;
    }
    places
}

/// The picture itself, to be put into a document. It loads nothing and runs nothing.
pub fn svg(sketch: &Sketch) -> String {
    let places = places(&sketch.nodes.iter().map(|node| node.layer).collect::<Vec<_>>());
    let (mut left, mut top, mut right) = (-HALF_WIDTH, -HALF_HEIGHT, HALF_WIDTH);
    for &(x, y) in &places {
        (left, top, right) = (left.min(x - HALF_WIDTH), top.min(y - HALF_HEIGHT), right.max(x + HALF_WIDTH));
    }
    let (width, height) = (right - left + 2.0 * MARGIN, HALF_HEIGHT - top + 2.0 * MARGIN + TITLE);
    let title = xml(&sketch.title);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"{:.0} {:.0} {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n<title>{title}</title>\n\
         <rect x=\"{0:.0}\" y=\"{1:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" fill=\"#ffffff\"/>\n\
         <text x=\"{:.0}\" y=\"{:.0}\" font-size=\"14\" font-weight=\"bold\" fill=\"#16181d\">{title}</text>\n",
        left - MARGIN,
        top - MARGIN - TITLE,
        left,
        top - MARGIN - TITLE / 2.0 + 5.0,
    );
    for (from, to, edge) in sketch.links() {
        let ((from_x, from_y), (to_x, to_y)) = (places[from], places[to]);
        let color = if edge.is_reason { "#b3261e" } else { "#8a8f98" };
        let dash = if edge.is_stale { " stroke-dasharray=\"5 4\"" } else { "" };
        text.push_str(&format!(
            "<line x1=\"{from_x:.0}\" y1=\"{from_y:.0}\" x2=\"{to_x:.0}\" y2=\"{to_y:.0}\" stroke=\"{color}\" stroke-width=\"{}\"{dash}/>\n",
            if edge.is_reason { 2 } else { 1 }
        ));
    }
    for (node, (x, y)) in sketch.nodes.iter().zip(places) {
        text.push_str(&drawn(node, x, y));
    }
    text.push_str("</svg>\n");
    text
}

fn drawn(node: &SketchNode, x: f64, y: f64) -> String {
    let short: String = node.name.chars().take(NAME_CHARACTERS).collect();
    let more = if node.name.chars().nth(NAME_CHARACTERS).is_some() { "…" } else { "" };
    let state = if node.is_subject { format!("fails: {}", node.state.label()) } else { node.state.label().to_owned() };
    let detail = format!("{}, {state}", node.class);
    let detail: String = detail.chars().take(NAME_CHARACTERS + 6).collect();
    format!(
        "<g><title>{}</title><rect x=\"{:.0}\" y=\"{:.0}\" width=\"{:.0}\" height=\"{:.0}\" rx=\"6\" fill=\"{}\" stroke=\"#3c4048\" stroke-width=\"{}\"/>\
         <text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#16181d\">{}{more}</text>\
         <text x=\"{x:.0}\" y=\"{:.0}\" text-anchor=\"middle\" font-size=\"10\" fill=\"#3c4048\">{}</text></g>\n",
        xml(&node.name),
        x - HALF_WIDTH,
        y - HALF_HEIGHT,
        2.0 * HALF_WIDTH,
        2.0 * HALF_HEIGHT,
        fill(node.state),
        if node.is_subject { 3 } else { 1 },
        y - 2.0,
        xml(&short),
        y + 13.0,
        xml(&detail),
    )
}
