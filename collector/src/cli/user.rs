//! `rollcall user`: people who sign in.

use std::path::PathBuf;

use reqwest::Method;
use zeroize::Zeroizing;

use super::{
    Context,
    client::Client,
    error::CliError,
    output::{Rows, print},
    prompt,
};
use crate::api::{
    types::Page,
    users::{NewUser, UserPatch, UserView},
};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Add somebody. The first admin is added on the collector's host.
    #[command(visible_alias = "create")]
    Add {
        /// Sign-in name.
        name: String,
        /// viewer, change_reviewer, asset_manager or admin.
        #[arg(long, default_value = "viewer")]
        role: String,
        /// A file with the password; without it, it is asked for, or read from a pipe.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// List everybody.
    List,
    /// Give somebody a new password; ends their sessions.
    Passwd {
        /// Sign-in name.
        name: String,
        /// A file with the password; without it, it is asked for, or read from a pipe.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Give somebody another role.
    Role {
        /// Sign-in name.
        name: String,
        /// viewer, change_reviewer, asset_manager or admin.
        role: String,
    },
    /// Let somebody sign in no more.
    Disable {
        /// Sign-in name.
        name: String,
    },
    /// Let somebody sign in again.
    Enable {
        /// Sign-in name.
        name: String,
    },
}

pub(super) async fn run(command: Command, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    let (name, patch) = match command {
        Command::Add { name, role, password_file } => {
            let password = password(password_file.as_deref())?;
            let new = NewUser { name, role, password: password.to_string() };
            let user: UserView = client.send(Method::POST, "/users", &new).await?;
            return print(context.output, &user, || list(std::slice::from_ref(&user)));
        }
        Command::List => {
            let page: Page<UserView> = client.get("/users", &[]).await?;
            return print(context.output, &page, || list(&page.items));
        }
        Command::Passwd { name, password_file } => {
            (name, UserPatch { password: Some(password(password_file.as_deref())?.to_string()), ..UserPatch::default() })
        }
        Command::Role { name, role } => (name, UserPatch { role: Some(role), ..UserPatch::default() }),
        Command::Disable { name } => (name, UserPatch { disabled: Some(true), ..UserPatch::default() }),
        Command::Enable { name } => (name, UserPatch { disabled: Some(false), ..UserPatch::default() }),
    };
    let id = find(&client, &name).await?;
    let user: UserView = client.send(Method::PATCH, &format!("/users/{id}"), &patch).await?;
    print(context.output, &user, || list(std::slice::from_ref(&user)))
}

fn password(file: Option<&std::path::Path>) -> Result<Zeroizing<String>, CliError> {
    match file {
        Some(file) => prompt::secret_from(file),
        None => prompt::new_password(),
    }
}

async fn find(client: &Client, name: &str) -> Result<uuid::Uuid, CliError> {
    let page: Page<UserView> = client.get("/users", &[]).await?;
    let found = page.items.iter().find(|user| user.name == name).map(|user| user.id);
    found.ok_or_else(|| CliError::NotFound(format!("there is no person {name:?}\nnext: see `rollcall user list`")))
}

fn list(users: &[UserView]) -> Rows {
    let mut rows = Rows::new(&["Name", "Role", "May sign in", "Added", "Id"]);
    for user in users {
        let may = if user.disabled { "no" } else { "yes" }.to_owned();
        rows.push([user.name.clone(), user.role.clone(), may, user.created_at.to_string(), user.id.to_string()]);
    }
    rows
}
