//! The first sheet of an XLSX workbook.
//!
//! A workbook is a ZIP archive of XML, and either may be a bomb: everything is unpacked once without keeping it, to see how much it is
//! and that no part declares entities, before the reader may hold what it needs.

use std::{
    fs::File,
    io::{BufReader, Read as _},
};

use calamine::{DataRef, Reader as _, Xlsx};
use serde_json::Value;

use super::{Checked, MAX_COLUMNS, MAX_ROWS, TableError, too_many_columns};

/// Files in the archive.
const MAX_PARTS: usize = 2_000;
/// Bytes of all parts together, unpacked.
const MAX_UNPACKED_BYTES: u64 = 768 << 20;
/// Bytes of the parts that the reader holds in memory, unpacked: everything but sheets.
const MAX_HELD_BYTES: u64 = 192 << 20;

pub(super) fn read(file: File, checked: &mut Checked<'_, '_>) -> Result<(), TableError> {
    let file = measure(file)?;
    let wrong = |error: calamine::XlsxError| TableError::new(format!("this is not an XLSX workbook that can be read: {error}"));
    let mut workbook: Xlsx<_> = Xlsx::new(BufReader::new(file)).map_err(wrong)?;
    let sheet = workbook.sheet_names().first().cloned().ok_or_else(|| TableError::new("the workbook has no sheet"))?;
    let mut cells = workbook.worksheet_cells_reader(&sheet).map_err(wrong)?;
    let mut row = Row { number: 0, cells: Vec::new(), columns: None };
    while let Some(cell) = cells.next_cell().map_err(|error| wrong(error).at(row.number.max(1)))? {
        let (number, column) = cell.get_position();
        let number = u64::from(number) + 1;
        if number != row.number {
            row.end(checked)?;
            if number < row.number {
                return Err(TableError::new("the rows of the sheet are out of order; save it again").at(number));
            }
            row.number = number;
        }
        let value = value(cell.get_value()).map_err(|error| error.at(number).in_column((column + 1).to_string()))?;
        let Some(value) = value else { continue };
        if column as usize >= MAX_COLUMNS {
            return Err(too_many_columns(column as usize + 1).at(number));
        }
        row.cells.push((column, value));
    }
    row.end(checked)
}

/// The row that is being read.
struct Row {
    number: u64,
    cells: Vec<(u32, Value)>,
    /// Known once the headings were read.
    columns: Option<u32>,
}

impl Row {
    fn end(&mut self, checked: &mut Checked<'_, '_>) -> Result<(), TableError> {
        let cells = std::mem::take(&mut self.cells);
        let Some(columns) = self.columns else {
            let Some(last) = cells.iter().map(|(column, _)| *column).max() else { return Ok(()) };
            let mut headings = vec![String::new(); last as usize + 1];
            for (column, value) in cells {
                if let Some(heading) = headings.get_mut(column as usize) {
                    *heading = super::text(&value).trim().to_owned();
                }
            }
            self.columns = Some(last + 1);
            return checked.head(headings);
        };
        if let Some((column, _)) = cells.iter().find(|(column, _)| *column >= columns) {
            let message = format!("the row has a value in column {}, the headings end with column {columns}", column + 1);
            return Err(TableError::new(message).at(self.number).in_column((column + 1).to_string()));
        }
        checked.row(self.number, cells)
    }
}

fn value(cell: &DataRef<'_>) -> Result<Option<Value>, TableError> {
    /// Beyond this, a spreadsheet's numbers are not whole.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let text = |text: &str| (!text.is_empty()).then(|| Value::from(text));
    Ok(match cell {
        DataRef::Empty => None,
        DataRef::String(said) | DataRef::DateTimeIso(said) | DataRef::DurationIso(said) => text(said),
        DataRef::SharedString(said) => text(said),
        DataRef::Int(number) => Some(Value::from(*number)),
        DataRef::Float(number) if number.fract() == 0.0 && number.abs() < EXACT => Some(Value::from(*number as i64)),
        DataRef::Float(number) => Some(Value::from(*number)),
        DataRef::Bool(is) => Some(Value::from(*is)),
        DataRef::DateTime(at) if at.is_datetime() => {
            let (year, month, day, hour, minute, second, _) = at.to_ymd_hms_milli();
            Some(Value::from(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")))
        }
        DataRef::DateTime(duration) => Some(Value::from(duration.as_f64())),
        DataRef::Error(error) => return Err(TableError::new(format!("the cell holds the error {error}; correct its formula"))),
    })
}

/// Sees that unpacking is bounded and harmless, and gives the file back.
fn measure(file: File) -> Result<File, TableError> {
    let wrong = |error: &dyn std::fmt::Display| TableError::new(format!("this is not an XLSX workbook that can be read: {error}"));
    let mut archive = zip::ZipArchive::new(file).map_err(|error| wrong(&error))?;
    if archive.len() > MAX_PARTS {
        let message = format!("the workbook has {} parts, {MAX_PARTS} are the limit", archive.len());
        return Err(TableError::new(message).limit(MAX_PARTS as u64));
    }
    let (mut unpacked, mut held) = (0, 0);
    let mut buffer = vec![0; 64 << 10];
    for number in 0..archive.len() {
        let mut part = archive.by_index(number).map_err(|error| wrong(&error))?;
        let name: String = part.name().map_err(|error| wrong(&error))?.chars().take(100).collect();
        let is_sheet = name.starts_with("xl/worksheets/");
        let mut tail: Vec<u8> = Vec::new();
        loop {
            let read = part.read(&mut buffer).map_err(|error| wrong(&error))?;
            if read == 0 {
                break;
            }
            unpacked += read as u64;
            held += if is_sheet { 0 } else { read as u64 };
            let over = [(unpacked, MAX_UNPACKED_BYTES), (held, MAX_HELD_BYTES)].into_iter().find(|(found, most)| found > most);
            if let Some((_, most)) = over {
                let message =
                    format!("the workbook unpacks to more than {most} bytes, at its part {name:?}; at most {MAX_ROWS} rows are read");
                return Err(TableError::new(message).limit(most));
            }
            // A declaration may lie across two pieces.
            tail.extend_from_slice(&buffer[..read]);
            if [&b"<!DOCTYPE"[..], b"<!ENTITY"].iter().any(|wanted| holds(&tail, wanted)) {
                let message =
                    format!("the workbook's part {name:?} declares a document type or entities; save it with a spreadsheet program");
                return Err(TableError::new(message));
            }
            tail.drain(..tail.len().saturating_sub(16));
        }
    }
    Ok(archive.into_inner())
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
