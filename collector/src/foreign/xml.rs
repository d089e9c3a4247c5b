//! XML of FusionInventory Agent and OCS Inventory Agent, read as a stream: no document type, no entities but the five and numbers.

use quick_xml::{Reader, escape::resolve_predefined_entity, events::Event};
use rollcall_shared::wire::Problem;

use super::{
    content::{Content, Item},
    message::{Inventory, Message},
};

/// Elements within elements.
const MAX_DEPTH: usize = 16;
/// Elements in all.
const MAX_ELEMENTS: usize = 2_000_000;
/// Bytes of the text of one element that is read.
const MAX_TEXT: usize = 64 << 10;

pub(super) fn read(text: &[u8]) -> Result<Message, Problem> {
    let text = String::from_utf8_lossy(text);
    let mut reader = Reader::from_str(&text);
    let mut request = Request::default();
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => request.open(start.local_name().as_ref())?,
            Ok(Event::Empty(start)) => {
                request.open(start.local_name().as_ref())?;
                request.close()?;
            }
            Ok(Event::End(_)) => request.close()?,
            Ok(Event::Text(text)) => request.say(&text)?,
            Ok(Event::CData(text)) => request.say(&text)?,
            Ok(Event::GeneralRef(reference)) => {
                let character = reference.resolve_char_ref().ok().flatten().map(String::from);
                match character.or_else(|| resolve_predefined_entity(&reference).map(str::to_owned)) {
                    Some(text) => request.say(&text)?,
                    None => return Err(wrong(&reader, "an entity that XML does not define; document types are not read")),
                }
            }
            Ok(Event::DocType(_)) => return Err(wrong(&reader, "a document type: none is read")),
            Ok(Event::Eof) => break,
            Ok(Event::Decl(_) | Event::PI(_) | Event::Comment(_)) => {}
            Err(error) => return Err(wrong(&reader, &format!("not well-formed: {error}"))),
        }
    }
    if !request.path.is_empty() {
        return Err(wrong(&reader, "the document ends before its last element does"));
    }
    request.message()
}

fn wrong(reader: &Reader<&[u8]>, what: &str) -> Problem {
    let detail = format!("XML, byte {}: {what}", reader.buffer_position());
    Problem::new(400, "not-well-formed", "The XML cannot be read", detail).next("send it again, whole")
}

/// `REQUEST/{QUERY, DEVICEID, CONTENT/SECTION/FIELD}` as far as it was read.
#[derive(Default)]
struct Request {
    path: Vec<String>,
    elements: usize,
    text: String,
    query: String,
    inventory: Inventory,
    item: Item,
}

impl Request {
    fn open(&mut self, name: &str) -> Result<(), Problem> {
        self.elements += 1;
        if self.path.len() >= MAX_DEPTH || self.elements > MAX_ELEMENTS {
            let detail = format!("XML: more than {MAX_DEPTH} elements within each other, or {MAX_ELEMENTS} in all");
            return Err(Problem::new(413, "limit-exceeded", "The inventory is beyond a limit", detail));
        }
        self.path.push(name.chars().take(64).collect());
        self.text.clear();
        Ok(())
    }

    fn say(&mut self, text: &str) -> Result<(), Problem> {
        if self.text.len() + text.len() > MAX_TEXT {
            let detail = format!("{}: a text of more than {MAX_TEXT} bytes", self.path.join("/"));
            return if self.section().is_some() {
                Err(Problem::new(413, "limit-exceeded", "The inventory is beyond a limit", detail).limited_to(MAX_TEXT as u64))
            } else {
                // Of a section that is not read.
                Ok(())
            };
        }
        self.text.push_str(text);
        Ok(())
    }

    fn section(&self) -> Option<&'static str> {
        match &self.path[..] {
            [_, content, section, ..] if content.eq_ignore_ascii_case("CONTENT") => Content::section(section),
            _ => None,
        }
    }

    fn close(&mut self) -> Result<(), Problem> {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match (&path[..], self.section()) {
            ([_, field], _) if field.eq_ignore_ascii_case("QUERY") => self.text.trim().clone_into(&mut self.query),
            ([_, field], _) if field.eq_ignore_ascii_case("DEVICEID") => self.text.trim().clone_into(&mut self.inventory.device),
            // Simple texts straight below CONTENT.
            ([_, _, section], Some(name)) => {
                let (mut item, text) = (std::mem::take(&mut self.item), std::mem::take(&mut self.text));
                item.set(name, section, &text)?;
                self.inventory.content.push(name, item)?;
            }
            ([_, _, _, field], Some(name)) => self.item.set(name, field, &self.text)?,
            // What is nested deeper goes by both names.
            ([_, _, _, outer, field], Some(name)) => self.item.set(name, &format!("{outer}_{field}"), &self.text)?,
            _ => {}
        }
        self.text.clear();
        self.path.pop();
        Ok(())
    }

    fn message(mut self) -> Result<Message, Problem> {
        match self.query.to_ascii_uppercase().as_str() {
            "PROLOG" => Ok(Message::Prolog),
            "INVENTORY" if self.inventory.device.is_empty() => {
                Err(Problem::new(422, "no-device", "The inventory names no device", "REQUEST/DEVICEID is missing or empty")
                    .at("REQUEST/DEVICEID"))
            }
            "INVENTORY" => {
                let provider = self.inventory.content.first("versionprovider");
                let named = provider.and_then(|provider| Some(format!("{} {}", provider.text("name")?, provider.text("version")?)));
                let client = self.inventory.content.first("versionclient").and_then(|client| client.owned("versionclient"));
                self.inventory.program = client.or(named);
                Ok(Message::Inventory(self.inventory))
            }
            // Network discovery, deployment and the like.
            _ => Ok(Message::Other),
        }
    }
}
