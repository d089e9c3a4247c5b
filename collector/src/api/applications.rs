//! Applications and business services, assembled from where they begin.

use std::collections::BTreeSet;

use axum::{Json, extract::State, http::StatusCode};
use rollcall_core::{
    Endpoint, Estate, Put,
    infer::{self, Boundary, Member},
    reconcile::commands::{self, Assembly},
};
use rollcall_shared::{CiId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    cis::query_refusal,
    extract::{Body, Id, Manager, Viewer},
    types::CiReference,
    write::{What, order},
};
use crate::{
    app::{App, SharedApp},
    auth::Refusal,
    query::{CiQuery, Search},
};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(propose)).routes(routes!(assemble)).routes(routes!(confirm)).routes(routes!(drift))
}

/// Where an application begins: everything that is named, together.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Start {
    /// Items: services, processes.
    pub(crate) items: Vec<Uuid>,
    /// Entry addresses such as `tcp 10.0.0.5:443`: what listens there.
    pub(crate) entries: Vec<String>,
    /// The network realm of the entries; `default` if absent.
    pub(crate) realm: Option<String>,
    /// A filter as of `GET /api/v1/cis`: every item that it finds, at most 100.
    pub(crate) select: Option<String>,
}

/// More beginnings than this are no beginning.
const MOST_STARTS: usize = 100;

impl Start {
    fn is_empty(&self) -> bool {
        self.items.is_empty() && self.entries.is_empty() && self.select.is_none()
    }

    /// The items that it begins with.
    pub(crate) fn resolve(&self, estate: &Estate, search: &Search) -> Result<Vec<CiId>, Refusal> {
        let mut start: BTreeSet<CiId> = self.items.iter().copied().map(CiId).collect();
        let realm = self.realm.as_deref().unwrap_or("default");
        for (at, entry) in self.entries.iter().enumerate() {
            let place = format!("$.start.entries[{at}]");
            let endpoint: Endpoint = entry.parse().map_err(|error| Refusal::invalid(format!("{error}")).at(place.clone()))?;
            let found = infer::listening_at(estate, realm, &endpoint);
            let nobody = || Refusal::invalid(format!("nothing that is known listens at {endpoint} in realm {realm:?}")).at(place.clone());
            start.insert(found.ok_or_else(nobody)?);
        }
        if let Some(select) = &self.select {
            let query = CiQuery::parse(estate.catalogue(), select, "", None, Some(MOST_STARTS)).map_err(query_refusal)?;
            start.extend(search.matching(estate, &query.filter, Timestamp::now()).into_iter().map(|ci| ci.id).take(MOST_STARTS + 1));
        }
        if start.len() > MOST_STARTS {
            return Err(Refusal::invalid(format!("more than {MOST_STARTS} items are named to begin with; name fewer")).at("$.start"));
        }
        Ok(start.into_iter().collect())
    }
}

/// What is to be followed.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProposalBody {
    /// Where it begins.
    pub(crate) start: Start,
    /// Ids of what does not belong to it, although evidence leads there.
    #[serde(default)]
    pub(crate) pruned: Vec<Uuid>,
}

/// What an application would be made of.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct ProposalView {
    /// What belongs to it, nearest first.
    pub(crate) members: Vec<MemberView>,
    /// What is used and left out, and why.
    pub(crate) boundary: Vec<BoundaryView>,
    /// There is more than is shown.
    pub(crate) truncated: bool,
}

/// Something that belongs to an application.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct MemberView {
    /// The item.
    pub(crate) ci: CiReference,
    /// Steps from the beginning; 0 for what it begins with.
    pub(crate) hops: u32,
    /// The relationship that led here; its evidence says why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) via: Option<Uuid>,
}

/// Something that is used and does not belong to an application.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct BoundaryView {
    /// The item.
    pub(crate) ci: CiReference,
    /// The relationship that led here.
    pub(crate) via: Uuid,
    /// Why it is left out.
    pub(crate) why: String,
}

fn member(estate: &Estate, member: &Member) -> MemberView {
    MemberView { ci: CiReference::of(estate, member.ci), hops: member.hops, via: member.via.map(|id| id.0) }
}

fn boundary(estate: &Estate, boundary: &Boundary) -> BoundaryView {
    BoundaryView { ci: CiReference::of(estate, boundary.ci), via: boundary.via.0, why: boundary.why.clone() }
}

/// Follows evidence from where an application begins; changes nothing. Role: viewer.
#[utoipa::path(post, path = "/applications/proposal", tag = "applications", request_body = ProposalBody,
    responses((status = 200, description = "What it would be made of", body = ProposalView)))]
async fn propose(State(app): State<SharedApp>, _: Viewer, Body(body): Body<ProposalBody>) -> Result<Json<ProposalView>, Refusal> {
    super::cis::blocking(move || {
        let estate = app.estate();
        let start = body.start.resolve(&estate, &app.search)?;
        let pruned: BTreeSet<CiId> = body.pruned.into_iter().map(CiId).collect();
        let proposal = infer::propose(&estate, &start, &pruned, app.policy.shared_by);
        Ok(Json(ProposalView {
            members: proposal.members.iter().map(|it| member(&estate, it)).collect(),
            boundary: proposal.boundary.iter().map(|it| boundary(&estate, it)).collect(),
            truncated: proposal.truncated,
        }))
    })
    .await?
}

