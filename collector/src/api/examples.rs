//! Examples of bodies, for the description: one for each type that a request carries, and of the answers that are read most.
//!
//! Each is read as its type in a test, so that none of them says what the API would not understand.

use std::borrow::Cow;

use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{
    api_tokens, applications, catalogue, cis, conflicts, identity, impact, life, need_groups, precedence, relationships, session,
    suggestions, tokens, types, users, views,
};
use crate::{code, import};

macro_rules! examples {
    ($($of:ty = $example:tt;)+) => {
        /// Schemas by name, each with its example.
        fn all() -> Vec<(Cow<'static, str>, Value)> {
            vec![$((<$of>::name(), json!($example)),)+]
        }

        #[cfg(test)]
        fn read_all() {
            $(
                let read = serde_json::from_value::<$of>(json!($example));
                assert!(read.is_ok(), "{}: {}", <$of>::name(), read.err().map(|error| error.to_string()).unwrap_or_default());
            )+
        }
    };
}

examples! {
    cis::Reason = { "reason": "sold with the Porto office" };
    cis::NewCi = {
        "class": "business_service", "name": "Web shop", "external_id": "SVC-0042",
        "attributes": { "owner": "E-commerce team", "criticality": "critical" },
    };
    cis::CiPatch = { "attributes": { "owner": "Ada Lovelace", "location": null }, "pin": ["owner"], "reason": "handed over in March" };
    life::Step = { "to": "in_repair", "reason": "display broken", "attributes": { "location": "Workshop" } };
    life::SightingSpec = { "place": "Room 4.12", "by": "Ada Lovelace", "at": "2026-03-01T12:00:00Z" };
    identity::OtherBody = { "other": "0198c5a0-7c1e-7a10-9f6e-3f2f6f1f7a11", "reason": "the same notebook, entered by hand before" };
    conflicts::SettlementBody = { "settlement": "merge", "reason": "one machine, two entries" };
    relationships::Declaration = {
        "type": "depends_on", "from": "0198c5a0-7c1e-7a10-9f6e-3f2f6f1f7a11", "to": "0198c5a0-7c1e-7a10-9f6e-3f2f6f1f7a12", "hardness": "hard",
        "note": "card payments",
    };
    relationships::HardnessChange = { "hardness": "soft" };
    need_groups::NeedGroupBody = {
        "ci": "0198c5a0-7c1e-7a10-9f6e-3f2f6f1f7a11", "name": "web servers", "min_up": { "count": 2 }, "hardness": "hard",
        "members": ["0198c5a0-7c1e-7a10-9f6e-3f2f6f1f7a12", "0198c5a0-7c1e-7a10-9f6e-3f2f6f1f7a13", "0198c5a0-7c1e-7a10-9f6e-3f2f6f1f7a14"],
    };
    suggestions::Acceptance = { "min_up": { "count": 1 }, "reason": "both proxies take the whole load" };
    suggestions::Rejection = { "reason": "they serve different customers" };
    applications::ProposalBody = { "start": { "entries": ["tcp 10.0.0.5:443"] }, "pruned": [] };
    applications::ApplicationBody = {
        "name": "Web shop", "class": "business_service", "start": { "entries": ["tcp 10.0.0.5:443"], "realm": "default" },
        "pruned": ["0198c5a0-7c1e-7a10-9f6e-3f2f6f1f7a13"],
    };
    applications::ConfirmationBody = { "pruned": ["0198c5a0-7c1e-7a10-9f6e-3f2f6f1f7a13"] };
    impact::ask::Question = {
        "failures": [{ "set": "rack:R12" }, { "ci": "0198c5a0-7c1e-7a10-9f6e-3f2f6f1f7a11", "kind": "maintenance" }], "paths": 20,
    };
    impact::compare::WhatIfBody = {
        "question": { "failures": [{ "set": "db01" }] }, "pretend": ["app01 needs 1 of db01 db02", "vm1 moves host7 to host8"],
    };
    impact::compare::CompareBody = { "question": { "failures": [{ "set": "db01" }] }, "before": "2026-03-01T12:00:00Z" };
    impact::frozen::FreezeBody = { "question": { "failures": [{ "set": "db01" }] }, "reason": "change 4711, for Monday's review" };
    catalogue::ClassSpec = {
        "label": "Espresso machine", "plural": "Espresso machines", "parent": "hardware", "identity": [["machine_number"]],
        "attributes": [
            { "name": "machine_number", "label": "Machine number", "kind": "text", "pattern": "EM-[0-9]{4}", "required": true },
            { "name": "boiler_bar", "label": "Boiler pressure", "kind": "number", "unit": "bar" },
        ],
    };
    catalogue::RelationshipTypeSpec = {
        "forward": "prints on", "reverse": "prints for", "hardness": "soft", "meaning": "sends its documents there",
    };
    precedence::OrderSpec = { "order": [{ "source": "import:hr", "fresh_for_seconds": 604_800 }, { "source": "agent" }] };
    precedence::DryRun = {
        "rules": [{ "class": "laptop", "attribute": "owner", "order": [{ "source": "import:hr" }, { "source": "user" }] }],
        "delete": ["machine.location"], "limit": 20,
    };
    import::MappingChange = {
        "columns": [{ "heading": "Service tag", "field": "serial" }, { "heading": "Runs on", "field": "relationship:runs_on" }],
        "class": "laptop", "names_identify": false, "realm": "default",
    };
    code::CodeOrder = {
        "base": "estate", "files": [{ "name": "shop.yaml", "text": "items:\n- {key: shop, class: business_service, attributes: {owner: E-commerce team}}\n" }],
    };
    views::NewView = {
        "name": "Big servers", "filter": "class:server memory_bytes>=16GiB", "sort": "-last_seen", "columns": ["name", "owner", "memory_bytes"],
        "shared": true,
    };
    tokens::NewToken = {
        "name": "Berlin notebooks", "uses": 50, "days": 7, "needs_approval": true, "realm": "berlin", "attributes": { "location": "Berlin" },
    };
    api_tokens::NewApiToken = { "name": "GLPI agents in Porto", "role": "inventory_source", "days": 90, "realm": "porto" };
    users::NewUser = { "name": "ada", "role": "asset_manager", "password": "correct horse battery staple" };
    users::UserPatch = { "role": "change_reviewer", "disabled": false };
    session::Credentials = { "name": "ada", "password": "correct horse battery staple" };
    session::PasswordChange = { "current_password": "correct horse battery staple", "new_password": "nine black cats asleep" };
    types::CiReference = { "id": "0198c5a0-7c1e-7a10-9f6e-3f2f6f1f7a11", "name": "db01", "class": "server" };
    conflicts::ConflictView = {
        "id": "0198c5a0-7c1e-7a10-9f6e-3f2f6f1f7b01", "kind": "possible_duplicate",
        "known": { "id": "0198c5a0-7c1e-7a10-9f6e-3f2f6f1f7a11", "name": "lap-7", "class": "laptop" },
        "other": { "id": "0198c5a0-7c1e-7a10-9f6e-3f2f6f1f7a12", "name": "lap-7", "class": "laptop" },
        "detail": "both are called \"lap-7\" and run Debian 12, and nothing else says that they are the same", "opened_at": "2026-03-01T12:00:00Z",
    };
}

/// Writes the examples into the schemas.
pub(super) fn add_to(schemas: &mut Value) {
    for (name, example) in all() {
        if let Some(schema) = schemas.get_mut(&*name) {
            schema["examples"] = json!([example]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_is_what_the_api_understands() {
        read_all();
        let names: std::collections::BTreeSet<Cow<'static, str>> = all().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), all().len(), "one example each");
    }
}
