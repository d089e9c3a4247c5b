//! `GET /enrollment`: tokens, machines that wait for approval, agents, and the questions that only a person can settle.

mod decide;
mod tokens;

use std::collections::HashMap;

use askama::Template;
use axum::response::Response;
pub(super) use decide::{decide_agent, settle_conflict};
use rollcall_core::{Conflict, ConflictKind, Estate};
use rollcall_shared::{AgentId, CiId, ConflictId, Timestamp, TokenId};
use serde_json::Value;
pub(super) use tokens::{create_token, revoke_token};

use super::{
    format::{When, absolute, count, counted, relative},
    overview::last_heard,
    problem::{Problem, sentence},
    visitor::{Part, Shell, Visitor},
    words,
};
use crate::{
    query,
    store::{AgentRecord, AgentState, Inventory, TokenRecord},
};

/// Agents that are listed; the inventory's filter finds the others' machines.
const MOST_AGENTS: usize = 500;
/// Conflicts that are shown at once.
const MOST_CONFLICTS: usize = 50;

#[derive(Template)]
#[template(path = "enrollment.html")]
struct Page {
    shell: Shell,
    pending: Vec<PendingRow>,
    held: Vec<HeldRow>,
    conflicts: Vec<ConflictRow>,
    tokens: Vec<TokenRow>,
    agents: Vec<AgentRow>,
    agents_shown: String,
}

struct PendingRow {
    id: AgentId,
    name: String,
    enrolled: When,
    token: String,
    identity: String,
}

