//! What breaks if this fails: outages, needs, single points of failure, ranking.

use std::sync::Arc;

use axum::{Json, extract::State};
use rollcall_core::{
    Estate,
    graph::{EdgeEvidence, EdgeView, Graph, Node},
    impact::{self, Assessment, Basis, Certainty, FailureKind, NeedReport, Outage, Who},
};
use rollcall_shared::{AgentId, CiId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    cis::{blocking, no_ci, query_refusal},
    extract::{Body, Id, Params, Reviewer, Viewer},
    types::{CiReference, Hardness, Instant, Page},
};
use crate::{
    app::{App, SharedApp},
    auth::Refusal,
    query::{Filter, QueryError},
};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(outage)).routes(routes!(ranking)).routes(routes!(needs)).routes(routes!(single_points))
}

/// Most items that fail at once.
const MAX_FAILURES: usize = 1_000;
/// Affected items that come with their witness path, if nobody says how many.
const DEFAULT_PATHS: usize = 100;
/// CIs that a search for single points may visit.
const SWEEP_BUDGET: usize = 20_000_000;
/// Past states are loaded whole; a few at a time.
static PAST_STATES: Semaphore = Semaphore::const_new(2);

/// What fails.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Question {
    /// What fails, all at once.
    pub(crate) failures: Vec<FailureBody>,
    /// The past instant that the question is about; now if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) as_of: Option<Instant>,
    /// How many affected items come with their witness path, worst first; 100 if absent, at most 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) paths: Option<usize>,
    /// Whether to lay the answer out as a picture too.
    #[serde(default)]
    pub(crate) picture: bool,
}

/// One thing that fails.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FailureBody {
    /// The item's id.
    pub(crate) ci: Uuid,
    /// `down` (the default), `maintenance` (down as planned) or `degraded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
}

/// What an outage comes to.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
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
    /// What fails.
    pub(crate) failures: Vec<FailureView>,
    /// How many items would be in each state, those that fail themselves not counted.
    pub(crate) counts: CountsView,
    /// How much rests on weak evidence.
    pub(crate) evidence: EvidenceShareView,
    /// Every affected item: worst first, business services first within a state.
    pub(crate) affected: Vec<AffectedView>,
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

/// Something that fails.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct FailureView {
    /// What.
    pub(crate) ci: CiReference,
    /// `down`, `maintenance` or `degraded`.
    pub(crate) kind: String,
}

/// How many items are in each state.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
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
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct EvidenceShareView {
    /// Down or degraded.
    pub(crate) harmed: usize,
    /// Of these, those that would fare better without stale evidence.
    pub(crate) stale: usize,
    /// Of these, those that would fare better without evidence that only one of two ends has.
    pub(crate) one_ended: usize,
}

/// An item that the outage reaches.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct AffectedView {
    /// The item.
    pub(crate) ci: CiReference,
    /// `down`, `degraded` or `at_risk`.
    pub(crate) state: String,
    /// Why, in a phrase: `connects to db01, which is down`.
    pub(crate) reason: String,
    /// Length of the shortest path to something that fails.
    pub(crate) hops: u32,
    /// Who answers for it, by its `owner` attribute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// Whether it would fare better without stale evidence.
    pub(crate) rests_on_stale: bool,
    /// Whether it would fare better without one-ended evidence.
    pub(crate) rests_on_one_ended: bool,
    /// The shortest path to something that fails, each hop the reason for the one before; empty beyond `paths`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) path: Vec<HopView>,
}

