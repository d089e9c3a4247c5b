//! How handlers change the estate: an order to the writer, audited, refused with the place in the body.

use rollcall_core::{
    ChangeSet, Estate,
    reconcile::commands::{CommandError, Order},
};

use crate::{
    app::App,
    auth::{Actor, Refusal},
    writer::{Audit, Command, CommandRefused, Committed, WriteError},
};

/// What an order does, for the audit log.
pub(super) struct What {
    /// `ci.update`.
    pub(super) action: &'static str,
    /// An id or name.
    pub(super) subject: String,
    /// In words.
    pub(super) detail: String,
}

/// Why an order is not followed.
pub(super) enum OrderError {
    /// As the core says.
    Command(CommandError),
    /// The item has moved on from the version that the client decided on.
    Changed {
        /// Its version now.
        version: u32,
    },
}

impl From<CommandError> for OrderError {
    fn from(error: CommandError) -> Self {
        Self::Command(error)
    }
}

impl From<OrderError> for CommandRefused {
    fn from(error: OrderError) -> Self {
        let (status, message) = match error {
            OrderError::Command(error) if error.is_not_found() => (404, error.to_string()),
            OrderError::Command(error) if error.is_conflict() => (409, error.to_string()),
            OrderError::Command(error) => (422, error.to_string()),
            OrderError::Changed { version } => (412, format!("the item is at version {version} by now")),
        };
        Self { status, message }
    }
}

/// Gives an order to the writer and waits until it is durable and visible in the estate.
pub(super) async fn order(
    app: &App,
    actor: &Actor,
    what: What,
    plan: impl FnMut(&Estate, Order<'_>) -> Result<ChangeSet, OrderError> + Send + 'static,
) -> Result<Committed, Refusal> {
    app.writer.command(command(actor, what, plan)).await.map_err(|error| refusal(error, "$"))
}

/// An order as the writer takes it.
pub(super) fn command(
    actor: &Actor,
    what: What,
    mut plan: impl FnMut(&Estate, Order<'_>) -> Result<ChangeSet, OrderError> + Send + 'static,
) -> Command {
    let source = actor.source();
    Command {
        actor: actor.audit_name(),
        audit: Some(Audit { action: what.action, subject: what.subject, detail: what.detail }),
        plan: Box::new(move |estate, now, ids| plan(estate, Order { source: source.clone(), now, ids }).map_err(CommandRefused::from)),
    }
}

/// Why an order was not followed, with the place in the body below `base`.
pub(super) fn refusal(error: WriteError, base: &str) -> Refusal {
    let refusal = Refusal::from(error);
    match (refusal.problem.status, place(&refusal.problem.detail)) {
        (422, Some(path)) => refusal.at(format!("{base}.{path}")),
        (404 | 409 | 412 | 422, None) if base != "$" => refusal.at(base),
        _ => refusal,
    }
}

/// The core begins its messages about a value with the value's name: `attributes.owner: …`.
fn place(message: &str) -> Option<String> {
    let (name, _) = message.split_once(": ")?;
    let is_name = !name.is_empty() && name.chars().all(|character| character.is_ascii_alphanumeric() || "_.".contains(character));
    is_name.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_read_from_the_cores_messages_only_if_there_is_one() {
        for (message, path) in [
            ("attributes.owner: a text is needed", Some("attributes.owner")),
            ("min_up: between 1 and 100", Some("min_up")),
            ("there is no live relationship: look", None),
            ("\"a\" cannot depend on itself", None),
        ] {
            assert_eq!(place(message).as_deref(), path, "{message}");
        }
    }
}
