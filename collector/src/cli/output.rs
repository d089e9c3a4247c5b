//! What commands print: tables for people, JSON, YAML and CSV for machines.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Context as _;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::Value;

use super::error::CliError;
use crate::api::impact::picture::Language;

/// How to print.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// Tables for people.
    #[default]
    Table,
    /// The collector's answer as JSON.
    Json,
    /// The collector's answer as YAML.
    Yaml,
    /// The table as CSV, safe to open in a spreadsheet.
    Csv,
    /// A picture (of `impact` and `answer show` only).
    Svg,
    /// The picture for Graphviz.
    Dot,
    /// The picture for Mermaid.
    Mermaid,
    /// The picture for yEd, Gephi and the like.
    Graphml,
}

impl Format {
    /// The language of a picture, if it is one.
    pub(super) fn language(self) -> Option<Language> {
        match self {
            Self::Svg => Some(Language::Svg),
            Self::Dot => Some(Language::Dot),
            Self::Mermaid => Some(Language::Mermaid),
            Self::Graphml => Some(Language::Graphml),
            Self::Table | Self::Json | Self::Yaml | Self::Csv => None,
        }
    }
}

/// Rows under headings.
#[derive(Debug, Default)]
pub(super) struct Rows {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Rows {
    pub(super) fn new(headings: &[&str]) -> Self {
        Self { headings: headings.iter().map(|heading| (*heading).to_owned()).collect(), rows: Vec::new() }
    }

    pub(super) fn push<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    /// A row with as many cells as there are headings.
    pub(super) fn push_all(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// As people read it.
    pub(super) fn to_text(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(width());
        table.set_header(self.headings.iter().map(|heading| plain(heading)).collect::<Vec<_>>());
        for row in &self.rows {
            table.add_row(row.iter().map(|cell| plain(cell)).collect::<Vec<_>>());
        }
        table.to_string()
    }

    /// As machines and spreadsheets read it.
    pub(super) fn to_csv(&self) -> String {
        let line = |cells: &mut dyn Iterator<Item = &str>| cells.map(csv_cell).collect::<Vec<_>>().join(",") + "\r\n";
        let mut csv = line(&mut self.headings.iter().map(String::as_str));
        for row in &self.rows {
            csv.push_str(&line(&mut row.iter().map(String::as_str)));
        }
        csv
    }
}

/// Columns of the terminal; wide where the output goes to a file, so that lines stay whole.
fn width() -> u16 {
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let asked = || rustix::termios::tcgetwinsize(std::io::stdout()).ok().map(|size| size.ws_col).filter(|columns| *columns > 0);
    said.or_else(asked).unwrap_or(if std::io::stdout().is_terminal() { 80 } else { 160 }).max(40)
}

/// A cell of CSV, harmless to open: names come from machines.
fn csv_cell(text: &str) -> String {
    let text = crate::table::defuse(text);
    if text.contains([',', '"', '\n', '\r']) || text.starts_with(' ') {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.into_owned()
    }
}

/// Text without what would steer a terminal: names come from machines.
pub(super) fn plain(text: &str) -> String {
    let steers = |character: char| {
        (character.is_control() && character != '\n')
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|character| if steers(character) { '\u{fffd}' } else { character }).collect()
}

/// Prints an answer: as it is for machines, through `table` for people.
pub(super) fn print<T: Serialize>(format: Format, answer: &T, table: impl FnOnce() -> Rows) -> Result<(), CliError> {
    print_with(format, answer, table, |rows| rows.to_text())
}

/// Like [`print`], with words of its own for people.
pub(super) fn print_with<T: Serialize>(
    format: Format,
    answer: &T,
    table: impl FnOnce() -> Rows,
    words: impl FnOnce(&Rows) -> String,
) -> Result<(), CliError> {
    let text = match format {
        Format::Table => words(&table()),
        Format::Csv => table().to_csv(),
        Format::Json => serde_json::to_string_pretty(answer).context("the answer cannot be written as JSON")?,
        Format::Svg | Format::Dot | Format::Mermaid | Format::Graphml => {
            let next = "use table, json, yaml or csv; `rollcall impact` and `rollcall answer show` can be drawn";
            return Err(CliError::Usage(format!("this answer is no picture\nnext: {next}")));
        }
        Format::Yaml => serde_saphyr::to_string(answer).context("the answer cannot be written as YAML")?,
    };
    say(&text)
}

/// Prints text and a line break. A reader that has gone away is no error.
pub(super) fn say(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    match out.write_all(format!("{text}{end}").as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CliError::Failed(anyhow::Error::new(error).context("cannot print")))
        }
        _ => Ok(()),
    }
}

/// A value as people read it.
pub(super) fn value(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(members) => members.iter().map(self::value).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// How long ago, as people say it.
pub(super) fn age(at: rollcall_shared::Timestamp, now: rollcall_shared::Timestamp) -> String {
    let seconds = now.millis_since(at) / 1_000;
    match seconds {
        ..=-1 => format!("{at}"),
        0..=89 => format!("{seconds} s ago"),
        90..=5_399 => format!("{} min ago", seconds / 60),
        5_400..=129_599 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} d ago", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_of_csv_is_a_formula_or_breaks_its_row() {
        for (cell, expected) in [
            ("db01", "db01"),
            ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
            ("+1+1", "'+1+1"),
            ("-2+3", "'-2+3"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            (" =1", "' =1"),
            ("\"=1\"", "\"'\"\"=1\"\"\""),
            ("-42", "-42"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(csv_cell(cell), expected, "{cell:?}");
        }
    }

    #[test]
    fn no_name_steers_the_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\u{7}\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}c");
        let mut rows = Rows::new(&["Name"]);
        rows.push(["\u{1b}]0;owned\u{7}".to_owned()]);
        assert!(!rows.to_text().contains('\u{1b}'));
    }

    #[test]
    fn ages_are_said_as_people_say_them() {
        let at = |seconds: i64| rollcall_shared::Timestamp::from_millis(1_800_000_000_000 + seconds * 1_000);
        for (seconds, said) in [(5, "5 s ago"), (300, "5 min ago"), (7_200, "2 h ago"), (86_400 * 9, "9 d ago")] {
            assert_eq!(age(at(0), at(seconds)), said);
        }
    }
}
