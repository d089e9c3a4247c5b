//! Where two graphs, one made from the other, are not the same: found by the pages that they do not share, whatever was written.

use std::sync::Arc;

use super::{Graph, NodeNumber};

/// What is not the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Differences {
    /// Providers, of the older graph or of the newer, that are needed in another way than they were. Ascending.
    pub(crate) providers: Vec<NodeNumber>,
    /// Numbers that stand for something else, something of another class, or nothing. Ascending.
    pub(crate) nodes: Vec<NodeNumber>,
}

impl Graph {
    /// What is not the same as in an older graph, as far as outages are concerned; `None` if this one was built anew since.
    pub(crate) fn differences(&self, before: &Self) -> Option<Differences> {
        if !Arc::ptr_eq(&self.numbering, &before.numbering) {
            return None;
        }
        let mut found = Differences::default();
        for number in before.needed_by.unshared(&self.needed_by, before.node_bound().max(self.node_bound())) {
            let row = |graph: &Self| if number.index() < graph.node_bound() { graph.needed_by.row(number).to_vec() } else { Vec::new() };
            if row(before) != row(self) {
                found.providers.push(number);
            }
        }
        for group in before.groups.unshared(&self.groups) {
            let (old, new) = (before.groups.get(group), self.groups.get(group));
            if old.zip(new).is_none_or(|(old, new)| (old.rule(), &old.members) != (new.rule(), &new.members)) {
                found.providers.extend([old, new].into_iter().flatten().flat_map(|group| group.members.iter().copied()));
            }
        }
        for node in before.nodes.unshared(&self.nodes) {
            let (old, new) = (before.nodes.get(node), self.nodes.get(node));
            if old.map(|node| (node.id, node.class)) != new.map(|node| (node.id, node.class)) {
                found.nodes.push(NodeNumber::at(node));
            }
        }
        for numbers in [&mut found.providers, &mut found.nodes] {
            numbers.sort_unstable();
            numbers.dedup();
        }
        Some(found)
    }
}
