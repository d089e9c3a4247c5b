use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use rollcall_shared::{CiId, catalogue::Hardness};

use super::{EdgeEvidence, EdgePart, Graph, GraphChange, GraphParts, GroupPart, NodePart, RowPart};
use crate::{
    Estate,
    estate::Touched,
    model::{Ci, Evidence, Lifecycle, NeedGroup, Relationship},
};

/// How many merges in a row are followed. More than this is a loop or nonsense.
const MERGES_FOLLOWED: usize = 16;

impl Graph {
    /// The graph of an estate: the CIs that take part ([`Ci::takes_part`]), live relationships between them, declared need groups.
    ///
    /// For a past instant, make the estate of what was valid then and give it here.
    pub fn from_estate(estate: &Estate) -> Self {
        let edges = estate.relationships().filter(|relationship| relationship.lifecycle == Lifecycle::Active);
        let edges = edges.map(|relationship| edge_part(estate, relationship, survivor(estate, relationship.from)));
        let groups = estate.need_groups().filter(|group| group.lifecycle == Lifecycle::Active);
        let groups = groups.map(|group| group_part(estate, group, survivor(estate, group.ci)));
        let mut graph = Self::from_parts(GraphParts {
            revision: estate.revision(),
            nodes: estate.active_cis().filter(|ci| ci.takes_part()).map(node_part).collect(),
            edges: edges.collect(),
            groups: groups.collect(),
        });
        graph.know_classes(estate);
        graph.merged = Arc::new(estate.cis().filter_map(|ci| Some((ci.id, ci.merged_into?))).collect());
        graph
    }

    /// The graph after writes: equal to [`Graph::from_estate`] in everything that can be asked of it, but for numbers. `estate` is the
    /// state after them, `touched` everything that was written since this graph was made (more does no harm), see
    /// [`Estate::touched_since`].
    #[must_use]
    pub fn after(&self, estate: &Estate, touched: impl IntoIterator<Item = Touched>) -> Self {
        self.clone().into_after(estate, touched)
    }

    /// [`Graph::after`] for a graph that nobody else has: it never takes twice the memory.
    #[must_use]
    pub fn into_after(self, estate: &Estate, touched: impl IntoIterator<Item = Touched>) -> Self {
        let Rewritten { cis, rows, merged } = self.rewritten(estate, touched);
        let mut change = GraphChange::default();
        for &id in &cis {
            match (estate.ci(id).filter(|ci| ci.takes_part()), self.node(id)) {
                (Some(ci), _) => change.put.push(node_part(ci)),
                (None, Some(_)) => change.removed.push(id),
                (None, None) => {}
            }
        }

        // What was merged into a CI has its needs in the CI's row.
        let mut sources: HashMap<CiId, Vec<CiId>> = HashMap::new();
        for &id in merged.keys() {
            sources.entry(survivor(estate, id)).or_default().push(id);
        }
        let rows: BTreeSet<CiId> = rows.into_iter().map(|id| survivor(estate, id)).collect();
        let existing = rows.into_iter().filter(|id| estate.ci(*id).is_some_and(Ci::takes_part));
        change.rows = existing.map(|id| row_part(estate, id, sources.get(&id).map_or(&[], Vec::as_slice))).collect();
        let mut graph = self.changed(&change);
        graph.merged = merged;
        graph.know_classes(estate);
        graph.revision = estate.revision();
        graph
    }

    /// The CIs that [`Graph::after`] looks at: an estate of these, with what they need, is as good to it as the whole one. Of `estate` only
    /// the CIs among `touched` and [`Graph::merged_cis`] are asked.
    pub fn asked_after(&self, estate: &Estate, touched: impl IntoIterator<Item = Touched>) -> BTreeSet<CiId> {
        let Rewritten { cis, rows, merged } = self.rewritten(estate, touched);
        cis.into_iter().chain(rows).chain(merged.iter().flat_map(|(id, into)| [*id, *into])).collect()
    }

    /// The CIs that were merged into others.
    pub fn merged_cis(&self) -> impl Iterator<Item = CiId> {
        self.merged.keys().copied()
    }

