//! From a filter to the set of items for which it holds, and how near each is to what was searched for.

use roaring::RoaringBitmap;
use rollcall_shared::Timestamp;

use super::{
    super::{
        filter::{Condition, Field, Filter, Term},
        matching::{is_sighted, is_source, software_test},
        operand::{Comparison, Operand},
        text::{contains, nearness, nearness_of_text},
    },
    NAME, PINNED, SOURCE, SearchIndex,
};
use crate::{
    Estate,
    model::{Ci, SoftwareEntry},
};

impl SearchIndex {
    /// The numbers of the items for which a filter holds. `estate` is the one that the index is of, `now` what ages are counted from.
    pub fn find(&self, estate: &Estate, filter: &Filter, now: Timestamp) -> RoaringBitmap {
        let within = if filter.names_lifecycle() { &self.known } else { &self.listed };
        Search { index: self, estate, now }.all(&filter.terms, within)
    }

    /// How far each item, by number, is from being exactly what a filter's texts are; smaller is nearer. Only those that the filter finds
    /// mean anything.
    pub fn nearness(&self, filter: &Filter) -> Vec<u32> {
        let mut sums = vec![0_u32; self.items.len()];
        for text in filter.texts() {
            let wanted = text.to_lowercase();
            let mut nearest = vec![nearness::SOFTWARE; self.items.len()];
            for value in self.values.searched_with(&wanted) {
                let name = self.values.name_of(value);
                let near = nearness_of_text(Some(name).filter(|name| *name != NAME), self.values.text(value), &wanted);
                self.values.each_item(value, |item| nearest[item as usize] = nearest[item as usize].min(near));
            }
            for (sum, near) in sums.iter_mut().zip(nearest) {
                *sum += u32::from(near);
            }
        }
        sums
    }
}

struct Search<'a> {
    index: &'a SearchIndex,
    estate: &'a Estate,
    now: Timestamp,
}

