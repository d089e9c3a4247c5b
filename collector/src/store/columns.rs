//! The columns of each row as [`super::codec`] reads them, for `json_array(...)` and `json_build_array(...)`.
//!
//! Where the two databases keep different types (JSON, boolean), the cast is one that both know.

macro_rules! ci {
    () => {
        "id, class, name, lifecycle, CAST(attributes AS TEXT), CAST(keys AS TEXT), agent, merged_into, first_seen, valid_from, version, stage, sighting"
    };
}
macro_rules! definition {
    () => {
        "id, CAST(body AS TEXT), lifecycle, valid_from, version"
    };
}
macro_rules! relationship {
    () => {
        "id, kind, from_ci, to_ci, hardness, judgement, lifecycle, CAST(evidence AS TEXT), first_seen, valid_from, version"
    };
}
macro_rules! need_group {
    () => {
        "id, ci, name, CAST(members AS TEXT), min_up, min_up_unit, hardness, lifecycle, standing, suggestion, source, valid_from, version"
    };
}
macro_rules! conflict {
    () => {
        "id, kind, known, other, agent, detail, state, opened_at, settled_at"
    };
}
macro_rules! merge {
    () => {
        "absorbed, survivor, at, by_rule, is_undone, CAST(steps AS TEXT)"
    };
}
macro_rules! binding {
    () => {
        "agent, ci"
    };
}
macro_rules! software {
    () => {
        "id, kind, name, version, architecture, publisher"
    };
}
macro_rules! event {
    () => {
        "cursor, revision, at, kind, action, subject, ci, other_ci, actor, reason, CAST(differs AS TEXT)"
    };
}
macro_rules! audit {
    () => {
        "number, at, actor, action, subject, detail"
    };
}
macro_rules! inventory { () => { "i.agent, s.counter, s.nonce, s.root, COALESCE(s.last_seen, a.enrolled_at), s.clock_skew_ms, i.agent_version, i.dropped_documents, i.superseded_inventories, CAST(i.sections AS TEXT)" } }
macro_rules! import_job {
    () => {
        "id, state, source, created_at, updated_at, body"
    };
}
macro_rules! token { () => { "id, secret_hash, name, max_uses, uses, expires_at, revoked_at, CAST(needs_approval AS INTEGER), realm, CAST(assigned AS TEXT), created_by, created_at" } }
macro_rules! agent { () => { "a.id, s.state, a.state_reason, a.token, a.enroll_nonce, a.public_key, a.certificate_generation, a.certificate_nonce, a.certificate_chain, a.certificate_issued_at, a.certificate_not_after, s.generation, a.hostname, a.agent_version, CAST(a.identity AS TEXT), a.realm, CAST(a.assigned AS TEXT), a.enrolled_at, s.last_seen" } }
macro_rules! person {
    () => {
        "id, name, password_hash, role, CAST(disabled AS INTEGER), created_at"
    };
}
macro_rules! session {
    () => {
        "secret_hash, person, csrf, created_at, expires_at"
    };
}
macro_rules! api_token {
    () => {
        "id, secret_hash, name, person, role, realm, created_at, expires_at, revoked_at"
    };
}
macro_rules! saved_view {
    () => {
        "id, owner, name, filter, sort, columns, CAST(shared AS INTEGER), created_at, changed_at"
    };
}
macro_rules! frozen_answer {
    () => {
        "id, at, actor, reason, revision, verdict"
    };
}

pub(super) use {
    agent, api_token, audit, binding, ci, conflict, definition, event, frozen_answer, import_job, inventory, merge, need_group, person,
    relationship, saved_view, session, software, token,
};
