//! What one of a class is recognised by, where the catalogue says so ([`ClassDefinition::identity`]): sets of attributes, of which one whole
//! set that is equal is enough.
//!
//! Nothing is kept of it. Values are compared as they stand, so that a definition counts as soon as it is made. Machines and certificates that
//! come with Rollcall go by the rules of documents instead, see `reconcile::identify`.

use std::collections::HashMap;

use rollcall_shared::CiId;
use serde_json::Value;

use super::short;
use crate::{Catalogue, Estate, catalogue::ClassDefinition, model::Ci, observe::is_placeholder};

/// One way to recognise an item: the class that names the attributes, and their values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Mark {
    class: String,
    values: Vec<(String, String)>,
}

impl Mark {
    /// In words: `by its machine_number "em-0001"`.
    pub(super) fn how(&self) -> String {
        let values: Vec<String> = self.values.iter().map(|(name, value)| format!("{name} {:?}", short(value))).collect();
        format!("by its {}", values.join(" and "))
    }
}

/// The class whose sets count for this one: itself, or the nearest above it that has any.
fn deciding<'c>(catalogue: &'c Catalogue, class: &str) -> Option<&'c ClassDefinition> {
    let deciding = catalogue.lineage(class).find(|class| !class.identity.is_empty())?;
    let by_document = ["machine", "certificate"].iter().any(|it| catalogue.is_a(class, it));
    (!deciding.built_in || !by_document).then_some(deciding)
}

/// The attributes that tell items of a class apart.
pub(super) fn telling<'c>(catalogue: &'c Catalogue, class: &str) -> impl Iterator<Item = &'c str> {
    deciding(catalogue, class).into_iter().flat_map(|class| class.identity.iter().flatten()).map(String::as_str)
}

/// Every way in which something of a class with these values is recognised.
pub(super) fn marks<'v>(catalogue: &Catalogue, class: &str, value: impl Fn(&str) -> Option<&'v Value>) -> Vec<Mark> {
    deciding(catalogue, class).map(|class| of_class(class, value)).unwrap_or_default()
}

fn of_class<'v>(class: &ClassDefinition, value: impl Fn(&str) -> Option<&'v Value>) -> Vec<Mark> {
    let word = |name: &String| Some((name.clone(), folded(value(name)?)?));
    let whole = |set: &Vec<String>| set.iter().map(word).collect::<Option<Vec<_>>>().filter(|values| !values.is_empty());
    class.identity.iter().filter_map(whole).map(|values| Mark { class: class.name.clone(), values }).collect()
}

/// Case and spaces around it tell nothing, nor do placeholders.
fn folded(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_lowercase()).filter(|text| !text.is_empty() && !is_placeholder(text)),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

/// Live items by what they are recognised by.
pub(super) fn all_marks(estate: &Estate) -> HashMap<Mark, Vec<CiId>> {
    let mut all: HashMap<Mark, Vec<CiId>> = HashMap::new();
    for (ci, class) in with_marks(estate) {
        for mark in of_class(class, |name| ci.value(name)) {
            all.entry(mark).or_default().push(ci.id);
        }
    }
    all
}

/// The live item other than `except` that one of these marks means, and which.
pub(super) fn recognised<'e, 'm>(estate: &'e Estate, marks: &'m [Mark], except: Option<CiId>) -> Option<(&'e Ci, &'m Mark)> {
    if marks.is_empty() {
        return None;
    }
    let others = with_marks(estate).filter(|(ci, class)| Some(ci.id) != except && marks.iter().any(|mark| mark.class == class.name));
    let mut found = others.filter_map(|(ci, class)| {
        let known = of_class(class, |name| ci.value(name));
        marks.iter().find(|mark| known.contains(mark)).map(|mark| (ci, mark))
    });
    found.next()
}

fn with_marks(estate: &Estate) -> impl Iterator<Item = (&Ci, &ClassDefinition)> {
    let mut deciders: HashMap<&str, Option<&ClassDefinition>> = HashMap::new();
    estate.active_cis().filter_map(move |ci| {
        let class = *deciders.entry(&ci.class).or_insert_with(|| deciding(estate.catalogue(), &ci.class));
        class.map(|class| (ci, class))
    })
}
