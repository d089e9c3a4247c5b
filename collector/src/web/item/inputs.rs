//! What people fill in about an item: the attributes of its class, each as a form's field of its kind.

use std::collections::BTreeSet;

use rollcall_core::{
    Catalogue, Estate,
    catalogue::{AttributeDefinition, AttributeKind, expectation},
    reconcile::commands::Reference,
};
use serde_json::Value;

use crate::{import, table, web::fields::Fields};

/// What stands first, with a hint.
const FIRST: [(&str, &str); 4] = [
    ("owner", "The person or team that answers for it."),
    ("location", "Room, rack or site."),
    ("criticality", "How bad it is if it fails."),
    ("description", ""),
];

const CRITICALITIES: [&str; 4] = ["low", "medium", "high", "critical"];

/// Classes whose attributes agents and the collector fill in.
const FILLED_IN: [&str; 3] = ["machine", "service_instance", "unmanaged_host"];

/// Attributes that have a form of their own, or are worked out.
const ELSEWHERE: [&str; 4] = ["disposed_on", "disposal_reason", "assembled_from", "pruned"];

/// Values of other items that are offered.
const MOST_OFFERED: usize = 200;

/// A field of a form.
pub(in crate::web) struct Input {
    pub(in crate::web) name: String,
    pub(in crate::web) attribute: String,
    pub(in crate::web) label: String,
    pub(in crate::web) hint: String,
    pub(in crate::web) value: String,
    pub(in crate::web) pinned: bool,
    pub(in crate::web) required: bool,
    pub(in crate::web) long: bool,
    pub(in crate::web) is_date: bool,
    /// What it must be one of; empty if there is no such list.
    pub(in crate::web) options: Vec<String>,
    /// What is offered.
    pub(in crate::web) choices: Vec<String>,
}

/// What the field of an attribute is called: forms have other fields too.
pub(in crate::web) fn field_name(attribute: &str) -> String {
    format!("a-{attribute}")
}

/// The attributes of a class that people fill in.
pub(in crate::web) fn editable<'c>(catalogue: &'c Catalogue, class: &str) -> Vec<&'c AttributeDefinition> {
    let is_first = |name: &str| FIRST.iter().any(|(first, _)| *first == name);
    let first = FIRST.iter().filter_map(|(name, _)| catalogue.attribute(class, name));
    let others = catalogue.attributes(class).filter(|(of, attribute)| {
        let by_people = !attribute.built_in || !FILLED_IN.contains(&of.name.as_str());
        by_people && !ELSEWHERE.contains(&attribute.name.as_str()) && !is_first(&attribute.name)
    });
    // Required ones and people's own before the many that come with Rollcall.
    let mut others: Vec<&AttributeDefinition> = others.map(|(_, attribute)| attribute).collect();
    others.sort_by_key(|attribute| (!attribute.required, attribute.built_in));
    first.chain(others).collect()
}

impl Input {
    /// The field of an attribute with the value that stands.
    pub(in crate::web) fn new(estate: &Estate, attribute: &AttributeDefinition, stands: Option<&Value>, pinned: bool) -> Self {
        let name = attribute.name.as_str();
        let value = stands.map(|value| text(estate, attribute, value)).unwrap_or_default();
        let used = || -> Vec<String> {
            let values: BTreeSet<&str> = estate.active_cis().filter_map(|ci| ci.text(name)).take(5_000).collect();
            values.into_iter().take(MOST_OFFERED).map(str::to_owned).collect()
        };
        let of_class = |class: &str| -> Vec<String> {
            let items = estate.active_cis().filter(|ci| estate.is_a(ci, class)).take(MOST_OFFERED);
            items.map(|ci| format!("{} ({})", ci.name, ci.id)).collect()
        };
        let hint = match (FIRST.iter().find(|(first, _)| *first == name), attribute.kind) {
            (Some((_, hint)), _) => (*hint).to_owned(),
            (None, AttributeKind::Choice | AttributeKind::Boolean | AttributeKind::Date) => String::new(),
            (None, AttributeKind::Text) if attribute.pattern.is_none() => String::new(),
            (None, AttributeKind::TextList) => "Several with ; between them.".to_owned(),
            (None, AttributeKind::Reference) => "Its name or id.".to_owned(),
            (None, _) => expectation(attribute),
        };
        let mut options = match attribute.kind {
            AttributeKind::Choice => attribute.allowed.clone(),
            AttributeKind::Boolean => vec!["true".to_owned(), "false".to_owned()],
            _ => Vec::new(),
        };
        if !options.is_empty() && !value.is_empty() && !options.contains(&value) {
            options.push(value.clone());
        }
        Self {
            label: attribute.label.clone(),
            hint,
            pinned,
            required: attribute.required,
            long: name == "description",
            // What stands may be no day; then it must be seen to be corrected.
            is_date: attribute.kind == AttributeKind::Date && (value.is_empty() || value.len() == 10),
            options,
            choices: match (name, attribute.kind) {
                ("criticality", _) => CRITICALITIES.map(str::to_owned).to_vec(),
                ("owner" | "location", _) => used(),
                (_, AttributeKind::Reference) => of_class(attribute.references.as_deref().unwrap_or("item")),
                _ => Vec::new(),
            },
            name: field_name(name),
            attribute: name.to_owned(),
            value,
        }
    }