/// An application to be assembled.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplicationBody {
    /// What people call it.
    pub(crate) name: String,
    /// `application_service` (if absent) or `business_service`.
    #[serde(default)]
    pub(crate) class: Option<String>,
    /// Where it begins.
    pub(crate) start: Start,
    /// Ids of what does not belong to it, although evidence leads there.
    #[serde(default)]
    pub(crate) pruned: Vec<Uuid>,
}

/// Makes an application of everything that evidence leads to from its beginning. It is kept current; see its drift. Role: asset_manager.
#[utoipa::path(post, path = "/applications", tag = "applications", request_body = ApplicationBody,
    responses((status = 201, description = "Assembled", body = CiReference)))]
async fn assemble(
    State(app): State<SharedApp>,
    Manager(actor): Manager,
    Body(body): Body<ApplicationBody>,
) -> Result<(StatusCode, Json<CiReference>), Refusal> {
    let is_business_service = match body.class.as_deref() {
        None | Some("application_service") => false,
        Some("business_service") => true,
        Some(_) => return Err(Refusal::invalid("class is application_service or business_service").at("$.class")),
    };
    let start = body.start.resolve(&app.estate(), &app.search)?;
    let pruned = body.pruned.into_iter().map(CiId).collect();
    let what = What { action: "application.assemble", subject: body.name.clone(), detail: format!("from {} items", start.len()) };
    let assembly = Assembly { name: body.name, is_business_service, start, pruned };
    let policy = app.policy.clone();
    let committed = order(&app, &actor, what, move |estate, order| Ok(commands::assemble(estate, &assembly, &policy, order)?)).await?;
    let id = committed.changes.changes.iter().find_map(|change| match &change.put {
        Put::Ci(ci) => Some(ci.id),
        _ => None,
    });
    Ok((StatusCode::CREATED, Json(CiReference::of(&app.estate(), id.ok_or_else(Refusal::internal)?))))
}

/// What people confirm of an application.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ConfirmationBody {
    /// Where it begins, if elsewhere than before.
    pub(crate) start: Start,
    /// Ids of all that does not belong to it, although evidence leads there.
    pub(crate) pruned: Vec<Uuid>,
}

/// How an application differs from what people confirmed.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct DriftView {
    /// Found by following evidence, and confirmed by nobody.
    pub(crate) appeared: Vec<MemberView>,
    /// Confirmed, and not reached any more.
    pub(crate) not_reached: Vec<CiReference>,
}

fn drift_of(app: &App, id: CiId) -> Result<DriftView, Refusal> {
    let estate = app.estate();
    if estate.ci(id).is_none() {
        return Err(Refusal::not_found("item", id).next("see GET /api/v1/cis?filter=class:application_service"));
    }
    let drift = infer::drift(&estate, id, app.policy.shared_by);
    Ok(DriftView {
        appeared: drift.appeared.iter().map(|it| member(&estate, it)).collect(),
        not_reached: drift.not_reached.iter().map(|ci| CiReference::of(&estate, *ci)).collect(),
    })
}

/// Confirms what an application is made of now: all that is reached except what is pruned, and nothing else. Role: asset_manager.
#[utoipa::path(post, path = "/applications/{id}/confirm", tag = "applications", request_body = ConfirmationBody,
    params(("id" = Uuid, Path, description = "The application's id")),
    responses((status = 200, description = "Confirmed; what differs now", body = DriftView)))]
async fn confirm(
    State(app): State<SharedApp>,
    Manager(actor): Manager,
    Id(id): Id<CiId>,
    Body(body): Body<ConfirmationBody>,
) -> Result<Json<DriftView>, Refusal> {
    let start = if body.start.is_empty() { None } else { Some(body.start.resolve(&app.estate(), &app.search)?) };
    let pruned: Vec<CiId> = body.pruned.into_iter().map(CiId).collect();
    let policy = app.policy.clone();
    let what = What { action: "application.confirm", subject: id.to_string(), detail: format!("{} left out", pruned.len()) };
    order(&app, &actor, what, move |estate, order| {
        Ok(commands::confirm_application(estate, id, start.as_deref(), &pruned, &policy, order)?)
    })
    .await?;
    drift_of(&app, id).map(Json)
}

/// How an application differs from what people confirmed; empty for what was not assembled. Role: viewer.
#[utoipa::path(get, path = "/applications/{id}/drift", tag = "applications", params(("id" = Uuid, Path, description = "The application's id")),
    responses((status = 200, description = "What appeared and what is not reached any more", body = DriftView)))]
async fn drift(State(app): State<SharedApp>, _: Viewer, Id(id): Id<CiId>) -> Result<Json<DriftView>, Refusal> {
    super::cis::blocking(move || drift_of(&app, id).map(Json)).await?
}