/// One step of a path.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
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
#[derive(Debug, Deserialize, Serialize, ToSchema)]
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
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct PathEvidence {
    /// How it is known: `connection`, `runs_on`, `resolver`, `gateway`, `mount`, `declared`, `imported`.
    pub(crate) method: String,
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
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct AbsorbedView {
    /// The item.
    pub(crate) ci: CiReference,
    /// `ok` or `at_risk`.
    pub(crate) state: String,
    /// The needs that were touched and are met all the same, those only just met first.
    pub(crate) by: Vec<NeedView>,
}

/// One need of an item in an outage.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
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
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct ProviderView {
    /// The provider.
    pub(crate) ci: CiReference,
    /// Its state.
    pub(crate) state: String,
}

/// Somebody to tell.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
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

/// An answer laid out: layers by hops.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct PictureView {
    /// What is shown, by layer, then from left to right.
    pub(crate) nodes: Vec<PictureNodeView>,
    /// Edges between what is shown.
    pub(crate) edges: Vec<PictureEdgeView>,
    /// By layer, how many items are not shown.
    pub(crate) hidden: Vec<usize>,
    /// How many edges between shown items are not shown.
    pub(crate) hidden_edges: usize,
}

/// An item in a picture.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct PictureNodeView {
    /// The item.
    pub(crate) ci: CiReference,
    /// `failing`, `affected`, `absorbed`, `asked` or `needed`.
    pub(crate) role: String,
    /// Its state.
    pub(crate) state: String,
    /// Its layer, from 0.
    pub(crate) layer: u32,
    /// Its place in its layer, in widths of an item, 0 being the middle.
    pub(crate) x: f64,
}

/// Everything between two items in a picture.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct PictureEdgeView {
    /// The dependent.
    pub(crate) from: Uuid,
    /// What it depends on.
    pub(crate) to: Uuid,
    /// The relationships.
    pub(crate) relationships: Vec<Uuid>,
    /// Whether this is part of why the dependent is in its state.
    pub(crate) is_reason: bool,
    /// All its evidence is stale.
    pub(crate) stale: bool,
}

/// What an outage of these items breaks, why, what absorbs it, and whom to tell. Nothing is changed. Role: change_reviewer.
#[utoipa::path(post, path = "/impact", tag = "impact", request_body = Question,
    responses((status = 200, description = "The answer", body = Answer)))]
async fn outage(State(app): State<SharedApp>, Reviewer(actor): Reviewer, Body(question): Body<Question>) -> Result<Json<Answer>, Refusal> {
    let failures = failures(&question)?;
    tracing::info!(actor = actor.audit_name(), failures = failures.len(), "impact is asked");
    let now = Timestamp::now();
    let (graph, revision, at) = match question.as_of {
        None => {
            let graph = app.graph().await;
            let revision = graph.revision().0;
            (graph, Some(revision), now)
        }
        Some(Instant(past)) if past > now => {
            return Err(Refusal::invalid("as_of lies in the future; leave it out for now").at("$.as_of"));
        }
        Some(Instant(past)) => (past_graph(&app, past).await?, None, past),
    };
    if let Some(id) = failures.iter().map(|(id, _)| *id).find(|id| graph.node(*id).is_none()) {
        return Err(no_ci(id).at("$.failures"));
    }
    let paths = question.paths.unwrap_or(DEFAULT_PATHS).min(1_000);
    blocking(move || {
        let heard = heard_until(&app, at);
        let assessment = impact::assess(&graph, &Outage { failures }, Basis::new(at, heard));
        Json(answer(&assessment, at, revision, paths, question.picture))
    })
    .await
}

fn failures(question: &Question) -> Result<Vec<(CiId, FailureKind)>, Refusal> {
    if question.failures.is_empty() || question.failures.len() > MAX_FAILURES {
        return Err(Refusal::invalid(format!("name 1 to {MAX_FAILURES} items that fail")).at("$.failures"));
    }
    let failure = |(index, failure): (usize, &FailureBody)| {
        let kind = match failure.kind.as_deref() {
            None => FailureKind::Down,
            Some(name) => FailureKind::parse(name).ok_or_else(|| {
                Refusal::invalid("a failure's kind is down, maintenance or degraded").at(format!("$.failures[{index}].kind"))
            })?,
        };
        Ok((CiId(failure.ci), kind))
    };
    question.failures.iter().enumerate().map(failure).collect()
}

