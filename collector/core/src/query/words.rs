//! The words of the language that the catalogue gives: fields and what kind of value they have.

use crate::catalogue::{AttributeKind, Catalogue};

use super::filter::Field;

/// Short names, and the attributes they stand for.
const SHORT_NAMES: &[(&str, &[&str])] = &[
    ("os", &["operating_system", "operating_system_version"]),
    ("address", &["ip_addresses"]),
    ("mac", &["mac_addresses"]),
    ("tag", &["tags"]),
];

/// Words that are conditions of their own.
pub(super) const CONDITIONS: &[&str] =
    &["class", "lifecycle", "agent", "seen", "quiet", "sighted", "unsighted", "software", "id", "source", "pinned"];

/// What kind of value a field has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, or a list of texts.
    Text,
    /// A number in this unit.
    Number(String),
    /// An instant or a day.
    Time,
    /// True or false.
    Boolean,
}

/// The field of that name, short or not.
pub fn field(catalogue: &Catalogue, name: &str) -> Option<Field> {
    match name {
        "name" => return Some(Field::Name),
        "first_seen" => return Some(Field::FirstSeen),
        "last_seen" => return Some(Field::LastSeen),
        "changed" => return Some(Field::Changed),
        _ => {}
    }
    if let Some((name, attributes)) = SHORT_NAMES.iter().find(|(short, _)| *short == name) {
        return Some(Field::Attributes((*name).to_owned(), attributes.iter().map(|name| (*name).to_owned()).collect()));
    }
    catalogue.any_attribute(name).map(|_| Field::Attributes(name.to_owned(), vec![name.to_owned()]))
}

/// What kind of value a field has.
pub(super) fn kind(catalogue: &Catalogue, field: &Field) -> Kind {
    match field {
        Field::Name => Kind::Text,
        Field::FirstSeen | Field::LastSeen | Field::Changed => Kind::Time,
        Field::Attributes(_, names) => match names.first().and_then(|name| catalogue.any_attribute(name)) {
            None => Kind::Text,
            Some(attribute) => match attribute.kind {
                AttributeKind::Integer | AttributeKind::Number => Kind::Number(attribute.unit.clone()),
                AttributeKind::Instant | AttributeKind::Date => Kind::Time,
                AttributeKind::Boolean => Kind::Boolean,
                AttributeKind::Text | AttributeKind::Url | AttributeKind::Choice | AttributeKind::Reference | AttributeKind::TextList => {
                    Kind::Text
                }
            },
        },
    }
}

/// Every name of a field.
pub(super) fn field_names(catalogue: &Catalogue) -> impl Iterator<Item = &str> {
    let fixed = ["name", "first_seen", "last_seen", "changed"].into_iter().chain(SHORT_NAMES.iter().map(|(short, _)| *short));
    fixed.chain(catalogue.attribute_names())
}

/// Every class's name.
pub(super) fn class_names(catalogue: &Catalogue) -> impl Iterator<Item = &str> {
    catalogue.classes().map(|class| class.name.as_str())
}

/// `; did you mean "server"?` where a known name shares a beginning with, or is in, what was written.
pub(super) fn suggestion<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> String {
    let written = written.to_lowercase();
    let start: String = written.chars().take(4).collect();
    let mut known = known;
    match known.find(|name| start.chars().count() >= 2 && (name.starts_with(&start) || written.contains(*name))) {
        Some(name) => format!("; did you mean {name:?}?"),
        None => String::new(),
    }
}
