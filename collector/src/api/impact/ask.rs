//! The question: what fails, on what ground it is answered, and the answer.

use std::{collections::HashMap, ops::Deref, sync::Arc, sync::RwLockReadGuard};

use axum::{Json, extract::State, http::header, response::IntoResponse};
use rollcall_core::{
    Estate,
    graph::Graph,
    impact::{self, Basis, FailureKind, Outage, Solver, view::Limits},
};
use rollcall_shared::{AgentId, CiId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{
    answer::{self, Answer, SetView, Writing, reference},
    early,
    picture::Language,
};
use crate::{
    api::{
        cis::{blocking, no_ci},
        extract::{Body, Params, Reviewer},
        types::{CiReference, Instant},
    },
    app::{App, SharedApp},
    auth::Refusal,
    query::meant::{Meant, MeantError, Resolved},
    starting,
};

/// Most things that a question names.
const MAX_FAILURES: usize = 1_000;
/// Affected items that come with their witness path, if nobody says how many.
const DEFAULT_PATHS: usize = 100;
/// Items of a set that an answer names.
const SET_ITEMS: usize = 100;
/// Members of a set of which one fails that are tried.
const MOST_TRIED: usize = 200;
/// What a picture for another program shows.
const EXPORTED: Limits = Limits { nodes: 1_000, edges: 5_000 };
/// Past states are loaded whole; a few at a time.
static PAST_STATES: Semaphore = Semaphore::const_new(2);

/// What fails.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
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
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) picture: bool,
}

/// One thing that fails: an item, or a set of items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FailureBody {
    /// The item's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ci: Option<Uuid>,
    /// In place of it an item by its name, or a set: `location:"Room 4"`, `site:…`, `rack:…`, `subnet:10.1.0.0/16` (`@REALM`), `hypervisor:…`
    /// (with its guests), `power:…`, `one-of:…` (a need group: the member that does the most harm), `filter:"class:server …"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) set: Option<String>,
    /// `down` (the default), `maintenance` (down as planned) or `degraded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
}

/// What a question is answered on: the estate and its graph, now or at a past instant.
pub(crate) struct Ground {
    pub(super) graph: Arc<Graph>,
    /// In place of the estate as it is.
    known: Option<Arc<Estate>>,
    /// Whether there is no estate yet: `known` has parts of it.
    is_early: bool,
    pub(super) at: Timestamp,
    pub(super) revision: Option<u64>,
}

/// The estate of a ground, to read.
pub(super) enum Known<'a> {
    Now(RwLockReadGuard<'a, Estate>),
    Given(&'a Estate),
}

impl Deref for Known<'_> {
    type Target = Estate;

    fn deref(&self) -> &Estate {
        match self {
            Self::Now(estate) => estate,
            Self::Given(estate) => estate,
        }
    }
}

impl Ground {
    /// The estate as it is, or as of a past instant. Names of sets mean what they meant then.
    ///
    /// # Errors
    /// If the estate is not there yet, the instant lies ahead, or the store fails.
    pub(crate) async fn of(app: &App, as_of: Option<Instant>, needs_names: bool) -> Result<Self, Refusal> {
        if !app.starting.is_over() {
            return Err(starting::refusal());
        }
        let now = Timestamp::now();
        match as_of {
            None => {
                let graph = app.graph().await;
                let revision = Some(graph.revision().0);
                Ok(Self { graph, known: None, is_early: false, at: now, revision })
            }
            Some(Instant(past)) if past > now => Err(Refusal::invalid("as_of lies in the future; leave it out for now").at("$.as_of")),
            Some(Instant(at)) => past_ground(app, at, needs_names).await,
        }
    }

    /// A graph without an estate, and what is known of one.
    pub(super) fn early(graph: Arc<Graph>, known: Arc<Estate>, at: Timestamp) -> Self {
        let revision = Some(graph.revision().0);
        Self { graph, known: Some(known), is_early: true, at, revision }
    }

    pub(super) fn estate<'a>(&'a self, app: &'a App) -> Known<'a> {
        match &self.known {
            Some(estate) => Known::Given(estate),
            None => Known::Now(app.estate()),
        }
    }

