//! What values in files refer to: items by the key of a declared one, or by id.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Coder, Declared, DeclaredItem, Named};
use crate::{catalogue::AttributeKind, model::Ci};

impl<'d> Coder<'_, 'd> {
    /// Plans all items, those that others refer to first.
    pub(super) fn items(&mut self, declared: &'d Declared) {
        let mut waiting: Vec<&DeclaredItem> = declared.items.iter().collect();
        loop {
            let before = waiting.len();
            waiting.retain(|item| {
                let waits = self.unmade(item).next().is_some();
                if !waits {
                    self.item(item);
                }
                waits
            });
            if waiting.len() == before {
                break;
            }
        }
        for item in waiting {
            let paths: Vec<String> = self.unmade(item).map(|name| format!("attributes.{name}")).collect();
            for path in paths {
                let message = "the item that it refers to is not there, or refers back to this one: make one of the two first, without it";
                self.problem(item.place, path, message);
            }
        }
    }

    /// The attributes that refer to declared items which are yet to be made.
    fn unmade<'i>(&'i self, item: &'i DeclaredItem) -> impl Iterator<Item = &'i str> {
        let is_unmade = |named: Option<Named>| matches!(named, Some(Named::Key(key)) if self.keys.get(key.as_str()) == Some(&None));
        item.attributes.iter().filter(move |(name, value)| is_unmade(self.reference(item, name, value))).map(|(name, _)| name.as_str())
    }

    /// The item's values with ids in the place of keys. A problem where nothing is meant.
    pub(super) fn values(&mut self, item: &'d DeclaredItem) -> BTreeMap<String, Value> {
        let mut values = BTreeMap::new();
        for (name, value) in &item.attributes {
            let value = match self.reference(item, name, value) {
                None => Some(value.clone()),
                // Whether it fits is looked at where it is new.
                Some(Named::Id(id)) => Some(self.plan.standing(id).to_string().into()),
                Some(named) => self.lookup(&named, item.place, &format!("attributes.{name}")).map(|id| id.to_string().into()),
            };
            values.extend(value.map(|value| (name.clone(), value)));
        }
        values
    }

    /// What a value refers to, if its attribute is a reference.
    fn reference(&self, item: &DeclaredItem, name: &str, value: &Value) -> Option<Named> {
        let catalogue = self.plan.catalogue();
        let known = || self.keys.get(item.key.as_str()).copied().flatten().and_then(|id| self.plan.ci(id));
        let class = item.class.as_deref().or_else(|| known().map(|ci: &Ci| ci.class.as_str()))?;
        let attribute = catalogue.attribute(class, name).filter(|attribute| attribute.kind == AttributeKind::Reference)?;
        let text = value.as_str().filter(|_| attribute.references.is_some())?.trim();
        let id = text.strip_prefix("id:").unwrap_or(text).trim().parse();
        Some(id.map_or_else(|_| Named::Key(text.to_owned()), Named::Id))
    }
}
