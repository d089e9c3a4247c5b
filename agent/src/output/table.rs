//! Sections as people read them on a terminal. One rule for every section: single facts as lines, lists as tables.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use rollcall_shared::wire::v1::{SECTIONS, Section, SectionStatus};

use super::node::Node;

/// Prints the sections, in the order in which the wire format lists them, at most `width` columns wide.
///
/// # Errors
/// If it cannot be written.
pub fn sections(out: &mut impl Write, sections: &BTreeMap<String, Section>, width: u16) -> io::Result<()> {
    let mut first = true;
    for definition in SECTIONS {
        let Some(section) = sections.get(definition.name) else { continue };
        if !std::mem::take(&mut first) {
            writeln!(out)?;
        }
        writeln!(out, "{}", heading(definition.name).to_uppercase())?;
        match &section.status {
            SectionStatus::Ok => {}
            SectionStatus::Partial { reason } => writeln!(out, "  (in part: {})", plain(reason))?,
            SectionStatus::Failed { reason } => writeln!(out, "  (could not be read: {})", plain(reason))?,
            SectionStatus::Absent { reason } => writeln!(out, "  (this machine has none: {})", plain(reason))?,
        }
        match serde_json::from_str(section.data.get())? {
            Node::Object(members) => body(out, definition.name, &members, width)?,
            Node::Scalar(_) | Node::List(_) => {}
        }
    }
    Ok(())
}

/// Single facts first, lists after them; each list under its name, unless it is what the section is called.
fn body(out: &mut impl Write, section: &str, members: &[(String, Node)], width: u16) -> io::Result<()> {
    let mut facts = Vec::new();
    flatten("", members, &mut facts);
    let longest = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in &facts {
        writeln!(out, "  {name:<longest$}  {value}")?;
    }
    for (name, list) in members.iter().filter_map(|(name, node)| Some((name, objects(node)?))) {
        if name != section {
            writeln!(out, "  {}", heading(name))?;
        }
        if list.is_empty() {
            writeln!(out, "  none")?;
        } else {
            writeln!(out, "{}", table(&list, width))?;
        }
    }
    Ok(())
}

/// Scalars and lists of scalars, those of inner objects too: `chassis form`.
fn flatten(prefix: &str, members: &[(String, Node)], facts: &mut Vec<(String, String)>) {
    for (name, node) in members {
        match node {
            Node::Object(inner) => flatten(&format!("{prefix}{} ", heading(name)), inner, facts),
            node if objects(node).is_some() => {}
            node => facts.push((format!("{prefix}{}", heading(name)), cell(name, node))),
        }
    }
}

/// A list of objects, which is a table. An empty list counts: of what, its name says.
fn objects(node: &Node) -> Option<Vec<&[(String, Node)]>> {
    let Node::List(entries) = node else { return None };
    entries
        .iter()
        .map(|entry| match entry {
            Node::Object(members) => Some(members.as_slice()),
            Node::Scalar(_) | Node::List(_) => None,
        })
        .collect()
}

/// A line below the headings only: lists are long.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

fn table(rows: &[&[(String, Node)]], width: u16) -> String {
    let mut columns: Vec<&str> = Vec::new();
    for (name, _) in rows.iter().copied().flatten() {
        if !columns.contains(&name.as_str()) {
            columns.push(name);
        }
    }
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.set_header(columns.iter().map(|name| heading(name)));
    for row in rows {
        let value = |column: &&str| row.iter().find(|(name, _)| name == column).map(|(name, node)| cell(name, node)).unwrap_or_default();
        table.add_row(columns.iter().map(value));
    }
    table.to_string()
}

/// `size_bytes` is "size": the unit stands with the number.
fn heading(name: &str) -> String {
    let unit = UNITS.iter().find_map(|(suffix, _)| name.strip_suffix(suffix));
    plain(&unit.unwrap_or(name).replace('_', " "))
}

/// How a number is written.
type WriteNumber = fn(u64) -> String;

