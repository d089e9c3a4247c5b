//! Imports: hand a table in, look at what it would change, apply it, take it back.

use std::{fs::File, io::Write as _, path::Path};

use axum::{
    Json,
    body::{Body as Sent, Bytes},
    extract::State,
    http::StatusCode,
};
use http_body_util::BodyExt as _;
use rollcall_core::reconcile::commands::RowState;
use rollcall_shared::wire::Problem;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    extract::{Body, Id, Manager, Params, Viewer},
    types::{Page, PageLimit},
};
use crate::{
    app::SharedApp,
    auth::Refusal,
    import::{self, Handed, ImportError, ImportView, MappingChange, RowView},
    table::{Format, MAX_FILE_BYTES},
};

pub(super) fn routes() -> OpenApiRouter<SharedApp> {
    OpenApiRouter::new()
        .routes(routes!(list, hand_in))
        .routes(routes!(get))
        .routes(routes!(rows))
        .routes(routes!(change_mapping))
        .routes(routes!(apply))
        .routes(routes!(undo))
}

impl From<ImportError> for Refusal {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Unknown(id) => Self::not_found("import", id).next("list them with GET /api/v1/imports"),
            ImportError::State { .. } => Self::new(Problem::new(409, "wrong-state", "The import is not in that state", error.to_string())),
            ImportError::Wrong { field, message } => Self::invalid(format!("{field}: {message}")).at(format!("$.{field}")),
            ImportError::Table(error) => Self::invalid(error.to_string()),
            ImportError::Store(error) => error.into(),
            ImportError::Write(error) => error.into(),
            ImportError::Fault => Self::internal(),
        }
    }
}

/// How a table is to be read.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct HandInParams {
    /// Whose word it is: letters, digits, dots, hyphens and underscores. Values become claims of `import:SOURCE`, and the same name again
    /// replaces what it said before.
    source: String,
    /// The file's name.
    #[serde(default)]
    file: String,
    /// The file's format; absent: told by its first bytes and its name.
    format: Option<Format>,
    /// The class of new items whose row names none.
    class: Option<String>,
    /// Whether a name that only one item of the class has identifies it, machines included. Without it, nothing is taken for a machine by
    /// its name alone.
    #[serde(default)]
    names_identify: bool,
    /// The network realm of its machines; `default` if absent.
    realm: Option<String>,
}

/// Hands a table in: the body is the file. It is read and previewed; nothing changes. Role: asset_manager.
#[utoipa::path(post, path = "/imports", tag = "imports", params(HandInParams),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "CSV, XLSX, JSON or YAML"),
    responses((status = 202, description = "Taken in; ask for it until it is in the state `preview`", body = ImportView)))]
async fn hand_in(
    State(app): State<SharedApp>,
    Manager(actor): Manager,
    Params(params): Params<HandInParams>,
    body: Sent,
) -> Result<(StatusCode, Json<ImportView>), Refusal> {
    let file = spool(&app.config.data_dir, body).await?;
    let handed = Handed {
        file,
        file_name: params.file,
        format: params.format,
        source: params.source,
        mapping: MappingChange {
            columns: Vec::new(),
            class: params.class,
            names_identify: Some(params.names_identify),
            realm: params.realm,
        },
        by: actor.audit_name(),
    };
    Ok((StatusCode::ACCEPTED, Json(import::hand_in(&app, handed).await?)))
}

/// A file without a name in the data directory, which is gone when nobody reads it any more.
pub(crate) fn nameless_file(dir: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = dir.join(format!("import-{}.tmp", Uuid::now_v7()));
    let file = std::fs::OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

/// Writes what comes in to a file, up to the limit.
pub(crate) struct Spool {
    file: File,
    written: u64,
}

impl Spool {
    pub(crate) fn new(dir: &Path) -> Result<Self, Refusal> {
        let file = nameless_file(dir).map_err(|error| unwritable(&error))?;
        Ok(Self { file, written: 0 })
    }

    /// Adds a piece.
    pub(crate) fn add(&mut self, piece: &Bytes) -> Result<(), Refusal> {
        self.written += piece.len() as u64;
        if self.written > MAX_FILE_BYTES {
            let detail = format!("the file has more than {MAX_FILE_BYTES} bytes");
            let problem = Problem::new(413, "limit-exceeded", "The file is too large", detail).limited_to(MAX_FILE_BYTES);
            return Err(Refusal::new(problem).next("split it"));
        }
        self.file.write_all(piece).map_err(|error| unwritable(&error))
    }

    /// The file, whole.
    pub(crate) fn file(self) -> File {
        self.file
    }
}

fn unwritable(error: &std::io::Error) -> Refusal {
    tracing::error!(%error, "what was handed in cannot be written to the data directory");
    Refusal::internal()
}

async fn spool(dir: &Path, mut body: Sent) -> Result<File, Refusal> {
    let mut spool = Spool::new(dir)?;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Refusal::bad_request("the body ended before it was complete"))?;
        if let Ok(piece) = frame.into_data() {
            spool.add(&piece)?;
        }
    }
    Ok(spool.file())
}

