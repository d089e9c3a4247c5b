//! Reading a table of an SQLite database page by page, without its library: enough for the few databases in which Linux keeps logins and
//! packages. Only tables with row numbers are read, in whole, in their order; nothing is written and no lock is taken, so the answer
//! of a database that is being changed may lack rows. Format: the "Database File Format" page of SQLite's documentation.

use std::borrow::Cow;

/// Where pages come from.
pub trait Source {
    /// `length` bytes from `at`; fewer at the end, `None` where they cannot be read.
    fn read(&self, at: u64, length: usize) -> Option<Cow<'_, [u8]>>;
}

impl Source for &[u8] {
    fn read(&self, at: u64, length: usize) -> Option<Cow<'_, [u8]>> {
        let rest = self.get(usize::try_from(at).ok()?..)?;
        Some(Cow::Borrowed(&rest[..length.min(rest.len())]))
    }
}

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// None.
    Null,
    /// A whole number.
    Integer(i64),
    /// Text in the database's encoding, or bytes.
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    /// A whole number.
    pub fn integer(self) -> Option<i64> {
        if let Value::Integer(number) = self { Some(number) } else { None }
    }

    /// Text or bytes.
    pub fn bytes(self) -> Option<&'a [u8]> {
        if let Value::Bytes(bytes) = self { Some(bytes) } else { None }
    }
}

/// An open database.
pub struct Database<S> {
    source: S,
    page_size: usize,
    /// Bytes of a page that may be used.
    usable: usize,
    pages: u32,
    /// The longest row that is read, bytes.
    longest: usize,
}

/// A table.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    root: u32,
    /// Its columns' names in their order.
    pub columns: Vec<String>,
}

impl Table {
    /// The place of a column, whatever its case.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.eq_ignore_ascii_case(name))
    }
}

/// Kinds of a table's pages.
const LEAF: u8 = 13;
const INNER: u8 = 5;
/// A table's inner pages lie at most so deep.
const DEEPEST: u32 = 24;
/// A table has at most so many pages; the header's word for it is not trusted.
const MOST_PAGES: u32 = 1 << 18;

impl<S: Source> Database<S> {
    /// The database of this source, of which rows longer than `longest` bytes are passed over; `None` if it is none, or text is
    /// not UTF-8.
    pub fn open(source: S, longest: usize) -> Option<Self> {
        let header = source.read(0, 100)?.into_owned();
        if !header.starts_with(b"SQLite format 3\0") || header.len() < 100 {
            return None;
        }
        let page_size = match u16::from_be_bytes([header[16], header[17]]) {
            1 => 65_536,
            size => usize::from(size),
        };
        let usable = page_size.checked_sub(usize::from(header[20]))?;
        let pages = be32(&header, 28)?;
        let encoding = be32(&header, 56)?;
        let is_sound = page_size.is_power_of_two() && page_size >= 512 && usable >= 480 && matches!(encoding, 0 | 1);
        is_sound.then_some(Self { source, page_size, usable, pages, longest })
    }

    /// A table by its name.
    pub fn table(&self, name: &str) -> Option<Table> {
        const SCHEMA: Table = Table { root: 1, columns: Vec::new() };
        let mut found = None;
        self.rows(&SCHEMA, |_, row| {
            let text = |at: usize| row.get(at).copied().and_then(Value::bytes).and_then(|bytes| std::str::from_utf8(bytes).ok());
            let root = row.get(3).copied().and_then(Value::integer).and_then(|root| u32::try_from(root).ok());
            if let (Some("table"), Some(of), Some(root), Some(sql)) = (text(0), text(1), root, text(4))
                && of.eq_ignore_ascii_case(name)
            {
                found = Some(Table { root, columns: columns(sql) });
            }
        })?;
        found
    }

