//! JSON and YAML: a list of objects, one a row, read one after the other.
//!
//! Members of an object `attributes`, as answers of the API have it, are columns `attributes.NAME`.

use std::{cell::RefCell, fmt, fs::File, io::BufReader, marker::PhantomData};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{
    Checked, Format, MAX_FILE_BYTES, MAX_ROW_BYTES, TableError,
    source::{RowMeter, Source},
};

pub(super) fn read(file: File, format: Format, checked: &mut Checked<'_, '_>) -> Result<(), TableError> {
    let (source, meter) = Source::open(file)?;
    let state = RefCell::new(State { checked, meter, number: 1, failed: None });
    let result = match format {
        Format::Yaml => serde_saphyr::with_deserializer_from_reader_with_options(source, options(), |document| {
            Rows(&state, PhantomData).deserialize(document)
        })
        .map_err(|error| error.without_snippet().to_string()),
        _ => {
            let mut document = serde_json::Deserializer::from_reader(BufReader::with_capacity(64 << 10, source));
            Rows(&state, PhantomData).deserialize(&mut document).and_then(|()| document.end()).map_err(|error| error.to_string())
        }
    };
    let State { failed, number, meter, .. } = state.into_inner();
    match (failed, result) {
        (Some(failed), _) => Err(failed),
        (None, Err(message)) => {
            let error = TableError::new(format!("this is not {} that holds a list of objects: {message}", format.as_str().to_uppercase()));
            Err(if meter.is_over() { error.at(number + 1).limit(MAX_ROW_BYTES) } else { error })
        }
        (None, Ok(())) => Ok(()),
    }
}

/// A table is longer than the settings files that the defaults are made for; it needs none of the rest of the language.
fn options() -> serde_saphyr::Options {
    let most = usize::try_from(MAX_FILE_BYTES).unwrap_or(usize::MAX);
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(most),
            max_total_scalar_bytes: most,
            max_events: most,
            max_nodes: most,
            max_aliases: 0,
            max_anchors: 0,
            max_merge_keys: 0,
            max_depth: 8,
            max_documents: 1,
        },
        with_snippet: false,
    }
}

struct State<'a, 'b, 'c> {
    checked: &'a mut Checked<'b, 'c>,
    meter: RowMeter,
    /// Rows begin at 2, as in a spreadsheet with its headings.
    number: u64,
    failed: Option<TableError>,
}

impl State<'_, '_, '_> {
    fn take(&mut self, object: Map<String, Value>) -> Result<(), TableError> {
        self.number += 1;
        self.meter.next_row();
        let mut cells = Vec::with_capacity(object.len());
        for (heading, value) in object {
            match value {
                Value::Object(inner) if heading == "attributes" => {
                    for (name, value) in inner {
                        self.cell(&format!("attributes.{name}"), value, &mut cells)?;
                    }
                }
                value => self.cell(&heading, value, &mut cells)?,
            }
        }
        self.checked.row(self.number, cells)
    }

    fn cell(&mut self, heading: &str, value: Value, cells: &mut Vec<(u32, Value)>) -> Result<(), TableError> {
        let is_empty = match &value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(members) => {
                if members.iter().any(|member| member.is_object() || member.is_array()) {
                    let message = "a list of texts is needed here, not of objects or lists";
                    return Err(TableError::new(message).at(self.number).in_column(heading));
                }
                members.is_empty()
            }
            Value::Object(_) => return Err(TableError::new("a value is needed here, not an object").at(self.number).in_column(heading)),
            _ => false,
        };
        let column = self.checked.column(heading, self.number)?;
        if !is_empty {
            cells.push((column, value));
        }
        Ok(())
    }
}

/// A list of objects, or an object whose `items` is one.
struct Rows<'s, 'a, 'b, 'c>(&'s RefCell<State<'a, 'b, 'c>>, PhantomData<()>);

impl<'de> DeserializeSeed<'de> for Rows<'_, '_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_, '_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<(), A::Error> {
        while let Some(object) = rows.next_element::<Map<String, Value>>()? {
            let mut state = self.0.borrow_mut();
            if let Err(error) = state.take(object) {
                state.failed = Some(error);
                return Err(A::Error::custom("refused"));
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut found = false;
        while let Some(name) = members.next_key::<String>()? {
            if name == "items" {
                found = true;
                members.next_value_seed(Rows(self.0, PhantomData))?;
            } else {
                members.next_value::<serde::de::IgnoredAny>()?;
            }
        }
        if found { Ok(()) } else { Err(A::Error::custom("there is no list of objects in it")) }
    }
}