/// The newest imports. Role: viewer.
#[utoipa::path(get, path = "/imports", tag = "imports", responses((status = 200, description = "At most 100", body = Page<ImportView>)))]
async fn list(State(app): State<SharedApp>, _: Viewer) -> Result<Json<Page<ImportView>>, Refusal> {
    Ok(Json(Page::whole(import::list(&app, 100).await?)))
}

/// An import: its state, how far it is, what comes of its rows. Role: viewer.
#[utoipa::path(get, path = "/imports/{id}", tag = "imports", params(("id" = Uuid, Path, description = "The import's id")),
    responses((status = 200, description = "The import", body = ImportView)))]
async fn get(State(app): State<SharedApp>, _: Viewer, Id(id): Id<Uuid>) -> Result<Json<ImportView>, Refusal> {
    Ok(Json(import::find(&app, id).await?))
}

/// Which rows.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RowParams {
    /// Only rows that come to this: `create`, `update`, `unchanged`, `conflict` or `error`.
    #[serde(default)]
    state: String,
    /// `next` of the page before: rows after the one of this number.
    #[serde(default)]
    after: u64,
    /// Rows on a page, 1 to 1000; 50 if absent.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<PageLimit>,
}

/// What comes of each row, and per field what stands now and what is said. Role: viewer.
#[utoipa::path(get, path = "/imports/{id}/rows", tag = "imports", params(("id" = Uuid, Path, description = "The import's id"), RowParams),
    responses((status = 200, description = "A page of rows", body = Page<RowView>)))]
async fn rows(
    State(app): State<SharedApp>,
    _: Viewer,
    Id(id): Id<Uuid>,
    Params(params): Params<RowParams>,
) -> Result<Json<Page<RowView>>, Refusal> {
    let state = row_state(&params.state)?;
    let (items, next) = import::rows(&app, id, state, params.after, PageLimit::or(params.limit, 50)).await?;
    Ok(Json(Page { items, next: next.map(|next| next.to_string()), total: None }))
}

fn row_state(text: &str) -> Result<Option<RowState>, Refusal> {
    let known = RowState::ALL.into_iter().find(|state| state.as_str() == text);
    match known {
        None if !text.is_empty() => {
            Err(Refusal::invalid("state is create, update, unchanged, conflict or error; leave it out for all rows"))
        }
        known => Ok(known),
    }
}

/// Reads columns of a preview in another way, and works out again what the rows would change. Role: asset_manager.
#[utoipa::path(post, path = "/imports/{id}/mapping", tag = "imports", request_body = MappingChange,
    params(("id" = Uuid, Path, description = "The import's id")),
    responses((status = 202, description = "Being read again", body = ImportView)))]
async fn change_mapping(
    State(app): State<SharedApp>,
    _: Manager,
    Id(id): Id<Uuid>,
    Body(change): Body<MappingChange>,
) -> Result<(StatusCode, Json<ImportView>), Refusal> {
    Ok((StatusCode::ACCEPTED, Json(import::change_mapping(&app, id, &change).await?)))
}

/// Applies a preview as one job. Ordered twice it is done once; rows that are conflicts or errors are left out. Role: asset_manager.
#[utoipa::path(post, path = "/imports/{id}/apply", tag = "imports", params(("id" = Uuid, Path, description = "The import's id")),
    responses((status = 202, description = "Being applied, or applied already", body = ImportView)))]
async fn apply(State(app): State<SharedApp>, Manager(actor): Manager, Id(id): Id<Uuid>) -> Result<(StatusCode, Json<ImportView>), Refusal> {
    Ok((StatusCode::ACCEPTED, Json(import::apply(&app, id, actor.audit_name()).await?)))
}

/// Takes an applied import back as a whole: values go back to what they were, items that it made are retired. What others have changed
/// since is left, and said in the rows. Role: asset_manager.
#[utoipa::path(post, path = "/imports/{id}/undo", tag = "imports", params(("id" = Uuid, Path, description = "The import's id")),
    responses((status = 202, description = "Being taken back, or taken back already", body = ImportView)))]
async fn undo(State(app): State<SharedApp>, Manager(actor): Manager, Id(id): Id<Uuid>) -> Result<(StatusCode, Json<ImportView>), Refusal> {
    Ok((StatusCode::ACCEPTED, Json(import::undo(&app, id, actor.audit_name()).await?)))
}