struct HeldRow {
    id: AgentId,
    name: String,
    reason: String,
    sides: Vec<(&'static str, String)>,
}

struct ConflictRow {
    id: ConflictId,
    title: &'static str,
    opened: When,
    detail: String,
    sides: Vec<Side>,
    decisions: Vec<(&'static str, &'static str)>,
}

struct Side {
    id: CiId,
    name: String,
    class: String,
    facts: Vec<(String, String)>,
}

struct TokenRow {
    id: TokenId,
    name: String,
    state: &'static str,
    tone: &'static str,
    usable: bool,
    uses: String,
    expires: When,
    approval: bool,
    by: String,
    assigned: String,
}

struct AgentRow {
    id: AgentId,
    machine: Option<CiId>,
    name: String,
    state: &'static str,
    tone: &'static str,
    reason: String,
    seen: Option<When>,
    version: String,
    lost: String,
    certificate: Option<When>,
    generation: u64,
    enrolled: When,
    revocable: bool,
}

/// `GET /enrollment`
pub(super) async fn show(visitor: Visitor) -> Result<Response, Problem> {
    let mut agents = visitor.app.store.agents().await?;
    let tokens = visitor.app.store.tokens().await?;
    let total = agents.len();
    let now = visitor.now;
    let shell = visitor.shell(Part::Enrollment);
    // What asks for a decision first, then as enrolled.
    agents.sort_by_key(|agent| match agent.state {
        AgentState::Pending | AgentState::Held => 0,
        AgentState::Active => 1,
        AgentState::Revoked | AgentState::Denied => 2,
    });
    let listed: Vec<AgentId> = agents.iter().take(MOST_AGENTS).map(|agent| agent.id).collect();
    let lost: HashMap<AgentId, String> =
        visitor.app.store.inventories(&listed).await?.into_iter().map(|inventory| (inventory.agent, lost(&inventory))).collect();
    let page = {
        let estate = visitor.app.estate();
        let names: HashMap<TokenId, &str> = tokens.iter().map(|token| (token.id, token.name.as_str())).collect();
        let in_state = |state: AgentState| agents.iter().filter(move |agent| agent.state == state);
        let mut conflicts: Vec<&Conflict> = estate.open_conflicts().collect();
        conflicts.sort_by_key(|conflict| (conflict.opened_at, conflict.id));
        Page {
            shell,
            pending: in_state(AgentState::Pending).map(|agent| pending_row(agent, names.get(&agent.token).copied(), now)).collect(),
            held: in_state(AgentState::Held).map(|agent| held_row(&estate, agent, now)).collect(),
            conflicts: conflicts.iter().take(MOST_CONFLICTS).map(|conflict| conflict_row(&estate, conflict, now)).collect(),
            tokens: tokens.iter().map(|token| token_row(token, now)).collect(),
            agents: agents.iter().take(MOST_AGENTS).map(|agent| agent_row(&estate, agent, lost.get(&agent.id), now)).collect(),
            agents_shown: if total > MOST_AGENTS {
                format!("{} of {}", count(MOST_AGENTS as u64), count(total as u64))
            } else {
                counted(total, "agent", "agents")
            },
        }
    };
    Ok(visitor.page(&page))
}

fn pending_row(agent: &AgentRecord, token: Option<&str>, now: Timestamp) -> PendingRow {
    PendingRow {
        id: agent.id,
        name: shown_name(agent),
        enrolled: When::new(agent.enrolled_at, now),
        token: token.unwrap_or("that is gone").to_owned(),
        identity: identity(&agent.identity),
    }
}

/// What the machine calls itself; it may say nothing.
fn shown_name(agent: &AgentRecord) -> String {
    if agent.hostname.trim().is_empty() { format!("agent {}", agent.id) } else { agent.hostname.clone() }
}

/// The identity section in a line.
fn identity(identity: &Value) -> String {
    const PARTS: [(&str, &str); 6] = [
        ("manufacturer", ""),
        ("model", ""),
        ("serial", "serial "),
        ("fqdn", ""),
        ("machine_id", "machine id "),
        ("cloud_instance_id", "instance "),
    ];
    let parts = PARTS.iter().filter_map(|(name, words)| Some(format!("{words}{}", identity.get(name)?.as_str()?)));
    let parts: Vec<String> = parts.collect();
    if parts.is_empty() { "It told nothing that identifies its hardware.".to_owned() } else { parts.join(" · ") }
}

fn held_row(estate: &Estate, agent: &AgentRecord, now: Timestamp) -> HeldRow {
    let copied = estate.open_conflicts().find(|conflict| conflict.kind == ConflictKind::CopiedAgent && conflict.agent == Some(agent.id));
    let known = estate.machine_of(agent.id).map_or_else(
        || "It has not reported an inventory.".to_owned(),
        |machine| {
            let seen =
                query::last_seen(estate, machine).map_or_else(|| "never heard".to_owned(), |seen| format!("heard {}", relative(seen, now)));
            format!("{} · {seen}{}", machine.name, machine.text("serial").map_or_else(String::new, |serial| format!(" · serial {serial}")))
        },
    );
    HeldRow {
        id: agent.id,
        name: shown_name(agent),
        reason: sentence(copied.map_or(&agent.state_reason, |conflict| &conflict.detail)),
        sides: vec![
            ("As it joined", format!("{} · {} · {}", shown_name(agent), absolute(agent.enrolled_at), identity(&agent.identity))),
            ("As it is known", known),
        ],
    }
}

fn conflict_row(estate: &Estate, conflict: &Conflict, now: Timestamp) -> ConflictRow {
    let two_sided = conflict.other.is_some();
    let decisions = match (conflict.kind, two_sided) {
        // Settled by what is decided about the agent.
        (ConflictKind::CopiedAgent, _) if conflict.agent.is_some() => vec![("acknowledge", "It is dealt with")],
        (_, true) => vec![("merge", "They are the same: merge"), ("keep_apart", "They are different: keep apart")],
        (ConflictKind::ImportedRow, _) => vec![("acknowledge", "It is dealt with")],
        (_, false) => vec![("acknowledge", "All right as it is")],
    };
    ConflictRow {
        id: conflict.id,
        title: words::conflict(conflict.kind),
        opened: When::new(conflict.opened_at, now),
        detail: sentence(&conflict.detail),
        sides: std::iter::once(conflict.known).chain(conflict.other).filter_map(|id| side(estate, id, now)).collect(),
        decisions,
    }
}

fn side(estate: &Estate, id: CiId, now: Timestamp) -> Option<Side> {
    const COMPARED: [&str; 8] =
        ["hostname", "manufacturer", "model", "serial", "smbios_uuid", "machine_id", "ip_addresses", "operating_system"];
    let ci = estate.ci(id)?;
    let facts = COMPARED.iter().filter_map(|name| {
        let definition = estate.catalogue().attribute(&ci.class, name)?;
        let value = super::format::value(Some(definition), ci.value(name)?, now);
        Some((definition.label.to_owned(), value.join(", ")))
    });
    let seen = query::last_seen(estate, ci).map(|seen| ("Last heard".to_owned(), relative(seen, now)));
    Some(Side {
        id,
        name: ci.name.clone(),
        class: words::class(estate.catalogue(), &ci.class).to_owned(),
        facts: facts.chain(seen).collect(),
    })
}

fn token_row(token: &TokenRecord, now: Timestamp) -> TokenRow {
    let used_up = token.max_uses.is_some_and(|max| token.uses >= max);
    let (state, tone) = match token {
        token if token.revoked_at.is_some() => ("revoked", "unknown"),
        token if token.expires_at <= now => ("expired", "unknown"),
        _ if used_up => ("used up", "unknown"),
        _ => ("usable", "ok"),
    };
    let assigned = token
        .assigned
        .iter()
        .map(|(name, value)| format!("{} {}", name.replace('_', " "), value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    TokenRow {
        id: token.id,
        name: token.name.clone(),
        state,
        tone,
        usable: state == "usable",
        uses: match token.max_uses {
            Some(max) => format!("{} of {} used", count(u64::from(token.uses)), count(u64::from(max))),
            None => format!("{} used, no limit", count(u64::from(token.uses))),
        },
        expires: When::new(token.expires_at, now),
        approval: token.needs_approval,
        by: words::actor(&token.created_by),
        assigned: assigned.collect::<Vec<_>>().join(", "),
    }
}

/// What of an agent did not get here; nothing where all did.
fn lost(inventory: &Inventory) -> String {
    let counted =
        |number: u64, one: &str, many: &str| (number > 0).then(|| format!("{} {}", count(number), if number == 1 { one } else { many }));
    let dropped = counted(inventory.dropped_documents, "document dropped", "documents dropped");
    let superseded = counted(
        inventory.superseded_inventories,
        "inventory replaced by a newer one before it was sent",
        "inventories replaced by newer ones before they were sent",
    );
    dropped.into_iter().chain(superseded).collect::<Vec<_>>().join("; ")
}

fn agent_row(estate: &Estate, agent: &AgentRecord, lost: Option<&String>, now: Timestamp) -> AgentRow {
    let machine = estate.machine_of(agent.id);
    AgentRow {
        id: agent.id,
        machine: machine.map(|machine| machine.id),
        name: machine.map_or_else(|| shown_name(agent), |machine| machine.name.clone()),
        state: agent.state.as_str(),
        tone: match agent.state {
            AgentState::Active => "ok",
            AgentState::Held => "degraded",
            AgentState::Pending => "accent",
            AgentState::Revoked | AgentState::Denied => "unknown",
        },
        reason: agent.state_reason.clone(),
        seen: last_heard(agent, estate).map(|seen| When::new(seen, now)),
        version: agent.agent_version.clone(),
        lost: lost.cloned().unwrap_or_default(),
        certificate: agent.certificate.as_ref().map(|certificate| When::new(certificate.not_after, now)),
        generation: agent.certificate.as_ref().map_or(0, |certificate| certificate.generation),
        enrolled: When::new(agent.enrolled_at, now),
        revocable: matches!(agent.state, AgentState::Active | AgentState::Held),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_token_says_whether_it_still_works_and_why_not() {
        let now = Timestamp::from_millis(1_000);
        let token = TokenRecord {
            id: TokenId(Uuid::nil()),
            secret_hash: [0; 32],
            name: "a".into(),
            max_uses: Some(2),
            uses: 1,
            expires_at: now.plus_millis(1),
            revoked_at: None,
            needs_approval: false,
            realm: "default".into(),
            assigned: BTreeMap::from([("owner".to_owned(), Value::from("Team A"))]),
            created_by: "user:ada".into(),
            created_at: now,
        };
        let state = |token: &TokenRecord| token_row(token, now).state;
        assert_eq!(state(&token), "usable");
        assert_eq!(state(&TokenRecord { uses: 2, ..token.clone() }), "used up");
        assert_eq!(state(&TokenRecord { expires_at: now, ..token.clone() }), "expired");
        assert_eq!(state(&TokenRecord { revoked_at: Some(now), ..token.clone() }), "revoked");
        let row = token_row(&token, now);
        assert_eq!((row.uses.as_str(), row.by.as_str(), row.assigned.as_str()), ("1 of 2 used", "ada", "owner Team A"));
    }

    #[test]
    fn what_did_not_get_here_is_told() {
        let inventory = |dropped_documents, superseded_inventories| Inventory {
            agent: AgentId(Uuid::nil()),
            exchange: rollcall_shared::wire::v1::Exchange { counter: 0, nonce: Uuid::nil() },
            root: rollcall_shared::Digest::of(b""),
            last_seen: Timestamp::from_millis(0),
            clock_skew_ms: 0,
            agent_version: String::new(),
            dropped_documents,
            superseded_inventories,
            sections: BTreeMap::new(),
        };
        let cases = [
            ((0, 0), ""),
            ((1, 0), "1 document dropped"),
            ((0, 1_200), "1,200 inventories replaced by newer ones before they were sent"),
            ((2, 1), "2 documents dropped; 1 inventory replaced by a newer one before it was sent"),
        ];
        for ((dropped, superseded), expected) in cases {
            assert_eq!(lost(&inventory(dropped, superseded)), expected);
        }
    }

    #[test]
    fn an_identity_reads_as_a_line_and_never_as_nothing() {
        assert_eq!(identity(&serde_json::json!({"serial": "X1", "model": "T14"})), "T14 · serial X1");
        assert!(identity(&Value::Null).contains("nothing"));
    }
}