    /// What the answer's certainty is judged by.
    pub(super) fn basis(&self, app: &App) -> Basis<'static> {
        let early = self.known.as_deref().filter(|_| self.is_early);
        Basis::new(self.at, early.map_or_else(|| heard_until(&app.estate(), self.at), |known| heard_until(known, self.at)))
    }

    /// The answer to a question, and the outage that it came to.
    pub(super) fn answer(&self, app: &App, question: &Question, limits: Limits) -> Result<(Answer, Outage), Refusal> {
        let (outage, sets) = self.outage(app, question)?;
        Ok((self.assess(app, question, &outage, sets, &self.graph, limits), outage))
    }

    /// The answer for an outage, on this graph or one like it.
    pub(super) fn assess(
        &self,
        app: &App,
        question: &Question,
        outage: &Outage,
        sets: Vec<SetView>,
        graph: &Graph,
        limits: Limits,
    ) -> Answer {
        let basis = self.basis(app);
        let assessment = impact::assess(graph, outage, basis);
        let writing = Writing {
            estate: &self.estate(app),
            at: self.at,
            revision: self.revision,
            paths: question.paths.unwrap_or(DEFAULT_PATHS).min(1_000),
            picture: question.picture.then_some(limits),
            sets,
        };
        answer::answer(&assessment, writing)
    }

    /// What a question says fails, by item, and what its sets were taken to mean.
    pub(super) fn outage(&self, app: &App, question: &Question) -> Result<(Outage, Vec<SetView>), Refusal> {
        if question.failures.is_empty() || question.failures.len() > MAX_FAILURES {
            return Err(Refusal::invalid(format!("name 1 to {MAX_FAILURES} items or sets that fail")).at("$.failures"));
        }
        let estate = self.estate(app);
        let mut failures: Vec<(CiId, FailureKind)> = Vec::new();
        let mut read: Vec<(Meant, Resolved, FailureKind)> = Vec::new();
        for (index, failure) in question.failures.iter().enumerate() {
            let place = || format!("$.failures[{index}]");
            let kind = match failure.kind.as_deref() {
                None => FailureKind::Down,
                Some(name) => FailureKind::parse(name)
                    .ok_or_else(|| Refusal::invalid("a failure's kind is down, maintenance or degraded").at(format!("{}.kind", place())))?,
            };
            match (failure.ci, failure.set.as_deref()) {
                (Some(ci), None) if self.graph.node(CiId(ci)).is_some() => failures.push((CiId(ci), kind)),
                (Some(ci), None) => return Err(no_ci(CiId(ci)).at(place())),
                (None, Some(text)) if self.is_early => {
                    let ci = early::named(&self.graph, text).map_err(|refusal| refusal.at(format!("{}.set", place())))?;
                    failures.push((ci, kind));
                }
                (None, Some(text)) => {
                    let meant = Meant::parse(estate.catalogue(), text).map_err(|error| not_meant(&error).at(format!("{}.set", place())))?;
                    let resolved = meant.resolve(&estate, self.at).map_err(|error| not_meant(&error).at(format!("{}.set", place())))?;
                    read.push((meant, resolved, kind));
                }
                _ => return Err(Refusal::invalid("name an item by ci, or an item or set by set").at(place())),
            }
        }
        for (_, resolved, kind) in read.iter().filter(|(_, resolved, _)| !resolved.one_of) {
            failures.extend(resolved.cis.iter().map(|ci| (*ci, *kind)));
        }
        let mut sets = Vec::new();
        for (meant, resolved, kind) in read {
            let worst = resolved.one_of.then(|| self.worst(&failures, &resolved.cis, kind)).flatten();
            failures.extend(worst.map(|ci| (ci, kind)));
            let nodes = resolved.cis.iter().filter_map(|ci| self.graph.node(*ci));
            let mut items: Vec<CiReference> = nodes.map(|node| reference(&self.graph, node)).collect();
            items.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
            items.truncate(SET_ITEMS);
            let is_plain_item = matches!(meant, Meant::Item(_));
            if !is_plain_item {
                let worst = worst.and_then(|ci| self.graph.node(ci)).map(|node| reference(&self.graph, node));
                sets.push(SetView { set: meant.to_string(), kind: kind.as_str().to_owned(), total: resolved.cis.len(), items, worst });
            }
        }
        Ok((Outage { failures }, sets))
    }

    /// The member that does the most harm together with everything else that fails.
    fn worst(&self, others: &[(CiId, FailureKind)], members: &[CiId], kind: FailureKind) -> Option<CiId> {
        let mut solver = Solver::new(&self.graph);
        let harm = |ci: &CiId| {
            let counts = solver.solve(others.iter().copied().chain([(*ci, kind)]));
            let services = solver.affected().filter(|(ci, state)| {
                *state > impact::State::AtRisk && self.graph.node(*ci).is_some_and(|node| self.graph.is_business_service(node))
            });
            (services.count(), counts)
        };
        let mut tried: Vec<((usize, impact::Counts), CiId)> =
            members.iter().take(MOST_TRIED).map(harm).zip(members.iter().copied()).collect();
        tried.sort();
        tried.pop().map(|(_, ci)| ci)
    }
}

