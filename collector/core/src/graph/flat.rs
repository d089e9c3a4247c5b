//! What outages travel along, of the whole estate, in one piece: for work that goes over it many times.

use super::{Graph, NEAR, NeededBy, NodeNumber, PackedNeededBy};

/// [`Graph::needed_by`] without pages between.
#[derive(Clone, Debug)]
pub(crate) struct NeededByAll {
    starts: Vec<u32>,
    entries: Vec<PackedNeededBy>,
}

impl NeededByAll {
    /// A copy of what a graph has.
    pub(crate) fn of(graph: &Graph) -> Self {
        let count = graph.needed_by.pages().map(|page| page.items().len()).sum();
        let mut all = Self { starts: Vec::with_capacity(graph.node_bound() + 1), entries: Vec::with_capacity(count) };
        all.starts.push(0);
        for page in graph.needed_by.pages() {
            let before = all.entries.len() as u32;
            all.starts.extend(page.starts()[1..].iter().map(|start| before + start));
            all.entries.extend_from_slice(page.items());
        }
        all
    }

    /// Where the row of a CI lies.
    #[inline]
    pub(crate) fn row(&self, provider: NodeNumber) -> (u32, u32) {
        (self.starts[provider.index()], self.starts[provider.index() + 1])
    }

    /// The first of a row, to have it near when it is its turn.
    #[inline]
    pub(crate) fn peek(&self, (start, _): (u32, u32)) -> u32 {
        self.entries.get(start as usize).map_or(0, |entry| entry.dependent.0)
    }

    /// What is in a row: who needs the CI.
    #[inline]
    pub(crate) fn entries(&self, (start, end): (u32, u32)) -> impl ExactSizeIterator<Item = NeededBy> {
        let entries = &self.entries[start as usize..end as usize];
        entries.iter().map(|entry| NeededBy { dependent: entry.dependent, need: entry.need.unpack() })
    }
    /// Of the first few in a row, what will be looked at: the dependent, and the number of the group or, where there is none, any.
    #[inline]
    pub(crate) fn ahead(&self, (start, end): (u32, u32)) -> impl Iterator<Item = (NodeNumber, u32)> {
        self.entries[start as usize..end as usize].iter().take(NEAR).map(|entry| entry.ahead())
    }
}
