//! Tables in files: CSV, XLSX, JSON and YAML, read and written as streams, within limits.
//!
//! What is written reads back as it was. Whatever is read was made by somebody else: it is bounded in size, rows, columns and cells, and what
//! is refused is named by row and column.

mod cell;
mod csv;
mod objects;
mod source;
mod write;
mod xlsx;

#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io::{Read as _, Seek as _},
};

use serde_json::Value;

pub(crate) use self::{
    cell::{defuse, members, text},
    write::writer,
};

/// Most bytes of a file.
pub(crate) const MAX_FILE_BYTES: u64 = 256 << 20;
/// Most rows of a table.
pub(crate) const MAX_ROWS: u64 = 500_000;
/// Most columns of a table.
pub(crate) const MAX_COLUMNS: usize = 500;
/// Most characters of a cell.
pub(crate) const MAX_CELL_CHARS: usize = 65_536;
/// Most bytes of a row, as it stands in the file.
const MAX_ROW_BYTES: u64 = 4 << 20;
/// Characters of a column's heading.
const MAX_HEADING_CHARS: usize = 200;

/// How a table is written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// Comma-separated values, UTF-8; when read, semicolons and tabs too, and UTF-16 and Latin-1.
    Csv,
    /// A workbook; when read, its first sheet.
    Xlsx,
    /// An array of objects.
    Json,
    /// A list of mappings.
    Yaml,
}

impl Format {
    /// Every format.
    pub(crate) const ALL: [Self; 4] = [Self::Csv, Self::Xlsx, Self::Json, Self::Yaml];

    /// The name, and the ending of a file's name.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Json => "json",
            Self::Yaml => "yaml",
        }
    }

    /// The reverse of [`Format::as_str`], also for `yml`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = if text == "yml" { "yaml" } else { text };
        Self::ALL.into_iter().find(|format| format.as_str() == text)
    }

    /// The media type.
    pub(crate) const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
        }
    }

    /// What a file is by its first bytes, and where they leave it open, by its name's ending.
    pub(crate) fn detect(start: &[u8], file_name: &str) -> Self {
        let ending = file_name.rsplit_once('.').and_then(|(_, ending)| Self::parse(&ending.to_lowercase()));
        let mut text = start;
        while let [b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf, rest @ ..] = text {
            text = rest;
        }
        match text {
            [b'P', b'K', 3, 4, ..] => Self::Xlsx,
            // A heading may begin with a bracket; a name's ending decides then.
            [b'[' | b'{', ..] => ending.filter(|ending| *ending != Self::Xlsx).unwrap_or(Self::Json),
            [b'-', b' ' | b'\n', ..] => ending.filter(|ending| *ending != Self::Xlsx).unwrap_or(Self::Yaml),
            [b'-', b'-', b'-', ..] => Self::Yaml,
            _ => ending.filter(|ending| *ending != Self::Xlsx).unwrap_or(Self::Csv),
        }
    }
}

/// Why a table cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", place(*row, column.as_deref()))]
pub(crate) struct TableError {
    /// The row, the heading being 1.
    pub(crate) row: Option<u64>,
    /// The column's heading or number.
    pub(crate) column: Option<String>,
    /// What is wrong and what to do.
    pub(crate) message: String,
    /// The limit that was passed.
    pub(crate) limit: Option<u64>,
}

fn place(row: Option<u64>, column: Option<&str>) -> String {
    match (row, column) {
        (Some(row), Some(column)) => format!("row {row}, column {column:?}: "),
        (Some(row), None) => format!("row {row}: "),
        (None, Some(column)) => format!("column {column:?}: "),
        (None, None) => String::new(),
    }
}

impl TableError {
    fn new(message: impl Into<String>) -> Self {
        Self { row: None, column: None, message: message.into(), limit: None }
    }

    fn at(mut self, row: u64) -> Self {
        self.row = Some(row);
        self
    }

    fn in_column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }

    fn limit(mut self, limit: u64) -> Self {
        self.limit = Some(limit);
        self
    }
}

/// A row as it stands in a file: cells that are not empty, with the number of their column.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Record {
    /// Its number, the heading being 1.
    pub(crate) number: u64,
    /// Columns and values.
    pub(crate) cells: Vec<(u32, Value)>,
}

/// What takes the rows of a table as they are read, and stops by an error.
pub(crate) type Sink<'a> = dyn FnMut(Record) -> Result<(), TableError> + 'a;

