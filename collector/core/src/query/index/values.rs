//! Every distinct value of every attribute, once: which items have it, and which values a text occurs in.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use roaring::{MultiOps as _, RoaringBitmap};

use super::links::Dense;

/// Up to so many values are looked through one by one rather than by their trigrams.
const LOOKED_THROUGH: usize = 10_000;

/// The dictionary. Values are only added; those that no item has any more stay until the index is made anew.
#[derive(Debug, Default)]
pub(super) struct Values {
    names: Vec<Name>,
    name_number: HashMap<String, u32>,
    /// All texts, in lower case, one behind the other.
    texts: String,
    values: Vec<Value>,
    /// By hash of name, text and number; values of the same hash are chained.
    by_hash: HashMap<u64, u32>,
    /// By three bytes: the searched values that have them.
    trigrams: HashMap<u32, RoaringBitmap>,
    /// Searched values of fewer than three bytes.
    short: Vec<u32>,
    unused: usize,
}

#[derive(Debug)]
struct Name {
    name: String,
    searched: bool,
    values: Vec<u32>,
}

#[derive(Debug)]
struct Value {
    name: u32,
    start: usize,
    length: u32,
    /// What it is as a number or a time, see `operand::numeric`.
    number: Option<f64>,
    items: Items,
    next: Option<u32>,
}

/// The items that have a value: of most values, one.
#[derive(Debug, Default)]
enum Items {
    #[default]
    None,
    One(u32),
    Many(Box<RoaringBitmap>),
}

impl Values {
    /// The number of an attribute's name, made known if it is not. `searched`: whether a search for text looks at it.
    pub(super) fn name(&mut self, name: &str, searched: bool) -> u32 {
        if let Some(number) = self.name_number.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        self.names.push(Name { name: name.to_owned(), searched, values: Vec::new() });
        self.name_number.insert(name.to_owned(), number);
        number
    }

    /// The number of a known name.
    pub(super) fn known_name(&self, name: &str) -> Option<u32> {
        self.name_number.get(name).copied()
    }

    /// The number of a value, made known if it is not. `text` is in lower case.
    pub(super) fn value(&mut self, name: u32, text: &str, number: Option<f64>) -> u32 {
        let hash = hash(name, text, number);
        let first = self.by_hash.get(&hash).copied();
        let mut at = first;
        while let Some(known) = at {
            let value = &self.values[known as usize];
            if value.name == name && value.number.map(f64::to_bits) == number.map(f64::to_bits) && self.text(known) == text {
                return known;
            }
            at = value.next;
        }
        let new = self.values.len() as u32;
        let start = self.texts.len();
        self.texts.push_str(text);
        // What is longer than 4 GiB is no value that anybody sent.
        let length = u32::try_from(text.len()).unwrap_or(0);
        self.values.push(Value { name, start, length, number, items: Items::None, next: first });
        self.by_hash.insert(hash, new);
        self.unused += 1;
        let of_name = &mut self.names[name as usize];
        of_name.values.push(new);
        if of_name.searched {
            if text.len() < 3 {
                self.short.push(new);
            }
            for trigram in text.as_bytes().windows(3) {
                self.trigrams.entry(trigram_of(trigram)).or_default().insert(new);
            }
        }
        new
    }

    /// The values of a name that are exactly this text, in lower case.
    pub(super) fn with_text(&self, name: u32, wanted: &str) -> Vec<u32> {
        // What a number was written as is one of a few that have this text: they are looked for among the values of the name if there
        // are few, and by a trigram otherwise.
        self.of_names_with(&[name], wanted).into_iter().filter(|value| self.text(*value) == wanted).collect()
    }

    /// The value's text, in lower case.
    pub(super) fn text(&self, value: u32) -> &str {
        let value = &self.values[value as usize];
        &self.texts[value.start..value.start + value.length as usize]
    }

    /// The name that a value is of.
    pub(super) fn name_of(&self, value: u32) -> &str {
        &self.names[self.values[value as usize].name as usize].name
    }

    /// The value as a number or time.
    pub(super) fn number_of(&self, value: u32) -> Option<f64> {
        self.values[value as usize].number
    }

    /// The values of a name.
    pub(super) fn of_name(&self, name: u32) -> &[u32] {
        &self.names[name as usize].values
    }

    /// An item has this value now.
    pub(super) fn add(&mut self, value: u32, item: u32) {
        let items = &mut self.values[value as usize].items;
        match items {
            Items::None => {
                *items = Items::One(item);
                self.unused -= 1;
            }
            Items::One(only) if *only == item => {}
            Items::One(only) => *items = Items::Many(Box::new([*only, item].into_iter().collect())),
            Items::Many(many) => drop(many.insert(item)),
        }
    }

    /// An item has this value no more.
    pub(super) fn remove(&mut self, value: u32, item: u32) {
        let items = &mut self.values[value as usize].items;
        let is_last = match items {
            Items::None => false,
            Items::One(only) => *only == item,
            Items::Many(many) => many.remove(item) && many.is_empty(),
        };
        if is_last {
            *items = Items::None;
            self.unused += 1;
        }
    }

