//! What the agents' listener serves: joining, renewing, recovering, checking in, inventories, and the install script.
//!
//! Who somebody is comes from the client certificate alone, and whether they may go on is looked up at every request: a
//! revocation works on the next one, on an open connection too.

mod answer;
pub(crate) mod body;
mod certificates;
mod check_in;
mod enroll;
pub(crate) mod exchange;
mod hold;
mod install;
mod inventory;
mod schedule;
mod turns;
mod unchanged;
mod who;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};
use rollcall_shared::wire::v1::paths;
use tokio::task::JoinSet;

use crate::{app::SharedApp, health, starting};

pub(crate) use self::answer::fault;
use self::{body::Bodies, install::Binaries, turns::Turns, unchanged::UnchangedCheckIns};

/// What the handlers share besides the app.
struct Desk {
    app: SharedApp,
    turns: Turns,
    unchanged: UnchangedCheckIns,
    bodies: Bodies,
    binaries: Binaries,
}

type SharedDesk = Arc<Desk>;

/// The routes. What runs in the background for them is spawned into `jobs`.
pub(crate) fn router(app: &SharedApp, jobs: &mut JoinSet<()>) -> Router {
    let (unchanged, noting) = UnchangedCheckIns::new(Arc::clone(app));
    jobs.spawn(noting);
    let desk = Arc::new(Desk {
        app: Arc::clone(app),
        turns: Turns::default(),
        unchanged,
        bodies: Bodies::default(),
        binaries: Binaries::default(),
    });
    Router::new()
        .route(paths::ENROLL, post(enroll::enroll))
        .route(paths::RENEW, post(certificates::renew))
        .route(paths::RECOVER, post(certificates::recover))
        .route(paths::CHECK_IN, post(check_in::check_in))
        .route(paths::INVENTORY, post(inventory::inventory))
        .route("/install", get(install::script))
        .route("/install/{file}", get(install::binary))
        .route("/-/healthy", get(health::healthy))
        .fallback(answer::no_such_path)
        .method_not_allowed_fallback(answer::no_such_method)
        .with_state(desk)
        .layer(axum::middleware::from_fn_with_state(Arc::clone(app), starting::everything))
        .layer(tower_http::catch_panic::CatchPanicLayer::custom(answer::fault))
}

#[cfg(test)]
mod tests;
