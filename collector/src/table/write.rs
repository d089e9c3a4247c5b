//! Tables to a stream, one row after the other.

use std::io::{self, Write};

use serde_json::{Map, Value};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions, write::StreamWriter};

use super::{
    Format,
    cell::{defuse, text},
};

/// Characters of a cell that spreadsheet programs take; what is longer is left empty, which on import says nothing.
const MAX_XLSX_CHARS: usize = 32_767;
/// Whole numbers beyond this are written as text: a spreadsheet would round them.
const EXACT: u64 = 1 << 53;

/// Takes the rows of a table.
pub(crate) trait Writer {
    /// One row: a value or nothing for each column.
    fn row(&mut self, cells: &[Option<Value>]) -> io::Result<()>;

    /// Ends the table.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// Begins a table.
///
/// # Errors
/// As `out` says.
pub(crate) fn writer<'a, W: Write + 'a>(format: Format, columns: &[String], out: W) -> io::Result<Box<dyn Writer + 'a>> {
    Ok(match format {
        Format::Csv => Box::new(Csv::begin(columns, out)?),
        Format::Xlsx => Box::new(Workbook::begin(columns, out)?),
        Format::Json => Box::new(Json { columns: columns.to_vec(), out, any: false }),
        Format::Yaml => Box::new(Yaml { columns: columns.to_vec(), out, any: false }),
    })
}

struct Csv<W: Write>(csv::Writer<W>);

impl<W: Write> Csv<W> {
    fn begin(columns: &[String], out: W) -> io::Result<Self> {
        let mut csv = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(out);
        csv.write_record(columns.iter().map(|column| defuse(column).into_owned())).map_err(io::Error::other)?;
        Ok(Self(csv))
    }
}

impl<W: Write> Writer for Csv<W> {
    fn row(&mut self, cells: &[Option<Value>]) -> io::Result<()> {
        for cell in cells {
            let text = cell.as_ref().map(text).unwrap_or_default();
            self.0.write_field(defuse(&text).as_bytes()).map_err(io::Error::other)?;
        }
        self.0.write_record(None::<&[u8]>).map_err(io::Error::other)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.0.flush()
    }
}

struct Json<W> {
    columns: Vec<String>,
    out: W,
    any: bool,
}

fn object(columns: &[String], cells: &[Option<Value>]) -> Map<String, Value> {
    let named = columns.iter().zip(cells).filter_map(|(column, cell)| Some((column.clone(), cell.clone()?)));
    named.collect()
}

impl<W: Write> Writer for Json<W> {
    fn row(&mut self, cells: &[Option<Value>]) -> io::Result<()> {
        self.out.write_all(if self.any { b",\n" } else { b"[\n" })?;
        self.any = true;
        Ok(serde_json::to_writer(&mut self.out, &object(&self.columns, cells))?)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.out.write_all(if self.any { b"\n]\n" } else { b"[]\n" })?;
        self.out.flush()
    }
}

struct Yaml<W> {
    columns: Vec<String>,
    out: W,
    any: bool,
}

impl<W: Write> Writer for Yaml<W> {
    fn row(&mut self, cells: &[Option<Value>]) -> io::Result<()> {
        self.any = true;
        // Lists of one member, one after the other, are one list.
        let text = serde_saphyr::to_string(&[object(&self.columns, cells)]).map_err(io::Error::other)?;
        self.out.write_all(text.as_bytes())?;
        if text.ends_with('\n') { Ok(()) } else { self.out.write_all(b"\n") }
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        if !self.any {
            self.out.write_all(b"[]\n")?;
        }
        self.out.flush()
    }
}

/// One sheet. Texts are text cells, which no program runs as a formula; they stand in the sheet itself, so that nothing has to be gathered.
struct Workbook<W: Write> {
    zip: ZipWriter<StreamWriter<W>>,
    buffer: Vec<u8>,
    row: u64,
}

