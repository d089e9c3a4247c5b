//! Members of very many groups, which lie together: a hundred thousand groups are not as many pieces of memory.

use std::{ops::Deref, sync::Arc};

use super::NodeNumber;

/// A piece of a list that others have pieces of too. It is read as the list that it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Members {
    within: Arc<Vec<NodeNumber>>,
    start: u32,
    end: u32,
}

impl Members {
    /// A list in pieces, each from the end of the one before.
    pub(super) fn cut(within: Vec<NodeNumber>, ends: Vec<u32>) -> impl Iterator<Item = Self> {
        let within = Arc::new(within);
        let mut start = 0;
        ends.into_iter().map(move |end| Self { within: Arc::clone(&within), start: std::mem::replace(&mut start, end), end })
    }
}

impl From<Vec<NodeNumber>> for Members {
    fn from(members: Vec<NodeNumber>) -> Self {
        Self { start: 0, end: members.len() as u32, within: Arc::new(members) }
    }
}

impl Deref for Members {
    type Target = [NodeNumber];

    fn deref(&self) -> &[NodeNumber] {
        self.within.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl PartialEq for Members {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_in_one_list_stay_apart() {
        let numbers = |numbers: &[usize]| numbers.iter().copied().map(NodeNumber::at).collect::<Vec<_>>();
        let cut: Vec<Members> = Members::cut(numbers(&[3, 5, 8]), vec![1, 1, 3]).collect();
        assert_eq!(cut, [numbers(&[3]), Vec::new(), numbers(&[5, 8])].map(Members::from));
        assert_eq!((&*Members::default(), &*cut[0]), (&[][..], &numbers(&[3])[..]));
    }
}
