//! Lists of configuration items as tables: the filtered list, with chosen columns, as a stream.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    pin::Pin,
    task::{Context, Poll},
};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::Frame;
use rollcall_core::{Catalogue, Ci, Estate};
use rollcall_shared::{CiId, Timestamp};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::{
    app::SharedApp,
    import::Field,
    query::{self, CiQuery},
    table::{Format, writer},
};

/// Rows that are read under the lock at a time, so that a long table does not hold up the writer.
const AT_ONCE: usize = 500;
/// Bytes that are sent at a time.
const PIECE: usize = 64 << 10;
/// Most columns that can be asked for.
const MAX_COLUMNS: usize = 500;

/// What a column of an export holds.
#[derive(Clone, Debug, PartialEq)]
enum Column {
    /// What is imported again.
    Field(Field),
    /// When it was first seen.
    FirstSeen,
    /// When its agent was last heard.
    LastSeen,
    /// When it last changed.
    Changed,
    /// The agent that reports it.
    Agent,
}

/// Columns that cannot be asked for.
#[derive(Debug, thiserror::Error)]
#[error("columns: {0}")]
pub(crate) struct ColumnsError(String);

/// The columns of an export.
#[derive(Clone, Debug)]
pub(crate) struct Columns(Vec<(String, Column)>);

impl Columns {
    /// Reads names separated by commas: `id`, `name`, `class`, `lifecycle`, `first_seen`, `last_seen`, `changed`, `agent`, attributes,
    /// `relationship:TYPE`. None if there are none: [`Columns::all`] is meant then.
    ///
    /// # Errors
    /// If one is unknown.
    pub(crate) fn parse(catalogue: &Catalogue, text: &str) -> Result<Option<Self>, ColumnsError> {
        let names: Vec<&str> = text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
        if names.len() > MAX_COLUMNS {
            return Err(ColumnsError(format!("{} columns are asked for, {MAX_COLUMNS} are the limit", names.len())));
        }
        let mut columns: Vec<(String, Column)> = Vec::new();
        for name in names {
            let column = match name {
                "first_seen" => Column::FirstSeen,
                "last_seen" => Column::LastSeen,
                "changed" => Column::Changed,
                "agent" => Column::Agent,
                name => match Field::parse(catalogue, name) {
                    Ok(Field::Ignore | Field::ExternalId) => return Err(ColumnsError(format!("{name:?} is not a column of an export"))),
                    Ok(field) => Column::Field(field),
                    Err(problem) => return Err(ColumnsError(problem)),
                },
            };
            if !columns.iter().any(|(_, known)| *known == column) {
                columns.push((name.to_owned(), column));
            }
        }
        Ok((!columns.is_empty()).then_some(Self(columns)))
    }

    /// Everything that one of these items has, in the order of the catalogue.
    fn all(estate: &Estate, ids: &[CiId]) -> Self {
        let used: BTreeSet<&str> =
            ids.iter().filter_map(|id| estate.ci(*id)).flat_map(|ci| ci.attributes.keys()).map(String::as_str).collect();
        let mut names: Vec<&str> = vec!["id", "class", "name", "lifecycle"];
        let catalogue = estate.catalogue();
        for name in catalogue.attribute_names() {
            if used.contains(name) && !names.contains(&name) {
                names.push(name);
            }
        }
        let column = |name: &str| Some((name.to_owned(), Column::Field(Field::parse(catalogue, name).ok()?)));
        let mut columns: Vec<_> = names.into_iter().filter_map(column).collect();
        columns.push(("first_seen".to_owned(), Column::FirstSeen));
        columns.push(("last_seen".to_owned(), Column::LastSeen));
        Self(columns)
    }

    fn cells(&self, estate: &Estate, ci: &Ci) -> Vec<Option<Value>> {
        self.0.iter().map(|(_, column)| cell(estate, ci, column)).collect()
    }
}

fn cell(estate: &Estate, ci: &Ci, column: &Column) -> Option<Value> {
    let time = |at: Timestamp| Value::from(at.to_string());
    Some(match column {
        Column::FirstSeen => time(ci.first_seen),
        Column::LastSeen => time(query::last_noticed(estate, ci)?),
        Column::Changed => time(ci.valid_from),
        Column::Agent => ci.agent?.to_string().into(),
        Column::Field(field) => match field {
            Field::Id => ci.id.to_string().into(),
            Field::Class => ci.class.clone().into(),
            Field::Name => ci.name.clone().into(),
            Field::Lifecycle => ci.stage.as_str().into(),
            Field::Attribute(name) => ci.value(name)?.clone(),
            Field::Relationship { kind, reverse } => {
                let related: Vec<CiId> = match reverse {
                    true => estate.dependents(ci.id).filter(|it| it.kind == *kind).map(|it| it.from).collect(),
                    false => estate.dependencies(ci.id).filter(|it| it.kind == *kind).map(|it| it.to).collect(),
                };
                let mut names: Vec<String> =
                    related.into_iter().filter_map(|id| estate.ci(id)).map(|other| format!("{} ({})", other.name, other.id)).collect();
                names.sort();
                if names.is_empty() {
                    return None;
                }
                names.into()
            }
            Field::Ignore | Field::ExternalId => return None,
        },
    })
}

/// A table of the items for which the query's filter holds, in its order, as a body that is written while it is read.
pub(crate) fn stream(app: SharedApp, query: CiQuery, format: Format, columns: Option<Columns>) -> Body {
    let (sender, receiver) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        let out = Pieces { sender: sender.clone(), buffer: Vec::with_capacity(PIECE) };
        if let Err(error) = write(&app, &query, format, columns, out) {
            // The reader has gone away, or is told by a table that breaks off.
            tracing::info!(%error, "an export broke off");
            let _ = sender.blocking_send(Err(error));
        }
    });
    Body::new(Streamed(receiver))
}

fn write(app: &SharedApp, query: &CiQuery, format: Format, columns: Option<Columns>, out: impl Write) -> io::Result<()> {
    let (ids, columns) = {
        let estate = app.estate();
        let ids = query::ids(&estate, query, Timestamp::now());
        let columns = columns.unwrap_or_else(|| Columns::all(&estate, &ids));
        (ids, columns)
    };
    let names: Vec<String> = columns.0.iter().map(|(name, _)| name.clone()).collect();
    let mut table = writer(format, &names, out)?;
    for some in ids.chunks(AT_ONCE) {
        let rows: Vec<Vec<Option<Value>>> = {
            let estate = app.estate();
            some.iter().filter_map(|id| estate.ci(*id)).map(|ci| columns.cells(&estate, ci)).collect()
        };
        for row in &rows {
            table.row(row)?;
        }
    }
    table.finish()
}

/// Passes what is written on in pieces; waits where nobody reads.
struct Pieces {
    sender: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

impl Pieces {
    fn send(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE)));
        self.sender.blocking_send(Ok(piece)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        // What a format's end leaves; a reader that has gone away does not need it.
        let _ = self.send();
    }
}

/// What was written, as a body.
struct Streamed(mpsc::Receiver<io::Result<Bytes>>);

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}
