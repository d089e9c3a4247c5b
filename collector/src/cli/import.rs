//! `rollcall import`: a table is previewed, applied, taken back.

use std::{io::IsTerminal as _, path::PathBuf, time::Duration};

use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Context,
    client::Client,
    error::CliError,
    output::{Rows, age, plain, print_with, value},
};
use crate::{
    api::types::Page,
    import::{ColumnMapping, ImportView, MappingChange, RowView},
    table::Format,
};

/// How often it is asked how far an import is.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(clap::Args)]
pub(super) struct Options {
    /// The table: CSV, XLSX, JSON or YAML.
    #[arg(value_name = "FILE", required_unless_present_any = ["list", "show", "undo", "apply_id"])]
    file: Option<PathBuf>,
    /// Whose word it is: a name for the register, the supplier, the team.
    #[arg(long = "as", value_name = "NAME", required_unless_present_any = ["list", "show", "undo", "apply_id"])]
    source: Option<String>,
    /// Apply it at once, as far as rows are neither conflicts nor errors.
    #[arg(long)]
    apply: bool,
    /// The format, where the file does not tell.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The class of new items whose row names none.
    #[arg(long)]
    class: Option<String>,
    /// Let a name that only one item of the class has identify it, machines included.
    #[arg(long)]
    names_identify: bool,
    /// The network realm of its machines, where sites use the same private addresses.
    #[arg(long)]
    realm: Option<String>,
    /// What a column says: name, class, id, external_id, lifecycle, an attribute, relationship:TYPE, ignore. May be repeated.
    #[arg(long = "map", value_name = "HEADING=FIELD")]
    map: Vec<String>,
    /// Rows to show.
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Show the rows that come to this only: create, update, unchanged, conflict, error.
    #[arg(long, default_value = "")]
    state: String,
    /// List imports.
    #[arg(long, conflicts_with_all = ["show", "undo", "apply_id", "file"])]
    list: bool,
    /// Show an import.
    #[arg(long, value_name = "ID", conflicts_with_all = ["undo", "apply_id", "file"])]
    show: Option<Uuid>,
    /// Apply an import that was previewed.
    #[arg(long, value_name = "ID", conflicts_with_all = ["undo", "file"])]
    apply_id: Option<Uuid>,
    /// Take an applied import back as a whole.
    #[arg(long, value_name = "ID", conflicts_with = "file")]
    undo: Option<Uuid>,
}

pub(super) async fn run(options: Options, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    if options.list {
        let imports: Page<ImportView> = client.get("/imports", &[]).await?;
        return print_with(context.output, &imports, || listed(&imports.items), Rows::to_text);
    }
    let done = if let Some(id) = options.show {
        client.get(&format!("/imports/{id}"), &[]).await?
    } else if let Some(id) = options.undo {
        let begun: ImportView = client.send(Method::POST, &format!("/imports/{id}/undo"), &json!({})).await?;
        wait(&client, begun).await?
    } else if let Some(id) = options.apply_id {
        let begun: ImportView = client.send(Method::POST, &format!("/imports/{id}/apply"), &json!({})).await?;
        wait(&client, begun).await?
    } else {
        let preview = hand_in(&client, &options).await?;
        match options.apply && preview.state == "preview" {
            true => {
                let begun: ImportView = client.send(Method::POST, &format!("/imports/{}/apply", preview.id), &json!({})).await?;
                wait(&client, begun).await?
            }
            false => preview,
        }
    };
    show(&client, &done, &options, context).await?;
    match &done.problem {
        Some(problem) => Err(CliError::Failed(anyhow::anyhow!("{}", place(problem.row, problem.column.as_deref(), &problem.message)))),
        None => Ok(()),
    }
}

async fn hand_in(client: &Client, options: &Options) -> Result<ImportView, CliError> {
    let (Some(path), Some(source)) = (&options.file, &options.source) else {
        return Err(CliError::Usage("name a file, and with --as whose word it is".to_owned()));
    };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut query = vec![("source", source.as_str()), ("file", name.as_str())];
    query.extend(options.format.map(|format| ("format", format.as_str())));
    query.extend(options.class.as_deref().map(|class| ("class", class)));
    query.extend(options.realm.as_deref().map(|realm| ("realm", realm)));
    if options.names_identify {
        query.push(("names_identify", "true"));
    }
    let columns = columns(&options.map)?;
    let begun: ImportView = client.upload("/imports", &query, path).await?;
    let preview = wait(client, begun).await?;
    if columns.is_empty() || preview.state != "preview" {
        return Ok(preview);
    }
    let change = MappingChange { columns, ..MappingChange::default() };
    let begun: ImportView = client.send(Method::POST, &format!("/imports/{}/mapping", preview.id), &change).await?;
    wait(client, begun).await
}

