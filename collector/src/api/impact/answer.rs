//! An answer as it is sent and kept: what is affected, why, what absorbs it, whom to tell.

use std::collections::HashMap;

use rollcall_core::{
    Estate,
    graph::{EdgeEvidence, EdgeView, Graph, Node},
    impact::{self, Assessment, Basis, Certainty, NeedReport, State, Who, view::Limits},
};
use rollcall_shared::{CiId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::picture::{PictureView, picture_view};
use crate::api::types::{CiReference, Hardness, Instant};

/// What an outage comes to.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct Answer {
    /// The answer in one sentence.
    pub(crate) verdict: String,
    /// The instant that it is about.
    pub(crate) at: Instant,
    /// The revision of the estate that it was worked out on; absent for a past instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revision: Option<u64>,
    /// `known`, `partly` or `unknown`: whether it rests on fresh evidence.
    pub(crate) certainty: String,
    /// What the sets of the question were taken to mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) sets: Vec<SetView>,
    /// What fails.
    pub(crate) failures: Vec<FailureView>,
    /// How many items would newly be in each state, those that fail themselves not counted.
    pub(crate) counts: CountsView,
    /// How much rests on weak evidence.
    pub(crate) evidence: EvidenceShareView,
    /// Every affected item: worst first, business services first within a state.
    pub(crate) affected: Vec<AffectedView>,
    /// What is down or degraded already, whatever fails, and has a part in this: not counted as affected. No redundancy counts on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) already: Vec<AlreadyView>,
    /// What is touched and serves all the same, and why.
    pub(crate) absorbed: Vec<AbsorbedView>,
    /// How many items beyond those would be affected without redundancy.
    pub(crate) spared: usize,
    /// Whom to tell, those with the worst first.
    pub(crate) people: Vec<ContactView>,
    /// The picture, if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) picture: Option<PictureView>,
}

/// A set of items that was said to fail.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct SetView {
    /// As it was read: `location:"Room 4"`.
    pub(crate) set: String,
    /// How it fails.
    pub(crate) kind: String,
    /// How many items it means.
    pub(crate) total: usize,
    /// The first 100 of them, by name.
    pub(crate) items: Vec<CiReference>,
    /// Of a set of which one fails: the member that does the most harm, which is the one that the answer is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) worst: Option<CiReference>,
}

/// Something that fails.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct FailureView {
    /// What.
    pub(crate) ci: CiReference,
    /// `down`, `maintenance` or `degraded`.
    pub(crate) kind: String,
}

/// How many items are in each state.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct CountsView {
    /// Do not serve.
    pub(crate) down: usize,
    /// Serve worse.
    pub(crate) degraded: usize,
    /// Serve, with no margin left.
    pub(crate) at_risk: usize,
}

impl From<impact::Counts> for CountsView {
    fn from(counts: impact::Counts) -> Self {
        Self { down: counts.down, degraded: counts.degraded, at_risk: counts.at_risk }
    }
}

/// How much of an answer rests on weak evidence, in items that are down or degraded.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct EvidenceShareView {
    /// Down or degraded.
    pub(crate) harmed: usize,
    /// Of these, those that would fare better without stale evidence.
    pub(crate) stale: usize,
    /// Of these, those that would fare better without evidence that only one of two ends has.
    pub(crate) one_ended: usize,
}

/// An item that the outage reaches.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct AffectedView {
    /// The item.
    pub(crate) ci: CiReference,
    /// `down`, `degraded` or `at_risk`.
    pub(crate) state: String,
    /// `known`, or `unknown` where it would fare better without evidence that is too old to rest on.
    #[serde(default)]
    pub(crate) certainty: String,
    /// Why, in a phrase: `connects to db01, which is down`.
    pub(crate) reason: String,
    /// The needs that put it in this state; empty beyond `paths`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) causes: Vec<NeedView>,
    /// Length of the shortest path to something that fails.
    pub(crate) hops: u32,
    /// Who answers for it, by its `owner` attribute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// Whom to tell about it, by name: its owner, and who answers for it by a relationship.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) people: Vec<String>,
    /// Whether it would fare better without stale evidence.
    pub(crate) rests_on_stale: bool,
    /// Whether it would fare better without one-ended evidence.
    pub(crate) rests_on_one_ended: bool,
    /// The shortest path to something that fails, each hop the reason for the one before; empty beyond `paths`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) path: Vec<HopView>,
}

/// An item that fares badly before anything fails.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct AlreadyView {
    /// The item.
    pub(crate) ci: CiReference,
    /// `down` or `degraded`.
    pub(crate) state: String,
    /// Why: `was seen not to run`, or what it needs.
    pub(crate) reason: String,
}