async fn past_graph(app: &App, past: Timestamp) -> Result<Arc<Graph>, Refusal> {
    if let Some(graph) = app.graph.past(past) {
        return Ok(graph);
    }
    let _slot = PAST_STATES.acquire().await.map_err(|_| Refusal::internal())?;
    // Somebody else may have asked for the same while this one waited.
    if let Some(graph) = app.graph.past(past) {
        return Ok(graph);
    }
    let snapshot = app.store.load_as_of(past).await?;
    let graph = blocking(move || {
        let mut estate = Estate::default();
        for put in &snapshot.puts {
            estate.put(put);
        }
        Arc::new(Graph::from_estate(&estate))
    })
    .await?;
    app.graph.keep_past(past, &graph, Timestamp::now());
    Ok(graph)
}

/// When each agent was last heard, by `at`: one that was heard since counts as heard then, because it was alive before and after.
fn heard_until(app: &App, at: Timestamp) -> impl Fn(AgentId) -> Option<Timestamp> + Send + Sync + 'static {
    let heard: std::collections::HashMap<AgentId, Timestamp> = app.estate().agents_heard().collect();
    move |agent| heard.get(&agent).map(|heard| (*heard).min(at))
}

fn answer(assessment: &Assessment<'_>, at: Timestamp, revision: Option<u64>, paths: usize, picture: bool) -> Answer {
    let graph = assessment.graph();
    let affected = assessment.affected.iter().enumerate().map(|(index, one)| AffectedView {
        ci: reference(graph, one.ci),
        state: one.state.as_str().to_owned(),
        reason: assessment.reason(one.ci.id),
        hops: one.hops,
        owner: one.ci.owner.as_deref().map(str::to_owned),
        rests_on_stale: one.rests_on_stale,
        rests_on_one_ended: one.rests_on_one_ended,
        path: if index < paths { path(assessment, one.ci.id) } else { Vec::new() },
    });
    Answer {
        verdict: assessment.verdict(),
        at: at.into(),
        revision,
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
        absorbed: assessment
            .absorbed
            .iter()
            .map(|absorbed| AbsorbedView {
                ci: reference(graph, absorbed.ci),
                state: absorbed.state.as_str().to_owned(),
                by: absorbed.by.iter().map(|need| need_view(graph, need)).collect(),
            })
            .collect(),
        spared: assessment.spared,
        people: assessment.people().into_iter().map(|contact| contact_view(graph, contact)).collect(),
        picture: picture.then(|| picture_view(graph, impact::view::outage(assessment, impact::view::Limits::default()))),
    }
}

fn reference(graph: &Graph, node: &Node) -> CiReference {
    CiReference { id: node.id.0, name: node.name.to_string(), class: graph.class_of(node).to_owned() }
}

fn path(assessment: &Assessment<'_>, ci: CiId) -> Vec<HopView> {
    let (graph, basis) = (assessment.graph(), assessment.basis());
    let hop = |hop: impact::Hop<'_>| HopView {
        dependent: reference(graph, hop.dependent),
        dependent_state: hop.dependent_state.as_str().to_owned(),
        provider: reference(graph, hop.provider),
        provider_state: hop.provider_state.as_str().to_owned(),
        group: hop.group.map(|group| group.name.to_string()),
        edges: hop.edges.iter().map(|edge| edge_view(edge, |evidence| (basis.confirmed_at(evidence), basis.is_stale(evidence)))).collect(),
        stale: hop.stale,
        one_ended: hop.one_ended,
    };
    assessment.witness(ci).into_iter().map(hop).collect()
}

