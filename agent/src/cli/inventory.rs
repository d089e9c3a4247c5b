//! `rollcall-agent inventory`

use std::{
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::{Context, bail};
use rollcall_shared::{
    Timestamp,
    wire::v1::{Exchange, SECTIONS},
};
use uuid::Uuid;

use crate::{
    client,
    collect::COLLECTORS,
    cycle::Watch,
    files::Root,
    spool::{DEFAULT_LIMIT, Spool},
    state::StateDirectory,
};

/// What can be said on the command line.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Only this section; may be repeated.
    #[arg(long, value_name = "NAME")]
    section: Vec<String>,
    /// List the sections and why each is sent.
    #[arg(long, conflicts_with = "section")]
    list: bool,
}

pub(super) fn run(state_dir: &Path, options: &Options) -> anyhow::Result<u8> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    if options.list {
        for section in SECTIONS {
            writeln!(out, "{:<17} {}", section.name, section.purpose)?;
        }
        out.flush()?;
        return Ok(0);
    }
    if let Some(unknown) = options.section.iter().find(|name| !COLLECTORS.iter().any(|collector| collector.name == **name)) {
        bail!("there is no section {unknown:?}; see: rollcall-agent inventory --list");
    }
    let only = (!options.section.is_empty()).then_some(options.section.as_slice());
    let state = StateDirectory::new(state_dir);
    // What a running agent has observed belongs to what would be sent; without one, one sample is all there is.
    let windows = Spool::new(state.spool(), DEFAULT_LIMIT).windows().unwrap_or_default();
    let counter = state.progress().map_or(1, |progress| progress.answered + 1);
    let root = Root::new("/");
    let mut watch = Watch::new(windows);
    watch.sample(&root, Timestamp::now());
    let sections = watch.collect(&root, Timestamp::now(), only);
    let (document, _) = client::document(sections, Exchange { counter, nonce: Uuid::new_v4() }, Timestamp::now())?;
    let value = serde_json::to_value(&document).context("writing the document")?;
    match serde_json::to_writer_pretty(&mut out, &value)
        .map_err(std::io::Error::from)
        .and_then(|()| writeln!(out))
        .and_then(|()| out.flush())
    {
        // Whoever reads had enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(0),
        other => Ok(other.map(|()| 0)?),
    }
}
