//! `rollcall login`: a password for an API token that the next commands use.

use anyhow::Context as _;
use reqwest::{Method, header};

use super::{
    Context,
    client::{Client, Credentials},
    error::CliError,
    output::say,
    prompt,
};
use crate::api::{
    api_tokens::{CreatedApiToken, NewApiToken},
    session::{Credentials as Password, Me},
};

#[derive(clap::Args)]
pub(super) struct Options {
    /// Sign-in name.
    #[arg(long)]
    name: String,
    /// Days until you must sign in again.
    #[arg(long, default_value_t = 1)]
    days: u32,
}

pub(super) async fn run(options: Options, context: &Context) -> Result<(), CliError> {
    let connection = &context.connection;
    let url = connection
        .url
        .clone()
        .ok_or_else(|| CliError::Usage("name the collector: rollcall login --url https://HOST:PORT --name NAME".to_owned()))?;
    let client = Client::remote(&url, connection.ca_file.as_deref(), None)?;
    let password = prompt::secret(&format!("Password of {} at {url}: ", options.name))?;
    let body = Password { name: options.name, password: password.to_string() };
    let (_, headers, answer) = client.call(Method::POST, "/session", &[], Some(&body)).await?;
    let me: Me = serde_json::from_slice(&answer).context("the collector's answer is not understood")?;
    let cookie = headers.get(header::SET_COOKIE).and_then(|cookie| cookie.to_str().ok()).and_then(|cookie| cookie.split(';').next());
    let cookie = cookie.context("the collector gave no session")?.to_owned();
    let client = client.with_session(cookie, me.csrf_token.unwrap_or_default());
    let host = hostname::get().ok().and_then(|name| name.into_string().ok()).unwrap_or_default();
    let new = NewApiToken {
        name: format!("login from {host}").trim().to_owned(),
        role: None,
        days: Some(options.days),
        owner: None,
        realm: None,
    };
    let created: CreatedApiToken = client.send(Method::POST, "/api-tokens", &new).await?;
    client.order(Method::DELETE, "/session", &serde_json::Map::new()).await?;
    let ca_file =
        connection.ca_file.as_deref().map(std::path::absolute).transpose().context("the path of --ca-file cannot be made absolute")?;
    let kept = Credentials { url, token: created.token, ca_file }.write()?;
    say(&format!("signed in as {} ({}) until {}; kept in {}", me.name, me.role, created.view.expires_at, kept.display()))
}