fn edge_view(edge: &EdgeView<'_>, judge: impl Fn(&EdgeEvidence) -> (Timestamp, bool)) -> EdgeViewBody {
    let evidence = edge.evidence.iter().map(|one| {
        let (last_seen, stale) = judge(&one);
        PathEvidence {
            method: one.method.as_str().to_owned(),
            last_seen: last_seen.into(),
            stale,
            samples_seen: one.samples_seen,
            samples_total: one.samples_total,
        }
    });
    EdgeViewBody {
        relationship: edge.relationship.map(|id| id.0),
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

fn picture_view(graph: &Graph, picture: impact::view::Picture<'_>) -> PictureView {
    use rollcall_core::impact::view::Role;
    let node = |node: impact::view::PictureNode<'_>| PictureNodeView {
        ci: reference(graph, node.ci),
        role: match node.role {
            Role::Failing(_) => "failing",
            Role::Affected => "affected",
            Role::Absorbed => "absorbed",
            Role::Asked => "asked",
            Role::Needed => "needed",
        }
        .to_owned(),
        state: node.state.as_str().to_owned(),
        layer: node.layer,
        x: node.x,
    };
    let edge = |edge: impact::view::PictureEdge| PictureEdgeView {
        from: edge.from.0,
        to: edge.to.0,
        relationships: edge.relationships.into_iter().map(|id| id.0).collect(),
        is_reason: edge.is_reason,
        stale: edge.stale,
    };
    PictureView {
        nodes: picture.nodes.into_iter().map(node).collect(),
        edges: picture.edges.into_iter().map(edge).collect(),
        hidden: picture.hidden,
        hidden_edges: picture.hidden_edges,
    }
}

/// Everything that an item needs.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct Needs {
    /// Whose needs.
    pub(crate) of: CiReference,
    /// What it needs, directly or not, nearest first.
    pub(crate) items: Vec<NeededView>,
    /// The picture.
    pub(crate) picture: PictureView,
}

/// One thing that is needed.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct NeededView {
    /// What.
    pub(crate) ci: CiReference,
    /// Length of a shortest chain of dependencies to it; 1 is a direct one.
    pub(crate) hops: u32,
    /// Whether a chain of hard needs alone leads to it.
    pub(crate) hard: bool,
}

/// Everything that an item needs, directly or not. Role: viewer.
#[utoipa::path(get, path = "/cis/{id}/needs", tag = "impact", params(("id" = Uuid, Path, description = "The item's id")),
    responses((status = 200, description = "Its needs", body = Needs)))]
async fn needs(State(app): State<SharedApp>, _: Viewer, Id(id): Id<CiId>) -> Result<Json<Needs>, Refusal> {
    let graph = app.graph().await;
    blocking(move || {
        let needs = graph.needs(id).ok_or_else(|| no_ci(id))?;
        let picture = picture_view(&graph, impact::view::needs(&graph, &needs, impact::view::Limits::default()));
        let item =
            |item: &rollcall_core::graph::Needed<'_>| NeededView { ci: reference(&graph, item.ci), hops: item.hops, hard: item.hard };
        Ok(Json(Needs { of: reference(&graph, needs.of), items: needs.items.iter().map(item).collect(), picture }))
    })
    .await?
}

/// What takes a service down alone, and which two together.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct SinglePointsView {
    /// The service.
    pub(crate) service: CiReference,
    /// Every item that takes it down or degrades it alone: worst first, then nearest.
    pub(crate) points: Vec<SinglePointView>,
    /// How many items it needs, directly or not.
    pub(crate) needed: usize,
    /// How many of them were tried, nearest first; fewer than `needed` if the estate was too large for one answer.
    pub(crate) tried: usize,
    /// Two that take it down together though neither does alone, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pairs: Option<Vec<PairView>>,
    /// Whether all pairs were found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pairs_complete: Option<bool>,
}

/// An item that harms a service alone.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct SinglePointView {
    /// The item.
    pub(crate) ci: CiReference,
    /// What becomes of the service: `degraded` or `down`.
    pub(crate) state: String,
    /// Length of a shortest chain of needs to it.
    pub(crate) hops: u32,
    /// How many other items the service reaches only through it.
    pub(crate) guards: usize,
    /// The nearest other item that every chain of needs to it passes, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) behind: Option<CiReference>,
}

/// Two items that take a service down together.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct PairView {
    /// The nearer one.
    pub(crate) first: CiReference,
    /// The other one.
    pub(crate) second: CiReference,
}

