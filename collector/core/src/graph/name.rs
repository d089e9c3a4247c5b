//! Names of very many things, which lie together in shared texts: a million of them are not a million pieces of memory.

use std::{cmp::Ordering, fmt, ops::Deref, sync::Arc};

/// A piece of a text that others have pieces of too. It is read as the text that it is.
#[derive(Clone)]
pub struct Name {
    within: Arc<String>,
    start: u32,
    end: u32,
}

impl Name {
    /// These names, in their order, in one text; each with what is to follow it there.
    pub(super) fn together<'n>(names: impl Iterator<Item = (&'n str, &'n str)>) -> impl Iterator<Item = Self> {
        let mut within = String::new();
        let ends = names
            .map(|texts| {
                [texts.0, texts.1].map(|text| {
                    within.push_str(text);
                    within.len() as u32
                })
            })
            .collect();
        within.shrink_to_fit();
        Self::cut(within, ends)
    }

    /// A text in pieces. Of each piece, the end of the name and of what follows it, which is where the next one starts.
    pub(super) fn cut(text: String, ends: Vec<[u32; 2]>) -> impl Iterator<Item = Self> {
        let within = Arc::new(text);
        let mut start = 0;
        ends.into_iter().map(move |[end, next]| Self { within: Arc::clone(&within), start: std::mem::replace(&mut start, next), end })
    }

    /// So many bytes of what follows the name in the text.
    pub(super) fn following(&self, length: u32) -> &str {
        let start = self.end as usize;
        self.within.get(start..start + length as usize).unwrap_or_default()
    }
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        Self { within: Arc::new(name.to_owned()), start: 0, end: name.len() as u32 }
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        self.within.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_one_text_stay_apart() {
        let given = ["db1", "", "Zürich", "db1"];
        let together: Vec<Name> = Name::together(given.into_iter().zip(["", "Ada", "", "Grace Hopper"])).collect();
        assert!(together.iter().map(|name| &**name).eq(given));
        assert!(together.iter().all(|name| Arc::ptr_eq(&name.within, &together[0].within)));
        assert_eq!([together[1].following(3), together[3].following(12), together[3].following(13)], ["Ada", "Grace Hopper", ""]);
        assert_eq!((&together[0], together[0].cmp(&together[2])), (&Name::from("db1"), "db1".cmp("Zürich")));
    }
}