    /// What writes make anew, of which `estate` is the state after.
    fn rewritten(&self, estate: &Estate, touched: impl IntoIterator<Item = Touched>) -> Rewritten {
        let (mut cis, mut rows) = (BTreeSet::new(), BTreeSet::new());
        for touched in touched {
            match touched {
                Touched::Ci(ci) => cis.insert(ci),
                Touched::Needs(of) => rows.insert(of),
            };
        }
        let mut merged = Arc::clone(&self.merged);
        for &id in &cis {
            let into = estate.ci(id).and_then(|ci| ci.merged_into);
            if merged.get(&id).copied() != into {
                match into {
                    Some(into) => drop(Arc::make_mut(&mut merged).insert(id, into)),
                    None => drop(Arc::make_mut(&mut merged).remove(&id)),
                }
            }
        }
        for &id in &cis {
            let active = estate.ci(id).filter(|ci| ci.takes_part());
            let known = self.node(id);
            let rewired = self.merged.get(&id) != merged.get(&id) || known.is_some() != active.is_some();
            if rewired || known.map(|node| self.agent_of(node)) != active.map(|ci| ci.agent) {
                // Whoever refers to it, by its own name or by that of what it was merged into.
                for name in [id, followed(id, |id| self.merged.get(&id).copied()), survivor(estate, id)] {
                    rows.insert(name);
                    rows.extend(self.dependents(name).map(|edge| edge.from.id));
                    rows.extend(self.absent.get(&name).into_iter().flatten());
                }
            }
        }
        Rewritten { cis, rows, merged }
    }

    /// What people's own classes specialise, and how their relationship types read, the estate's catalogue knows.
    fn know_classes(&mut self, estate: &Estate) {
        self.catalogue = Some(Arc::clone(estate.catalogue()));
        let is_business_service = |name: &str| estate.catalogue().is_a(name, "business_service");
        if self.classes.iter().any(|class| class.is_business_service != is_business_service(&class.name)) {
            for class in Arc::make_mut(&mut self.classes) {
                class.is_business_service = is_business_service(&class.name);
            }
        }
    }
}

/// What of a graph is made anew after writes.
struct Rewritten {
    /// CIs that were written.
    cis: BTreeSet<CiId>,
    /// CIs whose needs are.
    rows: BTreeSet<CiId>,
    /// What is merged into what, after the writes.
    merged: Arc<HashMap<CiId, CiId>>,
}

fn node_part(ci: &Ci) -> NodePart<'_> {
    NodePart {
        id: ci.id,
        name: Cow::Borrowed(&ci.name),
        class: &ci.class,
        owner: ci.text("owner"),
        agent: ci.agent,
        stopped: ci.is_stopped(),
    }
}

fn row_part<'a>(estate: &'a Estate, ci: CiId, sources: &[CiId]) -> RowPart<'a> {
    let all = || std::iter::once(ci).chain(sources.iter().copied());
    let edges = all().flat_map(|id| estate.dependencies(id)).filter(|relationship| relationship.lifecycle == Lifecycle::Active);
    let groups = all().flat_map(|id| estate.need_groups_of(id)).filter(|group| group.lifecycle == Lifecycle::Active);
    RowPart {
        ci,
        edges: edges.map(|relationship| edge_part(estate, relationship, ci)).collect(),
        groups: groups.map(|group| group_part(estate, group, ci)).collect(),
        kept: Vec::new(),
    }
}

fn edge_part<'a>(estate: &Estate, relationship: &'a Relationship, from: CiId) -> EdgePart<'a> {
    EdgePart {
        relationship: relationship.id,
        kind: &relationship.kind,
        from,
        to: survivor(estate, relationship.to),
        hardness: hardness(estate, relationship),
        evidence: relationship.evidence.iter().map(evidence).collect(),
    }
}

fn group_part<'a>(estate: &Estate, group: &'a NeedGroup, ci: CiId) -> GroupPart<'a> {
    GroupPart {
        id: group.id,
        ci,
        name: &group.name,
        members: group.members.iter().map(|&member| survivor(estate, member)).collect(),
        min_up: group.min_up,
        hardness: group.hardness,
    }
}

/// The CI that this one was merged into, or itself.
pub(crate) fn survivor(estate: &Estate, id: CiId) -> CiId {
    followed(id, |id| estate.ci(id).and_then(|ci| ci.merged_into))
}

fn followed(mut id: CiId, into: impl Fn(CiId) -> Option<CiId>) -> CiId {
    for _ in 0..MERGES_FOLLOWED {
        match into(id) {
            Some(into) => id = into,
            None => break,
        }
    }
    id
}

/// A person's word, else the type's. A type that the catalogue does not have and that nobody judged shows up as degrading: not
/// silently lost, and not a false "down".
fn hardness(estate: &Estate, relationship: &Relationship) -> Hardness {
    estate.hardness(relationship).unwrap_or(Hardness::Soft)
}

fn evidence(evidence: &Evidence) -> EdgeEvidence {
    EdgeEvidence {
        method: evidence.method,
        agent: evidence.agent,
        last_seen: evidence.last_seen,
        samples_seen: evidence.samples_seen,
        samples_total: evidence.samples_total,
    }
}
