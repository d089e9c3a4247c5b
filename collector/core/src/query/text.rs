//! Searching in texts, and how near a find is to what was meant.

use serde_json::Value;

use crate::model::Ci;

/// Attributes that a search for text leaves out: ids and time stamps that nobody remembers. They can be asked for by name.
const NOT_SEARCHED: &[&str] =
    &["address_history", "network_segments", "internal_networks", "assembled_from", "pruned", "port_forwards", "ways_in"];

/// Attributes that name an item as its name does.
const NAMING: &[&str] = &["hostname", "fqdn", "serial", "asset_tag", "ip_addresses", "mac_addresses", "email", "imei"];

/// How near a text is to what was searched for; the smallest of an item's counts.
pub(super) mod nearness {
    /// Name, serial number or address is exactly that.
    pub(crate) const EXACT: u8 = 0;
    /// The name begins so.
    pub(crate) const NAME_PREFIX: u8 = 1;
    /// Serial number, address or host name begins so.
    pub(crate) const NAMING_PREFIX: u8 = 2;
    /// A word of the name begins so.
    pub(crate) const NAME_WORD: u8 = 3;
    /// The name has it in it.
    pub(crate) const NAME: u8 = 4;
    /// A word of some text begins so.
    pub(crate) const WORD: u8 = 5;
    /// Some text has it in it.
    pub(crate) const TEXT: u8 = 6;
    /// Nothing but software is called so.
    pub(crate) const SOFTWARE: u8 = 7;
}

/// Whether a search for text looks at this attribute.
pub(super) fn is_searched(attribute: &str) -> bool {
    !NOT_SEARCHED.contains(&attribute)
}

/// How near a text, in lower case and with `wanted` in it, is to that; `None` for the name, else the attribute that it is of.
pub(super) fn nearness_of_text(attribute: Option<&str>, text: &str, wanted: &str) -> u8 {
    let naming = attribute.is_none_or(|attribute| NAMING.contains(&attribute));
    let (prefix, word, other) = match attribute {
        None => (nearness::NAME_PREFIX, nearness::NAME_WORD, nearness::NAME),
        Some(_) if naming => (nearness::NAMING_PREFIX, nearness::WORD, nearness::TEXT),
        Some(_) => (nearness::WORD, nearness::WORD, nearness::TEXT),
    };
    if naming && text.len() == wanted.len() {
        nearness::EXACT
    } else if text.starts_with(wanted) {
        prefix
    } else if text.match_indices(wanted).any(|(at, _)| text[..at].ends_with(|before: char| !before.is_alphanumeric())) {
        word
    } else {
        other
    }
}

/// How near a CI's texts are to `wanted`, in lower case.
pub(super) fn nearness_of_ci(ci: &Ci, wanted: &str) -> u8 {
    let mut nearest = nearness::SOFTWARE;
    let mut look = |attribute: Option<&str>, text: &str| {
        let text = text.to_lowercase();
        if text.contains(wanted) {
            nearest = nearest.min(nearness_of_text(attribute, &text, wanted));
        }
    };
    look(None, &ci.name);
    for (name, attribute) in ci.attributes.iter().filter(|(name, _)| is_searched(name)) {
        each_text(attribute.value(), |text| look(Some(name), text));
    }
    nearest
}

/// Every text of a value: of a list, each member; numbers and truth values as they are written.
pub(super) fn each_text(value: &Value, mut look: impl FnMut(&str)) {
    match value {
        Value::String(text) => look(text),
        Value::Array(members) => members.iter().for_each(|member| match member {
            Value::String(text) => look(text),
            other => look(&other.to_string()),
        }),
        other => look(&other.to_string()),
    }
}

/// Whether `wanted`, in lower case, occurs in `text`, ignoring case; without allocating for plain ASCII, which names are.
pub(super) fn contains(text: &str, wanted: &str) -> bool {
    if wanted.is_empty() {
        return true;
    }
    if text.is_ascii() {
        return text.as_bytes().windows(wanted.len()).any(|window| window.eq_ignore_ascii_case(wanted.as_bytes()));
    }
    text.to_lowercase().contains(wanted)
}
