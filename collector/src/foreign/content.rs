//! What such an inventory says, whichever language it came in: sections of items of texts, by names in lower case.

use std::collections::BTreeMap;

use rollcall_shared::wire::Problem;

/// Sections that are read; the rest (processes, environments) is not even kept while reading: secrets are in there.
const READ: &[&str] = &[
    "hardware",
    "bios",
    "operatingsystem",
    "cpus",
    "memories",
    "storages",
    "drives",
    "networks",
    "softwares",
    "versionclient",
    "versionprovider",
];
/// Items of all sections that are read.
const MAX_ITEMS: usize = 50_000;
/// Bytes of one text.
const MAX_TEXT: usize = 16 << 10;
/// Different fields of one item.
const MAX_FIELDS: usize = 100;

/// An item: its fields' texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Item(BTreeMap<String, String>);

/// All that is read of an inventory.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Content {
    sections: BTreeMap<&'static str, Vec<Item>>,
    items: usize,
}

impl Content {
    /// The section's name, if it is one that is read.
    pub(super) fn section(name: &str) -> Option<&'static str> {
        READ.iter().find(|known| known.eq_ignore_ascii_case(name)).copied()
    }

    /// Adds an item.
    pub(super) fn push(&mut self, section: &'static str, item: Item) -> Result<(), Problem> {
        self.items += 1;
        if self.items > MAX_ITEMS {
            return Err(beyond(section, format!("more than {MAX_ITEMS} items in all"), MAX_ITEMS));
        }
        self.sections.entry(section).or_default().push(item);
        Ok(())
    }

    /// The section's items; none if it was not sent.
    pub(super) fn items(&self, section: &str) -> &[Item] {
        self.sections.get(section).map(Vec::as_slice).unwrap_or_default()
    }

    /// The only or first item of a section.
    pub(super) fn first(&self, section: &str) -> Option<&Item> {
        self.items(section).first()
    }

    /// Whether the section was sent.
    pub(super) fn has(&self, section: &str) -> bool {
        self.sections.contains_key(section)
    }
}

impl Item {
    /// Sets a field; of several of one name the first stands.
    pub(super) fn set(&mut self, section: &str, name: &str, text: &str) -> Result<(), Problem> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(());
        }
        if text.len() > MAX_TEXT {
            return Err(beyond(section, format!("{} has {} bytes, the limit is {MAX_TEXT}", shown(name), text.len()), MAX_TEXT));
        }
        if self.0.len() >= MAX_FIELDS {
            return Err(beyond(section, format!("an item has more than {MAX_FIELDS} fields"), MAX_FIELDS));
        }
        // No store takes NUL, and no list shows control characters.
        let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.0.entry(name.to_lowercase()).or_insert(clean);
        Ok(())
    }

    /// A field's text, never empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The first of these fields that there is.
    pub(super) fn any(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.text(name))
    }

    /// A field's text of one's own.
    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// A whole number; `None` too where it is none.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }
}

fn beyond(section: &str, what: String, limit: usize) -> Problem {
    let detail = format!("{section}: {what}");
    Problem::new(413, "limit-exceeded", "The inventory is beyond a limit", detail).at(section).limited_to(limit as u64)
}

fn shown(name: &str) -> String {
    name.chars().take(40).collect()
}