/// Reads a table; returns the headings of its columns.
///
/// # Errors
/// [`TableError`] says where and what.
pub(crate) fn read(mut file: File, format: Format, sink: &mut Sink<'_>) -> Result<Vec<String>, TableError> {
    let unreadable = |error: std::io::Error| TableError::new(format!("the file cannot be read: {error}"));
    let length = file.metadata().map_err(unreadable)?.len();
    if length > MAX_FILE_BYTES {
        return Err(TableError::new(format!("the file has {length} bytes, {MAX_FILE_BYTES} are the limit; split it")).limit(MAX_FILE_BYTES));
    }
    file.rewind().map_err(unreadable)?;
    let mut checked = Checked { sink, headings: Vec::new(), rows: 0 };
    match format {
        Format::Csv => csv::read(file, &mut checked)?,
        Format::Xlsx => xlsx::read(file, &mut checked)?,
        Format::Json | Format::Yaml => objects::read(file, format, &mut checked)?,
    }
    if checked.rows == 0 {
        return Err(TableError::new("the table has no rows"));
    }
    Ok(checked.headings)
}

/// The first bytes of a file, from which it is read again.
pub(crate) fn start_of(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut start = Vec::new();
    file.rewind()?;
    file.take(4_096).read_to_end(&mut start)?;
    file.rewind()?;
    Ok(start)
}

/// Passes on what is within limits.
struct Checked<'a, 'b> {
    sink: &'a mut Sink<'b>,
    headings: Vec<String>,
    rows: u64,
}

impl Checked<'_, '_> {
    /// The columns, for formats with a heading row.
    fn head(&mut self, headings: Vec<String>) -> Result<(), TableError> {
        if headings.len() > MAX_COLUMNS {
            return Err(too_many_columns(headings.len()));
        }
        for (number, heading) in headings.iter().enumerate() {
            check_heading(heading, number + 1)?;
            if !heading.is_empty() && headings[..number].contains(heading) {
                return Err(TableError::new("two columns have this heading; rename or remove one").at(1).in_column(heading.clone()));
            }
        }
        if headings.iter().all(String::is_empty) {
            return Err(TableError::new("the first row has no headings; name the columns there").at(1));
        }
        self.headings = headings;
        Ok(())
    }

    /// The number of a column that an object names.
    fn column(&mut self, heading: &str, row: u64) -> Result<u32, TableError> {
        let number = match self.headings.iter().position(|known| known == heading) {
            Some(number) => number,
            None => {
                check_heading(heading, self.headings.len() + 1).map_err(|error| error.at(row))?;
                if self.headings.len() == MAX_COLUMNS {
                    return Err(too_many_columns(MAX_COLUMNS + 1).at(row));
                }
                self.headings.push(heading.to_owned());
                self.headings.len() - 1
            }
        };
        Ok(u32::try_from(number).unwrap_or(u32::MAX))
    }

    fn row(&mut self, number: u64, cells: Vec<(u32, Value)>) -> Result<(), TableError> {
        if cells.is_empty() {
            return Ok(());
        }
        self.rows += 1;
        if self.rows > MAX_ROWS {
            return Err(TableError::new(format!("the table has more than {MAX_ROWS} rows; split it")).at(number).limit(MAX_ROWS));
        }
        for (column, value) in &cells {
            if !is_within(value) {
                let heading = self.headings.get(*column as usize).cloned().unwrap_or_default();
                let message = format!("the cell is longer than {MAX_CELL_CHARS} characters");
                return Err(TableError::new(message).at(number).in_column(heading).limit(MAX_CELL_CHARS as u64));
            }
        }
        (self.sink)(Record { number, cells })
    }
}

fn is_within(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() <= MAX_CELL_CHARS || text.chars().count() <= MAX_CELL_CHARS,
        Value::Array(members) => members.len() <= MAX_CELL_CHARS && members.iter().all(is_within),
        _ => true,
    }
}

fn too_many_columns(found: usize) -> TableError {
    TableError::new(format!("the table has {found} columns, {MAX_COLUMNS} are the limit")).limit(MAX_COLUMNS as u64)
}

fn check_heading(heading: &str, number: usize) -> Result<(), TableError> {
    if heading.chars().count() <= MAX_HEADING_CHARS {
        return Ok(());
    }
    let message = format!("the heading is longer than {MAX_HEADING_CHARS} characters; is the first row the one with the headings?");
    Err(TableError::new(message).at(1).in_column(number.to_string()).limit(MAX_HEADING_CHARS as u64))
}