    /// Every item that has one of these values.
    pub(super) fn items_with(&self, values: impl IntoIterator<Item = u32>) -> RoaringBitmap {
        let mut ones = Dense::default();
        let mut found = RoaringBitmap::new();
        for value in values {
            match &self.values[value as usize].items {
                Items::None => {}
                Items::One(item) => ones.put(*item),
                Items::Many(many) => found |= many.as_ref(),
            }
        }
        found | ones.to_set()
    }

    /// Calls `each` with every item that has the value.
    pub(super) fn each_item(&self, value: u32, mut each: impl FnMut(u32)) {
        match &self.values[value as usize].items {
            Items::None => {}
            Items::One(item) => each(*item),
            Items::Many(many) => many.iter().for_each(each),
        }
    }

    /// The values of these names in which a text, in lower case, occurs.
    pub(super) fn of_names_with(&self, names: &[u32], wanted: &str) -> Vec<u32> {
        let of_names = || names.iter().flat_map(|name| self.of_name(*name)).copied();
        let many = names.iter().map(|name| self.of_name(*name).len()).sum::<usize>() > LOOKED_THROUGH;
        if many && wanted.len() >= 3 && names.iter().all(|name| self.names[*name as usize].searched) {
            self.searched_with(wanted).into_iter().filter(|value| names.contains(&self.values[*value as usize].name)).collect()
        } else {
            of_names().filter(|value| self.text(*value).contains(wanted)).collect()
        }
    }

    /// The searched values in which a text, in lower case, occurs.
    pub(super) fn searched_with(&self, wanted: &str) -> Vec<u32> {
        if wanted.len() < 3 {
            return self.searched_with_few(wanted);
        }
        let mut lists = Vec::new();
        for trigram in wanted.as_bytes().windows(3) {
            match self.trigrams.get(&trigram_of(trigram)) {
                Some(values) => lists.push(values),
                None => return Vec::new(),
            }
        }
        lists.sort_by_key(|values| values.len());
        lists.dedup_by(|a, b| std::ptr::eq(*a, *b));
        let Some((rarest, others)) = lists.split_first() else { return Vec::new() };
        let mut found = (*rarest).clone();
        for other in others {
            // So few are looked at sooner than sets are joined.
            if found.len() < 256 {
                break;
            }
            found &= *other;
        }
        found.into_iter().filter(|value| wanted.len() == 3 || self.text(*value).contains(wanted)).collect()
    }

    /// The same for a text of one or two bytes: whatever has it has a trigram with it, or is as short.
    fn searched_with_few(&self, wanted: &str) -> Vec<u32> {
        let wanted_bytes = wanted.as_bytes();
        let has = |trigram: u32| {
            let [_, bytes @ ..] = trigram.to_be_bytes();
            bytes.windows(wanted_bytes.len().max(1)).any(|window| window == wanted_bytes)
        };
        let mut found = self.trigrams.iter().filter(|(trigram, _)| wanted.is_empty() || has(**trigram)).map(|(_, values)| values).union();
        found.extend(self.short.iter().filter(|value| self.text(**value).contains(wanted)));
        found.into_iter().collect()
    }

    /// Whether so much is not used any more that the dictionary should be made anew.
    pub(super) fn is_worn(&self) -> bool {
        self.unused > 100_000 && self.unused > self.values.len() / 2
    }
}

fn hash(name: u32, text: &str, number: Option<f64>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (name, text, number.map(f64::to_bits)).hash(&mut hasher);
    hasher.finish()
}

fn trigram_of(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |trigram, byte| trigram << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_every_part_of_them() {
        let mut values = Values::default();
        let (name, other) = (values.name("name", true), values.name("history", false));
        let texts = ["web01.example", "web02", "db", "é", "x", "", "日本語"];
        let numbers: Vec<u32> = texts.iter().map(|text| values.value(name, text, None)).collect();
        values.value(other, "web99", None);
        for wanted in ["web", "web0", "eb01", "w", "e", "db", "b", "é", "x", "日本", "example", "zzz", "b0", ".", ""] {
            let expected: Vec<u32> = (0..texts.len()).filter(|at| texts[*at].contains(wanted)).map(|at| numbers[at]).collect();
            assert_eq!(values.searched_with(wanted), expected, "{wanted}");
            assert_eq!(values.of_names_with(&[name], wanted), expected, "{wanted}");
        }
        assert_eq!(values.of_names_with(&[other], "b9").len(), 1);
    }

    #[test]
    fn items_come_and_go() {
        let mut values = Values::default();
        let name = values.name("owner", true);
        let (ada, four) = (values.value(name, "ada", None), values.value(name, "4", Some(4.0)));
        assert_ne!(four, values.value(name, "4", None));
        for item in [7, 3, 7, 9] {
            values.add(ada, item);
        }
        assert_eq!(values.items_with([ada, four]).into_iter().collect::<Vec<_>>(), [3, 7, 9]);
        for item in [7, 3, 3, 9] {
            values.remove(ada, item);
        }
        assert!(values.items_with([ada]).is_empty());
        assert_eq!(values.unused, 3);
    }
}