/// A text that does not name what it must.
pub(super) fn not_meant(error: &MeantError) -> Refusal {
    Refusal::invalid(error.to_string()).next("see the sets in `rollcall impact --help`")
}

async fn past_ground(app: &App, at: Timestamp, needs_names: bool) -> Result<Ground, Refusal> {
    let ground = |graph: Arc<Graph>, known: Option<Arc<Estate>>| Ground { graph, known, is_early: false, at, revision: None };
    // The graph is kept; names and evidence are in the estate, which is too large to keep.
    if let Some(graph) = app.graph.past(at).filter(|_| !needs_names) {
        return Ok(ground(graph, None));
    }
    let _slot = PAST_STATES.acquire().await.map_err(|_| Refusal::internal())?;
    // Somebody else may have asked for the same while this one waited.
    let graph = app.graph.past(at);
    if let Some(graph) = graph.clone().filter(|_| !needs_names) {
        return Ok(ground(graph, None));
    }
    let snapshot = app.store.load_as_of(at).await?;
    let (estate, graph) = blocking(move || {
        let mut estate = Estate::default();
        for put in &snapshot.puts {
            estate.put(put);
        }
        let graph = graph.unwrap_or_else(|| Arc::new(Graph::from_estate(&estate)));
        (Arc::new(estate), graph)
    })
    .await?;
    app.graph.keep_past(at, &graph, Timestamp::now());
    Ok(ground(graph, Some(estate)))
}

/// When each agent was last heard, by `at`: one that was heard since counts as heard then, because it was alive before and after.
fn heard_until(estate: &Estate, at: Timestamp) -> impl Fn(AgentId) -> Option<Timestamp> + Send + Sync + use<> {
    let heard: HashMap<AgentId, Timestamp> = estate.agents_heard().collect();
    move |agent| heard.get(&agent).map(|heard| (*heard).min(at))
}

impl Question {
    /// Whether what it names is looked up by more than ids.
    pub(super) fn names(&self) -> bool {
        self.failures.iter().any(|failure| failure.set.is_some())
    }
}

/// Answers a question. `limits` are the picture's.
pub(crate) async fn ask(app: &SharedApp, question: Question, limits: Limits) -> Result<Answer, Refusal> {
    if let Some(early) = app.starting.early()? {
        return early::ask(app, &early, question, limits).await;
    }
    let ground = Ground::of(app, question.as_of, question.names()).await?;
    let app = app.clone();
    blocking(move || ground.answer(&app, &question, limits).map(|(answer, _)| answer)).await?
}

/// What an outage of these items breaks, why, what absorbs it, and whom to tell. Nothing is changed. Role: change_reviewer.
#[utoipa::path(post, path = "/impact", tag = "impact", request_body = Question,
    responses((status = 200, description = "The answer", body = Answer)))]
pub(super) async fn outage(
    State(app): State<SharedApp>,
    Reviewer(actor): Reviewer,
    Body(question): Body<Question>,
) -> Result<Json<Answer>, Refusal> {
    tracing::info!(actor = actor.audit_name(), failures = question.failures.len(), "impact is asked");
    ask(&app, question, Limits::default()).await.map(Json)
}

/// In which language.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExportParams {
    /// `svg` (if absent), `dot`, `mermaid` or `graphml`.
    #[param(inline)]
    format: Option<Language>,
}

/// The picture of an answer for other programs. It shows at most 1,000 items, the worst first; the answer itself has all. Role: change_reviewer.
#[utoipa::path(post, path = "/impact/export", tag = "impact", params(ExportParams), request_body = Question,
    responses((status = 200, description = "The picture", body = String, content_type = "image/svg+xml")))]
pub(super) async fn export(
    State(app): State<SharedApp>,
    _: Reviewer,
    Params(params): Params<ExportParams>,
    Body(question): Body<Question>,
) -> Result<impl IntoResponse, Refusal> {
    let language = params.format.unwrap_or(Language::Svg);
    let text = drawn(&app, question, language).await?;
    Ok(([(header::CONTENT_TYPE, language.media_type())], text))
}

/// The picture of the answer to a question, in a language.
pub(crate) async fn drawn(app: &SharedApp, question: Question, language: Language) -> Result<String, Refusal> {
    let answer = ask(app, Question { picture: true, paths: Some(0), ..question }, EXPORTED).await?;
    let picture = answer.picture.ok_or_else(Refusal::internal)?;
    Ok(language.write(&app.catalogue(), &answer.verdict, &picture))
}