fn columns(map: &[String]) -> Result<Vec<ColumnMapping>, CliError> {
    let one = |argument: &String| match argument.rsplit_once('=') {
        Some((heading, field)) => Ok(ColumnMapping { heading: heading.to_owned(), field: field.trim().to_owned() }),
        None => Err(CliError::Usage(format!("{argument:?} is not of the form HEADING=FIELD"))),
    };
    map.iter().map(one).collect()
}

/// Asks until nothing is being done any more; on a terminal, says how far it is.
async fn wait(client: &Client, mut import: ImportView) -> Result<ImportView, CliError> {
    let shows = std::io::stderr().is_terminal();
    while import.is_busy() && import.problem.is_none() {
        tokio::time::sleep(PAUSE).await;
        import = client.get(&format!("/imports/{}", import.id), &[]).await?;
        if shows {
            eprint!("\r{}: {} of {} rows ", import.state, import.done, import.rows);
        }
    }
    if shows {
        eprint!("\r\u{1b}[K");
    }
    Ok(import)
}

/// What the machine-readable formats hold.
#[derive(Serialize)]
struct Answer<'a> {
    import: &'a ImportView,
    rows: &'a [RowView],
}

async fn show(client: &Client, import: &ImportView, options: &Options, context: &Context) -> Result<(), CliError> {
    let mut rows: Vec<RowView> = Vec::new();
    // Without a wish: what needs a look first.
    let states: Vec<&str> = match options.state.as_str() {
        "" => vec!["conflict", "error", "create", "update"],
        state => vec![state],
    };
    for state in states {
        let left = options.limit.saturating_sub(rows.len());
        if left == 0 {
            break;
        }
        let limit = left.min(1_000).to_string();
        let page: Page<RowView> = client.get(&format!("/imports/{}/rows", import.id), &[("state", state), ("limit", &limit)]).await?;
        rows.extend(page.items);
    }
    let answer = Answer { import, rows: &rows };
    print_with(
        context.output,
        &answer,
        || table(&rows),
        |table| {
            let mut text = String::new();
            if !table.is_empty() {
                text.push_str(&format!("{}\n", table.to_text()));
            }
            text.push_str(&summary(import));
            text
        },
    )
}

fn table(rows: &[RowView]) -> Rows {
    let mut table = Rows::new(&["Row", "What", "Item", "Field", "Now", "New", "Note"]);
    for row in rows {
        let mut head = [row.row.to_string(), row.state.clone(), row.name.clone()];
        let mut line = |field: String, old: String, new: String, note: String| {
            let [number, state, name] = std::mem::take(&mut head);
            table.push([number, state, name, field, old, new, note]);
        };
        for problem in &row.problems {
            line(problem.column.clone().unwrap_or_default(), String::new(), String::new(), problem.message.clone());
        }
        for field in &row.fields {
            let text = |it: &Option<Value>| it.as_ref().map(value).unwrap_or_default();
            let note = field.note.clone().unwrap_or_default();
            line(field.field.clone(), text(&field.old), value(&field.new), note);
        }
        if row.fields.is_empty() && row.problems.is_empty() {
            line(String::new(), String::new(), String::new(), row.reason.clone());
        }
    }
    table
}

fn summary(import: &ImportView) -> String {
    let counts = &import.counts;
    let mut text = format!(
        "{} rows: {} create, {} update, {} unchanged, {} conflict, {} error",
        import.rows, counts.create, counts.update, counts.unchanged, counts.conflict, counts.error
    );
    let ignored: Vec<String> = import.columns.iter().filter(|it| it.field == "ignore").map(|it| plain(&it.heading)).collect();
    if !ignored.is_empty() {
        text.push_str(&format!("\ncolumns that are not imported (--map HEADING=FIELD says what they are): {}", ignored.join(", ")));
    }
    let next = match import.state.as_str() {
        "preview" => format!("nothing has changed yet; apply it with `rollcall import --apply-id {}`", import.id),
        "applied" => format!("applied; take it back with `rollcall import --undo {}`", import.id),
        "undone" if import.left > 0 => format!("taken back, except of {} items that somebody has changed since", import.left),
        "undone" => "taken back".to_owned(),
        state => format!("import {} is {state}", import.id),
    };
    format!("{text}\n{next}")
}

fn listed(imports: &[ImportView]) -> Rows {
    let now = rollcall_shared::Timestamp::now();
    let mut rows = Rows::new(&["Handed in", "Source", "File", "State", "Rows", "By", "Id"]);
    for import in imports {
        rows.push([
            age(import.created.0, now),
            import.source.clone(),
            import.file.clone(),
            import.state.clone(),
            import.rows.to_string(),
            import.by.clone(),
            import.id.to_string(),
        ]);
    }
    rows
}

fn place(row: Option<u64>, column: Option<&str>, message: &str) -> String {
    match (row, column) {
        (Some(row), Some(column)) => format!("row {row}, column {column}: {message}"),
        (Some(row), None) => format!("row {row}: {message}"),
        _ => message.to_owned(),
    }
}
