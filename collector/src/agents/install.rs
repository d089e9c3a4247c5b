//! The install script and the agent binaries that it fetches. Nothing in the script comes from a request.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use axum::{
    body::Bytes,
    extract::{self, State},
    http::header,
    response::{IntoResponse, Response},
};
use rollcall_shared::wire::Problem;
use tokio::sync::Mutex;

use super::SharedDesk;
use crate::{app::App, auth::Refusal};

const SCRIPT: &str = include_str!("install.sh");
const TARGET: &str = include_str!("../../../packaging/systemd/rollcall-agent.target");
const READER: &str = include_str!("../../../packaging/systemd/rollcall-agent-reader.service");
const SENDER: &str = include_str!("../../../packaging/systemd/rollcall-agent-sender.service");
const USERS: &str = include_str!("../../../packaging/sysusers.d/rollcall-agent.conf");

/// What `uname -m` says, of the machines that an agent can be offered for.
const ARCHITECTURES: &[&str] = &["x86_64", "aarch64", "armv7l", "armv6l", "i686", "riscv64", "ppc64le", "s390x"];

/// `GET /install`
pub(super) async fn script(State(desk): State<SharedDesk>) -> Response {
    ([(header::CONTENT_TYPE, "text/x-shellscript; charset=utf-8")], script_of(&desk.app)).into_response()
}

fn script_of(app: &App) -> String {
    // Origins and pins hold no character that a shell reads.
    let collectors: Vec<String> = app.agent_urls().iter().map(|url| url.origin().ascii_serialization()).collect();
    let installed = |unit: &str| unit.trim_end().replace("/usr/bin/rollcall-agent", "/usr/local/bin/rollcall-agent");
    SCRIPT
        .replace("@COLLECTORS@", &collectors.join(" "))
        .replace("@PIN@", &app.certificate.public_key_pin())
        .replace("@TARGET@", TARGET.trim_end())
        .replace("@READER@", &installed(READER))
        .replace("@SENDER@", &installed(SENDER))
        .replace("@USERS@", USERS.trim_end())
}

/// `GET /install/rollcall-agent-ARCHITECTURE`
pub(super) async fn binary(State(desk): State<SharedDesk>, extract::Path(file): extract::Path<String>) -> Result<Response, Refusal> {
    let known = file.strip_prefix("rollcall-agent-").and_then(|name| ARCHITECTURES.iter().find(|known| **known == name));
    let Some(architecture) = known else {
        return Err(Refusal::new(Problem::new(
            404,
            "not-found",
            "Not found",
            "there are agents for: ".to_owned() + &ARCHITECTURES.join(", "),
        )));
    };
    match desk.binaries.get(&path_of(&desk.app, architecture)).await {
        Ok(bytes) => Ok(([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response()),
        Err(error) => {
            tracing::warn!(architecture, %error, "an agent was asked for that cannot be offered");
            let detail = format!("this collector offers no agent for {architecture}");
            Err(Refusal::new(
                Problem::new(404, "no-such-agent", "No agent for this architecture", detail)
                    .next("put it into the directory that agents.binaries names in the collector's configuration"),
            ))
        }
    }
}

/// Where the binary lies: in the configured directory, or else, for this machine's own architecture, beside the collector's.
fn path_of(app: &App, architecture: &str) -> PathBuf {
    let named = format!("rollcall-agent-{architecture}");
    match &app.config.agents.binaries {
        Some(directory) => directory.join(named),
        None => {
            let own = std::env::current_exe().unwrap_or_default();
            let name = if architecture == std::env::consts::ARCH { "rollcall-agent" } else { &named };
            own.with_file_name(name)
        }
    }
}

/// Binaries in memory, read again when they change: whoever asks needs no certificate, so that a thousand at once must not
/// cost a thousand copies.
#[derive(Default)]
pub(super) struct Binaries {
    read: Mutex<HashMap<PathBuf, (SystemTime, Bytes)>>,
}

impl Binaries {
    async fn get(&self, path: &Path) -> io::Result<Bytes> {
        let modified = tokio::fs::metadata(path).await?.modified()?;
        let mut read = self.read.lock().await;
        match read.get(path) {
            Some((seen, bytes)) if *seen == modified => Ok(bytes.clone()),
            _ => {
                let bytes = Bytes::from(tokio::fs::read(path).await?);
                read.insert(path.to_owned(), (modified, bytes.clone()));
                Ok(bytes)
            }
        }
    }
}
