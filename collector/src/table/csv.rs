//! Comma-separated values, and what goes by that name.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
};

use serde_json::Value;

use super::{Checked, MAX_COLUMNS, MAX_ROW_BYTES, TableError, cell::rearm, source::Source, too_many_columns};

pub(super) fn read(file: File, checked: &mut Checked<'_, '_>) -> Result<(), TableError> {
    let (source, meter) = Source::open(file)?;
    let mut source = BufReader::with_capacity(64 << 10, source);
    let mut first = Vec::new();
    let unreadable = |error: std::io::Error| TableError::new(error.to_string()).limit(MAX_ROW_BYTES);
    // Only the heading row says what separates; it is read again as a part of the whole.
    (&mut source).take(MAX_ROW_BYTES).read_until(b'\n', &mut first).map_err(unreadable)?;
    let said = first.strip_prefix(b"sep=").and_then(|rest| rest.first().copied());
    let delimiter = said.unwrap_or_else(|| delimiter(&first));
    let first = if said.is_some() { Vec::new() } else { first };
    let mut reader =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(first.as_slice().chain(source));
    let mut record = csv::StringRecord::new();
    let mut number = 0;
    let mut columns = 0;
    loop {
        meter.next_row();
        number += 1;
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) if meter.is_over() => {
                return Err(TableError::new(message(&error)).at(number).limit(MAX_ROW_BYTES));
            }
            Err(error) => return Err(TableError::new(message(&error)).at(number)),
        }
        if columns == 0 {
            let mut headings: Vec<String> = record.iter().map(|heading| rearm(heading).trim().to_owned()).collect();
            while headings.last().is_some_and(String::is_empty) {
                headings.pop();
            }
            columns = headings.len();
            checked.head(headings)?;
            continue;
        }
        if record.len() > MAX_COLUMNS {
            return Err(too_many_columns(record.len()).at(number));
        }
        let mut cells = Vec::with_capacity(record.len());
        for (column, text) in record.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
            if column >= columns {
                let message = format!("the row has a value in column {}, the headings end with column {columns}", column + 1);
                return Err(TableError::new(message).at(number).in_column((column + 1).to_string()));
            }
            cells.push((u32::try_from(column).unwrap_or(u32::MAX), Value::from(rearm(text))));
        }
        checked.row(number, cells)?;
    }
}

fn message(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Io(error) => error.to_string(),
        other => format!("this is not CSV: {other:?}"),
    }
}

/// What stands most often between the headings, outside of quotation marks.
fn delimiter(first: &[u8]) -> u8 {
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0), (b'|', 0)];
    for byte in first {
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            byte => counts.iter_mut().filter(|(delimiter, _)| delimiter == byte).for_each(|(_, count)| *count += 1),
        }
    }
    // Of equal ones the first in the list, which is the usual one.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(delimiter, _)| *delimiter)
}
