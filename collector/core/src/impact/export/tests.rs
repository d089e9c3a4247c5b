use std::collections::BTreeSet;

use quick_xml::{Reader, events::Event};

use super::*;
use crate::impact::testing::ci;

/// Names that would be more than a name where they are not escaped.
const HOSTILE: &[&str] = &[
    "\"]; n9 [label=\"x",
    "back\\slash\\N\\",
    "two\nlines\ttab\r",
    "<script>alert(1)</script>",
    "]]></data><data>&amp;&#x3c;",
    "--> n0; click n0 \"javascript:alert(1)\"",
    "end\n  n7[evil]",
    "#quot;#35;`${x}`",
    "\u{0}\u{7}\u{202e}\u{fffe}",
    "Büro Žižkov 東京 🚨",
    "",
];

fn hostile() -> Sketch {
    let node = |(at, name): (usize, &&str)| SketchNode {
        id: ci(&format!("n{at}")),
        name: (*name).to_owned(),
        class: (*name).to_owned(),
        state: State::ALL[at % 4],
        is_subject: at == 0,
        layer: at as u32 / 3,
    };
    let nodes: Vec<SketchNode> = HOSTILE.iter().enumerate().map(node).collect();
    let edge = |pair: &[SketchNode]| SketchEdge { from: pair[1].id, to: pair[0].id, is_reason: true, is_stale: pair[0].layer == 1 };
    let mut edges: Vec<SketchEdge> = nodes.windows(2).map(edge).collect();
    edges.push(SketchEdge { from: nodes[0].id, to: ci("hidden"), is_reason: false, is_stale: false });
    Sketch { title: HOSTILE.concat(), edges, nodes }
}

/// Reads XML strictly: names of elements with the text and attributes in them.
#[track_caller]
fn read(xml: &str) -> Vec<(String, String)> {
    let mut reader = Reader::from_str(xml);
    let (mut found, mut open): (Vec<(String, String)>, Vec<usize>) = (Vec::new(), Vec::new());
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) => {
                for attribute in element.attributes() {
                    attribute.unwrap();
                }
                open.push(found.len());
                found.push((element.name().as_ref().to_owned(), String::new()));
            }
            Event::Empty(element) => {
                for attribute in element.attributes() {
                    attribute.unwrap();
                }
                found.push((element.name().as_ref().to_owned(), String::new()));
            }
            Event::Text(text) => {
                if let Some(&at) = open.last() {
                    found[at].1.push_str(&text);
                }
            }
            Event::GeneralRef(entity) => {
                let character = match &*entity {
                    "amp" => '&',
                    "lt" => '<',
                    "gt" => '>',
                    "quot" => '"',
                    "#39" => '\'',
                    other => panic!("an entity of our own making: {other:?}"),
                };
                if let Some(&at) = open.last() {
                    found[at].1.push(character);
                }
            }
            Event::End(_) => drop(open.pop()),
            Event::Eof => break,
            _ => {}
        }
    }
    assert!(open.is_empty());
    found
}

/// What a name reads as afterwards.
fn cleaned(name: &str) -> String {
    name.chars()
        .map(|c| {
            if matches!(c, '\n' | '\t') {
                ' '
            } else if is_unsafe(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[test]
fn graphml_gives_every_name_back_and_nothing_else() {
    let sketch = hostile();
    let found = read(&graphml(&sketch));
    let elements: BTreeSet<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(elements, BTreeSet::from(["data", "desc", "edge", "graph", "graphml", "key", "node"]));
    let data: Vec<&str> = found.iter().filter(|(name, _)| name == "data").map(|(_, text)| text.as_str()).collect();
    for name in HOSTILE {
        assert!(data.contains(&cleaned(name).as_str()), "{name:?}");
    }
    assert_eq!(found.iter().filter(|(name, _)| name == "node").count(), HOSTILE.len());
    assert_eq!(found.iter().filter(|(name, _)| name == "edge").count(), HOSTILE.len() - 1, "an edge to what is not shown is not drawn");
}

#[test]
fn svg_has_no_elements_but_its_own() {
    let found = read(&svg(&hostile()));
    let elements: BTreeSet<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(elements, BTreeSet::from(["g", "line", "rect", "svg", "text", "title"]));
    assert_eq!(found.iter().filter(|(name, _)| name == "g").count(), HOSTILE.len());
    assert!(read(&svg(&Sketch::default())).len() > 1, "an empty picture is a picture");
}

/// What Graphviz' lexer makes of it: the words outside of quotes.
fn outside_quotes(dot: &str) -> String {
    let (mut out, mut quoted, mut characters) = (String::new(), false, dot.chars());
    while let Some(character) = characters.next() {
        match character {
            '\\' if quoted => drop(characters.next()),
            '"' => quoted = !quoted,
            _ if quoted => {}
            character => out.push(character),
        }
    }
    assert!(!quoted, "a quote is not closed");
    out
}

#[test]
fn dot_has_names_in_quotes_only() {
    let sketch = hostile();
    let written = dot(&sketch);
    let plain = outside_quotes(&written);
    let lines: Vec<&str> = plain.lines().map(str::trim).collect();
    assert_eq!(lines.iter().filter(|line| line.contains("[label=,")).count(), HOSTILE.len());
    assert_eq!(lines.iter().filter(|line| line.contains("->")).count(), HOSTILE.len() - 1);
    assert_eq!(lines.len(), 1 + 4 + HOSTILE.len() + HOSTILE.len() - 1 + 1);
    assert!(written.contains("Büro Žižkov 東京 🚨"));
}

#[test]
fn mermaid_has_no_line_and_no_sign_of_a_names_making() {
    let sketch = hostile();
    let written = mermaid(&sketch);
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines.len(), 4 + HOSTILE.len() + HOSTILE.len() - 1 + 4);
    for line in &lines[4..4 + HOSTILE.len()] {
        let inside = line.split_once("[\"").unwrap().1.rsplit_once("\"]:::").unwrap().0;
        let inside = inside.replace("<br>", "");
        assert!(!inside.contains(['"', '<', '>', '[', ']', '`', '\\', '&', '(', '{']), "{line}");
    }
    assert!(lines[1].starts_with("title: \"") && lines[1].matches('"').count() == 2 && !lines[1].contains('\\'), "{}", lines[1]);
    assert!(written.contains("Büro Žižkov 東京"));
}