/// One step of a path.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct HopView {
    /// Who is affected.
    pub(crate) dependent: CiReference,
    /// What becomes of it.
    pub(crate) dependent_state: String,
    /// By whom.
    pub(crate) provider: CiReference,
    /// What became of that.
    pub(crate) provider_state: String,
    /// The declared need group that it travels through, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    /// The relationships that it travels along.
    pub(crate) edges: Vec<EdgeViewBody>,
    /// All evidence of these is stale.
    pub(crate) stale: bool,
    /// Only one of two ends has seen these.
    pub(crate) one_ended: bool,
}

/// A relationship on a path.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = PathEdge)]
pub(crate) struct EdgeViewBody {
    /// The relationship; absent where only a need group names the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) relationship: Option<Uuid>,
    /// Its type; `need_group` where only a need group names the provider.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// How badly the dependent needs it.
    pub(crate) hardness: Hardness,
    /// How many of its two ends have an agent that confirms it.
    pub(crate) ends_confirming: u8,
    /// Why it is believed.
    pub(crate) evidence: Vec<PathEvidence>,
}

/// One reason to believe in a relationship on a path.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct PathEvidence {
    /// How it is known: `connection`, `runs_on`, `resolver`, `gateway`, `mount`, `guest`, `configuration`, `certificate`, `declared`,
    /// `imported`.
    pub(crate) method: String,
    /// In a few words, with values.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) detail: String,
    /// When it was last confirmed.
    pub(crate) last_seen: Instant,
    /// Whether that is too long ago to rest on.
    pub(crate) stale: bool,
    /// Samples in which it was seen active; 0 for what is not sampled.
    pub(crate) samples_seen: u64,
    /// Samples taken.
    pub(crate) samples_total: u64,
}

/// Something that is touched and serves all the same.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct AbsorbedView {
    /// The item.
    pub(crate) ci: CiReference,
    /// `ok` or `at_risk`.
    pub(crate) state: String,
    /// Why, in a phrase.
    #[serde(default)]
    pub(crate) reason: String,
    /// The needs that were touched and are met all the same, those only just met first.
    pub(crate) by: Vec<NeedView>,
}

/// One need of an item in an outage.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct NeedView {
    /// The declared group's name; absent for a plain dependency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    /// How badly it is needed.
    pub(crate) hardness: Hardness,
    /// How many providers must serve.
    pub(crate) needed: usize,
    /// How many do.
    pub(crate) serving: usize,
    /// Every provider with its state, worst first.
    pub(crate) providers: Vec<ProviderView>,
}

/// A provider of a need.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct ProviderView {
    /// The provider.
    pub(crate) ci: CiReference,
    /// Its state.
    pub(crate) state: String,
}

/// Somebody to tell.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct ContactView {
    /// Their name.
    pub(crate) name: String,
    /// Their configuration item; absent for a mere name in an `owner` attribute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ci: Option<Uuid>,
    /// The worst that happens to something of theirs.
    pub(crate) worst: String,
    /// What of theirs fails or is affected, worst first.
    pub(crate) cis: Vec<CiReference>,
}

/// How an answer is written down.
pub(super) struct Writing<'a> {
    /// The estate that it is about.
    pub(super) estate: &'a Estate,
    /// The instant that it is about.
    pub(super) at: Timestamp,
    /// The revision of the estate; absent for a past instant.
    pub(super) revision: Option<u64>,
    /// How many affected items come with their path.
    pub(super) paths: usize,
    /// Whether to lay it out as a picture too, and how large.
    pub(super) picture: Option<Limits>,
    /// What the sets of the question were taken to mean.
    pub(super) sets: Vec<SetView>,
}