/// What else to look for.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SinglePointsParams {
    /// Whether to look for pairs too.
    #[serde(default)]
    pairs: bool,
}

/// What takes a service down alone: the failure of everything it needs is tried in turn, with redundancy. Role: viewer.
#[utoipa::path(get, path = "/services/{id}/single-points-of-failure", tag = "impact",
    params(("id" = Uuid, Path, description = "The service's (or any item's) id"), SinglePointsParams),
    responses((status = 200, description = "Single points of failure", body = SinglePointsView)))]
async fn single_points(
    State(app): State<SharedApp>,
    _: Viewer,
    Id(id): Id<CiId>,
    Params(params): Params<SinglePointsParams>,
) -> Result<Json<SinglePointsView>, Refusal> {
    let graph = app.graph().await;
    blocking(move || {
        let found = impact::single_points(&graph, id, SWEEP_BUDGET).ok_or_else(|| no_ci(id))?;
        let pairs = if params.pairs { impact::pairs(&graph, id, SWEEP_BUDGET) } else { None };
        let point = |point: &impact::SinglePoint<'_>| SinglePointView {
            ci: reference(&graph, point.ci),
            state: point.state.as_str().to_owned(),
            hops: point.hops,
            guards: point.guards,
            behind: point.behind.map(|node| reference(&graph, node)),
        };
        let pair = |pair: &impact::Pair<'_>| PairView { first: reference(&graph, pair.first), second: reference(&graph, pair.second) };
        Ok(Json(SinglePointsView {
            service: reference(&graph, found.service),
            points: found.points.iter().map(point).collect(),
            needed: found.needed,
            tried: found.tried,
            pairs_complete: pairs.as_ref().map(|pairs| pairs.complete),
            pairs: pairs.map(|pairs| pairs.pairs.iter().map(pair).collect()),
        }))
    })
    .await?
}

/// Which items to rank.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct RankingParams {
    /// Only items for which this filter holds, as in `GET /cis`; all if absent.
    #[serde(default)]
    filter: String,
    /// The first so many, 1 to 1000; 50 if absent.
    limit: Option<usize>,
}

/// What an item would take with it if it went down alone.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct BlastView {
    /// The item.
    pub(crate) ci: CiReference,
    /// How many others would be in each state.
    pub(crate) counts: CountsView,
    /// Business services that would be down.
    pub(crate) services_down: Vec<CiReference>,
    /// Business services that would be degraded.
    pub(crate) services_degraded: Vec<CiReference>,
}

/// The items whose failure would harm most, worst first. Role: viewer.
#[utoipa::path(get, path = "/impact/ranking", tag = "impact", params(RankingParams),
    responses((status = 200, description = "Ranking", body = Page<BlastView>)))]
async fn ranking(State(app): State<SharedApp>, _: Viewer, Params(params): Params<RankingParams>) -> Result<Json<Page<BlastView>>, Refusal> {
    let filter = Filter::parse(&params.filter).map_err(|error| query_refusal(QueryError::Filter(error)))?;
    let limit = params.limit.unwrap_or(50).clamp(1, 1_000);
    let graph = app.graph().await;
    blocking(move || {
        let wanted: Vec<CiId> = app.search.matching(&app.estate(), &filter, Timestamp::now()).into_iter().map(|ci| ci.id).collect();
        let mut ranked = impact::rank(&graph, wanted);
        let total = ranked.len();
        ranked.truncate(limit);
        let references = |nodes: &[&Node]| nodes.iter().map(|node| reference(&graph, node)).collect();
        let item = |blast: &impact::Blast<'_>| BlastView {
            ci: reference(&graph, blast.ci),
            counts: blast.counts.into(),
            services_down: references(&blast.services_down),
            services_degraded: references(&blast.services_degraded),
        };
        Ok(Json(Page { items: ranked.iter().map(item).collect(), next: None, total: Some(total) }))
    })
    .await?
}
