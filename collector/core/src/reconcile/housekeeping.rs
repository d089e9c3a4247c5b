//! What time alone changes: observations that nobody confirms any more, hosts that nobody talks to, questions without a cause.

use std::collections::{BTreeSet, HashMap};

use rollcall_shared::{AgentId, CiId, Timestamp};

use super::{Policy, edges, plan::Plan, precedence};
use crate::{
    Estate,
    infer::met_at,
    model::{ChangeSet, Ci, Conflict, ConflictKind, ConflictState, Evidence, IdSource, Lifecycle, Method, Source, Stage},
};

/// Plans what has become due by `now`. To be called every hour or so.
pub fn housekeeping(estate: &Estate, now: Timestamp, policy: &Policy, ids: &mut dyn IdSource) -> ChangeSet {
    let mut plan = Plan::new(estate, now, policy, ids);
    drop_unconfirmed(&mut plan);
    retire_lonely_hosts(&mut plan);
    settle_without_cause(&mut plan);
    if estate.catalogue().has_windows() {
        precedence::settle(&mut plan, "a word was not said again within its freshness window");
    }
    plan.finish()
}

fn drop_unconfirmed(plan: &mut Plan<'_>) {
    let reports = last_reports(plan.estate);
    let now = plan.now;
    // What is known to rest for long is waited for longer.
    let patience = |it: &Evidence| plan.policy.retire_unconfirmed_ms.max(it.longest_silence_ms.saturating_mul(3));
    let is_due = |it: &Evidence| confirmed_at(plan, &reports, it).is_some_and(|at| now.millis_since(at) > patience(it));
    let mut due: Vec<_> = plan
        .estate
        .relationships()
        .filter(|relationship| relationship.evidence.iter().any(is_due))
        .map(|relationship| (relationship.id, relationship.evidence.iter().filter(|it| !is_due(it)).cloned().collect::<Vec<_>>()))
        .collect();
    due.sort_by_key(|(id, _)| *id);
    let days = plan.policy.retire_unconfirmed_ms / 86_400_000;
    for (id, kept) in due {
        edges::set_evidence(plan, id, kept, format!("not confirmed for {days} days"));
    }
}

/// When each agent last reported connections.
fn last_reports(estate: &Estate) -> HashMap<AgentId, Timestamp> {
    let mut reports: HashMap<AgentId, Timestamp> = HashMap::new();
    for evidence in estate.relationships().flat_map(|relationship| &relationship.evidence) {
        if let (Method::Connection, Some(agent)) = (evidence.method, evidence.agent) {
            let last = reports.entry(agent).or_insert(evidence.last_seen);
            *last = (*last).max(evidence.last_seen);
        }
    }
    reports
}

/// When an observation was last confirmed; `None` for what does not age (declared, imported, a service on its machine).
///
/// An agent that checks in unchanged confirms all that its last report said. A connection was part of that report unless the report is
/// younger by more than the time in which counters are refreshed.
fn confirmed_at(plan: &Plan<'_>, reports: &HashMap<AgentId, Timestamp>, evidence: &Evidence) -> Option<Timestamp> {
    let heard = evidence.agent.and_then(|agent| plan.estate.agent_last_seen(agent)).unwrap_or(evidence.last_seen);
    match evidence.method {
        Method::Declared | Method::Imported | Method::RunsOn => None,
        Method::Resolver | Method::Gateway | Method::Mount | Method::Guest | Method::Configuration | Method::Certificate => {
            Some(heard.max(evidence.last_seen))
        }
        Method::Neighbour => Some(met_at(plan.estate, evidence)),
        Method::Connection => {
            let last_report = evidence.agent.and_then(|agent| reports.get(&agent)).copied().unwrap_or(evidence.last_seen);
            // Twice: a report may come just before the refresh is due.
            let in_last_report = last_report.millis_since(evidence.last_seen) <= 2 * plan.policy.evidence_refresh_ms;
            Some(if in_last_report { heard.max(evidence.last_seen) } else { evidence.last_seen })
        }
    }
}

fn retire_lonely_hosts(plan: &mut Plan<'_>) {
    let hosts = plan.estate.active_cis().filter(|ci| is_found(ci) && !is_curated(ci));
    let hosts: BTreeSet<CiId> = hosts.map(|ci| ci.id).collect();
    let grouped: BTreeSet<CiId> = plan.estate.need_groups().flat_map(|group| group.members.iter().copied().chain([group.ci])).collect();
    for host in hosts.difference(&grouped) {
        if plan.from(*host).is_empty() && plan.to(*host).is_empty() {
            plan.edit_ci(*host, "no agent has found it or talked to it for a long time", |ci| {
                ci.enter(Stage::Retired);
                true
            });
        }
    }
}

/// Made because agents came across it.
fn is_found(ci: &Ci) -> bool {
    let certificate = |key: &crate::model::IdentityKey| key.kind == crate::model::IdentityKeyKind::CertificateFingerprint;
    ci.class == "unmanaged_host" || ci.keys.iter().any(certificate)
}

/// Somebody said something about it.
pub(super) fn is_curated(ci: &Ci) -> bool {
    ci.attributes.values().any(|attribute| attribute.claims().iter().any(|claim| claim.source != Source::Agent))
}

fn settle_without_cause(plan: &mut Plan<'_>) {
    let mut open: Vec<&Conflict> = plan.estate.open_conflicts().collect();
    open.sort_by_key(|conflict| conflict.id);
    for conflict in open {
        if let Some(reason) = cause_gone(plan, conflict) {
            plan.settle_conflict(conflict.id, ConflictState::Settled, reason);
        }
    }
}

fn cause_gone(plan: &Plan<'_>, conflict: &Conflict) -> Option<&'static str> {
    let active = |id: CiId| plan.ci(id).filter(|ci| ci.lifecycle == Lifecycle::Active);
    let known = active(conflict.known);
    match (conflict.kind, conflict.other) {
        // Settled by the person who decides which copy goes on, or by the next table that says which item it means.
        (ConflictKind::CopiedAgent | ConflictKind::ImportedRow, _) => None,
        (_, _) if known.is_none() => Some("the configuration item it is about is retired"),
        (ConflictKind::ReturnedFromRetirement, _) | (_, None) => None,
        (_, Some(other)) => match (known, active(other)) {
            (Some(known), Some(other)) if known.keys.iter().any(|key| other.keys.contains(key)) => None,
            (Some(_), Some(_)) => Some("the two have nothing in common any more"),
            _ => Some("one of the two is retired"),
        },
    }
}