    /// The field with what a form says in it, where it says something.
    pub(in crate::web) fn said(mut self, form: &Fields) -> Self {
        if form.has(&self.name) {
            self.value = form.raw(&self.name).to_owned();
            // What is no day must be seen to be corrected.
            self.is_date &= self.value.is_empty() || self.value.len() == 10;
            self.pinned = form.all("pin").any(|pinned| pinned == self.attribute);
        }
        self
    }
}

/// A value as a form shows it.
fn text(estate: &Estate, attribute: &AttributeDefinition, value: &Value) -> String {
    let referred = || estate.ci(value.as_str()?.parse().ok()?);
    match attribute.kind {
        AttributeKind::Reference => referred().map_or_else(|| table::text(value).into_owned(), |ci| format!("{} ({})", ci.name, ci.id)),
        _ => table::text(value).into_owned(),
    }
}

/// What a form's field says, as a value of the attribute's kind; nothing for an empty one.
///
/// # Errors
/// What is needed instead.
pub(in crate::web) fn read(estate: &Estate, attribute: &AttributeDefinition, said: &str) -> Result<Option<Value>, String> {
    let said = said.trim();
    let needed =
        |needed: String| format!("{}: {needed} is needed, this is {:?}", attribute.label, said.chars().take(80).collect::<String>());
    if attribute.kind == AttributeKind::Reference
        && let Reference::Name(name) = Reference::parse(said)
        && !name.is_empty()
    {
        let (name, class) = (name.to_lowercase(), attribute.references.as_deref().unwrap_or("item"));
        let mut found = estate.active_cis().filter(|ci| ci.name.to_lowercase() == name && estate.is_a(ci, class));
        return match (found.next(), found.next()) {
            (Some(one), None) => Ok(Some(Value::from(one.id.to_string()))),
            (Some(_), Some(_)) => Err(needed("an id, because several have this name,".to_owned())),
            (None, _) => Err(needed(expectation(attribute))),
        };
    }
    import::value_of(attribute, &Value::from(said)).map_err(needed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_class_is_filled_in_by_what_people_know_of_it() {
        let catalogue = Catalogue::built_in();
        let names = |class: &str| editable(&catalogue, class).into_iter().map(|it| it.name.as_str()).collect::<Vec<_>>();
        let server = names("server");
        assert_eq!(server[..4], ["owner", "location", "criticality", "description"]);
        assert!(server.contains(&"asset_tag") && server.contains(&"warranty_until"));
        assert!(!server.contains(&"kernel") && !server.contains(&"disposed_on"));
        assert!(names("person").contains(&"manager") && names("business_service").contains(&"service_level"));
    }

    #[test]
    fn what_is_written_becomes_a_value_of_its_kind_or_says_what_is_needed() {
        let (estate, catalogue) = (Estate::default(), Catalogue::built_in());
        for (name, said, expected) in [
            ("cost", "12.5", Ok(Some(json!(12.5)))),
            ("seats", " 7 ", Ok(Some(json!(7)))),
            ("tags", "a; b", Ok(Some(json!(["a", "b"])))),
            ("encrypted", "true", Ok(Some(json!(true)))),
            ("owner", "", Ok(None)),
            ("seats", "many", Err("Seats: a whole number")),
            ("manager", "nobody", Err("Manager: the id of a configuration item of the class person")),
        ] {
            let read = read(&estate, catalogue.any_attribute(name).unwrap(), said);
            match (&read, &expected) {
                (Err(message), Err(words)) => assert!(message.starts_with(words), "{message}"),
                (read, expected) => assert_eq!(read.as_ref().ok(), expected.as_ref().ok(), "{name} {said:?}"),
            }
        }
    }
}
