//! What if: the graph as it would be with other relationships or redundancy, beside the one that is. Assess both and
//! [`super::compare`] the answers; nothing is written.

use std::collections::BTreeMap;

use rollcall_shared::{CiId, NeedGroupId, RelationshipId, catalogue::Hardness};
use uuid::Uuid;

use crate::{
    graph::{EdgePart, Graph, GraphChange, GroupPart, RowPart},
    model::MinUp,
};

/// One thing that is pretended.
#[derive(Clone, Debug, PartialEq)]
pub enum Pretend {
    /// A CI depends on another.
    Needs {
        /// The dependent.
        ci: CiId,
        /// What it depends on.
        on: CiId,
        /// How badly.
        hardness: Hardness,
    },
    /// A CI does not depend on another: no relationship, and it is no member of the CI's need groups either.
    NeedsNot {
        /// The dependent.
        ci: CiId,
        /// What it does not depend on.
        on: CiId,
    },
    /// Of these providers so many must serve.
    Group {
        /// Whose need.
        ci: CiId,
        /// What people call it.
        name: String,
        /// The providers.
        members: Vec<CiId>,
        /// How many must serve.
        min_up: MinUp,
        /// How badly it is needed.
        hardness: Hardness,
    },
    /// A declared group does not exist: each member counts for itself where a relationship says so.
    WithoutGroup {
        /// Whose need.
        ci: CiId,
        /// The group.
        group: NeedGroupId,
    },
    /// A CI depends on one thing in the place of another, as a virtual machine that moves does: its relationships keep their kind.
    Moved {
        /// What moves.
        ci: CiId,
        /// Where it is.
        from: CiId,
        /// Where it would be.
        to: CiId,
    },
}

impl Pretend {
    fn ci(&self) -> CiId {
        match *self {
            Self::Needs { ci, .. }
            | Self::NeedsNot { ci, .. }
            | Self::Group { ci, .. }
            | Self::WithoutGroup { ci, .. }
            | Self::Moved { ci, .. } => ci,
        }
    }
}

/// The graph with all this pretended, one after the other. What names a CI that does not exist does nothing. A pretended relationship has the
/// nil id. Costs no more than what it changes.
pub fn pretend(graph: &Graph, pretended: &[Pretend]) -> Graph {
    let mut rows: BTreeMap<CiId, RowPart<'_>> = BTreeMap::new();
    for (at, one) in (1_u128..).zip(pretended) {
        let ci = one.ci();
        if graph.node(ci).is_some() {
            change(graph, rows.entry(ci).or_insert_with(|| row_of(graph, ci)), one, NeedGroupId(Uuid::from_u128(at)));
        }
    }
    graph.clone().changed(&GraphChange { rows: rows.into_values().collect(), ..GraphChange::default() })
}

fn change<'a>(graph: &'a Graph, row: &mut RowPart<'a>, pretended: &'a Pretend, group: NeedGroupId) {
    match pretended {
        Pretend::Needs { ci, on, hardness } => {
            row.edges.push(EdgePart {
                relationship: RelationshipId(Uuid::nil()),
                kind: "depends_on",
                from: *ci,
                to: *on,
                hardness: *hardness,
                evidence: Vec::new(),
            });
        }
        Pretend::NeedsNot { on, .. } => {
            row.edges.retain(|edge| edge.to != *on);
            edit_groups(graph, row, *on, None);
        }
        Pretend::Group { ci, name, members, min_up, hardness } => {
            row.groups.push(GroupPart { id: group, ci: *ci, name, members: members.into(), min_up: *min_up, hardness: *hardness });
        }
        Pretend::WithoutGroup { group, .. } => {
            row.kept.retain(|kept| kept != group);
            row.groups.retain(|part| part.id != *group);
        }
        Pretend::Moved { from, to, .. } => {
            row.edges.iter_mut().filter(|edge| edge.to == *from).for_each(|edge| edge.to = *to);
            edit_groups(graph, row, *from, Some(*to));
        }
    }
}

