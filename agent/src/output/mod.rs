//! How an inventory is printed.

mod node;
mod table;

use std::io::{self, Write};

use serde::Serialize;

pub use self::table::sections;

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The document as it would be sent.
    Json,
    /// The same as YAML.
    Yaml,
    /// Tables for people.
    Table,
    /// GLPI's inventory JSON format, for a server that knows only that.
    Glpi,
}

/// Prints a value as `format` (tables are not made from values: JSON), with a line break at the end.
///
/// # Errors
/// If it cannot be written.
pub fn print(out: &mut impl Write, format: Format, value: &impl Serialize) -> io::Result<()> {
    match format {
        Format::Yaml => {
            let text = serde_saphyr::to_string(value).map_err(io::Error::other)?;
            out.write_all(text.as_bytes())?;
            if text.ends_with('\n') { Ok(()) } else { writeln!(out) }
        }
        Format::Json | Format::Table | Format::Glpi => {
            serde_json::to_writer_pretty(&mut *out, value)?;
            writeln!(out)
        }
    }
}

/// Columns of the terminal; wide where the output goes to a file, so that lines stay whole.
pub fn width() -> u16 {
    const ELSEWHERE: u16 = 160;
    let said = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    said.or_else(crate::platform::terminal_columns).unwrap_or(ELSEWHERE).max(40)
}
