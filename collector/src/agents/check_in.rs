//! The check-in: digests come, and the names of the sections that the collector lacks go back.

use std::collections::BTreeSet;

use axum::{Extension, body::Body, extract::State, http::HeaderMap, response::Response};
use rollcall_shared::{
    Timestamp,
    wire::{
        Problem,
        v1::{self, CheckInRequest, CheckInResponse},
    },
};

use super::{
    SharedDesk,
    answer::answer,
    body::Incoming,
    exchange::{AHEAD, Judgement, NEVER, judge},
    hold::hold_as_copy,
    schedule::next_check_in_seconds,
    turns::Turn,
    who,
};
use crate::{
    auth::Refusal,
    listener::Peer,
    store::{Inventory, UnchangedCheckIn},
    writer::InventoryUpdate,
};

pub(super) async fn check_in(State(desk): State<SharedDesk>, Extension(peer): Extension<Peer>, headers: HeaderMap, body: Body) -> Response {
    answer(&desk.app, &peer, handle(&desk, &peer, &headers, body.into()).await)
}

async fn handle(desk: &SharedDesk, peer: &Peer, headers: &HeaderMap, body: Incoming) -> Result<CheckInResponse, Refusal> {
    let app = &desk.app;
    let identity = who::presented(peer, Timestamp::now())?;
    let sent: CheckInRequest = desk.bodies.read_json(headers, body).await?;
    check_format(sent.format)?;

    let mut turn = desk.turns.take(identity.agent).await;
    let now = Timestamp::now();
    let unchanged =
        UnchangedCheckIn { agent: identity.agent, generation: identity.generation, root: sent.root, exchange: sent.exchange, at: now };
    let (path, lacking) = if desk.unchanged.note(unchanged).await? {
        ("unchanged", Lacking::Sections(Vec::new()))
    } else {
        ("careful", careful(desk, peer, &sent, &mut turn, now).await?)
    };
    let (want, list_sections) = match lacking {
        Lacking::Sections(want) => (want, false),
        Lacking::Unknown => (Vec::new(), true),
    };
    turn.answered(sent.exchange);
    app.metrics.check_ins.get_or_create(&path.into()).inc();
    let next_check_in_seconds = next_check_in_seconds(identity.agent, now, app.config.agents.check_in_seconds);
    Ok(CheckInResponse { server_time: Timestamp::now(), want, list_sections, next_check_in_seconds })
}

/// What the collector lacks of an inventory.
enum Lacking {
    /// These sections; none.
    Sections(Vec<String>),
    /// That cannot be told without the sections' digests.
    Unknown,
}

/// What did not match what is stored: judges why, and says which sections are wanted.
async fn careful(desk: &SharedDesk, peer: &Peer, sent: &CheckInRequest, turn: &mut Turn<'_>, now: Timestamp) -> Result<Lacking, Refusal> {
    let app = &desk.app;
    let agent = who::admitted(app, peer, now).await?.id;
    let known = app.store.inventories(&[agent]).await?.pop();
    let last = known.as_ref().map_or(NEVER, |known| known.exchange);
    match judge(&last, &sent.exchange) {
        Judgement::Retry => {}
        Judgement::Copy if turn.is_first_late_arrival(&sent.exchange) => return Err(overtaken()),
        Judgement::Copy => {
            let detail = format!("message {} came after message {}", sent.exchange.counter, last.counter);
            return Err(hold_as_copy(app, agent, &detail).await);
        }
        judgement => {
            if judgement == Judgement::Ahead && last.counter > 0 {
                tracing::warn!(%agent, sent = sent.exchange.counter, last = last.counter, "{AHEAD}");
            }
            if !app.store.note_exchange(agent, last.counter, sent.exchange, now).await? {
                return Err(Refusal::unavailable("another collector is answering this agent", 1));
            }
            app.estate.write().unwrap_or_else(std::sync::PoisonError::into_inner).heard(agent, now);
        }
    }
    let counts = |known: &Inventory| (known.dropped_documents, known.superseded_inventories);
    let sent_counts = (sent.dropped_documents, sent.superseded_inventories);
    if sent.sections.is_empty() {
        let is_held = |known: &Inventory| known.root == sent.root && counts(known) == sent_counts;
        return Ok(if known.as_ref().is_some_and(is_held) { Lacking::Sections(Vec::new()) } else { Lacking::Unknown });
    }
    let Some(known) = known else { return Ok(Lacking::Sections(sent.sections.keys().cloned().collect())) };
    let lists_all = known.sections.keys().all(|name| sent.sections.contains_key(name));
    if !lists_all || counts(&known) != sent_counts {
        let update = InventoryUpdate {
            agent,
            listed: sent.sections.keys().cloned().collect::<BTreeSet<_>>(),
            dropped_documents: sent.dropped_documents,
            superseded_inventories: sent.superseded_inventories,
        };
        app.writer.update_inventory(update).await?;
    }
    let holds = |name: &str, digest| known.sections.get(name).is_some_and(|section| section.digest == digest);
    Ok(Lacking::Sections(sent.sections.iter().filter(|(name, digest)| !holds(name, **digest)).map(|(name, _)| name.clone()).collect()))
}

/// A message that was answered, and newer ones since.
pub(super) fn overtaken() -> Refusal {
    Refusal::unavailable("this message was answered before, and newer ones since", 5)
}

/// Refuses what this version does not read.
pub(super) fn check_format(format: u32) -> Result<(), Refusal> {
    if format == v1::VERSION {
        return Ok(());
    }
    let detail = format!("$.format: this collector reads version {}, not {format}", v1::VERSION);
    Err(Refusal::new(
        Problem::new(422, "unknown-format", "The wire format version is not known", detail).at("$.format").next("upgrade the collector"),
    ))
}
