//! A file as UTF-8 text, whatever a spreadsheet program has saved it as, with a bound on what one row may take.

use std::{
    cell::Cell,
    fs::File,
    io::{self, Read, Seek as _},
    rc::Rc,
};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};

use super::{MAX_ROW_BYTES, TableError};

/// The text of a file. A reader fails that reads on for one row beyond the limit.
pub(super) struct Source {
    text: DecodeReaderBytes<File, Vec<u8>>,
    row: RowMeter,
}

/// Counts the bytes of a row.
#[derive(Clone, Default)]
pub(super) struct RowMeter(Rc<Cell<u64>>);

impl RowMeter {
    /// A row was read whole.
    pub(super) fn next_row(&self) {
        self.0.set(0);
    }

    /// Whether the row that is being read is too long.
    pub(super) fn is_over(&self) -> bool {
        self.0.get() > MAX_ROW_BYTES
    }
}

impl Source {
    pub(super) fn open(mut file: File) -> Result<(Self, RowMeter), TableError> {
        let encoding = detect(&mut file).map_err(|error| TableError::new(format!("the file cannot be read: {error}")))?;
        let text = DecodeReaderBytesBuilder::new().encoding(Some(encoding)).bom_override(true).build(file);
        let row = RowMeter::default();
        Ok((Self { text, row: row.clone() }, row))
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.row.is_over() {
            return Err(io::Error::other(format!("more than {MAX_ROW_BYTES} bytes in one row; is a quotation mark not closed?")));
        }
        let read = self.text.read(buffer)?;
        self.row.0.set(self.row.0.get() + read as u64);
        Ok(read)
    }
}

/// By byte order mark; without one UTF-8, or, where the bytes are not that, what Windows calls Latin-1.
fn detect(file: &mut File) -> io::Result<&'static Encoding> {
    let mut buffer = vec![0; 64 << 10];
    let mut held = 0;
    let mut found = None;
    file.rewind()?;
    loop {
        let read = file.read(&mut buffer[held..])?;
        if found.is_none() {
            match &buffer[..read] {
                [0xff, 0xfe, ..] => found = Some(UTF_16LE),
                [0xfe, 0xff, ..] => found = Some(UTF_16BE),
                // Without a mark, text that is plain otherwise still shows its zeros.
                [0, first, 0, second, ..] if *first != 0 && *second != 0 => found = Some(UTF_16BE),
                [first, 0, second, 0, ..] if *first != 0 && *second != 0 => found = Some(UTF_16LE),
                _ => {}
            }
            if found.is_some() {
                break;
            }
            found = Some(UTF_8);
        }
        if read == 0 {
            if held > 0 {
                found = Some(WINDOWS_1252);
            }
            break;
        }
        let length = held + read;
        match std::str::from_utf8(&buffer[..length]) {
            Ok(_) => held = 0,
            Err(error) if error.error_len().is_none() => {
                // A character that goes on in the next piece.
                buffer.copy_within(error.valid_up_to()..length, 0);
                held = length - error.valid_up_to();
            }
            Err(_) => {
                found = Some(WINDOWS_1252);
                break;
            }
        }
    }
    file.rewind()?;
    Ok(found.unwrap_or(UTF_8))
}
