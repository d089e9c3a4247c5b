use std::{
    fs::File,
    io::{Read as _, Seek as _, Write as _},
};

use serde_json::{Value, json};

use super::*;

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// Headings and rows, or why not.
fn table(bytes: &[u8], format: Format) -> Result<(Vec<String>, Vec<Record>), TableError> {
    let mut rows = Vec::new();
    let headings = read(file(bytes), format, &mut |row| {
        rows.push(row);
        Ok(())
    })?;
    Ok((headings, rows))
}

fn written(format: Format, columns: &[&str], rows: &[Vec<Option<Value>>]) -> Vec<u8> {
    let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
    let mut bytes = Vec::new();
    let mut table = writer(format, &columns, &mut bytes).unwrap();
    rows.iter().for_each(|row| table.row(row).unwrap());
    table.finish().unwrap();
    bytes
}

#[test]
fn what_is_written_reads_back_in_every_format() {
    let nasty = [
        "plain",
        "=1+1",
        "'=1",
        "-5",
        "0123",
        "yes",
        "null",
        "~",
        "1e3",
        "a,b;c\td",
        "say \"hi\"",
        "two\nlines",
        "cr\rlf\r\n",
        "_x0041_",
        "\u{1}ctl",
        "<b>&amp;</b>",
        "日本 é 🖥",
        "- dash",
        "# no comment",
        "{a: b}",
        "%x",
        "2026-03-01",
        " outer ",
        "a: b",
        "!tag",
        "*x",
        "&y",
        "|",
        "'",
        "\"",
    ];
    let rows: Vec<Vec<Option<Value>>> = nasty
        .iter()
        .enumerate()
        .map(|(number, text)| vec![Some(json!(text)), Some(json!(number)), None, Some(json!(["x y", text.trim()]))])
        .collect();
    for format in Format::ALL {
        let bytes = written(format, &["name", "number", "nothing", "list"], &rows);
        assert_eq!(Format::detect(&bytes, ""), format);
        let (headings, read) = table(&bytes, format).unwrap_or_else(|error| panic!("{format:?}: {error}"));
        assert_eq!(read.len(), rows.len());
        for (row, record) in rows.iter().zip(&read) {
            let cell = |heading: &str| {
                let column = headings.iter().position(|known| known == heading)? as u32;
                record.cells.iter().find(|(known, _)| *known == column).map(|(_, value)| value.clone())
            };
            assert_eq!(cell("name"), row[0], "{format:?}");
            assert_eq!(cell("nothing"), None);
            let list = cell("list").unwrap();
            let list = list.as_str().map_or(list.clone(), |text| members(text).into());
            assert_eq!(Some(list), row[3], "{format:?}");
            assert_eq!(text(&cell("number").unwrap()), text(row[1].as_ref().unwrap()), "{format:?}");
        }
    }
}