impl Search<'_> {
    /// Those of `within` for which all terms hold.
    fn all(&self, terms: &[Term], within: &RoaringBitmap) -> RoaringBitmap {
        let mut found = within.clone();
        for term in terms {
            if found.is_empty() {
                break;
            }
            let holds = self.condition(&term.condition);
            if term.negated {
                found -= holds;
            } else {
                found &= holds;
            }
        }
        found
    }

    /// Those that the estate has and for which a test holds: one look at each.
    fn scan(&self, test: impl Fn(&Ci) -> bool) -> RoaringBitmap {
        let found = self.index.number.iter().filter(|(id, _)| self.estate.ci(**id).is_some_and(&test));
        found.map(|(_, number)| *number).collect()
    }

    /// Those for which a condition holds; there may be items that the estate does not have among them.
    fn condition(&self, condition: &Condition) -> RoaringBitmap {
        let index = self.index;
        match condition {
            Condition::Text(text) => {
                let wanted = text.to_lowercase();
                let mut found = index.values.items_with(index.values.searched_with(&wanted));
                found |= self.software(|entry| contains(&entry.name, &wanted));
                found
            }
            Condition::Class(wanted) => {
                let is_a = |class: &str| self.estate.catalogue().is_a(class, wanted);
                let mut found = RoaringBitmap::new();
                index.of_class.iter().filter(|(class, _)| is_a(class)).for_each(|(_, items)| found |= items);
                found
            }
            Condition::Lifecycle(None) => index.known.clone(),
            Condition::Lifecycle(Some(state)) => index.in_state.get(state).cloned().unwrap_or_default(),
            Condition::Stage(wanted) => self.scan(|ci| ci.stage == *wanted),
            Condition::SightedWithin(millis) => self.scan(|ci| is_sighted(ci, self.now, *millis)),
            Condition::NotSightedFor(millis) => self.scan(|ci| !is_sighted(ci, self.now, *millis)),
            Condition::HasAgent(true) => index.with_agent.clone(),
            Condition::HasAgent(false) => &index.known - &index.with_agent,
            Condition::Agent(agent) => index.of_agent.get(agent).cloned().unwrap_or_default(),
            Condition::SeenWithin(millis) => self.of_agents(|seen| seen.is_some_and(|seen| self.now.millis_since(seen) <= *millis)),
            Condition::QuietFor(millis) => self.of_agents(|seen| seen.is_none_or(|seen| self.now.millis_since(seen) > *millis)),
            Condition::Software { name, exact, version } => {
                let wanted = software_test(name, *exact, version.as_ref());
                self.software(|entry| wanted(&entry.name, &entry.version))
            }
            Condition::Id(id) => index.number.get(id).copied().into_iter().collect(),
            Condition::Contains(field, text) => self.with_text(field, &text.to_lowercase()),
            Condition::Is(field, text) if text.is_empty() => &index.known - self.with_value(field),
            Condition::Is(field, text) => self.is(field, &text.to_lowercase()),
            Condition::Has(field) => self.with_value(field),
            Condition::Compare(field, comparison, operand) => self.compare(field, *comparison, operand),
            Condition::Source(wanted) => self.of_texts(&[SOURCE], |source| is_source(source, wanted)),
            Condition::SourceOf(attribute, wanted) => self.of_texts(&[&format!("{attribute}{SOURCE}")], |source| is_source(source, wanted)),
            Condition::Pinned(wanted) => {
                let pinned = self.of_texts(&[PINNED], |_| true);
                if *wanted { pinned } else { &index.known - pinned }
            }
            Condition::PinnedOf(attribute, wanted) => {
                self.of_texts(&[&format!("{attribute}{PINNED}")], |pinned| (pinned == "yes") == *wanted)
            }
            Condition::Related(relation, filter) => {
                let targets = index.find(self.estate, filter, self.now);
                index.links.follow(&relation.hop, &targets, &index.active, |number| index.survivor(number))
            }
            Condition::Any(alternatives) => {
                let mut found = RoaringBitmap::new();
                alternatives.iter().for_each(|terms| found |= self.all(terms, &index.known));
                found
            }
        }
    }

    fn of_agents(&self, wanted: impl Fn(Option<Timestamp>) -> bool) -> RoaringBitmap {
        let heard = self.index.of_agent.iter().filter(|(agent, _)| wanted(self.estate.agent_last_seen(**agent)));
        let mut found: Vec<u32> = heard.flat_map(|(_, items)| items).collect();
        found.sort_unstable();
        found.into_iter().collect()
    }

    fn software(&self, wanted: impl Fn(&SoftwareEntry) -> bool) -> RoaringBitmap {
        let machines = self.estate.software().each_machine_with(wanted);
        let mut found: Vec<u32> = machines.filter_map(|machine| self.index.number.get(&machine).copied()).collect();
        found.sort_unstable();
        found.into_iter().collect()
    }

    /// The dictionary's numbers of a field's names; none for what is no text.
    fn names(&self, field: &Field) -> Vec<u32> {
        let known = |name: &str| self.index.values.known_name(name);
        match field {
            Field::Name => known(NAME).into_iter().collect(),
            Field::FirstSeen | Field::LastSeen | Field::Changed => Vec::new(),
            Field::Attributes(_, names) => names.iter().filter_map(|name| known(name)).collect(),
        }
    }

    fn with_text(&self, field: &Field, wanted: &str) -> RoaringBitmap {
        let values = &self.index.values;
        values.items_with(values.of_names_with(&self.names(field), wanted))
    }

    fn is(&self, field: &Field, wanted: &str) -> RoaringBitmap {
        let values = &self.index.values;
        values.items_with(self.names(field).iter().flat_map(|name| values.with_text(*name, wanted)))
    }

    fn with_value(&self, field: &Field) -> RoaringBitmap {
        let values = &self.index.values;
        match field {
            Field::FirstSeen | Field::Changed => self.index.known.clone(),
            Field::LastSeen => self.of_agents(|seen| seen.is_some()),
            _ => {
                let names = self.names(field);
                let all = names.iter().flat_map(|name| values.of_name(*name)).copied();
                values.items_with(all.filter(|value| !values.text(*value).is_empty()))
            }
        }
    }

    fn of_texts(&self, names: &[&str], wanted: impl Fn(&str) -> bool) -> RoaringBitmap {
        let values = &self.index.values;
        let names = names.iter().filter_map(|name| values.known_name(name));
        values.items_with(names.flat_map(|name| values.of_name(name)).copied().filter(|value| wanted(values.text(*value))))
    }

    fn compare(&self, field: &Field, comparison: Comparison, operand: &Operand) -> RoaringBitmap {
        let by_time = |of: fn(&super::Item) -> i64| -> RoaringBitmap {
            let Operand::Time(moment) = operand else { return RoaringBitmap::new() };
            let at = |number: u32| Timestamp::from_millis(of(&self.index.items[number as usize]));
            self.index.known.iter().filter(|number| moment.compares(at(*number), comparison, self.now)).collect()
        };
        match (field, operand) {
            (Field::FirstSeen, _) => by_time(|item| item.first_seen_ms),
            (Field::Changed, _) => by_time(|item| item.changed_ms),
            (Field::LastSeen, Operand::Time(moment)) => {
                self.of_agents(|seen| seen.is_some_and(|seen| moment.compares(seen, comparison, self.now)))
            }
            (Field::LastSeen, _) => RoaringBitmap::new(),
            (Field::Name | Field::Attributes(..), _) => {
                let values = &self.index.values;
                let all = self.names(field).into_iter().flat_map(|name| values.of_name(name)).copied();
                let holds = |value: &u32| operand.compares_with(values.text(*value), values.number_of(*value), comparison, self.now);
                values.items_with(all.filter(holds).collect::<Vec<_>>())
            }
        }
    }
}