const PARTS: [(&str, &str); 4] = [
    (
        "[Content_Types].xml",
        "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">\
         <Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>\
         <Default Extension=\"xml\" ContentType=\"application/xml\"/>\
         <Override PartName=\"/xl/workbook.xml\" ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml\"/>\
         <Override PartName=\"/xl/worksheets/sheet1.xml\" \
         ContentType=\"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml\"/></Types>",
    ),
    (
        "_rels/.rels",
        "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId1\" \
         Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>",
    ),
    (
        "xl/workbook.xml",
        "<workbook xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\" \
         xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\">\
         <sheets><sheet name=\"Items\" sheetId=\"1\" r:id=\"rId1\"/></sheets></workbook>",
    ),
    (
        "xl/_rels/workbook.xml.rels",
        "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\"><Relationship Id=\"rId1\" \
         Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>",
    ),
];
const PROLOG: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";
const SHEET_START: &str = "<worksheet xmlns=\"http://schemas.openxmlformats.org/spreadsheetml/2006/main\"><sheetViews><sheetView \
    workbookViewId=\"0\"><pane ySplit=\"1\" topLeftCell=\"A2\" activePane=\"bottomLeft\" state=\"frozen\"/></sheetView></sheetViews><sheetData>";
/// Bytes gathered before they are compressed.
const PIECE: usize = 64 << 10;

impl<W: Write> Workbook<W> {
    fn begin(columns: &[String], out: W) -> io::Result<Self> {
        let mut zip = ZipWriter::new_stream(out);
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).large_file(true);
        for (name, content) in PARTS {
            zip.start_file(name, options)?;
            zip.write_all(format!("{PROLOG}{content}").as_bytes())?;
        }
        zip.start_file("xl/worksheets/sheet1.xml", options)?;
        let mut workbook = Self { zip, buffer: format!("{PROLOG}{SHEET_START}").into_bytes(), row: 0 };
        let headings: Vec<Option<Value>> = columns.iter().map(|column| Some(Value::from(column.as_str()))).collect();
        workbook.row(&headings)?;
        Ok(workbook)
    }
}

impl<W: Write> Writer for Workbook<W> {
    fn row(&mut self, cells: &[Option<Value>]) -> io::Result<()> {
        self.row += 1;
        write!(self.buffer, "<row r=\"{}\">", self.row)?;
        for (column, value) in cells.iter().enumerate() {
            let Some(value) = value else { continue };
            let place = format!("{}{}", letters(column), self.row);
            match value {
                Value::Number(number) if number.as_f64().is_some_and(|number| number.abs() < EXACT as f64) => {
                    write!(self.buffer, "<c r=\"{place}\"><v>{number}</v></c>")?;
                }
                Value::Bool(is) => write!(self.buffer, "<c r=\"{place}\" t=\"b\"><v>{}</v></c>", u8::from(*is))?,
                value => {
                    let text = text(value);
                    if text.len() > MAX_XLSX_CHARS && text.encode_utf16().count() > MAX_XLSX_CHARS {
                        continue;
                    }
                    write!(self.buffer, "<c r=\"{place}\" t=\"inlineStr\"><is><t xml:space=\"preserve\">")?;
                    escape(&text, &mut self.buffer);
                    self.buffer.extend_from_slice(b"</t></is></c>");
                }
            }
        }
        self.buffer.extend_from_slice(b"</row>");
        if self.buffer.len() >= PIECE {
            self.zip.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.buffer.extend_from_slice(b"</sheetData></worksheet>");
        self.zip.write_all(&self.buffer)?;
        self.zip.finish()?.into_inner().flush()
    }
}

/// `A`, `B`, … `Z`, `AA`, …
fn letters(column: usize) -> String {
    let mut letters = Vec::new();
    let mut left = column + 1;
    while left > 0 {
        left -= 1;
        letters.push(char::from(b'A' + (left % 26) as u8));
        left /= 26;
    }
    letters.iter().rev().collect()
}

/// XML text. What XML cannot hold is written `_x0001_`, as spreadsheet programs do, and what looks like that is, too.
fn escape(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        match character {
            '&' => out.extend_from_slice(b"&amp;"),
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '_' if is_escape(rest) => out.extend_from_slice(b"_x005F_"),
            '\t' | '\n' => out.push(character as u8),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.extend_from_slice(format!("_x{:04X}_", character as u32).as_bytes()),
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
        rest = &rest[character.len_utf8()..];
    }
}

fn is_escape(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 7 && bytes[1] == b'x' && bytes[2..6].iter().all(u8::is_ascii_hexdigit) && bytes[6] == b'_'
}
