//! Two answers to one question: before and after what is pretended, or as of two instants.

use axum::{Json, extract::State};
use rollcall_core::impact::{self, Pretend, view::Limits};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    answer::{Answer, reference},
    ask::{Ground, Question, not_meant},
};
use crate::{
    api::{
        cis::blocking,
        extract::{Body, Reviewer},
        types::{CiReference, Instant},
    },
    app::SharedApp,
    auth::Refusal,
    query::pretend::pretended,
};

/// Most things that are pretended at once.
const MOST_PRETENDED: usize = 50;
/// Differences that an answer lists.
const MOST_DIFFERENCES: usize = 10_000;

/// A question, and what is pretended.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhatIfBody {
    /// What fails.
    pub(crate) question: Question,
    /// What is pretended, one after the other: `app01 needs db02`, `app01 uses cache02`, `app01 needs-not db01`, `app01 needs 1 of db01 db02`,
    /// `app01 without "database replicas"`, `vm1 moves host7 to host8`. Items by id or name, names with spaces in quotes.
    pub(crate) pretend: Vec<String>,
}

/// A question, and the two instants.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompareBody {
    /// What fails. Its `as_of` is the later instant; now if absent.
    pub(crate) question: Question,
    /// The earlier instant.
    pub(crate) before: Instant,
}

/// Two answers and what differs.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct Comparison {
    /// What was pretended for the second answer, as it was sent; empty for two instants.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pretended: Vec<String>,
    /// As it is, or as of the earlier instant.
    pub(crate) before: Answer,
    /// As it would be, or as of the later instant.
    pub(crate) after: Answer,
    /// Items that fare differently, those that fare worse first; at most 10,000.
    pub(crate) differences: Vec<DifferenceView>,
}

/// An item that fares differently.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct DifferenceView {
    /// The item.
    pub(crate) ci: CiReference,
    /// Its state in the first answer; absent if it did not exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<String>,
    /// Its state in the second; absent if it does not exist any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<String>,
}

/// The answer as it is and as it would be with other dependencies or redundancy. Nothing is changed. Role: change_reviewer.
#[utoipa::path(post, path = "/impact/what-if", tag = "impact", request_body = WhatIfBody,
    responses((status = 200, description = "Both answers and what differs", body = Comparison)))]
pub(super) async fn what_if(State(app): State<SharedApp>, _: Reviewer, Body(body): Body<WhatIfBody>) -> Result<Json<Comparison>, Refusal> {
    pretend(&app, body, Limits::default()).await.map(Json)
}

/// The answer as of two instants. Role: change_reviewer.
#[utoipa::path(post, path = "/impact/compare", tag = "impact", request_body = CompareBody,
    responses((status = 200, description = "Both answers and what differs", body = Comparison)))]
pub(super) async fn compare(State(app): State<SharedApp>, _: Reviewer, Body(body): Body<CompareBody>) -> Result<Json<Comparison>, Refusal> {
    between(&app, body, Limits::default()).await.map(Json)
}

/// Answers a question as it is and as it would be.
pub(crate) async fn pretend(app: &SharedApp, body: WhatIfBody, limits: Limits) -> Result<Comparison, Refusal> {
    if body.pretend.is_empty() || body.pretend.len() > MOST_PRETENDED {
        return Err(Refusal::invalid(format!("pretend 1 to {MOST_PRETENDED} things")).at("$.pretend"));
    }
    let ground = Ground::of(app, body.question.as_of, true).await?;
    let app = app.clone();
    blocking(move || {
        let pretended: Vec<Pretend> = {
            let estate = ground.estate(&app);
            let read = |(index, text): (usize, &String)| {
                pretended(&estate, text, ground.at).map_err(|error| not_meant(&error).at(format!("$.pretend[{index}]")))
            };
            body.pretend.iter().enumerate().map(read).collect::<Result<_, _>>()?
        };
        let (before, outage) = ground.answer(&app, &body.question, limits)?;
        let other = impact::pretend(&ground.graph, &pretended);
        let after = ground.assess(&app, &body.question, &outage, before.sets.clone(), &other, limits);
        let one = impact::assess(&ground.graph, &outage, ground.basis(&app));
        let two = impact::assess(&other, &outage, ground.basis(&app));
        let differences = differences(&one, &two);
        Ok(Comparison { pretended: body.pretend, before, after, differences })
    })
    .await?
}

/// Answers a question as of two instants.
pub(crate) async fn between(app: &SharedApp, body: CompareBody, limits: Limits) -> Result<Comparison, Refusal> {
    if body.question.as_of.is_some_and(|later| later <= body.before) {
        return Err(Refusal::invalid("before must be earlier than as_of").at("$.before"));
    }
    let first = Ground::of(app, Some(body.before), body.question.names()).await.map_err(|refusal| refusal.at("$.before"))?;
    let second = Ground::of(app, body.question.as_of, body.question.names()).await?;
    let app = app.clone();
    blocking(move || {
        let (before, first_outage) = first.answer(&app, &body.question, limits).map_err(|refusal| {
            let then = format!("{} as of {}", refusal.problem.detail, body.before);
            let mut refusal = refusal;
            refusal.problem.detail = then;
            refusal
        })?;
        let (after, second_outage) = second.answer(&app, &body.question, limits)?;
        let one = impact::assess(&first.graph, &first_outage, first.basis(&app));
        let two = impact::assess(&second.graph, &second_outage, second.basis(&app));
        let differences = differences(&one, &two);
        Ok(Comparison { pretended: Vec::new(), before, after, differences })
    })
    .await?
}

fn differences<'a>(before: &impact::Assessment<'a>, after: &impact::Assessment<'a>) -> Vec<DifferenceView> {
    let view = |difference: impact::Difference<'a>| {
        let graph = if difference.after.is_some() { after.graph() } else { before.graph() };
        DifferenceView {
            ci: reference(graph, difference.ci),
            before: difference.before.map(|state| state.as_str().to_owned()),
            after: difference.after.map(|state| state.as_str().to_owned()),
        }
    };
    impact::compare(before, after).into_iter().take(MOST_DIFFERENCES).map(view).collect()
}