#[test]
fn other_programs_files_are_read() {
    let utf16 = |text: &str, big: bool| -> Vec<u8> {
        let units = std::iter::once(0xfeff).chain(text.encode_utf16());
        units.flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
    };
    let names = |bytes: &[u8]| {
        let (headings, rows) = table(bytes, Format::detect(bytes, "x.csv")).unwrap_or_else(|error| panic!("{error}"));
        (
            headings,
            rows.iter().map(|row| row.cells.iter().map(|(_, value)| text(value).into_owned()).collect::<Vec<_>>()).collect::<Vec<_>>(),
        )
    };
    let expected = (vec!["Name".to_owned(), "Größe".to_owned()], vec![vec!["a,b".to_owned(), "7".to_owned()]]);
    for bytes in [
        "Name,Größe\r\n\"a,b\",7\r\n".as_bytes().to_vec(),
        "\u{feff}Name;Größe\n\"a,b\";7".as_bytes().to_vec(),
        "Name\tGröße\na,b\t7\n".as_bytes().to_vec(),
        "sep=;\r\nName;Größe\r\na,b;7\r\n".as_bytes().to_vec(),
        b"Name;Gr\xf6\xdfe\na,b;7\n".to_vec(),
        utf16("Name;Größe\na,b;7\n", false),
        utf16("Name\tGröße\na,b\t7\n", true),
    ] {
        assert_eq!(names(&bytes), expected, "{:?}", String::from_utf8_lossy(&bytes));
    }
    let (headings, rows) =
        table(br#"{"items":[{"name":"a","attributes":{"owner":"x","tags":["p","q"]}}],"total":1}"#, Format::Json).unwrap();
    assert_eq!(headings, ["attributes.owner", "attributes.tags", "name"]);
    assert_eq!(rows[0].number, 2);
}

#[test]
fn hostile_files_are_refused_with_place_and_limit() {
    let wide =
        format!("{}\n1\n", vec!["c"; MAX_COLUMNS + 1].iter().enumerate().map(|(n, c)| format!("{c}{n}")).collect::<Vec<_>>().join(","));
    let long = format!("a,b\n1,{}\n", "x".repeat(MAX_CELL_CHARS + 1));
    let unclosed = format!("a,b\n1,2\n\"{}", "x,\n".repeat(3 << 20));
    let deep = format!("[{{\"a\":{}1{}}}]", "[".repeat(200), "]".repeat(200));
    let bomb = "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\n";
    for (bytes, format, row, limit, words) in [
        (wide.as_bytes(), Format::Csv, None, Some(MAX_COLUMNS as u64), "columns"),
        (long.as_bytes(), Format::Csv, Some(2), Some(MAX_CELL_CHARS as u64), "longer"),
        (unclosed.as_bytes(), Format::Csv, Some(3), Some(MAX_ROW_BYTES), "quotation"),
        (b"a,b\n1,2,3\n", Format::Csv, Some(2), None, "headings end"),
        (b"a,a\n1,2\n", Format::Csv, Some(1), None, "two columns"),
        (b"", Format::Csv, None, None, "no rows"),
        (b"a,b\n", Format::Csv, None, None, "no rows"),
        (deep.as_bytes(), Format::Json, None, None, "recursion"),
        (b"[{\"a\":{\"b\":1}}]", Format::Json, Some(2), None, "not an object"),
        (b"[{\"a\":1},7]", Format::Json, None, None, "list of objects"),
        (b"{\"a\":1}", Format::Json, None, None, "no list"),
        (b"[{\"a\":1}", Format::Json, None, None, "EOF"),
        (bomb.as_bytes(), Format::Yaml, None, None, "list of objects"),
        (b"- a: &x [1,2]\n- b: *x\n", Format::Yaml, None, None, "list of objects"),
        (b"PK\x03\x04 nonsense", Format::Xlsx, None, None, "not an XLSX"),
    ] {
        let error = table(bytes, format).unwrap_err();
        assert!(error.to_string().contains(words), "{format:?}: {error}, not {words:?}");
        if row.is_some() {
            assert_eq!(error.row, row, "{error}");
        }
        assert_eq!(error.limit, limit, "{error}");
    }
}

#[test]
fn bombs_in_workbooks_go_off_nowhere() {
    let workbook = |part: &str, content: &mut dyn FnMut(&mut dyn std::io::Write)| {
        let good = written(Format::Xlsx, &["name"], &[vec![Some(json!("a"))]]);
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(good)).unwrap();
        let mut zip = zip::ZipWriter::new(tempfile::tempfile().unwrap());
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated).large_file(true);
        for number in 0..archive.len() {
            let mut entry = archive.by_index(number).unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            zip.start_file(entry.name().unwrap().into_owned(), options).unwrap();
            zip.write_all(&bytes).unwrap();
        }
        zip.start_file(part, options).unwrap();
        content(&mut zip);
        let mut file = zip.finish().unwrap();
        file.rewind().unwrap();
        file
    };
    let mut nothing = |_: Record| Ok(());
    let zeros = vec![b' '; 1 << 20];
    let bomb = workbook("xl/sharedStrings.xml", &mut |out| (0..200).for_each(|_| out.write_all(&zeros).unwrap()));
    let error = read(bomb, Format::Xlsx, &mut nothing).unwrap_err();
    assert!(error.limit.is_some() && error.message.contains("xl/sharedStrings.xml"), "{error}");
    let entities = workbook("xl/styles.xml", &mut |out| {
        out.write_all(b"<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><x>&b;</x>").unwrap();
    });
    let error = read(entities, Format::Xlsx, &mut nothing).unwrap_err();
    assert!(error.message.contains("entities"), "{error}");
}
