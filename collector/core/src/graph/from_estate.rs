use std::borrow::Cow;

use rollcall_shared::{
    CiId,
    catalogue::{self, Hardness},
};

use super::{EdgeEvidence, EdgePart, Graph, GraphParts, GroupPart, NodePart};
use crate::{
    Estate,
    model::{Evidence, Lifecycle, Relationship},
};

/// How many merges in a row are followed. More than this is a loop or nonsense.
const MERGES_FOLLOWED: usize = 16;

impl Graph {
    /// The graph of an estate: active CIs, live relationships between them, declared need groups.
    ///
    /// For a past instant, make the estate of what was valid then and give it here.
    pub fn from_estate(estate: &Estate) -> Self {
        let nodes = estate.active_cis().map(|ci| NodePart {
            id: ci.id,
            name: Cow::Borrowed(&ci.name),
            class: &ci.class,
            owner: ci.text("owner"),
            agent: ci.agent,
        });
        let edges =
            estate.relationships().filter(|relationship| relationship.lifecycle == Lifecycle::Active).map(|relationship| EdgePart {
                relationship: relationship.id,
                kind: &relationship.kind,
                from: survivor(estate, relationship.from),
                to: survivor(estate, relationship.to),
                hardness: hardness(relationship),
                evidence: relationship.evidence.iter().map(evidence).collect(),
            });
        let groups = estate.need_groups().filter(|group| group.lifecycle == Lifecycle::Active).map(|group| GroupPart {
            id: group.id,
            ci: survivor(estate, group.ci),
            name: &group.name,
            members: group.members.iter().map(|&member| survivor(estate, member)).collect(),
            min_up: group.min_up,
            hardness: group.hardness,
        });
        Self::from_parts(GraphParts {
            revision: estate.revision(),
            nodes: nodes.collect(),
            edges: edges.collect(),
            groups: groups.collect(),
        })
    }
}

/// The CI that this one was merged into, or itself.
fn survivor(estate: &Estate, mut id: CiId) -> CiId {
    for _ in 0..MERGES_FOLLOWED {
        match estate.ci(id).and_then(|ci| ci.merged_into) {
            Some(into) => id = into,
            None => break,
        }
    }
    id
}

/// A person's word, else the type's. A type that the catalogue does not have and that nobody judged shows up as degrading: not
/// silently lost, and not a false "down".
fn hardness(relationship: &Relationship) -> Hardness {
    relationship.hardness.or_else(|| catalogue::relationship_type(&relationship.kind).map(|kind| kind.hardness)).unwrap_or(Hardness::Soft)
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