    /// Calls with every row: its number and its values. `None` if not all of them could be read.
    pub fn rows(&self, table: &Table, mut then: impl FnMut(i64, &[Value<'_>])) -> Option<()> {
        // Damage could make pages of a table point to each other.
        let mut left = self.pages.clamp(1, MOST_PAGES);
        self.walk(table.root, 0, &mut left, &mut then)
    }

    /// Calls with the row of this number, if there is one; whether there is. `None` if that could not be read.
    pub fn row_at(&self, table: &Table, wanted: i64, mut then: impl FnMut(&[Value<'_>])) -> Option<bool> {
        let mut number = table.root;
        for _ in 0..=DEEPEST {
            let page = self.page(number)?;
            let start = if number == 1 { 100 } else { 0 };
            let kind = *page.get(start)?;
            let cells = usize::from(be16(&page, start + 3)?);
            let pointers = start + if kind == INNER { 12 } else { 8 };
            let mut next = None;
            for cell in 0..cells {
                let at = usize::from(be16(&page, pointers + 2 * cell)?);
                // The number of a row stands after its length, that of an inner page's cell after the page that it leads to.
                let before = if kind == INNER { 4 } else { varint(page.get(at..)?)?.1 };
                let (found, _) = varint(page.get(at + before..)?)?;
                if kind == LEAF && found == wanted {
                    self.row(&page, at, &mut |_, row| then(row))?;
                    return Some(true);
                }
                if kind == INNER && wanted <= found {
                    next = be32(&page, at);
                    break;
                }
            }
            match kind {
                LEAF => return Some(false),
                INNER => number = next.or_else(|| be32(&page, start + 8))?,
                _ => return None,
            }
        }
        None
    }

    fn walk(&self, number: u32, depth: u32, left: &mut u32, then: &mut impl FnMut(i64, &[Value<'_>])) -> Option<()> {
        *left = left.checked_sub(1).filter(|_| depth <= DEEPEST)?;
        let page = self.page(number)?.into_owned();
        // The database's header stands in its first page.
        let start = if number == 1 { 100 } else { 0 };
        let kind = *page.get(start)?;
        let cells = usize::from(be16(&page, start + 3)?);
        let pointers = start + if kind == INNER { 12 } else { 8 };
        for cell in 0..cells {
            let at = usize::from(be16(&page, pointers + 2 * cell)?);
            match kind {
                LEAF => self.row(&page, at, then)?,
                INNER => self.walk(be32(&page, at)?, depth + 1, left, then)?,
                _ => return None,
            }
        }
        if kind == INNER { self.walk(be32(&page, start + 8)?, depth + 1, left, then) } else { Some(()) }
    }

    fn row(&self, page: &[u8], at: usize, then: &mut impl FnMut(i64, &[Value<'_>])) -> Option<()> {
        let (length, used) = varint(page.get(at..)?)?;
        let at = at + used;
        let (number, used) = varint(page.get(at..)?)?;
        let at = at + used;
        let length = usize::try_from(length).ok()?;
        if length > self.longest {
            return Some(());
        }
        let local = self.local(length);
        let inline = page.get(at..at.checked_add(local)?)?;
        if local == length {
            return self.values(inline, number, then);
        }
        let mut row = Vec::with_capacity(length);
        row.extend_from_slice(inline);
        let mut next = be32(page, at + local)?;
        while row.len() < length {
            let overflow = self.page(next)?;
            next = be32(&overflow, 0)?;
            let more = (length - row.len()).min(self.usable - 4);
            row.extend_from_slice(overflow.get(4..4 + more)?);
        }
        self.values(&row, number, then)
    }

    /// How many bytes of a row stand in the table's page; the rest overflows.
    fn local(&self, length: usize) -> usize {
        let most = self.usable - 35;
        if length <= most {
            return length;
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let filling = least + (length - least) % (self.usable - 4);
        if filling <= most { filling } else { least }
    }

    fn values(&self, row: &[u8], number: i64, then: &mut impl FnMut(i64, &[Value<'_>])) -> Option<()> {
        let (header, mut at) = varint(row)?;
        let header = usize::try_from(header).ok().filter(|header| *header <= row.len())?;
        let mut values = Vec::new();
        let mut body = header;
        while at < header {
            let (kind, used) = varint(&row[at..header])?;
            at += used;
            let length = match kind {
                0 | 8 | 9 => 0,
                1..=4 => usize::try_from(kind).ok()?,
                5 => 6,
                6 | 7 => 8,
                12.. => usize::try_from((kind - 12) / 2).ok()?,
                _ => return None,
            };
            let bytes = row.get(body..body.checked_add(length)?)?;
            body += length;
            values.push(match kind {
                1..=6 => Value::Integer(bytes.iter().fold(if bytes[0] < 0x80 { 0 } else { -1 }, |sum, byte| sum << 8 | i64::from(*byte))),
                8 => Value::Integer(0),
                9 => Value::Integer(1),
                12.. => Value::Bytes(bytes),
                // Nothing here asks for floating point.
                _ => Value::Null,
            });
        }
        then(number, &values);
        Some(())
    }

    fn page(&self, number: u32) -> Option<Cow<'_, [u8]>> {
        let at = u64::from(number.checked_sub(1)?) * self.page_size as u64;
        self.source.read(at, self.page_size).filter(|page| page.len() == self.page_size)
    }
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// A number of one to nine bytes, and how many.
fn varint(bytes: &[u8]) -> Option<(i64, usize)> {
    let mut value: u64 = 0;
    for (at, byte) in bytes.iter().take(9).enumerate() {
        if at == 8 {
            return Some(((value << 8 | u64::from(*byte)).cast_signed(), 9));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value.cast_signed(), at + 1));
        }
    }
    None
}

/// A definition is kept as it was written, with what its author remarks between `/*` and `*/` or after `--`.
fn without_remarks(sql: &str) -> String {
    let mut left = sql;
    let mut text = String::with_capacity(sql.len());
    while let Some(at) = left.find("/*").into_iter().chain(left.find("--")).min() {
        let (before, remark) = left.split_at(at);
        text.push_str(before);
        text.push(' ');
        let end = if remark.starts_with("/*") { remark.find("*/").map(|end| end + 2) } else { remark.find('\n') };
        left = end.and_then(|end| remark.get(end..)).unwrap_or_default();
    }
    text.push_str(left);
    text
}

/// The names of the columns in `CREATE TABLE name(column TYPE …, …)`.
fn columns(sql: &str) -> Vec<String> {
    let sql = without_remarks(sql);
    let Some((_, body)) = sql.split_once('(') else { return Vec::new() };
    let (mut depth, mut definitions) = (0_u32, vec![String::new()]);
    for c in body.chars() {
        match c {
            ')' if depth == 0 => break,
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                definitions.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = definitions.last_mut() {
            last.push(c);
        }
    }
    let name = |definition: &String| {
        let word = definition.split([' ', '\t', '\n', '(']).find(|word| !word.is_empty())?;
        Some(word.trim_matches(['"', '\'', '`', '[', ']']).to_owned())
    };
    let is_column = |name: &String| !["PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "CONSTRAINT"].contains(&name.to_ascii_uppercase().as_str());
    definitions.iter().filter_map(name).filter(is_column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with sqlite3: 120 rows `(n, text of n * 7 characters, blob of n bytes)` in pages of 512 bytes, so that there are inner pages and
    /// rows that overflow.
    const SMALL_PAGES: &[u8] = include_bytes!("../../tests/fixtures/sqlite/small-pages.db");

    #[test]
    fn every_row_is_read_as_it_was_written() {
        let database = Database::open(SMALL_PAGES, 1 << 20).unwrap();
        let table = database.table("T").unwrap();
        assert_eq!(table.columns, ["n", "text", "x", "negative"]);
        let mut expected = 0;
        database
            .rows(&table, |number, row| {
                expected += 1;
                // The first column is the row's number and not stored again.
                assert_eq!((number, row[0]), (expected, Value::Null));
                assert_eq!(row[1].bytes().unwrap(), "ab\u{e9}cde".repeat(usize::try_from(number).unwrap()).as_bytes());
                assert_eq!(row[2].bytes().unwrap().len(), usize::try_from(number).unwrap());
                assert_eq!(row[3].integer(), Some(-number * number * number));
            })
            .unwrap();
        assert_eq!(expected, 120);
        for wanted in 0..=121 {
            let mut found = None;
            let is_there = database.row_at(&table, wanted, |row| found = row[3].integer());
            let cube = (1..=120).contains(&wanted).then_some(-wanted * wanted * wanted);
            assert_eq!((is_there, found), (Some(cube.is_some()), cube), "{wanted}");
        }
        let mut short = 0;
        Database::open(SMALL_PAGES, 100).unwrap().rows(&table, |_, _| short += 1).unwrap();
        assert!((5..20).contains(&short), "{short} rows are short");
        assert_eq!(database.table("absent"), None);
    }

    #[test]
    fn damage_ends_and_never_panics() {
        // Every page pointer and every cell is somewhere: a changed byte may lose rows or make them wrong, nothing else.
        let mut damaged = SMALL_PAGES.to_vec();
        for at in (0..damaged.len()).step_by(97) {
            for bit in [0x01, 0x80, 0xff] {
                damaged[at] ^= bit;
                if let Some(database) = Database::open(&damaged[..], 1 << 16)
                    && let Some(table) = database.table("t")
                {
                    let mut rows = 0_u32;
                    let _ = database.rows(&table, |_, _| rows += 1);
                    let _ = database.row_at(&table, 60, |_| rows += 1);
                    assert!(rows < 20_000);
                }
                damaged[at] ^= bit;
            }
        }
        for cut in (0..SMALL_PAGES.len()).step_by(509) {
            if let Some(database) = Database::open(&SMALL_PAGES[..cut], 1 << 16)
                && let Some(table) = database.table("t")
            {
                assert_eq!(database.rows(&table, |_, _| {}), None, "cut at {cut}");
            }
        }
    }

    #[test]
    fn columns_are_told_from_remarks() {
        let sql = "CREATE TABLE t (a INTEGER, /* (first, of two) */ b TEXT, -- its (name\n  \"c\" TEXT /* open";
        assert_eq!(columns(sql), ["a", "b", "c"]);
        assert_eq!(columns("CREATE TABLE 'T' (key 'TEXT', hnum INTEGER NOT NULL, UNIQUE (key, hnum))"), ["key", "hnum"]);
    }

    #[test]
    fn a_page_that_is_its_own_last_child_ends() {
        let mut page = vec![0; 512];
        page[..16].copy_from_slice(b"SQLite format 3\0");
        page[16..18].copy_from_slice(&512_u16.to_be_bytes());
        page[28..32].copy_from_slice(&u32::MAX.to_be_bytes());
        page[100] = 5;
        page[108..112].copy_from_slice(&1_u32.to_be_bytes());
        let database = Database::open(&page[..], 1 << 16).unwrap();
        assert_eq!(database.rows(&Table { root: 1, columns: Vec::new() }, |_, _| {}), None);
        assert_eq!(database.table("t"), None);
    }

    #[test]
    fn columns_are_told_from_constraints() {
        let cases: &[(&str, &[&str])] = &[
            ("CREATE TABLE Lastlog2(Name TEXT PRIMARY KEY, Time INTEGER)", &["Name", "Time"]),
            ("CREATE TABLE x (\"a\" DECIMAL(10,5), [c], UNIQUE(c), CHECK (c > 0))", &["a", "c"]),
            ("CREATE TABLE x", &[]),
        ];
        for (sql, expected) in cases {
            assert_eq!(columns(sql), *expected, "{sql}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_input_panics(at in 0..SMALL_PAGES.len(), bytes: Vec<u8>, sql in "[(),a ]{0,32}") {
            let mut damaged = SMALL_PAGES[..8_192].to_vec();
            for (offset, byte) in bytes.iter().enumerate() {
                let length = damaged.len();
                damaged[(at + offset) % length] = *byte;
            }
            if let Some(database) = Database::open(&damaged[..], 1 << 16) {
                let _ = database.rows(&Table { root: 1, columns: Vec::new() }, |_, _| {});
                let _ = database.rows(&Table { root: 2, columns: Vec::new() }, |_, _| {});
            }
            let _ = Database::open(&bytes[..], 100);
            columns(&sql);
        }
    }
}