pub(super) fn answer(assessment: &Assessment<'_>, writing: Writing<'_>) -> Answer {
    let graph = assessment.graph();
    let contacts = assessment.people();
    let mut tell: HashMap<CiId, Vec<String>> = HashMap::new();
    for contact in &contacts {
        let (Who::Ci(_, name) | Who::Name(name)) = contact.who;
        contact.cis.iter().for_each(|node| tell.entry(node.id).or_default().push(name.to_owned()));
    }
    let causes = |ci: CiId, state: State| {
        let needs = assessment.needs_of(ci);
        needs.iter().filter(|need| need.outcome == state).map(|need| need_view(graph, need)).collect()
    };
    let affected = assessment.affected.iter().enumerate().map(|(index, one)| AffectedView {
        ci: reference(graph, one.ci),
        state: one.state.as_str().to_owned(),
        certainty: if one.rests_on_stale { "unknown" } else { "known" }.to_owned(),
        reason: assessment.reason(one.ci.id),
        causes: if index < writing.paths { causes(one.ci.id, one.state) } else { Vec::new() },
        hops: one.hops,
        owner: one.ci.owner().map(str::to_owned),
        people: tell.remove(&one.ci.id).unwrap_or_default(),
        rests_on_stale: one.rests_on_stale,
        rests_on_one_ended: one.rests_on_one_ended,
        path: if index < writing.paths { path(assessment, writing.estate, one.ci.id) } else { Vec::new() },
    });
    Answer {
        verdict: assessment.verdict(),
        at: writing.at.into(),
        revision: writing.revision,
        certainty: match assessment.certainty {
            Certainty::Known => "known",
            Certainty::Partly => "partly",
            Certainty::Unknown => "unknown",
        }
        .to_owned(),
        failures: assessment
            .failures
            .iter()
            .map(|failure| FailureView { ci: reference(graph, failure.ci), kind: failure.kind.as_str().to_owned() })
            .collect(),
        counts: assessment.counts.into(),
        evidence: EvidenceShareView {
            harmed: assessment.evidence.harmed,
            stale: assessment.evidence.stale,
            one_ended: assessment.evidence.one_ended,
        },
        affected: affected.collect(),
        already: assessment
            .already
            .iter()
            .map(|already| AlreadyView {
                ci: reference(graph, already.ci),
                state: already.state.as_str().to_owned(),
                reason: if already.ci.stopped { "was seen not to run".to_owned() } else { assessment.reason(already.ci.id) },
            })
            .collect(),
        absorbed: assessment
            .absorbed
            .iter()
            .map(|absorbed| AbsorbedView {
                ci: reference(graph, absorbed.ci),
                state: absorbed.state.as_str().to_owned(),
                reason: assessment.reason(absorbed.ci.id),
                by: absorbed.by.iter().map(|need| need_view(graph, need)).collect(),
            })
            .collect(),
        spared: assessment.spared,
        people: contacts.into_iter().map(|contact| contact_view(graph, contact)).collect(),
        picture: writing.picture.map(|limits| picture_view(graph, impact::view::outage(assessment, limits))),
        sets: writing.sets,
    }
}

/// An item as the graph knows it.
pub(super) fn reference(graph: &Graph, node: &Node) -> CiReference {
    let on = graph.dependencies(node.id).find(|edge| edge.kind == "runs_on").map(|edge| edge.to.name.to_string());
    CiReference { id: node.id.0, name: node.name.to_string(), class: graph.class_of(node).to_owned(), on }
}

fn path(assessment: &Assessment<'_>, estate: &Estate, ci: CiId) -> Vec<HopView> {
    let (graph, basis) = (assessment.graph(), assessment.basis());
    let hop = |hop: impact::Hop<'_>| HopView {
        dependent: reference(graph, hop.dependent),
        dependent_state: hop.dependent_state.as_str().to_owned(),
        provider: reference(graph, hop.provider),
        provider_state: hop.provider_state.as_str().to_owned(),
        group: hop.group.map(|group| group.name.to_string()),
        edges: hop.edges.iter().map(|edge| edge_view(estate, basis, edge)).collect(),
        stale: hop.stale,
        one_ended: hop.one_ended,
    };
    assessment.witness(ci).into_iter().map(hop).collect()
}

pub(super) fn edge_view(estate: &Estate, basis: &Basis<'_>, edge: &EdgeView<'_>) -> EdgeViewBody {
    let known = edge.relationship.and_then(|id| estate.relationship(id));
    let detail = |one: &EdgeEvidence| {
        let same = known.into_iter().flat_map(|known| &known.evidence).find(|it| it.method == one.method && it.agent == one.agent);
        same.map(|it| it.detail.clone()).unwrap_or_default()
    };
    let evidence = edge.evidence.iter().map(|one| PathEvidence {
        method: one.method.as_str().to_owned(),
        detail: detail(&one),
        last_seen: basis.confirmed_at(&one).into(),
        stale: basis.is_stale(&one),
        samples_seen: one.samples_seen,
        samples_total: one.samples_total,
    });
    EdgeViewBody {
        relationship: edge.relationship.filter(|id| !id.0.is_nil()).map(|id| id.0),
        kind: edge.kind.to_owned(),
        hardness: edge.hardness.into(),
        ends_confirming: edge.ends_confirming,
        evidence: evidence.collect(),
    }
}

fn need_view(graph: &Graph, need: &NeedReport<'_>) -> NeedView {
    NeedView {
        group: need.group.map(|group| group.name.to_string()),
        hardness: need.hardness.into(),
        needed: need.needed,
        serving: need.serving,
        providers: need
            .providers
            .iter()
            .map(|provider| ProviderView { ci: reference(graph, provider.ci), state: provider.state.as_str().to_owned() })
            .collect(),
    }
}

fn contact_view(graph: &Graph, contact: impact::Contact<'_>) -> ContactView {
    let (ci, name) = match contact.who {
        Who::Ci(id, name) => (Some(id.0), name),
        Who::Name(name) => (None, name),
    };
    ContactView {
        name: name.to_owned(),
        ci,
        worst: contact.worst.as_str().to_owned(),
        cis: contact.cis.into_iter().map(|node| reference(graph, node)).collect(),
    }
}
