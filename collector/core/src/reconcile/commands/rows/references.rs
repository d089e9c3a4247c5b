//! What a row's values refer to: items by name, which tables write, for ids, which the estate keeps.

use std::borrow::Cow;

use rollcall_shared::CiId;

use super::{super::short, FieldChange, Planner, Reference, RowOutcome, RowState, Stop, error};
use crate::{
    catalogue::{AttributeKind, ClassDefinition},
    model::Ci,
};

/// References to items that other rows of the table make: attribute and name.
#[derive(Default)]
pub(super) struct Waiting(Vec<(String, String)>);

impl Waiting {
    pub(super) fn has(&self, attribute: &str) -> bool {
        self.0.iter().any(|(name, _)| name == attribute)
    }

    /// Says so in what comes of the row.
    pub(super) fn note(self, outcome: &mut RowOutcome) {
        for (attribute, name) in self.0 {
            outcome.waits = true;
            if outcome.state == RowState::Unchanged {
                outcome.state = RowState::Update;
            }
            let note = Some("made by this table".to_owned());
            outcome.fields.push(FieldChange { field: format!("attributes.{attribute}"), old: None, new: name.into(), note });
        }
    }
}

impl Planner<'_, '_, '_> {
    /// Puts ids in the place of names; what other rows have yet to make is taken out.
    pub(super) fn look_up(&mut self, class: Option<&ClassDefinition>) -> Result<Waiting, Stop> {
        let mut waiting = Waiting::default();
        let catalogue = self.plan.estate.catalogue();
        for (name, value) in &self.row.attributes {
            let of_class = class.and_then(|class| catalogue.attribute(&class.name, name));
            let Some(attribute) = of_class.or_else(|| catalogue.any_attribute(name)) else { continue };
            let (AttributeKind::Reference, Some(text)) = (attribute.kind, value.as_str()) else { continue };
            let found = match Reference::parse(text) {
                // Of what class it is, is looked at with the other values.
                Reference::Id(id) => Some(self.plan.standing(id)),
                Reference::Name(called) => self.called(name, attribute.references.as_deref().unwrap_or("item"), &called)?,
            };
            match found {
                Some(id) => drop(Cow::to_mut(&mut self.values).insert(name.clone(), id.to_string().into())),
                None => {
                    self.values.to_mut().remove(name);
                    waiting.0.push((name.clone(), text.to_owned()));
                }
            }
        }
        Ok(waiting)
    }

    /// The only item of the class that is called so; nothing if the table itself makes it.
    fn called(&self, attribute: &str, class: &str, name: &str) -> Result<Option<CiId>, Stop> {
        let catalogue = self.plan.estate.catalogue();
        let fits = |ci: &&Ci| catalogue.is_a(&ci.class, class);
        let found: Vec<CiId> = self.index.named(self.plan, name).filter(fits).map(|ci| ci.id).collect();
        let wrong = |message: String| Err(error(&format!("attributes.{attribute}"), message));
        match found[..] {
            [one] => Ok(Some(one)),
            [] if self.seen.has_name(name) => Ok(None),
            [] => wrong(format!("there is no {class} {:?}, here or in this table; correct the name", short(name))),
            _ => wrong(format!("{} of the class {class} are called {:?}; write NAME (ID)", found.len(), short(name))),
        }
    }
}
