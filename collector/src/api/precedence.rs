//! Whose word stands: rules of precedence, and what other rules would change.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
};
use rollcall_core::{
    catalogue::{DefinitionBody, DefinitionKind, PrecedenceRule, SourcePattern, SourceRank},
    reconcile::commands::{self, CommandError},
};
use rollcall_shared::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    cis::blocking,
    extract::{Admin, Body, Viewer},
    types::{CiReference, Page},
    write::{What, order},
};
use crate::{app::SharedApp, auth::Refusal};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(put, delete)).routes(routes!(dry_run))
}

/// A rule: an order of sources.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleView {
    /// The class; those that specialise it follow it too. `item` for all.
    pub(crate) class: String,
    /// The attribute; absent for all that have no rule of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) attribute: Option<String>,
    /// Sources, the most believed first. Those that are not named come after them: agent, code, user, api, import.
    pub(crate) order: Vec<RankView>,
}

/// One place in an order.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RankView {
    /// `agent`, `user`, `user:NAME`, `api`, `api:NAME`, `import`, `import:NAME`, `code` or `code:BASE`.
    pub(crate) source: String,
    /// Seconds for which its word stands without being said again; then every fresh one stands before it. Absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fresh_for_seconds: Option<u64>,
}

/// An order of sources.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrderSpec {
    /// Sources, the most believed first.
    pub(crate) order: Vec<RankView>,
}

/// Rules to try.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DryRun {
    /// Rules that would be added, or would stand in the place of those for the same class and attribute.
    #[serde(default)]
    pub(crate) rules: Vec<RuleView>,
    /// Rules that would be deleted: `CLASS.ATTRIBUTE` or `CLASS.*`.
    #[serde(default)]
    pub(crate) delete: BTreeSet<String>,
    /// `next` of the page before.
    #[serde(default)]
    pub(crate) after: Option<String>,
    /// Changes on a page, 1 to 1000; 100 if absent.
    #[serde(default)]
    pub(crate) limit: Option<usize>,
}

/// A value that would change.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct EffectView {
    /// The item.
    pub(crate) ci: CiReference,
    /// The attribute.
    pub(crate) attribute: String,
    /// Who is believed now.
    pub(crate) old_source: String,
    /// The value that stands now.
    #[schema(value_type = Value)]
    pub(crate) old_value: Value,
    /// Who would be believed.
    pub(crate) new_source: String,
    /// The value that would stand.
    #[schema(value_type = Value)]
    pub(crate) new_value: Value,
    /// The rule that would decide; absent for the order that comes with Rollcall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rule: Option<String>,
}

impl From<&PrecedenceRule> for RuleView {
    fn from(rule: &PrecedenceRule) -> Self {
        let rank = |rank: &SourceRank| RankView {
            source: rank.source.to_string(),
            fresh_for_seconds: rank.fresh_for_ms.map(|window| window.unsigned_abs() / 1_000),
        };
        Self { class: rule.class.clone(), attribute: rule.attribute.clone(), order: rule.order.iter().map(rank).collect() }
    }
}

impl RuleView {
    /// As the core has it.
    pub(crate) fn into_rule(self) -> Result<PrecedenceRule, Refusal> {
        let rank = |(at, rank): (usize, RankView)| {
            let source =
                SourcePattern::try_from(rank.source).map_err(|problem| Refusal::invalid(problem).at(format!("$.order[{at}].source")))?;
            let window = rank.fresh_for_seconds.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000));
            Ok(SourceRank { source, fresh_for_ms: window })
        };
        let order = self.order.into_iter().enumerate().map(rank).collect::<Result<_, Refusal>>()?;
        Ok(PrecedenceRule { class: self.class, attribute: self.attribute.filter(|name| name != "*"), order })
    }
}

/// Every rule that somebody made. Where none fits, an agent is believed before files of declarations, these before a person, a person before an
/// API client, and that before an import; of equals the newer word. Pins stand before all. Role: viewer.
#[utoipa::path(get, path = "/precedence", tag = "catalogue", responses((status = 200, description = "Rules", body = Page<RuleView>)))]
async fn list(State(app): State<SharedApp>, _: Viewer) -> Json<Page<RuleView>> {
    let catalogue = Arc::clone(app.estate().catalogue());
    Json(Page::whole(catalogue.rules().map(RuleView::from).collect()))
}

