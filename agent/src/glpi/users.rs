//! `local_users` and `local_groups`; as `users`, who has logged in since the machine was started: who is there at this moment is not
//! collected.

use rollcall_shared::wire::v1::{Accounts, OperatingSystem};
use serde_json::{Value, json};

use super::Source;

pub(super) fn local_users(source: &Source<'_>) -> Option<Value> {
    let accounts: Accounts = source.get()?;
    let users = accounts.users.into_iter().map(
        |user| json!({ "home": user.home, "id": user.id.to_string(), "login": user.name, "name": user.full_name, "shell": user.shell }),
    );
    Some(users.collect())
}

pub(super) fn users(source: &Source<'_>) -> Option<Value> {
    let accounts: Accounts = source.get()?;
    let started = source.get::<OperatingSystem>()?.booted_at?;
    let since = accounts.users.into_iter().filter(|user| user.last_login.as_ref().is_some_and(|login| login.at >= started));
    Some(since.map(|user| json!({ "login": user.name })).collect())
}

pub(super) fn groups(source: &Source<'_>) -> Option<Value> {
    let accounts: Accounts = source.get()?;
    let groups = accounts.groups.into_iter().filter(|group| !group.name.trim().is_empty());
    Some(groups.map(|group| json!({ "id": group.id.to_string(), "members": group.members, "name": group.name })).collect())
}
