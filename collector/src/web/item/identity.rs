//! Why is this one item? What it is recognised by, what was merged into it, and every decision.

use askama::Template;
use axum::response::Response;
use rollcall_shared::CiId;

use super::{Head, no_such_item};
use crate::{
    api::identity::{self, Explanation},
    web::{
        format::When,
        mentions::{Known, Mentions},
        problem::{Problem, sentence},
        visitor::{Part, Shell, Visitor},
        words,
    },
};

#[derive(Template)]
#[template(path = "item_identity.html")]
struct Page {
    shell: Shell,
    head: Head,
    it: Explanation,
    decisions: Vec<Decision>,
}

struct Decision {
    when: When,
    kind: String,
    actor: String,
    reason: Mentions,
    other: Option<(String, String)>,
}

pub(super) async fn show(visitor: &Visitor, id: CiId) -> Result<Response, Problem> {
    let explained = identity::explanation(&visitor.app, id).await.map_err(|refusal| Problem::from_refusal(refusal.problem))?;
    let mut it = explained.ok_or_else(no_such_item)?;
    {
        let estate = visitor.app.estate();
        for key in &mut it.keys {
            key.kind = words::key_kind(&key.kind);
            key.value = words::key_value(&estate, &key.value);
        }
    }
    let reasons: Vec<&str> = it.decisions.iter().map(|decision| decision.reason.as_str()).collect();
    let known = Known::of_reasons(visitor, &reasons).await;
    let decision = |it: identity::DecisionView| Decision {
        when: When::new(it.at.0, visitor.now),
        kind: it.kind,
        actor: words::actor(&it.actor),
        reason: known.in_words(&sentence(&it.reason)),
        other: it.other.map(|other| (other.id.to_string(), other.name)),
    };
    let decisions = std::mem::take(&mut it.decisions).into_iter().map(decision).collect();
    let head = {
        let estate = visitor.app.estate();
        Head::new(&estate, estate.ci(id).ok_or_else(no_such_item)?, "identity", visitor.now)
    };
    Ok(visitor.page(&Page { shell: visitor.shell(Part::Inventory), head, it, decisions }))
}