/// Makes a rule, or changes it. The values that it decides otherwise change at once, each with this rule as its reason. Role: admin.
#[utoipa::path(put, path = "/precedence/{class}/{attribute}", tag = "catalogue", request_body = OrderSpec,
    params(("class" = String, Path, description = "The class; `item` for all"),
        ("attribute" = String, Path, description = "The attribute, or `*` for all that have no rule of their own")),
    responses((status = 200, description = "As it is now", body = RuleView)))]
async fn put(
    State(app): State<SharedApp>,
    Admin(actor): Admin,
    path: Result<Path<(String, String)>, PathRejection>,
    Body(spec): Body<OrderSpec>,
) -> Result<Json<RuleView>, Refusal> {
    let Path((class, attribute)) = path.map_err(|rejection| Refusal::bad_request(rejection.body_text()))?;
    let rule = RuleView { class, attribute: Some(attribute), order: spec.order }.into_rule()?;
    let what = What { action: "precedence.put", subject: rule.name().chars().take(160).collect(), detail: String::new() };
    let view = RuleView::from(&rule);
    let body = DefinitionBody::Precedence(rule);
    order(&app, &actor, what, move |estate, order| Ok(commands::put_definition(estate, &body, order)?)).await?;
    Ok(Json(view))
}

/// Deletes a rule; the next one that fits decides from now on. Role: admin.
#[utoipa::path(delete, path = "/precedence/{class}/{attribute}", tag = "catalogue",
    params(("class" = String, Path, description = "The class"), ("attribute" = String, Path, description = "The attribute, or `*`")),
    responses((status = 204, description = "Deleted")))]
async fn delete(
    State(app): State<SharedApp>,
    Admin(actor): Admin,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<StatusCode, Refusal> {
    let Path((class, attribute)) = path.map_err(|rejection| Refusal::bad_request(rejection.body_text()))?;
    let name = format!("{class}.{attribute}");
    let what = What { action: "precedence.delete", subject: name.chars().take(160).collect(), detail: String::new() };
    order(&app, &actor, what, move |estate, order| Ok(commands::delete_definition(estate, DefinitionKind::Precedence, &name, order)?))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Rules that one dry run may try.
const MOST_TRIED: usize = 100;

/// What would change if these rules stood: the values of which another source's would be believed. Nothing is written. Role: viewer.
#[utoipa::path(post, path = "/precedence/dry-run", tag = "catalogue", request_body = DryRun,
    responses((status = 200, description = "What would change", body = Page<EffectView>)))]
async fn dry_run(State(app): State<SharedApp>, _: Viewer, Body(asked): Body<DryRun>) -> Result<Json<Page<EffectView>>, Refusal> {
    if asked.rules.len() + asked.delete.len() > MOST_TRIED {
        return Err(Refusal::invalid(format!("at most {MOST_TRIED} rules can be tried at once")).at("$.rules"));
    }
    let rules: Vec<PrecedenceRule> = asked.rules.into_iter().map(RuleView::into_rule).collect::<Result<_, _>>()?;
    let limit = asked.limit.unwrap_or(100).clamp(1, 1_000);
    blocking(move || {
        let estate = app.estate();
        let effects = commands::dry_run(&estate, &rules, &asked.delete, Timestamp::now()).map_err(refusal)?;
        let key = |effect: &commands::Effect| format!("{}.{}", effect.ci, effect.attribute);
        let rest = effects.iter().filter(|effect| asked.after.as_ref().is_none_or(|after| key(effect) > *after));
        let mut page: Vec<&commands::Effect> = rest.take(limit + 1).collect();
        let more = page.len() > limit;
        page.truncate(limit);
        let next = page.last().filter(|_| more).map(|last| key(last));
        let view = |effect: &commands::Effect| EffectView {
            ci: CiReference::of(&estate, effect.ci),
            attribute: effect.attribute.clone(),
            old_source: effect.before.source.to_string(),
            old_value: effect.before.value.clone(),
            new_source: effect.after.source.to_string(),
            new_value: effect.after.value.clone(),
            rule: effect.rule.clone(),
        };
        Ok(Json(Page { items: page.into_iter().map(view).collect(), next, total: Some(effects.len()) }))
    })
    .await?
}

fn refusal(error: CommandError) -> Refusal {
    Refusal::invalid(error.to_string())
}