/// Puts another member in the place of one, or none. How many must serve stays, as far as there are so many.
fn edit_groups<'a>(graph: &'a Graph, row: &mut RowPart<'a>, member: CiId, by: Option<CiId>) {
    let known = graph.groups(row.ci).filter(|group| row.kept.contains(&group.id));
    let concerned = known.filter(|group| graph.members(group).any(|node| node.id == member));
    let (ci, mut opened) = (row.ci, Vec::new());
    for group in concerned {
        opened.push(group.id);
        row.groups.push(GroupPart {
            id: group.id,
            ci,
            name: &group.name,
            members: graph.members(group).map(|node| node.id).collect(),
            min_up: MinUp::Count(group.min_up),
            hardness: group.hardness,
        });
    }
    row.kept.retain(|kept| !opened.contains(kept));
    for group in &mut row.groups {
        let members = group.members.to_mut();
        match by {
            Some(by) => members.iter_mut().filter(|one| **one == member).for_each(|one| *one = by),
            None => members.retain(|one| *one != member),
        }
    }
}

/// What a CI needs, as it is.
fn row_of(graph: &Graph, ci: CiId) -> RowPart<'_> {
    let edges = graph.dependencies(ci).filter_map(|edge| {
        Some(EdgePart {
            relationship: edge.relationship?,
            kind: edge.kind,
            from: ci,
            to: edge.to.id,
            hardness: edge.hardness,
            evidence: edge.evidence.iter().collect(),
        })
    });
    RowPart { ci, edges: edges.collect(), groups: Vec::new(), kept: graph.groups(ci).map(|group| group.id).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::impact::testing::{ci, graph, outage};

    #[track_caller]
    fn check(estate: &str, pretended: &[Pretend], failing: &str, before: &str, after: &str) {
        let graph = graph(estate);
        let pretended = pretend(&graph, pretended);
        let states = |graph: &Graph| {
            let mut states: Vec<String> =
                outage(graph, failing).affected.iter().map(|one| format!("{}:{}", one.ci.name, one.state.as_str())).collect();
            states.sort();
            states.join(" ")
        };
        assert_eq!((states(&graph), states(&pretended)), (before.to_owned(), after.to_owned()));
    }

    #[test]
    fn what_is_pretended_counts_and_what_is_stays() {
        let needs = |from: &str, to: &str, hardness| Pretend::Needs { ci: ci(from), on: ci(to), hardness };
        check("web -> app\napp -> db\nx", &[needs("x", "app", Hardness::Soft)], "db", "app:down web:down", "app:down web:down x:degraded");
        check("web -> app\napp -> db", &[Pretend::NeedsNot { ci: ci("app"), on: ci("db") }], "db", "app:down web:down", "");
        let group = Pretend::Group {
            ci: ci("app"),
            name: "pair".into(),
            members: vec![ci("a"), ci("b")],
            min_up: MinUp::Count(1),
            hardness: Hardness::Hard,
        };
        check("app -> a\napp -> b", std::slice::from_ref(&group), "a", "app:down", "app:at_risk");
        let moved = Pretend::Moved { ci: ci("vm"), from: ci("h1"), to: ci("h2") };
        check("vm -> h1\nother -> h2", std::slice::from_ref(&moved), "h2", "other:down", "other:down vm:down");
        check("vm needs 1 of h1 h3\nother -> h2", &[moved], "h2 h3", "other:down vm:at_risk", "other:down vm:down");
        check("app needs 1 of a b", &[Pretend::NeedsNot { ci: ci("app"), on: ci("b") }], "a", "app:at_risk", "app:down");
        check("a -> b", &[needs("nobody", "b", Hardness::Hard), needs("a", "nobody", Hardness::Hard)], "b", "a:down", "a:down");
    }

    #[test]
    fn a_group_can_be_pretended_away() {
        let graph = graph("app -> a\napp -> b\napp needs 1 of a b");
        let group = graph.groups(ci("app")).next().unwrap().id;
        let without = pretend(&graph, &[Pretend::WithoutGroup { ci: ci("app"), group }]);
        assert_eq!(outage(&without, "a").counts.down, 1);
        assert_eq!(outage(&graph, "a").counts.down, 0);
    }
}
