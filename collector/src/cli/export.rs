//! `rollcall export`: lists as tables, and what was declared as code.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use super::{Context, ci::joined, client::Client, error::CliError, output::say};
use crate::{api::types::Page, code::CodeFile, table::Format};

#[derive(clap::Args)]
pub(super) struct Options {
    /// Words that must all hold, as for `rollcall ci list`.
    #[arg(value_name = "FILTER")]
    filter: Vec<String>,
    /// How to write the table.  [default: by the ending of --to, or csv]
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Columns, separated by commas: id, class, name, lifecycle, first_seen, last_seen, attributes, relationship:TYPE.  [default: all in use]
    #[arg(long, value_name = "COLUMNS")]
    columns: Option<String>,
    /// name, class, first_seen, last_seen, changed or an attribute; with - in front largest first.
    #[arg(long, default_value = "name", allow_hyphen_values = true)]
    sort: String,
    /// A file to write to; without it, standard output.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Write what was declared as YAML files into this new or empty directory, for `rollcall plan`.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["format", "columns", "to", "filter"])]
    as_code: Option<PathBuf>,
}

pub(super) async fn run(options: Options, context: &Context) -> Result<(), CliError> {
    let client = context.connection.client()?;
    if let Some(dir) = &options.as_code {
        return as_code(&client, dir).await;
    }
    let filter = joined(&options.filter);
    let by_ending = || options.to.as_deref().and_then(|path| Format::parse(path.extension()?.to_str()?));
    let format = options.format.or_else(by_ending).unwrap_or(Format::Csv);
    let mut query = vec![("filter", filter.as_str()), ("sort", options.sort.as_str()), ("format", format.as_str())];
    query.extend(options.columns.as_deref().map(|columns| ("columns", columns)));
    match &options.to {
        None => client.download("/export", &query, &mut std::io::stdout().lock()).await,
        Some(path) => {
            // Whole or not at all: half a table looks like one.
            let part = path.with_extension("part");
            let mut file = fs::File::create(&part).with_context(|| format!("cannot write {}", part.display()))?;
            let written = client.download("/export", &query, &mut file).await;
            let kept = written.and_then(|()| Ok(fs::rename(&part, path).with_context(|| format!("cannot write {}", path.display()))?));
            if kept.is_err() {
                let _ = fs::remove_file(&part);
            }
            kept
        }
    }
}

async fn as_code(client: &Client, dir: &Path) -> Result<(), CliError> {
    let files: Page<CodeFile> = client.get("/code/export", &[]).await?;
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    if fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?.next().is_some() {
        return Err(CliError::Usage(format!("{} is not empty; name a new directory, so that nothing is overwritten", dir.display())));
    }
    for file in &files.items {
        // Names come from the collector: none leads out of the directory.
        let name = Path::new(&file.name).file_name().context("the collector sent a file without a name")?;
        let path = dir.join(name);
        let mut out = fs::File::create_new(&path).with_context(|| format!("cannot write {}", path.display()))?;
        out.write_all(file.text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    say(&format!("{} files in {}; `rollcall plan -f {1}` shows what they change: nothing yet", files.items.len(), dir.display()))
}
