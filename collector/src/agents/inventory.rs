//! An inventory document: read within limits, then stored, reconciled and acknowledged by the writer, in this order.

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderMap, header},
    response::Response,
};
use rollcall_core::AgentFacts;
use rollcall_shared::{
    Timestamp,
    wire::{Problem, limits, v1::InventoryResponse},
};

use super::{
    SharedDesk,
    answer::{answer, short},
    body::Incoming,
    check_in::overtaken,
    hold::hold_as_copy,
    who,
};
use crate::{
    auth::Refusal,
    listener::Peer,
    writer::{Acknowledged, DocumentOutcome},
};

pub(super) async fn inventory(
    State(desk): State<SharedDesk>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    answer(&desk.app, &peer, handle(&desk, &peer, &headers, body.into()).await)
}

async fn handle(desk: &SharedDesk, peer: &Peer, headers: &HeaderMap, body: Incoming) -> Result<InventoryResponse, Refusal> {
    let app = &desk.app;
    let agent = who::admitted(app, peer, Timestamp::now()).await?;
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?"));
    if encoding != Some("zstd") {
        let detail = format!("the content encoding of an inventory is zstd, not {}", short(encoding.unwrap_or("absent")));
        return Err(Refusal::new(Problem::new(415, "unknown-encoding", "The content encoding is not known", detail)));
    }
    let body = desk.bodies.read(headers, body, limits::MAX_COMPRESSED_BYTES).await?;
    let received_at = Timestamp::now();
    let facts = AgentFacts { agent: agent.id, realm: agent.realm, assigned: agent.assigned, enrolled_at: agent.enrolled_at };
    let document = app.ingest.read(body.bytes.clone(), facts, received_at).await?;
    let (exchange, not_understood, refused) = (document.exchange, document.not_understood.clone(), document.refused.clone());
    for problem in refused.values() {
        app.metrics.refused.get_or_create(&"section".into()).inc();
        tracing::info!(agent = %agent.id, detail = problem.detail, "a section was refused");
    }

    let mut turn = desk.turns.take(agent.id).await;
    let known = match app.writer.document(document).await? {
        DocumentOutcome::Acknowledged(Acknowledged { known, is_duplicate }) => {
            match is_duplicate {
                true => app.metrics.duplicate_documents.inc(),
                false => app.metrics.documents.inc(),
            };
            known
        }
        DocumentOutcome::Copy { .. } if turn.is_first_late_arrival(&exchange) => return Err(overtaken()),
        DocumentOutcome::Copy { last_counter } => {
            let detail = format!("message {} came after message {last_counter}", exchange.counter);
            return Err(hold_as_copy(app, agent.id, &detail).await);
        }
    };
    turn.answered(exchange);
    Ok(InventoryResponse { server_time: Timestamp::now(), known, not_understood, refused })
}