/// How a name ends that carries a unit, and how a number with that unit is written.
const UNITS: &[(&str, WriteNumber)] = &[
    ("_bytes", bytes),
    ("_percent", |value| format!("{value} %")),
    ("_mhz", |value| format!("{value} MHz")),
    ("_mts", |value| format!("{value} MT/s")),
    ("_mbps", |value| format!("{value} Mbit/s")),
    ("_mm", |value| format!("{value} mm")),
    ("_mwh", |value| format!("{value} mWh")),
];

fn bytes(value: u64) -> String {
    const NAMES: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut scaled = value as f64;
    let mut unit = 0;
    while scaled >= 1024.0 && unit + 1 < NAMES.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && scaled < 100.0);
    format!("{scaled:.digits$} {}", NAMES[unit])
}

/// A value in one cell.
fn cell(name: &str, node: &Node) -> String {
    match node {
        Node::Scalar(text) => {
            let unit = UNITS.iter().find(|(suffix, _)| name.ends_with(suffix));
            unit.zip(text.parse().ok()).map_or_else(|| plain(text), |((_, write), value)| write(value))
        }
        Node::List(entries) => entries.iter().map(|entry| cell(name, entry)).collect::<Vec<_>>().join(", "),
        Node::Object(members) => {
            let joint = if members.iter().any(|(name, _)| name == "prefix_length") { "/" } else { " " };
            members.iter().map(|(name, value)| cell(name, value)).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(joint)
        }
    }
}

/// Text without what would steer a terminal: names come from whoever made the disk, the package or the process.
fn plain(text: &str) -> String {
    let steers = |character: char| {
        character.is_control() || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|character| if steers(character) { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use rollcall_shared::{
        Timestamp,
        wire::v1::{Disk, Disks, Memory, MemoryModule, SectionData},
    };

    use super::*;

    fn printed<T: SectionData>(status: SectionStatus, data: Option<&T>) -> String {
        let section = Section::new(status, Timestamp::default(), 1, data).unwrap();
        let mut out = Vec::new();
        sections(&mut out, &BTreeMap::from([(T::NAME.to_owned(), section)]), 100).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn facts_are_lines_and_lists_are_tables_with_units_at_the_numbers() {
        let module = MemoryModule { locator: Some("DIMM 0".into()), size_bytes: 8 << 30, speed_mts: Some(3200), ..MemoryModule::default() };
        let memory = Memory { total_bytes: Some(16_700_000_000), modules: vec![module], ..Memory::default() };
        let text = printed(SectionStatus::Ok, Some(&memory));
        for expected in ["MEMORY\n", "  total  15.6 GiB\n", "\n  modules\n", "8.0 GiB", "3200 MT/s"] {
            assert!(text.contains(expected), "{expected:?} in {text}");
        }
        assert!(text.find("locator") < text.find("size"), "in the order of the fields: {text}");
    }

    #[test]
    fn why_there_is_nothing_is_said() {
        let text = printed::<Disks>(SectionStatus::Failed { reason: "no \x1b[31mpermission".into() }, None);
        assert_eq!(text, "DISKS\n  (could not be read: no \u{fffd}[31mpermission)\n");
        assert_eq!(printed(SectionStatus::Ok, Some(&Disks::default())), "DISKS\n  none\n");
    }

    #[test]
    fn a_name_cannot_steer_the_terminal() {
        let disk = Disk { name: "sda".into(), model: Some("\x1b]0;owned\x07\u{202e}x".into()), ..Disk::default() };
        let text = printed(SectionStatus::Ok, Some(&Disks { disks: vec![disk], ..Disks::default() }));
        assert!(!text.contains(['\x1b', '\x07', '\u{202e}']), "{text:?}");
    }

    #[test]
    fn sizes_read_well() {
        let cases = [(0, "0 B"), (1023, "1023 B"), (1 << 20, "1.0 MiB"), (512 << 30, "512 GiB"), (u64::MAX, "16.0 EiB")];
        for (size, expected) in cases {
            assert_eq!(bytes(size), expected);
        }
    }
}
